/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/bus-server.h"

#include "base/error.h"
#include "ipc/bus-connection.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_SOCKET_PATH 107 /* unix(7): sun_path has 108 octets with the NUL */

struct _PosternBusServer
{
  PosternObjectTree *tree;
  char *name;
  char *state_dir;
  PosternBusServerLost lost;
  gpointer user_data;

  guint owner_id;
  GDBusServer *private_server; /* (nullable) */
  char *socket_path;           /* (nullable) */
  char *made_dir;              /* (nullable): removed at the end */
  char *address_file;          /* (nullable): removed at the end */
};

PosternBusServer *
postern_bus_server_new (PosternObjectTree *tree,
                        const char *name,
                        const char *state_dir,
                        PosternBusServerLost lost,
                        gpointer user_data)
{
  PosternBusServer *self = g_new0 (PosternBusServer, 1);

  self->tree = g_object_ref (tree);
  self->name = g_strdup (name);
  self->state_dir = g_strdup (state_dir);
  self->lost = lost;
  self->user_data = user_data;
  return self;
}

/* Asking GIO would start a bus by itself where X11 is; we want to know whether there is one. */
static gboolean
has_session_bus (void)
{
  const char *address = g_getenv ("DBUS_SESSION_BUS_ADDRESS");
  const char *runtime_dir = g_getenv ("XDG_RUNTIME_DIR");
  g_autofree char *socket = NULL;

  if (address != NULL && *address != '\0')
    return TRUE;
  if (runtime_dir == NULL)
    return FALSE;
  socket = g_build_filename (runtime_dir, "bus", NULL);
  return g_file_test (socket, G_FILE_TEST_EXISTS);
}

static void
on_bus_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  PosternBusServer *self = user_data;

  /* By default GIO ends the process with the bus. Mail flows on without anybody watching. */
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  postern_object_tree_add_connection (self->tree, connection);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  PosternBusServer *self = user_data;
  g_autoptr (GError) error = NULL;

  if (connection == NULL || g_dbus_connection_is_closed (connection))
    {
      g_message ("The session bus has gone; mail goes on without it");
      return;
    }
  error = g_error_new (POSTERN_ERROR,
                       POSTERN_ERROR_BUSY,
                       "Another posternd already runs in this session (it owns %s)",
                       name);
  self->lost (error, self->user_data);
}

/* Whoever may read our files anyway may also talk to us; nobody else. */
static gboolean
on_authorize (GDBusAuthObserver *observer,
              GIOStream *stream,
              GCredentials *credentials,
              gpointer user_data)
{
  uid_t uid = credentials == NULL ? (uid_t) -1 : g_credentials_get_unix_user (credentials, NULL);

  return uid == getuid () || uid == 0;
}

static gboolean
on_allow_mechanism (GDBusAuthObserver *observer, const char *mechanism, gpointer user_data)
{
  return g_str_equal (mechanism, "EXTERNAL");
}

static gboolean
on_new_connection (GDBusServer *server, GDBusConnection *connection, gpointer user_data)
{
  PosternBusServer *self = user_data;

  postern_object_tree_add_connection (self->tree, connection);
  return TRUE;
}

/* A socket left by a daemon that was killed answers nobody; one that answers is somebody's. */
static gboolean
somebody_listens (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  return socket != NULL && g_socket_connect (socket, address, NULL, NULL);
}

/* Where posternctl looks first, if we may and can use it. */
static char *
usual_socket_path (void)
{
  g_autofree char *path = postern_bus_private_socket_path ();
  g_autofree char *dir = g_path_get_dirname (path);

  if (strlen (path) > LONGEST_SOCKET_PATH || g_mkdir_with_parents (dir, 0700) != 0 ||
      somebody_listens (path))
    return NULL;
  g_unlink (path);
  return g_steal_pointer (&path);
}

static gboolean
start_private (PosternBusServer *self, GError **error)
{
  g_autoptr (GDBusAuthObserver) observer = g_dbus_auth_observer_new ();
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autofree char *escaped = NULL;
  g_autofree char *address = NULL;

  self->socket_path = usual_socket_path ();
  if (self->socket_path == NULL)
    {
      self->made_dir = g_dir_make_tmp ("postern-XXXXXX", error);
      if (self->made_dir == NULL)
        {
          g_prefix_error (error, "Making a folder for the control socket: ");
          return FALSE;
        }
      self->socket_path = g_build_filename (self->made_dir, "bus", NULL);
    }

  escaped = g_dbus_address_escape_value (self->socket_path);
  address = g_strconcat ("unix:path=", escaped, NULL);
  g_signal_connect (observer, "allow-mechanism", G_CALLBACK (on_allow_mechanism), NULL);
  g_signal_connect (observer, "authorize-authenticated-peer", G_CALLBACK (on_authorize), NULL);
  self->private_server =
      g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, observer, NULL, error);
  if (self->private_server == NULL)
    {
      g_prefix_error (error, "Opening the control socket %s: ", self->socket_path);
      return FALSE;
    }
  if (chmod (self->socket_path, 0600) != 0)
    g_info ("Cannot narrow the mode of %s: %s", self->socket_path, g_strerror (errno));

  self->address_file = postern_bus_address_file_path (self->state_dir);
  if (!g_file_set_contents_full (self->address_file,
                                 address,
                                 -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT,
                                 0600,
                                 error))
    return FALSE;
  g_signal_connect (self->private_server, "new-connection", G_CALLBACK (on_new_connection), self);
  g_dbus_server_start (self->private_server);
  g_info ("There is no session bus; posternctl finds this bridge by %s", self->socket_path);
  return TRUE;
}

/**
 * postern_bus_server_start:
 *
 * Shows the objects. On the session bus this goes on in the background, and `lost` is called when the
 * name belongs to somebody else.
 *
 * Returns: FALSE with @error when the private socket cannot be made
 */
gboolean
postern_bus_server_start (PosternBusServer *self, GError **error)
{
  if (!has_session_bus ())
    return start_private (self, error);

  self->owner_id = g_bus_own_name (G_BUS_TYPE_SESSION,
                                   self->name,
                                   G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                   on_bus_acquired,
                                   NULL,
                                   on_name_lost,
                                   self,
                                   NULL);
  return TRUE;
}

void
postern_bus_server_free (PosternBusServer *self)
{
  if (self->owner_id != 0)
    g_bus_unown_name (self->owner_id);
  if (self->private_server != NULL)
    g_dbus_server_stop (self->private_server);
  g_clear_object (&self->private_server);
  if (self->socket_path != NULL)
    g_unlink (self->socket_path);
  if (self->made_dir != NULL)
    g_rmdir (self->made_dir);
  if (self->address_file != NULL)
    g_unlink (self->address_file);
  g_object_unref (self->tree);
  g_free (self->socket_path);
  g_free (self->made_dir);
  g_free (self->address_file);
  g_free (self->name);
  g_free (self->state_dir);
  g_free (self);
}
