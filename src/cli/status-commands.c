/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "base/error.h"
#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/object-listing.h"

#include <gio/gio.h>

/* --- status --------------------------------------------------------------------------------------------------- */

typedef struct
{
  GPtrArray *bridges;
  GPtrArray *queues;
  GPtrArray *accounts;
  GPtrArray *listeners;
} Status;

static void
status_clear (Status *self)
{
  g_clear_pointer (&self->bridges, g_ptr_array_unref);
  g_clear_pointer (&self->queues, g_ptr_array_unref);
  g_clear_pointer (&self->accounts, g_ptr_array_unref);
  g_clear_pointer (&self->listeners, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Status, status_clear)

static gboolean
read_status (PosternCli *cli, Status *status, GError **error)
{
  if ((status->bridges = postern_bridge_list (cli, "Bridge1", error)) == NULL ||
      (status->queues = postern_bridge_list (cli, "Queue1", error)) == NULL ||
      (status->accounts = postern_bridge_list (cli, "Account1", error)) == NULL ||
      (status->listeners = postern_bridge_list (cli, "Listener1", error)) == NULL)
    return FALSE;
  if (status->bridges->len == 1 && status->queues->len == 1)
    return TRUE;
  g_set_error_literal (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_PROTOCOL,
                       _ ("The Postern that runs shows no state."));
  return FALSE;
}

static GVariant *
get_properties (GPtrArray *objects)
{
  return ((PosternBridgeObject *) g_ptr_array_index (objects, 0))->properties;
}

/* Returns (transfer full): the headline. */
static char *
dup_headline (const char *state, const char *version)
{
  if (g_str_equal (state, "running"))
    /* Translators: %s is a version, like 0.1.0. */
    return g_strdup_printf (_ ("Postern %s: running"), version);
  if (g_str_equal (state, "attention"))
    /* Translators: %s is a version. */
    return g_strdup_printf (_ ("Postern %s: running, and needs your attention"), version);
  if (g_str_equal (state, "offline"))
    /* Translators: %s is a version. */
    return g_strdup_printf (_ ("Postern %s: running, but no mail server can be reached"), version);
  if (g_str_equal (state, "starting"))
    /* Translators: %s is a version. */
    return g_strdup_printf (_ ("Postern %s: starting"), version);
  if (g_str_equal (state, "stopping"))
    /* Translators: %s is a version. */
    return g_strdup_printf (_ ("Postern %s: stopping"), version);
  return g_strdup_printf ("Postern %s: %s", version, state);
}

static const char *
describe_keyring (const char *state)
{
  if (g_str_equal (state, "locked"))
    return _ ("locked; “posternctl keyring unlock” opens it");
  if (g_str_equal (state, "absent"))
    return _ ("there is none");
  /* Translators: of the keyring. */
  return g_str_equal (state, "ready") ? C_ ("keyring", "open") : state;
}

static void
print_queue (PosternCli *cli, GVariant *queue)
{
  g_autofree char *counts =
      /* Translators: how many messages of the queue are in which state. */
      g_strdup_printf (_ ("%d waiting, %d held, %d failed, %d discarded"),
                       (int) postern_properties_get_integer (queue, "Waiting"),
                       (int) postern_properties_get_integer (queue, "Held"),
                       (int) postern_properties_get_integer (queue, "Failed"),
                       (int) postern_properties_get_integer (queue, "Discarded"));

  postern_output_field (cli, C_ ("field", "Queue"), counts);
}

static void
print_status (PosternCli *cli, Status *status)
{
  GVariant *bridge = get_properties (status->bridges);
  const char *problem = postern_properties_get_string (bridge, "ConfigProblem");
  g_autofree char *since =
      postern_output_dup_time (postern_properties_get_integer (bridge, "StartedAt"));
  g_autofree char *headline = dup_headline (postern_properties_get_string (bridge, "State"),
                                            postern_properties_get_string (bridge, "Version"));

  postern_output_line (cli, "%s", headline);
  postern_output_field (cli, C_ ("field", "Since"), since);
  postern_output_field (cli,
                        C_ ("field", "Keyring"),
                        describe_keyring (postern_properties_get_string (bridge, "KeyringState")));
  postern_output_field (cli,
                        C_ ("field", "Configuration"),
                        postern_properties_get_string (bridge, "ConfigPath"));
  if (*problem != '\0')
    /* Translators: beside it stands why the configuration file cannot be used as it is now. */
    postern_output_field (cli, C_ ("field", "Not in force"), problem);
  print_queue (cli, get_properties (status->queues));

  if (status->accounts->len > 0)
    {
      fputc ('\n', cli->out);
      postern_accounts_print (cli, status->accounts);
    }
  if (status->listeners->len > 0)
    {
      fputc ('\n', cli->out);
      postern_listeners_print (cli, status->listeners);
    }
}

static void
print_status_json (PosternCli *cli, Status *status)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  postern_json_add_properties (builder, get_properties (status->bridges));
  json_builder_set_member_name (builder, "queue");
  json_builder_begin_object (builder);
  postern_json_add_properties (builder, get_properties (status->queues));
  json_builder_end_object (builder);
  postern_objects_add_json (builder, "accounts", status->accounts);
  postern_objects_add_json (builder, "listeners", status->listeners);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
}

