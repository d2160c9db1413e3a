/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

GPtrArray *postern_mailbox_list_parse (const char *value);

G_END_DECLS
