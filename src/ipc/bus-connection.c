/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-ipc"

#include "config.h"

#include "ipc/bus-connection.h"

#include "base/error.h"
#include "ipc/names.h"

#include <glib/gi18n.h>

/* The daemon is looked for where it may be, in this order: on the session bus by its name, on its
 * private socket in the run-time directory, and on the socket that its state directory names. The
 * first one that answers is it. An address given by hand is the only place then, and may be either
 * a bus or a private socket. */

typedef struct
{
  char *address;
  gboolean try_bus;
  gboolean try_peer;
} Candidate;

typedef struct
{
  GPtrArray *candidates;       /* of Candidate */
  guint next;                  /* the one to try next */
  GDBusConnection *connection; /* (owned) (nullable) a bus, being asked for the name */
  GError *last_error;          /* why the last one was not it */
  gboolean given;              /* there is one candidate, named by the caller */
} Search;

static void
candidate_free (Candidate *self)
{
  g_free (self->address);
  g_free (self);
}

static void
search_free (Search *self)
{
  g_ptr_array_unref (self->candidates);
  g_clear_object (&self->connection);
  g_clear_error (&self->last_error);
  g_free (self);
}

void
postern_bus_connection_free (PosternBusConnection *self)
{
  g_object_unref (self->connection);
  g_free (self);
}

/**
 * postern_bus_private_socket_path:
 *
 * Returns: (transfer full): where the daemon's private socket is when its path fits, see
 *   postern_bus_address_file_path() for when it does not.
 */
char *
postern_bus_private_socket_path (void)
{
  return g_build_filename (g_get_user_runtime_dir (), "postern", "bus", NULL);
}

/**
 * postern_bus_address_file_path:
 * @state_dir: (nullable): the daemon's, NULL for the usual one
 *
 * Returns: (transfer full): the file whose one line is the D-Bus address of the private socket.
 */
char *
postern_bus_address_file_path (const char *state_dir)
{
  if (state_dir != NULL)
    return g_build_filename (state_dir, "bus.address", NULL);
  return g_build_filename (g_get_user_state_dir (), "postern", "bus.address", NULL);
}

static void
add_candidate (Search *search, char *address, gboolean try_bus, gboolean try_peer)
{
  Candidate *candidate = g_new0 (Candidate, 1);

  candidate->address = address;
  candidate->try_bus = try_bus;
  candidate->try_peer = try_peer;
  g_ptr_array_add (search->candidates, candidate);
}

/* g_dbus_address_get_for_bus_sync() would start a bus where there is none. */
static char *
find_session_bus (void)
{
  const char *address = g_getenv ("DBUS_SESSION_BUS_ADDRESS");
  g_autofree char *socket = g_build_filename (g_get_user_runtime_dir (), "bus", NULL);
  g_autofree char *escaped = NULL;

  if (address != NULL && *address != '\0')
    return g_strdup (address);
  if (!g_file_test (socket, G_FILE_TEST_EXISTS))
    return NULL;
  escaped = g_dbus_address_escape_value (socket);
  return g_strconcat ("unix:path=", escaped, NULL);
}

static void
find_candidates (Search *search, const char *state_dir)
{
  char *session = find_session_bus ();
  g_autofree char *socket = postern_bus_private_socket_path ();
  g_autofree char *file = postern_bus_address_file_path (state_dir);
  g_autofree char *address = NULL;

  if (state_dir == NULL)
    {
      if (session != NULL)
        add_candidate (search, session, TRUE, FALSE);
      if (g_file_test (socket, G_FILE_TEST_EXISTS))
        {
          g_autofree char *escaped = g_dbus_address_escape_value (socket);

          add_candidate (search, g_strconcat ("unix:path=", escaped, NULL), FALSE, TRUE);
        }
    }
  else
    g_free (session);

  if (g_file_get_contents (file, &address, NULL, NULL) &&
      g_dbus_is_supported_address (g_strstrip (address), NULL))
    add_candidate (search, g_steal_pointer (&address), FALSE, TRUE);
}

static void try_next (GTask *task);

static void
found (GTask *task, GDBusConnection *connection, const char *name)
{
  PosternBusConnection *result = g_new0 (PosternBusConnection, 1);

  /* Who asks for one thing and ends must not be ended by the bus instead. */
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  result->connection = g_object_ref (connection);
  result->name = name;
  g_task_return_pointer (task, result, (GDestroyNotify) postern_bus_connection_free);
  g_object_unref (task);
}

