/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ipc/object-tree.h"

#include "base/error.h"
#include "ipc/bus-connection.h"
#include "ipc/bus-errors.h"
#include "ipc/bus.h"
#include "ipc/names.h"
#include "ipc/secret-fd.h"

#include <stdio.h>
#include <string.h>

/* A private socket with peers on it, all in one process and one main context. */

typedef struct
{
  char *folder;
  GDBusServer *server;
  PosternObjectTree *tree;
  PosternBusBridge *bridge;
  int code;            /* of the error that Sync answers with */
  const char *awaited; /* a path and a signal */
  guint signals;       /* of those, that clients have got */
} Fixture;

static gboolean
on_too_late (gpointer user_data)
{
  g_error ("Waited five seconds for %s", (const char *) user_data);
  return G_SOURCE_REMOVE;
}

#define WAIT_FOR(condition)                                                                        \
  G_STMT_START                                                                                     \
  {                                                                                                \
    guint timer = g_timeout_add_seconds (5, on_too_late, (gpointer) #condition);                   \
    while (!(condition))                                                                           \
      g_main_context_iteration (NULL, TRUE);                                                       \
    g_source_remove (timer);                                                                       \
  }                                                                                                \
  G_STMT_END

static gboolean
on_peer (GDBusServer *server, GDBusConnection *connection, Fixture *fixture)
{
  postern_object_tree_add_connection (fixture->tree, connection);
  return TRUE;
}

static gboolean
on_sync (PosternBusBridge *bridge, GDBusMethodInvocation *invocation, Fixture *fixture)
{
  g_dbus_method_invocation_return_error (invocation,
                                         POSTERN_ERROR,
                                         fixture->code,
                                         "Reason %d",
                                         fixture->code);
  return TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("postern-ipc-XXXXXX", NULL);
  address = g_strdup_printf ("unix:path=%s/bus", fixture->folder);
  fixture->server =
      g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, &error);
  g_assert_no_error (error);
  fixture->tree = postern_object_tree_new ();
  fixture->bridge = postern_bus_bridge_skeleton_new ();
  postern_bus_bridge_set_version (fixture->bridge, "1");
  g_signal_connect (fixture->bridge, "handle-sync", G_CALLBACK (on_sync), fixture);
  postern_object_tree_add (fixture->tree,
                           POSTERN_BUS_PATH,
                           G_DBUS_INTERFACE_SKELETON (fixture->bridge));
  g_signal_connect (fixture->server, "new-connection", G_CALLBACK (on_peer), fixture);
  g_dbus_server_start (fixture->server);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *socket = g_build_filename (fixture->folder, "bus", NULL);

  /* Peers that have gone leave nothing behind. */
  WAIT_FOR (postern_object_tree_get_n_connections (fixture->tree) == 0);
  g_dbus_server_stop (fixture->server);
  g_clear_object (&fixture->tree);
  g_clear_object (&fixture->bridge);
  g_clear_object (&fixture->server);
  remove (socket);
  g_assert_cmpint (remove (fixture->folder), ==, 0);
  g_free (fixture->folder);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (result);
}

static PosternBusConnection *
connect_to (const char *address, const char *state_dir, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  postern_bus_connect_async (address, state_dir, NULL, on_done, &result);
  WAIT_FOR (result != NULL);
  return postern_bus_connect_finish (result, error);
}

static GVariant *
call (PosternBusConnection *peer, const char *interface, const char *method, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call (peer->connection,
                          peer->name,
                          POSTERN_BUS_PATH,
                          interface,
                          method,
                          NULL,
                          NULL,
                          G_DBUS_CALL_FLAGS_NONE,
                          5000,
                          NULL,
                          on_done,
                          &result);
  WAIT_FOR (result != NULL);
  return g_dbus_connection_call_finish (peer->connection, result, error);
}

static char *
list_objects (PosternBusConnection *peer)
{
  g_autoptr (GVariant) answer =
      call (peer, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);

  g_assert_nonnull (answer);
  return g_variant_print (answer, FALSE);
}

static PosternBusConnection *
connect_peer (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  PosternBusConnection *peer =
      connect_to (g_dbus_server_get_client_address (fixture->server), NULL, &error);

  g_assert_no_error (error);
  g_assert_null (peer->name);
  /* Its answer tells that the server has taken this connection in. */
  g_free (list_objects (peer));
  return peer;
}

