/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "ipc/bus-errors.h"
#include "ipc/bus.h"
#include "ipc/names.h"
#include "ipc/object-tree.h"
#include "ipc/secret-fd.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The real posternctl is run against a scripted daemon on a private socket. */

#define ACCOUNT_PATH POSTERN_BUS_ACCOUNTS_PATH "/a1"
#define N_ENTRIES    450

typedef struct
{
  char *folder;
  char *address;
  GDBusServer *server;
  PosternObjectTree *tree;
  PosternBusBridge *bridge;
  PosternBusAccount *account;
  PosternBusQueue *queue;
  PosternBusLog *log;
  PosternBusJob *job;

  const char *job_end; /* the state in which a job ends; NULL: it does not end by itself */
  gboolean vanish;     /* the daemon ends when it gets a job */
  char *got;           /* what the last call said */
  char *got_secret;
  guint generation;
  guint n_lists;

  const char *language; /* (nullable) the person's; English without it */
  GSubprocess *process;
  gboolean ended;
  int status; /* exit status of posternctl */
  char *out;
  char *err;
} Fixture;

static void
got (Fixture *fixture, char *text)
{
  g_free (fixture->got);
  fixture->got = text;
}

/* --- the daemon -------------------------------------------------------------------------------- */

static void
start_job (Fixture *fixture, const char *id)
{
  g_autofree char *path = g_strconcat (POSTERN_BUS_JOBS_PATH "/", id, NULL);

  g_clear_object (&fixture->job);
  fixture->job = postern_bus_job_skeleton_new ();
  postern_bus_job_set_state (fixture->job, "running");
  postern_bus_job_set_step (fixture->job, "connect");
  postern_object_tree_add (fixture->tree, path, G_DBUS_INTERFACE_SKELETON (fixture->job));
}

static void
end_job (Fixture *fixture, const char *state)
{
  GVariantBuilder result;

  g_variant_builder_init (&result, G_VARIANT_TYPE_VARDICT);
  if (g_str_equal (state, "done"))
    {
      g_variant_builder_add (&result, "{sv}", "account", g_variant_new_object_path (ACCOUNT_PATH));
      g_variant_builder_add (&result, "{sv}", "id", g_variant_new_string ("a1"));
      g_variant_builder_add (&result, "{sv}", "password_id", g_variant_new_string ("p1"));
      g_variant_builder_add (&result, "{sv}", "messages", g_variant_new_uint32 (7));
      g_variant_builder_add (&result, "{sv}", "max_size", g_variant_new_uint64 (1048576));
    }
  else if (g_str_equal (state, "failed"))
    {
      postern_bus_job_set_error_code (fixture->job, "Credentials");
      postern_bus_job_set_error_message (fixture->job, "The server refuses the token.");
    }
  postern_bus_job_set_result (fixture->job, g_variant_builder_end (&result));
  postern_bus_job_set_state (fixture->job, state);
}

