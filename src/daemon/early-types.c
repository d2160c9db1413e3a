/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/early-types.h"

#include <gio/gio.h>
#include <gio/gunixconnection.h>
#include <gio/gunixcredentialsmessage.h>
#include <gio/gunixsocketaddress.h>

/* GObject can lock up for ever when one thread initialises a class that needs a type which another
 * thread is registering at the same moment: the first holds the lock of all classes and waits for the
 * type, the second holds the type and waits for the lock. GIO connects to the bus on a thread of its
 * own while we make the HTTP client, and both need socket addresses: one start in a hundred hung.
 * What exists before there are threads cannot be fought over. */

/**
 * postern_early_types_ensure:
 *
 * To be called before anything else that may start a thread, and after the log was set up: GLib wants
 * to know where to write before there are any.
 */
void
postern_early_types_ensure (void)
{
  const GType types[] = {
    G_TYPE_INET_ADDRESS,
    G_TYPE_INET_SOCKET_ADDRESS,
    G_TYPE_PROXY_ADDRESS,
    G_TYPE_UNIX_SOCKET_ADDRESS,
    G_TYPE_NETWORK_ADDRESS,
    G_TYPE_NETWORK_SERVICE,
    G_TYPE_SOCKET,
    G_TYPE_SOCKET_CLIENT,
    G_TYPE_SOCKET_CONNECTION,
    G_TYPE_TCP_CONNECTION,
    G_TYPE_UNIX_CONNECTION,
    G_TYPE_TLS_CONNECTION,
    G_TYPE_TLS_DATABASE,
    G_TYPE_TLS_INTERACTION,
    G_TYPE_PROXY_RESOLVER,
    G_TYPE_TASK,
    G_TYPE_CANCELLABLE,
    G_TYPE_DBUS_CONNECTION,
    G_TYPE_DBUS_PROXY,
    G_TYPE_DBUS_MESSAGE,
    G_TYPE_CREDENTIALS,
    G_TYPE_UNIX_CREDENTIALS_MESSAGE,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    g_type_ensure (types[i]);
}