static void
test_errors (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternBusConnection) peer = connect_peer (fixture);

  for (int code = 0; code <= POSTERN_ERROR_LAST; code++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *remote = NULL;
      g_autofree char *message = g_strdup_printf ("Reason %d", code);
      PosternError parsed;

      fixture->code = code;
      g_assert_null (call (peer, POSTERN_BUS_PREFIX "Bridge1", "Sync", &error));
      g_assert_error (error, POSTERN_ERROR, code);
      remote = g_dbus_error_get_remote_error (error);
      g_assert_true (g_str_has_prefix (remote, POSTERN_BUS_ERROR_PREFIX));
      g_assert_cmpstr (remote + strlen (POSTERN_BUS_ERROR_PREFIX),
                       ==,
                       postern_bus_error_get_name (error));
      g_assert_true (g_dbus_error_strip_remote_error (error));
      g_assert_cmpstr (error->message, ==, message);
      g_assert_true (postern_bus_error_parse_name (postern_bus_error_get_name (error), &parsed));
      g_assert_cmpint (parsed, ==, code);
    }
}

static void
test_error_names (void)
{
  g_autoptr (GError) other = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "other");
  g_autoptr (GError) locked =
      g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED, "locked");
  PosternError code;

  g_assert_cmpstr (postern_bus_error_get_name (NULL), ==, "");
  g_assert_cmpstr (postern_bus_error_get_name (other), ==, "Failed");
  g_assert_cmpstr (postern_bus_error_get_name (locked), ==, "KeyringLocked");
  g_assert_false (postern_bus_error_parse_name ("NoSuch", &code));
  g_assert_false (postern_bus_error_parse_name ("", &code));
}

static void
on_signal (GDBusConnection *connection,
           const char *sender,
           const char *path,
           const char *interface,
           const char *signal,
           GVariant *parameters,
           gpointer user_data)
{
  Fixture *fixture = user_data;

  g_autofree char *text = g_strdup_printf ("%s %s", path, signal);

  if (g_str_equal (text, fixture->awaited))
    fixture->signals++;
}

static void
await (Fixture *fixture, const char *signal)
{
  fixture->awaited = signal;
  fixture->signals = 0;
}

static guint
subscribe (Fixture *fixture, PosternBusConnection *peer)
{
  return g_dbus_connection_signal_subscribe (peer->connection,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL,
                                             G_DBUS_SIGNAL_FLAGS_NONE,
                                             on_signal,
                                             fixture,
                                             NULL);
}

static void
test_everywhere (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternBusConnection) one = connect_peer (fixture);
  g_autoptr (PosternBusConnection) two = connect_peer (fixture);
  g_autoptr (PosternBusAccount) account = postern_bus_account_skeleton_new ();
  guint first;
  guint second;
  g_autofree char *objects = NULL;
  g_autofree char *after = NULL;

  await (fixture, POSTERN_BUS_PATH " InterfacesAdded");
  first = subscribe (fixture, one);
  second = subscribe (fixture, two);

  postern_bus_account_set_address (account, "jane@example.org");
  postern_object_tree_add (fixture->tree,
                           POSTERN_BUS_ACCOUNTS_PATH "/a1",
                           G_DBUS_INTERFACE_SKELETON (account));
  WAIT_FOR (fixture->signals == 2);
  objects = list_objects (two);
  g_assert_nonnull (strstr (objects, "'" POSTERN_BUS_PATH "'"));
  g_assert_nonnull (strstr (objects, "'" POSTERN_BUS_ACCOUNTS_PATH "/a1'"));
  g_assert_nonnull (strstr (objects, "jane@example.org"));

  await (fixture, POSTERN_BUS_ACCOUNTS_PATH "/a1 PropertiesChanged");
  postern_bus_account_set_state (account, "connected");
  WAIT_FOR (fixture->signals >= 2);

  g_assert_true (postern_object_tree_has (fixture->tree, POSTERN_BUS_ACCOUNTS_PATH "/a1"));
  await (fixture, POSTERN_BUS_PATH " InterfacesRemoved");
  postern_object_tree_remove (fixture->tree, POSTERN_BUS_ACCOUNTS_PATH "/a1");
  WAIT_FOR (fixture->signals == 2);
  after = list_objects (one);
  g_assert_null (strstr (after, "jane@example.org"));
  g_dbus_connection_signal_unsubscribe (one->connection, first);
  g_dbus_connection_signal_unsubscribe (two->connection, second);
}