static gboolean
on_job_time (gpointer user_data)
{
  Fixture *fixture = user_data;

  end_job (fixture, fixture->job_end);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancel (PosternBusJob *job, GDBusMethodInvocation *invocation, Fixture *fixture)
{
  got (fixture, g_strdup ("cancel"));
  postern_bus_job_complete_cancel (job, invocation);
  end_job (fixture, "cancelled");
  return TRUE;
}

static void
script_job (Fixture *fixture, const char *id)
{
  start_job (fixture, id);
  g_signal_connect (fixture->job, "handle-cancel", G_CALLBACK (on_cancel), fixture);
  if (fixture->job_end != NULL)
    g_timeout_add (30, on_job_time, fixture);
}

static gboolean
on_interrupt_time (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_subprocess_send_signal (fixture->process, SIGINT);
  return G_SOURCE_REMOVE;
}

static gboolean
on_vanish_time (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_clear_object (&fixture->tree);
  g_dbus_server_stop (fixture->server);
  return G_SOURCE_REMOVE;
}

static gboolean
on_add_account (PosternBusBridge *bridge,
                GDBusMethodInvocation *invocation,
                GUnixFDList *fds,
                GVariant *options,
                GVariant *handle,
                const char *job_id,
                Fixture *fixture)
{
  g_autoptr (PosternSecret) secret = postern_secret_fd_list_read (fds, handle, NULL);
  g_autofree char *path = g_strconcat (POSTERN_BUS_JOBS_PATH "/", job_id, NULL);

  got (fixture, g_variant_print (options, FALSE));
  g_free (fixture->got_secret);
  fixture->got_secret = g_strdup (postern_secret_get_text (secret));
  script_job (fixture, job_id);
  postern_bus_bridge_complete_add_account (bridge, invocation, NULL, path);
  if (fixture->vanish)
    g_timeout_add (100, on_vanish_time, fixture);
  else if (fixture->job_end == NULL)
    g_timeout_add (200, on_interrupt_time, fixture);
  return TRUE;
}

static gboolean
on_remove_account (PosternBusBridge *bridge,
                   GDBusMethodInvocation *invocation,
                   const char *id,
                   const char *queued,
                   Fixture *fixture)
{
  got (fixture, g_strdup_printf ("%s %s", id, queued));
  if (g_str_equal (queued, "refuse"))
    g_dbus_method_invocation_return_error (invocation,
                                           POSTERN_ERROR,
                                           POSTERN_ERROR_BUSY,
                                           "3 messages wait to leave.");
  else
    postern_bus_bridge_complete_remove_account (bridge, invocation);
  return TRUE;
}

static gboolean
on_sync (PosternBusBridge *bridge, GDBusMethodInvocation *invocation, Fixture *fixture)
{
  got (fixture, g_strdup ("sync"));
  postern_bus_bridge_complete_sync (bridge, invocation);
  return TRUE;
}

static gboolean
on_unlock (PosternBusBridge *bridge, GDBusMethodInvocation *invocation, Fixture *fixture)
{
  g_dbus_method_invocation_return_error (invocation,
                                         POSTERN_ERROR,
                                         POSTERN_ERROR_KEYRING_LOCKED,
                                         "The keyring was not unlocked.");
  return TRUE;
}

static gboolean
on_test (PosternBusAccount *account,
         GDBusMethodInvocation *invocation,
         const char *job_id,
         Fixture *fixture)
{
  g_autofree char *path = g_strconcat (POSTERN_BUS_JOBS_PATH "/", job_id, NULL);

  script_job (fixture, job_id);
  postern_bus_account_complete_test (account, invocation, path);
  return TRUE;
}

static gboolean
on_show_password (PosternBusAccount *account,
                  GDBusMethodInvocation *invocation,
                  GUnixFDList *fds,
                  const char *id,
                  Fixture *fixture)
{
  g_autoptr (PosternSecret) secret = postern_secret_new ("pb_the-password", -1);
  g_autoptr (GUnixFDList) answer = postern_secret_fd_list_new (secret, NULL);

  if (!g_str_equal (id, "p1"))
    g_dbus_method_invocation_return_error (invocation,
                                           POSTERN_ERROR,
                                           POSTERN_ERROR_NOT_FOUND,
                                           "There is no such password.");
  else
    postern_bus_account_complete_show_password (account,
                                                invocation,
                                                answer,
                                                g_variant_new_handle (0));
  return TRUE;
}

static gboolean
on_list_passwords (PosternBusAccount *account, GDBusMethodInvocation *invocation, Fixture *fixture)
{
  postern_bus_account_complete_list_passwords (
      account,
      invocation,
      g_variant_new_parsed ("[('p1', 'Thunderbird', @x 1700000000000000, @x 0)]"));
  return TRUE;
}

static GVariant *
make_entry (guint number)
{
  g_autofree char *id = g_strdup_printf ("m%u", number);

  return g_variant_new_parsed ("{'id': <%s>, 'status': <'waiting'>, 'sender': <'jane@example.org'>,"
                               " 'subject': <'Evil\x1b[2J subject'>, 'size': <@t 2048>,"
                               " 'received_at': <@x 1700000000000000>, 'last_error': <''>}",
                               id);
}

/* The queue changes once, between the first page and the second. */
static gboolean
on_list (PosternBusQueue *queue,
         GDBusMethodInvocation *invocation,
         GVariant *filter,
         guint offset,
         guint limit,
         Fixture *fixture)
{
  GVariantBuilder entries;

  got (fixture, g_variant_print (filter, FALSE));
  g_variant_builder_init (&entries, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = offset; i < N_ENTRIES && i < offset + MIN (limit, 200); i++)
    g_variant_builder_add_value (&entries, make_entry (i));
  if (fixture->n_lists++ < 2)
    fixture->generation++;
  postern_bus_queue_complete_list (queue,
                                   invocation,
                                   g_variant_builder_end (&entries),
                                   N_ENTRIES,
                                   fixture->generation);
  return TRUE;
}

static gboolean
on_get (PosternBusQueue *queue, GDBusMethodInvocation *invocation, const char *id, Fixture *fixture)
{
  postern_bus_queue_complete_get (
      queue,
      invocation,
      g_variant_new_parsed ("{'id': <%s>, 'status': <'failed'>, 'recipients': <[{'address':"
                            " <'bob@example.net'>, 'status': <'failed'>, 'code': <'5.1.1'>,"
                            " 'detail': <'no such user'>}]>}",
                            id));
  return TRUE;
}

static gboolean
on_retry (PosternBusQueue *queue,
          GDBusMethodInvocation *invocation,
          const char *const *ids,
          Fixture *fixture)
{
  guint count = g_strv_length ((char **) ids);

  got (fixture, g_strjoinv (" ", (char **) ids));
  postern_bus_queue_complete_retry (queue, invocation, count == 0 ? 5 : count - 1);
  return TRUE;
}

static gboolean
on_save (PosternBusQueue *queue,
         GDBusMethodInvocation *invocation,
         GUnixFDList *fds,
         const char *id,
         GVariant *handle,
         Fixture *fixture)
{
  int fd = g_unix_fd_list_get (fds, g_variant_get_handle (handle), NULL);

  if (g_str_equal (id, "gone"))
    g_dbus_method_invocation_return_error (invocation,
                                           POSTERN_ERROR,
                                           POSTERN_ERROR_NOT_FOUND,
                                           "It has left.");
  else
    {
      g_assert_cmpint (write (fd, "mail\r\n", 6), ==, 6);
      postern_bus_queue_complete_save_message (queue, invocation, NULL);
    }
  close (fd);
  return TRUE;
}

static gboolean
on_log_time (gpointer user_data)
{
  Fixture *fixture = user_data;

  postern_bus_log_emit_changed (fixture->log, 2);
  return G_SOURCE_REMOVE;
}

static gboolean
on_read (PosternBusLog *log,
         GDBusMethodInvocation *invocation,
         GVariant *filter,
         guint64 after,
         guint limit,
         Fixture *fixture)
{
  static guint calls;
  const char *records = "@a(txsss) []";
  guint64 last = after;

  got (fixture, g_variant_print (filter, FALSE));
  if (after == 0)
    {
      calls = 0;
      records = "[(@t 1, @x 1700000000000000, 'message', 'postern-net', 'First')]";
      last = 1;
    }
  else if (++calls == 1)
    g_timeout_add (100, on_log_time, fixture); /* the follower has caught up */
  else
    {
      records = "[(@t 2, @x 1700000001000000, 'warning', 'postern-jmap', 'Second')]";
      last = 2;
      g_timeout_add (200, on_interrupt_time, fixture);
    }
  postern_bus_log_complete_read (log, invocation, g_variant_new_parsed (records), last);
  return TRUE;
}

static void
add_listener (Fixture *fixture,
              guint number,
              const char *service,
              const char *address,
              guint16 port)
{
  g_autoptr (PosternBusListener) listener = postern_bus_listener_skeleton_new ();
  g_autofree char *path = g_strdup_printf (POSTERN_BUS_LISTENERS_PATH "/%u", number);

  postern_bus_listener_set_service (listener, service);
  postern_bus_listener_set_security (listener, "tls");
  postern_bus_listener_set_address (listener, address);
  postern_bus_listener_set_port (listener, port);
  postern_bus_listener_set_state (listener, "listening");
  postern_object_tree_add (fixture->tree, path, G_DBUS_INTERFACE_SKELETON (listener));
}

static void
add_objects (Fixture *fixture)
{
  fixture->bridge = postern_bus_bridge_skeleton_new ();
  postern_bus_bridge_set_version (fixture->bridge, "0.1.0");
  postern_bus_bridge_set_state (fixture->bridge, "running");
  postern_bus_bridge_set_keyring_state (fixture->bridge, "ready");
  postern_bus_bridge_set_ca_path (fixture->bridge, "/state/ca.pem");
  g_object_connect (fixture->bridge,
                    "signal::handle-add-account",
                    on_add_account,
                    fixture,
                    "signal::handle-remove-account",
                    on_remove_account,
                    fixture,
                    "signal::handle-sync",
                    on_sync,
                    fixture,
                    "signal::handle-unlock-keyring",
                    on_unlock,
                    fixture,
                    NULL);
  fixture->queue = postern_bus_queue_skeleton_new ();
  postern_bus_queue_set_waiting (fixture->queue, 3);
  g_object_connect (fixture->queue,
                    "signal::handle-list",
                    on_list,
                    fixture,
                    "signal::handle-get",
                    on_get,
                    fixture,
                    "signal::handle-retry",
                    on_retry,
                    fixture,
                    "signal::handle-save-message",
                    on_save,
                    fixture,
                    NULL);
  fixture->log = postern_bus_log_skeleton_new ();
  g_signal_connect (fixture->log, "handle-read", G_CALLBACK (on_read), fixture);
  fixture->account = postern_bus_account_skeleton_new ();
  postern_bus_account_set_id (fixture->account, "a1");
  postern_bus_account_set_address (fixture->account, "jane@example.org");
  postern_bus_account_set_state (fixture->account, "connected");
  postern_bus_account_set_messages (fixture->account, 12);
  g_object_connect (fixture->account,
                    "signal::handle-test",
                    on_test,
                    fixture,
                    "signal::handle-show-password",
                    on_show_password,
                    fixture,
                    "signal::handle-list-passwords",
                    on_list_passwords,
                    fixture,
                    NULL);
  postern_object_tree_add (fixture->tree,
                           POSTERN_BUS_PATH,
                           G_DBUS_INTERFACE_SKELETON (fixture->bridge));
  postern_object_tree_add (fixture->tree,
                           POSTERN_BUS_PATH,
                           G_DBUS_INTERFACE_SKELETON (fixture->queue));
  postern_object_tree_add (fixture->tree,
                           POSTERN_BUS_PATH,
                           G_DBUS_INTERFACE_SKELETON (fixture->log));
  postern_object_tree_add (fixture->tree,
                           ACCOUNT_PATH,
                           G_DBUS_INTERFACE_SKELETON (fixture->account));
  add_listener (fixture, 1, "pop3", "127.0.0.1", 1995);
  add_listener (fixture, 2, "pop3", "::1", 1995);
  add_listener (fixture, 3, "smtp", "127.0.0.1", 1465);
}

static gboolean
on_peer (GDBusServer *server, GDBusConnection *connection, Fixture *fixture)
{
  postern_object_tree_add_connection (fixture->tree, connection);
  return TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autofree char *address = NULL;

  fixture->folder = g_dir_make_tmp ("postern-cli-XXXXXX", NULL);
  address = g_strdup_printf ("unix:path=%s/bus", fixture->folder);
  fixture->server =
      g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, NULL);
  fixture->address = g_strdup (g_dbus_server_get_client_address (fixture->server));
  fixture->tree = postern_object_tree_new ();
  add_objects (fixture);
  g_signal_connect (fixture->server, "new-connection", G_CALLBACK (on_peer), fixture);
  g_dbus_server_start (fixture->server);
}