static PosternExit
do_status (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_auto (Status) status = { NULL };

  if (!read_status (cli, &status, &error))
    return postern_cli_fail (cli, error);
  if (cli->json)
    print_status_json (cli, &status);
  else
    print_status (cli, &status);
  return POSTERN_EXIT_DONE;
}

/* --- sync, keyring, quit ------------------------------------------------------------------------------------------ */

/* What needs no answer but that it was done. */
static PosternExit
tell_done (PosternCli *cli, const char *sentence)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      postern_output_line (cli, "%s", sentence);
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

static PosternExit
do_sync (PosternCli *cli)
{
  const char *name = postern_cli_get_argument (cli, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusBridge) bridge = NULL;
  g_autoptr (PosternBusAccount) account = NULL;
  gboolean ok;

  if (name == NULL)
    {
      bridge = postern_bridge_new_proxy (cli, &error);
      ok = bridge != NULL && postern_bus_bridge_call_sync_sync (bridge,
                                                                G_DBUS_CALL_FLAGS_NONE,
                                                                POSTERN_CALL_TIMEOUT_MS,
                                                                NULL,
                                                                &error);
    }
  else
    {
      account = postern_bridge_new_account (cli, name, &error);
      ok = account != NULL && postern_bus_account_call_sync_sync (account,
                                                                  G_DBUS_CALL_FLAGS_NONE,
                                                                  POSTERN_CALL_TIMEOUT_MS,
                                                                  NULL,
                                                                  &error);
    }
  return ok ? tell_done (cli, _ ("Postern is looking for mail now."))
            : postern_cli_fail (cli, error);
}

static PosternExit
do_unlock (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusBridge) bridge = postern_bridge_new_proxy (cli, &error);

  if (bridge == NULL || !postern_bus_bridge_call_unlock_keyring_sync (bridge,
                                                                      G_DBUS_CALL_FLAGS_NONE,
                                                                      POSTERN_PROMPT_TIMEOUT_MS,
                                                                      NULL,
                                                                      &error))
    return postern_cli_fail (cli, error);
  return tell_done (cli, _ ("The keyring is open."));
}

static PosternExit
do_quit (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusBridge) bridge = postern_bridge_new_proxy (cli, &error);

  if (bridge == NULL || !postern_bus_bridge_call_quit_sync (bridge,
                                                            G_DBUS_CALL_FLAGS_NONE,
                                                            POSTERN_CALL_TIMEOUT_MS,
                                                            NULL,
                                                            &error))
    return postern_cli_fail (cli, error);
  return tell_done (cli, _ ("Postern is stopping."));
}

const PosternCommand postern_status_commands[] = {
  { .name = "status", .summary = N_ ("Tell how everything is"), .run = do_status },
  { .name = "sync",
    .operand = NC_ ("argument", "[ACCOUNT]"),
    .most = 1,
    .summary = N_ ("Look for new mail and send what waits, now"),
    .run = do_sync },
  { .name = "keyring unlock",
    .summary = N_ ("Ask for the keyring's password where it is locked"),
    .run = do_unlock },
  { .name = "quit", .summary = N_ ("Stop Postern"), .run = do_quit },
  { .name = NULL },
};