/* One peer's end must not take the objects off the others. */
static void
test_peer_leaves (Fixture *fixture, gconstpointer data)
{
  PosternBusConnection *one = connect_peer (fixture);
  g_autoptr (PosternBusConnection) two = connect_peer (fixture);
  g_autofree char *objects = NULL;
  g_autoptr (GError) error = NULL;

  g_dbus_connection_close_sync (one->connection, NULL, NULL);
  postern_bus_connection_free (one);
  WAIT_FOR (postern_object_tree_get_n_connections (fixture->tree) == 1);

  fixture->code = POSTERN_ERROR_BUSY;
  g_assert_null (call (two, POSTERN_BUS_PREFIX "Bridge1", "Sync", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_BUSY);
  objects = list_objects (two);
  g_assert_nonnull (strstr (objects, "Bridge1"));
}

static void
test_address_file (Fixture *fixture, gconstpointer data)
{
  g_autofree char *file = postern_bus_address_file_path (fixture->folder);
  g_autofree char *line =
      g_strconcat (g_dbus_server_get_client_address (fixture->server), "\n", NULL);
  g_autoptr (PosternBusConnection) peer = NULL;
  g_autoptr (PosternBusConnection) stale = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (file, line, -1, NULL));
  peer = connect_to (NULL, fixture->folder, &error);
  g_assert_no_error (error);
  g_assert_nonnull (peer);

  g_assert_true (g_file_set_contents (file, "unix:path=/nowhere/at/all\n", -1, NULL));
  stale = connect_to (NULL, fixture->folder, &error);
  g_assert_null (stale);
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  remove (file);
}

static void
test_nobody (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (connect_to ("unix:path=/nowhere/at/all", NULL, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
}

static void
test_bus (void)
{
  g_autoptr (GTestDBus) bus = NULL;
  g_autoptr (PosternBusConnection) found = NULL;
  g_autoptr (GDBusConnection) owner = NULL;
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *program = g_find_program_in_path ("dbus-daemon");

  if (program == NULL)
    {
      g_test_skip ("dbus-daemon is not installed");
      return;
    }
  bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus);

  found = connect_to (g_test_dbus_get_bus_address (bus), NULL, &error);
  g_assert_null (found);
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  g_clear_error (&error);

  owner =
      g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (bus),
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                  G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL,
                                              NULL,
                                              &error);
  answer = g_dbus_connection_call_sync (owner,
                                        "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus",
                                        "RequestName",
                                        g_variant_new ("(su)", POSTERN_BUS_NAME, 0),
                                        NULL,
                                        G_DBUS_CALL_FLAGS_NONE,
                                        -1,
                                        NULL,
                                        &error);
  g_assert_no_error (error);
  found = connect_to (NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (found->name, ==, POSTERN_BUS_NAME);
  g_dbus_connection_close_sync (owner, NULL, NULL);
  g_dbus_connection_close_sync (found->connection, NULL, NULL);
  g_test_dbus_down (bus);
}

#define ADD(path, test)                                                                            \
  g_test_add ("/ipc/object-tree/" path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char *argv[])
{
  /* A daemon of whoever runs the tests must not be found. */
  g_setenv ("XDG_RUNTIME_DIR", "/nowhere/at/all", TRUE);
  g_setenv ("XDG_STATE_HOME", "/nowhere/at/all", TRUE);
  g_unsetenv ("DBUS_SESSION_BUS_ADDRESS");
  g_test_init (&argc, &argv, NULL);
  postern_bus_errors_register ();
  g_test_add_func ("/ipc/bus-errors/names-are-told-and-read", test_error_names);
  ADD ("every-error-keeps-its-code-across-the-bus", test_errors);
  ADD ("objects-are-on-all-connections", test_everywhere);
  ADD ("a-peer-that-leaves-takes-nothing-along", test_peer_leaves);
  ADD ("the-address-file-leads-to-the-daemon", test_address_file);
  g_test_add_func ("/ipc/bus-connection/nobody-there-is-offline", test_nobody);
  g_test_add_func ("/ipc/bus-connection/the-name-on-the-bus-is-found", test_bus);
  return g_test_run ();
}