static void
clear_run (Fixture *fixture)
{
  g_clear_object (&fixture->process);
  g_clear_pointer (&fixture->out, g_free);
  g_clear_pointer (&fixture->err, g_free);
  fixture->ended = FALSE;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", fixture->folder);

  clear_run (fixture);
  g_dbus_server_stop (fixture->server);
  g_clear_object (&fixture->tree);
  g_clear_object (&fixture->bridge);
  g_clear_object (&fixture->account);
  g_clear_object (&fixture->queue);
  g_clear_object (&fixture->log);
  g_clear_object (&fixture->job);
  g_clear_object (&fixture->server);
  g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL);
  g_free (fixture->folder);
  g_free (fixture->address);
  g_free (fixture->got);
  g_free (fixture->got_secret);
}

/* --- running posternctl ---------------------------------------------------------------------------- */

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source),
                                        result,
                                        &fixture->out,
                                        &fixture->err,
                                        &error);
  g_assert_no_error (error);
  fixture->ended = TRUE;
}

static gboolean
on_too_late (gpointer user_data)
{
  g_error ("posternctl did not end: %s", (const char *) user_data);
  return G_SOURCE_REMOVE;
}

static void
run_with_input (Fixture *fixture, const char *input, const char *line)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                 G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *program = g_build_filename (g_getenv ("G_TEST_BUILDDIR"), "posternctl", NULL);
  g_autofree char *locale_dir = g_build_filename (g_getenv ("G_TEST_BUILDDIR"), "..", "po", NULL);
  g_autofree char *command = g_strconcat (program, " ", line, NULL);
  g_auto (GStrv) words = NULL;
  guint timer = g_timeout_add_seconds (20, on_too_late, (gpointer) line);

  clear_run (fixture);
  g_assert_true (g_shell_parse_argv (command, NULL, &words, NULL));
  g_subprocess_launcher_set_environ (launcher, (char *[]){ NULL });
  g_subprocess_launcher_setenv (launcher, "POSTERN_BUS", fixture->address, TRUE);
  g_subprocess_launcher_setenv (launcher, "HOME", fixture->folder, TRUE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE);
  g_subprocess_launcher_setenv (launcher, "TZ", "UTC", TRUE);
  g_subprocess_launcher_setenv (launcher, "POSTERN_LOCALE_DIR", locale_dir, TRUE);
  if (fixture->language != NULL)
    g_subprocess_launcher_setenv (launcher, "LANGUAGE", fixture->language, TRUE);
  fixture->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) words, NULL);
  g_assert_nonnull (fixture->process);
  g_subprocess_communicate_utf8_async (fixture->process, input, NULL, on_ended, fixture);
  while (!fixture->ended)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  g_assert_true (g_subprocess_get_if_exited (fixture->process));
  fixture->status = g_subprocess_get_exit_status (fixture->process);
}

