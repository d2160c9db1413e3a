/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secrets/keyring-store.h"

#include "base/error.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

/* A real gnome-keyring-daemon on a private bus, in a home of its own. libsecret and GDBus keep one
 * connection a process, so all tests share the bus; each starts the keyring as it needs it. */

#define COLLECTION "/org/freedesktop/secrets/collection/login"

typedef struct
{
  char *home;
  GSubprocess *keyring;
  PosternSecretStore *store;
  guint changes;
} Fixture;

static gboolean
on_too_late (gpointer user_data)
{
  g_error ("Waited ten seconds for %s", (const char *) user_data);
  return G_SOURCE_REMOVE;
}

#define WAIT_FOR(condition)                                                                        \
  G_STMT_START                                                                                     \
  {                                                                                                \
    guint timer = g_timeout_add_seconds (12, on_too_late, (gpointer) #condition);                  \
    while (!(condition))                                                                           \
      g_main_context_iteration (NULL, TRUE);                                                       \
    g_source_remove (timer);                                                                       \
  }                                                                                                \
  G_STMT_END

static gboolean
has_owner (void)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_sync (bus,
                                   "org.freedesktop.DBus",
                                   "/org/freedesktop/DBus",
                                   "org.freedesktop.DBus",
                                   "NameHasOwner",
                                   g_variant_new ("(s)", "org.freedesktop.secrets"),
                                   NULL,
                                   G_DBUS_CALL_FLAGS_NONE,
                                   -1,
                                   NULL,
                                   NULL);
  gboolean owned = FALSE;

  g_variant_get (answer, "(b)", &owned);
  g_usleep (5000);
  return owned;
}

static void
start_keyring (Fixture *fixture, gboolean unlock)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                                 G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GError) error = NULL;
  GOutputStream *input;

  g_subprocess_launcher_setenv (launcher, "HOME", fixture->home, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_DATA_HOME", fixture->home, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_RUNTIME_DIR", fixture->home, TRUE);
  fixture->keyring = g_subprocess_launcher_spawn (launcher,
                                                  &error,
                                                  "gnome-keyring-daemon",
                                                  "--foreground",
                                                  "--components=secrets",
                                                  unlock ? "--unlock" : NULL,
                                                  NULL);
  g_assert_no_error (error);
  input = g_subprocess_get_stdin_pipe (fixture->keyring);
  g_output_stream_write_all (input, "pw", unlock ? 2 : 0, NULL, NULL, NULL);
  g_output_stream_close (input, NULL, NULL);
  WAIT_FOR (has_owner ());
}

static void
stop_keyring (Fixture *fixture)
{
  if (fixture->keyring == NULL)
    return;
  g_subprocess_force_exit (fixture->keyring);
  g_subprocess_wait (fixture->keyring, NULL, NULL);
  g_clear_object (&fixture->keyring);
  WAIT_FOR (!has_owner ());
}

static void
lock_keyring (void)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  const char *objects[] = { COLLECTION, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_sync (bus,
                                                             "org.freedesktop.secrets",
                                                             "/org/freedesktop/secrets",
                                                             "org.freedesktop.Secret.Service",
                                                             "Lock",
                                                             g_variant_new ("(^ao)", objects),
                                                             NULL,
                                                             G_DBUS_CALL_FLAGS_NONE,
                                                             -1,
                                                             NULL,
                                                             &error);

  g_assert_no_error (error);
}

static void
on_state_changed (Fixture *fixture)
{
  fixture->changes++;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->home = g_dir_make_tmp ("postern-keyring-XXXXXX", NULL);
  fixture->store = postern_keyring_store_new ();
  g_signal_connect_swapped (fixture->store,
                            "state-changed",
                            G_CALLBACK (on_state_changed),
                            fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", fixture->home);

  /* What it still asks the bus holds it, perhaps into the next test. */
  g_signal_handlers_disconnect_by_data (fixture->store, fixture);
  stop_keyring (fixture);
  g_clear_object (&fixture->store);
  g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL);
  g_free (fixture->home);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (result);
}

static gboolean
put (Fixture *fixture, const char *id, const char *text, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PosternSecret) secret = postern_secret_new (text, -1);

  postern_secret_store_store_async (fixture->store,
                                    "a1",
                                    POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                    id,
                                    "Postern: a test",
                                    secret,
                                    on_done,
                                    &result);
  WAIT_FOR (result != NULL);
  return postern_secret_store_store_finish (fixture->store, result, error);
}

static PosternSecret *
get (Fixture *fixture, const char *id, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  postern_secret_store_lookup_async (fixture->store,
                                     "a1",
                                     POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                     id,
                                     on_done,
                                     &result);
  WAIT_FOR (result != NULL);
  return postern_secret_store_lookup_finish (fixture->store, result, error);
}

