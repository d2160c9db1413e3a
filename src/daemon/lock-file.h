/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

int postern_lock_file_take (const char *path, GError **error);

G_END_DECLS