static void
run (Fixture *fixture, const char *line)
{
  run_with_input (fixture, NULL, line);
}

/* Returns (transfer full): the one object on standard output, which must hold nothing else. */
static JsonNode *
read_json (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (fixture->out, &error);

  g_assert_no_error (error);
  g_assert_true (JSON_NODE_HOLDS_OBJECT (node));
  g_assert_cmpstr (fixture->err, ==, "");
  return node;
}

static void
assert_json_error (Fixture *fixture, int status, const char *code)
{
  g_autoptr (JsonNode) node = read_json (fixture);
  JsonObject *error = json_object_get_object_member (json_node_get_object (node), "error");

  g_assert_cmpint (fixture->status, ==, status);
  g_assert_nonnull (error);
  g_assert_cmpstr (json_object_get_string_member (error, "code"), ==, code);
  g_assert_cmpstr (json_object_get_string_member (error, "message"), !=, "");
  g_assert_cmpstr (json_object_get_string_member (error, "remedy"), !=, "");
}

static void
assert_says (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("“%s” is not in:\n%s", part, text);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void
test_usage (Fixture *fixture, gconstpointer data)
{
  static const char *const lines[] = {
    "",
    "nonsense",
    "queue",
    "queue show",
    "queue show a b",
    "status extra",
    "status --hold",
    "account add",
    "account add --url",
    "account add jane",
    "account add --token=yes jane@example.org",
    "account add --token --password jane@example.org",
    "account remove --hold --discard a1",
    "queue retry",
    "queue retry --all m1",
    "log --lines many",
    "-x",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autofree char *with_json = g_strconcat ("--json ", lines[i], NULL);

      g_test_message ("%s", lines[i]);
      run (fixture, lines[i]);
      g_assert_cmpint (fixture->status, ==, 2);
      g_assert_cmpstr (fixture->out, ==, "");
      g_assert_true (g_str_has_prefix (fixture->err, "posternctl: "));
      run (fixture, with_json);
      assert_json_error (fixture, 2, "Usage");
    }
  g_assert_null (fixture->got);
}

static void
test_help (Fixture *fixture, gconstpointer data)
{
  run (fixture, "help");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->out, "queue discard ID…");
  run (fixture, "help queue list");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->out, "--search TEXT");
  run (fixture, "queue list --help");
  assert_says (fixture->out, "--search TEXT");
  run (fixture, "--version");
  g_assert_true (g_str_has_prefix (fixture->out, "posternctl "));
  run (fixture, "help nonsense");
  g_assert_cmpint (fixture->status, ==, 2);
}

