/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "ipc/object-tree.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBusServer:
 *
 * Where the window and the command line find us: a name on the session bus, or a socket of our own
 * where there is none.
 */
typedef struct _PosternBusServer PosternBusServer;

typedef void (*PosternBusServerLost) (const GError *error, gpointer user_data);

PosternBusServer *postern_bus_server_new (PosternObjectTree *tree,
                                          const char *name,
                                          const char *state_dir,
                                          PosternBusServerLost lost,
                                          gpointer user_data);
gboolean postern_bus_server_start (PosternBusServer *self, GError **error);
void postern_bus_server_free (PosternBusServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBusServer, postern_bus_server_free)

G_END_DECLS
