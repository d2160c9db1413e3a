/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define POSTERN_DISK_RESERVE_OCTETS (G_GUINT64_CONSTANT (200) * 1000 * 1000)

gboolean postern_disk_has_room (const char *dir);

G_END_DECLS