static void
test_no_daemon (Fixture *fixture, gconstpointer data)
{
  g_free (fixture->address);
  fixture->address = g_strdup ("unix:path=/nowhere/at/all");
  run (fixture, "status");
  g_assert_cmpint (fixture->status, ==, 3);
  assert_says (fixture->err, "Start it with");
  run (fixture, "status --json");
  assert_json_error (fixture, 3, "NoDaemon");
  run (fixture, "status --json --bus nonsense");
  assert_json_error (fixture, 3, "NoDaemon");
}

static void
test_status (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;
  JsonObject *account;

  run (fixture, "status --json");
  g_assert_cmpint (fixture->status, ==, 0);
  node = read_json (fixture);
  object = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (object, "version"), ==, "0.1.0");
  g_assert_cmpstr (json_object_get_string_member (object, "keyring_state"), ==, "ready");
  g_assert_cmpint (
      json_object_get_int_member (json_object_get_object_member (object, "queue"), "waiting"),
      ==,
      3);
  account = json_array_get_object_element (json_object_get_array_member (object, "accounts"), 0);
  g_assert_cmpstr (json_object_get_string_member (account, "address"), ==, "jane@example.org");
  g_assert_cmpint (json_object_get_int_member (account, "messages"), ==, 12);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (object, "listeners")),
                    ==,
                    3);

  run (fixture, "status");
  assert_says (fixture->out, "Postern 0.1.0: running");
  assert_says (fixture->out, "3 waiting, 0 held");
  assert_says (fixture->out, "jane@example.org  connected  12");
}