static void
not_here (GTask *task, GError *error)
{
  Search *search = g_task_get_task_data (task);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  g_clear_error (&search->last_error);
  search->last_error = error;
  try_next (task);
}

static void
on_peer_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  g_autoptr (GDBusConnection) connection = NULL;
  GError *error = NULL;

  connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (connection != NULL)
    found (g_steal_pointer (&task), connection, NULL);
  else
    not_here (g_steal_pointer (&task), error);
}

static void
try_peer (GTask *task, const Candidate *candidate)
{
  g_dbus_connection_new_for_address (candidate->address,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
                                     NULL,
                                     g_task_get_cancellable (task),
                                     on_peer_connected,
                                     task);
}

static void
on_owner_told (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Search *search = g_task_get_task_data (task);
  g_autoptr (GDBusConnection) connection = g_steal_pointer (&search->connection);
  g_autoptr (GVariant) answer = NULL;
  GError *error = NULL;
  gboolean owned = FALSE;

  answer = g_dbus_connection_call_finish (connection, result, &error);
  if (answer != NULL)
    g_variant_get (answer, "(b)", &owned);
  if (owned)
    {
      found (g_steal_pointer (&task), connection, POSTERN_BUS_NAME);
      return;
    }
  if (error == NULL)
    error = g_error_new_literal (POSTERN_ERROR,
                                 POSTERN_ERROR_OFFLINE,
                                 _ ("nobody has its name on the session bus"));
  not_here (g_steal_pointer (&task), error);
}

static void
on_bus_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Search *search = g_task_get_task_data (task);
  const Candidate *candidate = g_ptr_array_index (search->candidates, search->next - 1);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;

  search->connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (search->connection != NULL)
    g_dbus_connection_call (search->connection,
                            "org.freedesktop.DBus",
                            "/org/freedesktop/DBus",
                            "org.freedesktop.DBus",
                            "NameHasOwner",
                            g_variant_new ("(s)", POSTERN_BUS_NAME),
                            G_VARIANT_TYPE ("(b)"),
                            G_DBUS_CALL_FLAGS_NONE,
                            10 * 1000,
                            cancellable,
                            on_owner_told,
                            g_steal_pointer (&task));
  else if (candidate->try_peer && error->domain == G_DBUS_ERROR)
    {
      /* Something answers there, but not to Hello: a private socket. */
      g_error_free (error);
      try_peer (g_steal_pointer (&task), candidate);
    }
  else
    not_here (g_steal_pointer (&task), error);
}

static void
return_nowhere (GTask *task)
{
  Search *search = g_task_get_task_data (task);

  if (search->given)
    g_task_return_new_error (task,
                             POSTERN_ERROR,
                             POSTERN_ERROR_OFFLINE,
                             /* Translators: %s is the reason. */
                             _ ("Postern does not answer at the given address: %s."),
                             search->last_error->message);
  else
    g_task_return_new_error (task,
                             POSTERN_ERROR,
                             POSTERN_ERROR_OFFLINE,
                             "%s",
                             _ ("Postern is not running."));
  g_object_unref (task);
}

static void
try_next (GTask *task)
{
  Search *search = g_task_get_task_data (task);
  const Candidate *candidate;

  if (search->next == search->candidates->len)
    {
      return_nowhere (task);
      return;
    }

  candidate = g_ptr_array_index (search->candidates, search->next++);
  if (candidate->try_bus)
    g_dbus_connection_new_for_address (candidate->address,
                                       G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                           G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                       NULL,
                                       g_task_get_cancellable (task),
                                       on_bus_connected,
                                       task);
  else
    try_peer (task, candidate);
}

/**
 * postern_bus_connect_async:
 * @address: (nullable): a D-Bus address: look only there
 * @state_dir: (nullable): the daemon's state directory: look only there
 *
 * Finds a running daemon; starts none.
 */
void
postern_bus_connect_async (const char *address,
                           const char *state_dir,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Search *search = g_new0 (Search, 1);

  g_task_set_source_tag (task, postern_bus_connect_async);
  g_task_set_task_data (task, search, (GDestroyNotify) search_free);
  search->candidates = g_ptr_array_new_with_free_func ((GDestroyNotify) candidate_free);
  search->given = address != NULL;
  if (address != NULL)
    add_candidate (search, g_strdup (address), TRUE, TRUE);
  else
    find_candidates (search, state_dir);
  try_next (task);
}

/**
 * postern_bus_connect_finish:
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_OFFLINE when no daemon answers
 *   anywhere.
 */
PosternBusConnection *
postern_bus_connect_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