static PosternSecretStoreState
get_state (Fixture *fixture)
{
  return postern_secret_store_get_state (fixture->store);
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GAsyncResult) listed = NULL;
  g_autoptr (GAsyncResult) removed = NULL;
  g_autoptr (GPtrArray) keys = NULL;
  g_autoptr (PosternSecret) found = NULL;
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, TRUE);
  WAIT_FOR (get_state (fixture) == POSTERN_SECRET_STORE_READY);
  g_assert_true (put (fixture, "p1", "one", &error));
  g_assert_no_error (error);
  g_assert_true (put (fixture, "p1", "two", &error));
  g_assert_true (put (fixture, "p2", "other", &error));
  found = get (fixture, "p1", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "two");

  postern_secret_store_list_async (fixture->store, "a1", on_done, &listed);
  WAIT_FOR (listed != NULL);
  keys = postern_secret_store_list_finish (fixture->store, listed, &error);
  g_assert_cmpuint (keys->len, ==, 2);

  postern_secret_store_remove_async (fixture->store,
                                     "a1",
                                     POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                     "p1",
                                     on_done,
                                     &removed);
  WAIT_FOR (removed != NULL);
  g_assert_true (postern_secret_store_remove_finish (fixture->store, removed, &error));
  g_assert_null (get (fixture, "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
test_absent (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (get (fixture, "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_ABSENT);
  g_assert_cmpint (get_state (fixture), ==, POSTERN_SECRET_STORE_ABSENT);
}

static void
test_no_collection (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, FALSE);
  g_assert_false (put (fixture, "p1", "one", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_ABSENT);
}

static void
test_locked (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, TRUE);
  g_assert_true (put (fixture, "p1", "one", NULL));
  g_assert_cmpint (get_state (fixture), ==, POSTERN_SECRET_STORE_READY);
  fixture->changes = 0;
  lock_keyring ();
  WAIT_FOR (get_state (fixture) == POSTERN_SECRET_STORE_LOCKED);
  g_assert_cmpuint (fixture->changes, ==, 1);

  g_assert_null (get (fixture, "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED);
  g_clear_error (&error);
  g_assert_null (get (fixture, "never-stored", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED);
  g_clear_error (&error);
  g_assert_false (put (fixture, "p1", "two", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED);
}

static void
test_locked_since_start (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, TRUE);
  g_assert_true (put (fixture, "p1", "one", NULL));
  stop_keyring (fixture);
  start_keyring (fixture, FALSE);
  WAIT_FOR (get_state (fixture) == POSTERN_SECRET_STORE_LOCKED);
  g_assert_null (get (fixture, "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED);
}

static void
test_restart (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternSecret) found = NULL;
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, TRUE);
  g_assert_true (put (fixture, "p1", "one", NULL));
  stop_keyring (fixture);
  WAIT_FOR (get_state (fixture) == POSTERN_SECRET_STORE_ABSENT);
  start_keyring (fixture, TRUE);
  found = get (fixture, "p1", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "one");
  WAIT_FOR (get_state (fixture) == POSTERN_SECRET_STORE_READY);
}

/* The keyring is replaced while nobody runs the main context: the first call meets the dead name. */
static void
test_restart_unnoticed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternSecret) found = NULL;
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, TRUE);
  g_assert_true (put (fixture, "p1", "one", NULL));
  g_subprocess_force_exit (fixture->keyring);
  g_subprocess_wait (fixture->keyring, NULL, NULL);
  g_clear_object (&fixture->keyring);
  while (has_owner ())
    ;
  start_keyring (fixture, TRUE);
  found = get (fixture, "p1", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "one");
}

/* Stopped, it holds its name and answers nobody: the wait has an end, and what comes late is
 * dropped. */
static void
test_hangs (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternSecret) found = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start_us;

  start_keyring (fixture, TRUE);
  g_assert_true (put (fixture, "p1", "one", NULL));
  g_subprocess_send_signal (fixture->keyring, SIGSTOP);
  start_us = g_get_monotonic_time ();
  g_assert_null (get (fixture, "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 12 * G_USEC_PER_SEC);
  g_subprocess_send_signal (fixture->keyring, SIGCONT);
  g_clear_error (&error);
  found = get (fixture, "p1", &error);
  g_assert_no_error (error);
}

static void
test_unlock (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GAsyncResult) open = NULL;
  g_autoptr (GAsyncResult) locked = NULL;
  g_autoptr (GError) error = NULL;

  start_keyring (fixture, TRUE);
  g_assert_true (put (fixture, "p1", "one", NULL));
  postern_secret_store_unlock_async (fixture->store, on_done, &open);
  WAIT_FOR (open != NULL);
  g_assert_true (postern_secret_store_unlock_finish (fixture->store, open, &error));

  /* Nothing can show a prompt here. */
  lock_keyring ();
  postern_secret_store_unlock_async (fixture->store, on_done, &locked);
  WAIT_FOR (locked != NULL);
  g_assert_false (postern_secret_store_unlock_finish (fixture->store, locked, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_LOCKED);
}

#define ADD(path, test)                                                                            \
  g_test_add ("/secrets/keyring-store/" path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char *argv[])
{
  g_autoptr (GTestDBus) bus = NULL;
  g_autofree char *program = g_find_program_in_path ("gnome-keyring-daemon");
  g_autofree char *bus_program = g_find_program_in_path ("dbus-daemon");
  int code;

  g_test_init (&argc, &argv, NULL);
  if (program == NULL || bus_program == NULL)
    {
      g_print ("1..0 # SKIP gnome-keyring-daemon or dbus-daemon is not installed\n");
      return 0;
    }

  bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus);
  ADD ("what-is-stored-is-found-again", test_round_trip);
  ADD ("no-keyring-is-not-no-password", test_absent);
  ADD ("a-keyring-without-a-collection-is-absent", test_no_collection);
  ADD ("a-locked-keyring-is-not-no-password", test_locked);
  ADD ("locked-since-its-start-is-locked", test_locked_since_start);
  ADD ("a-restarted-keyring-is-found", test_restart);
  ADD ("a-restart-unnoticed-is-made-good", test_restart_unnoticed);
  ADD ("a-hanging-keyring-is-given-up", test_hangs);
  ADD ("unlock-without-a-prompt-is-locked", test_unlock);
  code = g_test_run ();
  g_test_dbus_stop (bus);
  return code;
}