static void
test_add (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  fixture->job_end = "done";
  run_with_input (fixture,
                  "the secret\nmore\n",
                  "account add jane@example.org --url https://x --token --name=Phone");
  g_assert_cmpstr (fixture->err, ==, "");
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_cmpstr (fixture->got_secret, ==, "the secret");
  assert_says (fixture->got, "'address': <'jane@example.org'>");
  assert_says (fixture->got, "'kind': <'token'>");
  assert_says (fixture->got, "'url': <'https://x'>");
  assert_says (fixture->got, "'password_name': <'Phone'>");
  assert_says (fixture->out, "localhost, port 1995, SSL/TLS");
  assert_says (fixture->out, "localhost, port 1465, SSL/TLS");
  assert_says (fixture->out, "pb_the-password");
  assert_says (fixture->out, "/state/ca.pem");

  run_with_input (fixture, "the secret", "--json account add jane@example.org");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->got, "'kind': <'auto'>");
  node = read_json (fixture);
  object = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (object, "id"), ==, "a1");
  g_assert_cmpstr (json_object_get_string_member (object, "password"), ==, "pb_the-password");
  /* Two addresses with one port are one server. */
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (object, "servers")),
                    ==,
                    2);
}

static void
test_add_fails (Fixture *fixture, gconstpointer data)
{
  fixture->job_end = "failed";
  run_with_input (fixture, "secret\n", "account add jane@example.org --json");
  assert_json_error (fixture, 1, "Credentials");
  run_with_input (fixture, "secret\n", "account add jane@example.org");
  assert_says (fixture->err, "The server refuses the token.");
  g_assert_null (strstr (fixture->err, "secret"));

  got (fixture, NULL);
  run_with_input (fixture, "\n", "account add jane@example.org --json");
  assert_json_error (fixture, 1, "Invalid");
  g_assert_null (fixture->got);
}

static void
test_interrupt (Fixture *fixture, gconstpointer data)
{
  run_with_input (fixture, "secret\n", "account add jane@example.org --json");
  g_assert_cmpstr (fixture->got, ==, "cancel");
  assert_json_error (fixture, 1, "Refused");
}

static void
test_vanish (Fixture *fixture, gconstpointer data)
{
  fixture->vanish = TRUE;
  run_with_input (fixture, "secret\n", "account add jane@example.org --json");
  assert_json_error (fixture, 3, "NoDaemon");
}

static void
test_remove (Fixture *fixture, gconstpointer data)
{
  run (fixture, "account remove JANE@example.org");
  g_assert_cmpint (fixture->status, ==, 1);
  g_assert_cmpstr (fixture->got, ==, "a1 refuse");
  assert_says (fixture->err, "3 messages wait to leave.");
  assert_says (fixture->err, "--hold");
  run (fixture, "account remove a1 --hold");
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_cmpstr (fixture->got, ==, "a1 hold");
  run (fixture, "account remove bob@example.org --json");
  assert_json_error (fixture, 1, "NotFound");
}

static void
test_account_test (Fixture *fixture, gconstpointer data)
{
  fixture->job_end = "done";
  run (fixture, "account test a1");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->out, "jane@example.org works: 7 messages");
  assert_says (fixture->out, "1.0\xc2\xa0MiB");
}

static void
test_passwords (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *password;

  run (fixture, "password show a1 p1");
  g_assert_cmpstr (fixture->out, ==, "pb_the-password\n");
  run (fixture, "password show a1 p2 --json");
  assert_json_error (fixture, 1, "NotFound");
  run (fixture, "password list a1");
  assert_says (fixture->out, "p1  Thunderbird  2023-11-14 22:13  never");
  run (fixture, "password list a1 --json");
  node = read_json (fixture);
  password = json_array_get_object_element (
      json_object_get_array_member (json_node_get_object (node), "passwords"),
      0);
  g_assert_cmpint (json_object_get_int_member (password, "created_at"), ==, 1700000000000000);
}

static void
test_queue_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
  JsonArray *entries;

  run (fixture, "queue list --status waiting --search jane --json");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->got, "'status': <'waiting'>");
  assert_says (fixture->got, "'search': <'jane'>");
  node = read_json (fixture);
  entries = json_object_get_array_member (json_node_get_object (node), "entries");
  for (guint i = 0; i < json_array_get_length (entries); i++)
    g_hash_table_add (
        ids,
        (gpointer) json_object_get_string_member (json_array_get_object_element (entries, i),
                                                  "id"));
  g_assert_cmpuint (json_array_get_length (entries), ==, N_ENTRIES);
  g_assert_cmpuint (g_hash_table_size (ids), ==, N_ENTRIES);

  /* A subject must not be able to clear the screen. */
  run (fixture, "queue list");
  g_assert_null (strchr (fixture->out, '\x1b'));
  assert_says (fixture->out, "Evil\xef\xbf\xbd[2J subject");
  assert_says (fixture->out, "2023-11-14 22:13");
}

