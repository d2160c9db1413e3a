/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *postern_uidl_from_email_id (const char *email_id);

G_END_DECLS
