/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternHealthFunc:
 *
 * Returns: the word for how things are: "running", "offline", … Only "running" and "offline" count
 *   as healthy: being offline is the network's trouble, and mail is still accepted.
 */
typedef const char *(*PosternHealthFunc) (gpointer user_data);

/**
 * PosternHealthServer:
 *
 * `GET /health` on 127.0.0.1, for whoever watches this machine. It tells states, never addresses.
 */
typedef struct _PosternHealthServer PosternHealthServer;

PosternHealthServer *postern_health_server_new (guint16 port,
                                                PosternHealthFunc health,
                                                gpointer user_data,
                                                GError **error);
guint16 postern_health_server_get_port (PosternHealthServer *self);
void postern_health_server_free (PosternHealthServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternHealthServer, postern_health_server_free)

G_END_DECLS