static void
test_queue_show (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *recipient;

  run (fixture, "queue show m1");
  assert_says (fixture->out, "bob@example.net  failed  5.1.1  no such user");
  run (fixture, "queue show m1 --json");
  node = read_json (fixture);
  recipient = json_array_get_object_element (
      json_object_get_array_member (json_node_get_object (node), "recipients"),
      0);
  g_assert_cmpstr (json_object_get_string_member (recipient, "code"), ==, "5.1.1");
}

static void
test_queue_act (Fixture *fixture, gconstpointer data)
{
  run (fixture, "queue retry m1 m2 m3");
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_cmpstr (fixture->got, ==, "m1 m2 m3");
  assert_says (fixture->out, "2 of 3");
  run (fixture, "queue retry --all");
  g_assert_cmpstr (fixture->got, ==, "");
  assert_says (fixture->out, "5 messages");
  run (fixture, "queue retry m1 --json");
  assert_json_error (fixture, 1, "NotFound");
  /* This daemon does not know it. */
  run (fixture, "queue hold m1 --json");
  assert_json_error (fixture, 1, "Protocol");
}

static void
test_queue_save (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "saved.eml", NULL);
  g_autofree char *line = g_strdup_printf ("queue save m1 '%s'", path);
  g_autofree char *gone = g_strdup_printf ("queue save gone '%s.2' --json", path);
  g_autofree char *gone_path = g_strconcat (path, ".2", NULL);
  g_autofree char *text = NULL;

  run (fixture, line);
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "mail\r\n");
  run (fixture, line);
  g_assert_cmpint (fixture->status, ==, 1);
  run (fixture, gone);
  assert_json_error (fixture, 1, "NotFound");
  g_assert_false (g_file_test (gone_path, G_FILE_TEST_EXISTS));
}

static void
test_log (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *record;

  run (fixture, "log --level warning --json");
  assert_says (fixture->got, "'level': <'warning'>");
  node = read_json (fixture);
  record = json_array_get_object_element (
      json_object_get_array_member (json_node_get_object (node), "records"),
      0);
  g_assert_cmpstr (json_object_get_string_member (record, "message"), ==, "First");
  run (fixture, "log");
  g_assert_cmpstr (fixture->out, ==, "2023-11-14 22:13:20  message  net       First\n");
  run (fixture, "log --lines 0");
  g_assert_cmpstr (fixture->out, ==, "");
}

static void
test_log_follow (Fixture *fixture, gconstpointer data)
{
  run (fixture, "log --follow");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->out, "First\n");
  assert_says (fixture->out, "warning  jmap      Second\n");
}

static void
test_sync_and_keyring (Fixture *fixture, gconstpointer data)
{
  run (fixture, "sync");
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_cmpstr (fixture->got, ==, "sync");
  run (fixture, "keyring unlock --json");
  assert_json_error (fixture, 1, "KeyringLocked");
}

static void
test_config (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "c.json", NULL);
  g_autofree char *line = g_strdup_printf ("config check '%s'", path);
  g_autofree char *with_json = g_strconcat (line, " --json", NULL);

  g_free (fixture->address);
  fixture->address = g_strdup ("unix:path=/nowhere/at/all");
  g_file_set_contents (path, "{\"version\": 1, \"colour\": 1}", -1, NULL);
  run (fixture, line);
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->out, "colour is not known");
  g_file_set_contents (path, "{\"version\": 1,\n\"admin\": {\"port\": 0}}", -1, NULL);
  run (fixture, line);
  g_assert_cmpint (fixture->status, ==, 1);
  assert_says (fixture->err, "c.json:2:19: admin.port must be a whole number");
  run (fixture, with_json);
  assert_json_error (fixture, 1, "Invalid");
  run (fixture, "config check");
  g_assert_cmpint (fixture->status, ==, 0);
  assert_says (fixture->out, "does not exist; the defaults hold");
  run (fixture, "config path");
  assert_says (fixture->out, "/.config/postern/config.json\n");
}

