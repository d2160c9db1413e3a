/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBusConnection:
 *
 * Where the daemon was found: a bus on which it owns its name, or its private socket.
 */
typedef struct
{
  GDBusConnection *connection; /* (owned) */
  const char *name;            /* (nullable) its name there; NULL on the private socket */
} PosternBusConnection;

void postern_bus_connection_free (PosternBusConnection *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBusConnection, postern_bus_connection_free)

void postern_bus_connect_async (const char *address,
                                const char *state_dir,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);
PosternBusConnection *postern_bus_connect_finish (GAsyncResult *result, GError **error);

char *postern_bus_private_socket_path (void);
char *postern_bus_address_file_path (const char *state_dir);

G_END_DECLS
