/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef void (*PosternWakeFunc) (gpointer user_data);

guint postern_wake_watch_add (PosternWakeFunc func, gpointer user_data);

G_END_DECLS