static void
test_chinese (Fixture *fixture, gconstpointer data)
{
  fixture->language = "zh_CN";
  run (fixture, "status");
  assert_says (fixture->out, "Postern 0.1.0：正在运行\n");
  assert_says (fixture->out, "  密钥环                已解锁\n");
  assert_says (fixture->out, "  发送队列              等待发送 3，暂缓 0，发送失败 0，已丢弃 0\n");
  /* Each Han character takes two columns of a terminal. */
  assert_says (fixture->out,
               "地址              状态    邮件数  待发  上次同步\n"
               "jane@example.org  已连接  12      0     从未\n");
  run (fixture, "queue show m1");
  assert_says (fixture->out,
               "收件人           状态      代码   服务器答复\n"
               "bob@example.net  发送失败  5.1.1  no such user\n");
  run (fixture, "help queue save");
  g_assert_true (g_str_has_prefix (fixture->out,
                                   "用法：posternctl queue save ID 文件\n"
                                   "\n"
                                   "把邮件保存为新文件\n"));
  run (fixture, "queue retry --all");
  g_assert_cmpstr (fixture->out, ==, "已处理 5 封邮件。\n");
  run (fixture, "queue retry m1 m2 m3");
  g_assert_cmpstr (fixture->out, ==, "已处理 2 封邮件（共 3 封）；其余邮件的状态不允许此操作。\n");
}

/* The daemon speaks English: what happened is worded here, by the code. */
static void
test_chinese_failure (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *error;

  fixture->language = "zh_CN";
  postern_bus_account_set_state (fixture->account, "offline");
  postern_bus_account_set_code (fixture->account, "Offline");
  postern_bus_account_set_detail (fixture->account, "Connecting to x: timed out");
  run (fixture, "account list");
  g_assert_cmpstr (fixture->out,
                   ==,
                   "地址              状态  邮件数  待发  上次同步  说明\n"
                   "jane@example.org  离线  12      0     从未      无法连接服务器。\n");

  run (fixture, "password show a1 p2");
  g_assert_cmpstr (fixture->err,
                   ==,
                   "posternctl: 找不到指定的项目。\n"
                   "请先列出现有项目，再使用其中的 ID。\n"
                   "详情：There is no such password.\n");
  fixture->job_end = "failed";
  run_with_input (fixture, "secret\n", "account add jane@example.org --json");
  assert_json_error (fixture, 1, "Credentials");
  node = read_json (fixture);
  error = json_object_get_object_member (json_node_get_object (node), "error");
  g_assert_cmpstr (json_object_get_string_member (error, "message"),
                   ==,
                   "服务器不接受此登录信息。");
  g_assert_cmpstr (json_object_get_string_member (error, "details"),
                   ==,
                   "The server refuses the token.");

  /* To who reads English the daemon's sentence says it best, and once. */
  fixture->language = "en_GB";
  run (fixture, "account list");
  assert_says (fixture->out, "Connecting to x: timed out");
  run (fixture, "password show a1 p2");
  g_assert_cmpstr (fixture->err,
                   ==,
                   "posternctl: There is no such password.\n"
                   "List what there is, and use an id from there.\n");
}

#define ADD(path, test) g_test_add ("/cli/run/" path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  postern_bus_errors_register ();
  ADD ("what-makes-no-sense-is-told-and-ends-with-2", test_usage);
  ADD ("help-knows-every-command", test_help);
  ADD ("without-a-daemon-it-ends-with-3", test_no_daemon);
  ADD ("status-shows-all", test_status);
  ADD ("an-added-account-shows-its-settings", test_add);
  ADD ("a-failed-job-keeps-its-code", test_add_fails);
  ADD ("an-interrupt-cancels-the-job", test_interrupt);
  ADD ("a-daemon-that-ends-meanwhile-is-told", test_vanish);
  ADD ("queued-mail-stops-a-removal", test_remove);
  ADD ("a-test-tells-what-it-found", test_account_test);
  ADD ("passwords-are-shown-and-listed", test_passwords);
  ADD ("a-queue-that-changes-is-listed-whole", test_queue_list);
  ADD ("a-message-is-shown-with-its-recipients", test_queue_show);
  ADD ("acting-on-messages-tells-how-many", test_queue_act);
  ADD ("a-saved-message-overwrites-nothing", test_queue_save);
  ADD ("the-log-is-filtered-by-the-daemon", test_log);
  ADD ("the-log-is-followed-until-interrupted", test_log_follow);
  ADD ("sync-and-unlock-ask-the-daemon", test_sync_and_keyring);
  ADD ("config-needs-no-daemon", test_config);
  ADD ("chinese-is-whole-and-in-line", test_chinese);
  ADD ("a-failure-is-worded-in-the-persons-language", test_chinese_failure);
  return g_test_run ();
}
