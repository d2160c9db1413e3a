/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "base/error.h"
#include "base/random.h"
#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/mail-settings.h"
#include "cli/object-listing.h"
#include "cli/output.h"
#include "cli/secret-prompt.h"
#include "ipc/secret-fd.h"

#include <string.h>

/* --- what the options say ------------------------------------------------------------------------------- */

static const char *
get_secret_kind (PosternCli *cli)
{
  if (postern_cli_has_option (cli, "token"))
    return "token";
  return postern_cli_has_option (cli, "password") ? "password" : "auto";
}

static PosternExit
check_kind (PosternCli *cli)
{
  if (postern_cli_has_option (cli, "token") && postern_cli_has_option (cli, "password"))
    return postern_cli_usage (cli,
                              "%s",
                              _ ("A secret is either a --token or a --password, not both."));
  return POSTERN_EXIT_DONE;
}

/* Asks for the secret of @address and makes it ready to be sent. */
static GUnixFDList *
ask_secret (PosternCli *cli, const char *address, GError **error)
{
  g_autoptr (PosternSecret) secret = NULL;
  g_autofree char *question = NULL;

  if (postern_cli_has_option (cli, "token"))
    /* Translators: %s is an address, like jane@example.org. */
    question = g_strdup_printf (_ ("Token for %s:"), address);
  else if (postern_cli_has_option (cli, "password"))
    /* Translators: %s is an address. */
    question = g_strdup_printf (_ ("Password for %s:"), address);
  else
    /* Translators: %s is an address. */
    question = g_strdup_printf (_ ("Password or token for %s:"), address);
  secret = postern_secret_prompt (question, error);
  return secret == NULL ? NULL : postern_secret_fd_list_new (secret, error);
}

/* --- add ------------------------------------------------------------------------------------------------- */

static GVariant *
make_add_options (PosternCli *cli)
{
  static const struct
  {
    const char *option;
    const char *key;
  } texts[] = { { "url", "url" }, { "user", "user" }, { "name", "password_name" } };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder,
                         "{sv}",
                         "address",
                         g_variant_new_string (postern_cli_get_argument (cli, 0)));
  g_variant_builder_add (&builder, "{sv}", "kind", g_variant_new_string (get_secret_kind (cli)));
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (postern_cli_has_option (cli, texts[i].option))
      g_variant_builder_add (&builder,
                             "{sv}",
                             texts[i].key,
                             g_variant_new_string (postern_cli_get_option (cli, texts[i].option)));
  return g_variant_builder_end (&builder);
}

/* Returns (transfer full) (nullable): what became of it. */
static GVariant *
add_account (PosternCli *cli, PosternBusBridge *bridge, GError **error)
{
  g_autoptr (GUnixFDList) fds = ask_secret (cli, postern_cli_get_argument (cli, 0), error);
  g_autofree char *job_id = postern_random_id ();
  g_autofree char *job = NULL;

  if (fds == NULL)
    return NULL;
  if (!postern_bus_bridge_call_add_account_sync (bridge,
                                                 make_add_options (cli),
                                                 g_variant_new_handle (0),
                                                 job_id,
                                                 G_DBUS_CALL_FLAGS_NONE,
                                                 POSTERN_CALL_TIMEOUT_MS,
                                                 fds,
                                                 &job,
                                                 NULL,
                                                 NULL,
                                                 error))
    return NULL;
  return postern_bridge_wait_job (cli, job, error);
}

static PosternSecret *
show_password (PosternCli *cli, GVariant *result, GError **error)
{
  g_autoptr (PosternBusAccount) account = NULL;
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  const char *path = "/";

  g_variant_lookup (result, "account", "&o", &path);
  account = postern_bridge_new_account_at (cli, path, error);
  if (account == NULL || !postern_bus_account_call_show_password_sync (
                             account,
                             postern_properties_get_string (result, "password_id"),
                             G_DBUS_CALL_FLAGS_NONE,
                             POSTERN_CALL_TIMEOUT_MS,
                             NULL,
                             &handle,
                             &fds,
                             NULL,
                             error))
    return NULL;
  return postern_secret_fd_list_read (fds, handle, error);
}

static char *
get_ca_path (PosternCli *cli)
{
  g_autoptr (GPtrArray) bridges = postern_bridge_list (cli, "Bridge1", NULL);

  if (bridges == NULL || bridges->len == 0)
    return g_strdup ("");
  return g_strdup (postern_properties_get_string (
      ((PosternBridgeObject *) g_ptr_array_index (bridges, 0))->properties,
      "CaPath"));
}

static void
tell_added (PosternCli *cli, GVariant *result, GPtrArray *listeners, PosternSecret *password)
{
  const char *address = postern_cli_get_argument (cli, 0);
  g_autofree char *ca_path = get_ca_path (cli);
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      /* Translators: %s is an address. */
      postern_output_line (cli, _ ("%s was added."), address);
      fputc ('\n', cli->out);
      postern_mail_settings_print (cli,
                                   listeners,
                                   address,
                                   postern_secret_get_text (password),
                                   ca_path);
      return;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder, "id", postern_properties_get_string (result, "id"));
  postern_json_add_string (builder, "address", address);
  postern_json_add_string (builder,
                           "password_id",
                           postern_properties_get_string (result, "password_id"));
  postern_mail_settings_add_json (builder,
                                  listeners,
                                  address,
                                  postern_secret_get_text (password),
                                  ca_path);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
}

static PosternExit
do_add (PosternCli *cli)
{
  const char *address = postern_cli_get_argument (cli, 0);
  g_autoptr (PosternBusBridge) bridge = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GPtrArray) listeners = NULL;
  g_autoptr (PosternSecret) password = NULL;
  g_autoptr (GError) error = NULL;
  PosternExit code = check_kind (cli);

  if (code != POSTERN_EXIT_DONE)
    return code;
  if (strchr (address, '@') == NULL)
    /* Translators: %s is what was typed. */
    return postern_cli_usage (cli, _ ("“%s” is no address like name@example.org."), address);

  bridge = postern_bridge_new_proxy (cli, &error);
  if (bridge != NULL)
    result = add_account (cli, bridge, &error);
  if (result == NULL)
    return postern_cli_fail (cli, error);

  listeners = postern_bridge_list (cli, "Listener1", &error);
  if (listeners != NULL)
    password = show_password (cli, result, &error);
  if (password == NULL)
    return postern_cli_fail_with_remedy (
        cli,
        error,
        _ ("The account was added all the same; “posternctl password add” makes a password."));
  tell_added (cli, result, listeners, password);
  return POSTERN_EXIT_DONE;
}

/* --- list ------------------------------------------------------------------------------------------------- */

static PosternExit
do_list (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) accounts = postern_bridge_list (cli, "Account1", &error);
  g_autoptr (JsonBuilder) builder = NULL;

  if (accounts == NULL)
    return postern_cli_fail (cli, error);
  if (cli->json)
    {
      builder = json_builder_new ();
      json_builder_begin_object (builder);
      postern_objects_add_json (builder, "accounts", accounts);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
    }
  else if (accounts->len == 0)
    postern_output_line (cli,
                         "%s",
                         _ ("There is no account yet. “posternctl account add ADDRESS” adds one."));
  else
    postern_accounts_print (cli, accounts);
  return POSTERN_EXIT_DONE;
}

/* --- remove, test, sign-in ------------------------------------------------------------------------------------ */

static void
tell_done (PosternCli *cli, const PosternBridgeObject *account, const char *sentence)
{
  const char *address = postern_properties_get_string (account->properties, "Address");
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      postern_output_line (cli, "%s", sentence);
      return;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder,
                           "id",
                           postern_properties_get_string (account->properties, "Id"));
  postern_json_add_string (builder, "address", address);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
}

static PosternExit
do_remove (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBridgeObject) account = NULL;
  g_autoptr (PosternBusBridge) bridge = NULL;
  g_autofree char *sentence = NULL;
  const char *queued = "refuse";

  if (postern_cli_has_option (cli, "discard") && postern_cli_has_option (cli, "hold"))
    return postern_cli_usage (cli, "%s", _ ("Use either --discard or --hold, not both."));
  if (postern_cli_has_option (cli, "discard"))
    queued = "discard";
  else if (postern_cli_has_option (cli, "hold"))
    queued = "hold";

  account = postern_bridge_find_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (account != NULL)
    bridge = postern_bridge_new_proxy (cli, &error);
  if (bridge == NULL)
    return postern_cli_fail (cli, error);
  if (!postern_bus_bridge_call_remove_account_sync (
          bridge,
          postern_properties_get_string (account->properties, "Id"),
          queued,
          G_DBUS_CALL_FLAGS_NONE,
          POSTERN_CALL_TIMEOUT_MS,
          NULL,
          &error))
    {
      if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_BUSY))
        return postern_cli_fail_with_remedy (
            cli,
            error,
            _ ("Wait until it has left, or add --hold to keep it or --discard to throw it away."));
      return postern_cli_fail (cli, error);
    }
  /* Translators: %s is an address. */
  sentence = g_strdup_printf (_ ("%s was removed. The mail on the server stays."),
                              postern_properties_get_string (account->properties, "Address"));
  tell_done (cli, account, sentence);
  return POSTERN_EXIT_DONE;
}

static GVariant *
test_account (PosternCli *cli, PosternBridgeObject *object, GError **error)
{
  g_autoptr (PosternBusAccount) account = postern_bridge_new_account_at (cli, object->path, error);
  g_autofree char *job_id = postern_random_id ();
  g_autofree char *job = NULL;

  if (account == NULL || !postern_bus_account_call_test_sync (account,
                                                              job_id,
                                                              G_DBUS_CALL_FLAGS_NONE,
                                                              POSTERN_CALL_TIMEOUT_MS,
                                                              &job,
                                                              NULL,
                                                              error))
    return NULL;
  return postern_bridge_wait_job (cli, job, error);
}

static PosternExit
do_test (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBridgeObject) account = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  g_autofree char *size = NULL;
  guint messages;

  account = postern_bridge_find_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (account != NULL)
    result = test_account (cli, account, &error);
  if (result == NULL)
    return postern_cli_fail (cli, error);

  if (cli->json)
    {
      builder = json_builder_new ();
      json_builder_begin_object (builder);
      postern_json_add_string (builder,
                               "address",
                               postern_properties_get_string (account->properties, "Address"));
      postern_json_add_properties (builder, result);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
      return POSTERN_EXIT_DONE;
    }
  size = postern_output_dup_size ((guint64) postern_properties_get_integer (result, "max_size"));
  messages = (guint) postern_properties_get_integer (result, "messages");
  postern_output_line (
      cli,
      /* Translators: an address, how many messages its mailbox has, and the size of
                        * the largest that can be sent, like 25.0 MiB. */
      ngettext ("%s works: %u message, the largest that can be sent has %s.",
                "%s works: %u messages, the largest that can be sent has %s.",
                messages),
      postern_properties_get_string (account->properties, "Address"),
      messages,
      size);
  return POSTERN_EXIT_DONE;
}

static PosternExit
do_sign_in (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBridgeObject) object = NULL;
  g_autoptr (PosternBusAccount) account = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autofree char *sentence = NULL;
  PosternExit code = check_kind (cli);

  if (code != POSTERN_EXIT_DONE)
    return code;
  object = postern_bridge_find_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (object != NULL)
    account = postern_bridge_new_account_at (cli, object->path, &error);
  if (account != NULL)
    fds = ask_secret (cli, postern_properties_get_string (object->properties, "Address"), &error);
  if (fds == NULL || !postern_bus_account_call_set_secret_sync (account,
                                                                g_variant_new_handle (0),
                                                                get_secret_kind (cli),
                                                                G_DBUS_CALL_FLAGS_NONE,
                                                                POSTERN_PROMPT_TIMEOUT_MS,
                                                                fds,
                                                                NULL,
                                                                NULL,
                                                                &error))
    return postern_cli_fail (cli, error);
  /* Translators: %s is an address. */
  sentence = g_strdup_printf (_ ("%s is signed in."),
                              postern_properties_get_string (object->properties, "Address"));
  tell_done (cli, object, sentence);
  return POSTERN_EXIT_DONE;
}

#define SECRET_DETAILS                                                                             \
  N_ ("The password or token is asked for on the terminal, or read as one line from standard "     \
      "input; it is\nnever an argument. Without --token or --password the server is asked which "  \
      "of the two it is.")

const PosternCommand postern_account_commands[] = {
  { .name = "account list", .summary = N_ ("List the accounts"), .run = do_list },
  { .name = "account add",
    .operand = NC_ ("argument", "ADDRESS"),
    .least = 1,
    .most = 1,
    .summary = N_ ("Sign in to a mail server and add the account"),
    .details = SECRET_DETAILS,
    .options = { { "url",
                   NC_ ("argument", "URL"),
                   N_ ("the JMAP server; else the address's domain is asked") },
                 { "user",
                   NC_ ("argument", "NAME"),
                   N_ ("how the server knows you; else the address") },
                 { "token", NULL, N_ ("the secret is a token") },
                 { "password", NULL, N_ ("the secret is a password") },
                 { "name",
                   NC_ ("argument", "NAME"),
                   N_ ("what to call the first mail program's password") } },
    .run = do_add },
  { .name = "account remove",
    .operand = NC_ ("argument", "ID|ADDRESS"),
    .least = 1,
    .most = 1,
    .summary = N_ ("Remove an account; its mail on the server stays"),
    .details = N_ ("Refused while mail waits to leave through it, unless told what to do with it."),
    .options = { { "hold", NULL, N_ ("keep that mail in the queue, held") },
                 { "discard",
                   NULL,
                   N_ ("discard that mail; “queue restore” undoes it for a week") } },
    .run = do_remove },
  { .name = "account test",
    .operand = NC_ ("argument", "ID|ADDRESS"),
    .least = 1,
    .most = 1,
    .summary = N_ ("Try everything that a mail program needs"),
    .run = do_test },
  { .name = "account sign-in",
    .operand = NC_ ("argument", "ID|ADDRESS"),
    .least = 1,
    .most = 1,
    .summary = N_ ("Sign in again, with another password or token"),
    .details = SECRET_DETAILS,
    .options = { { "token", NULL, N_ ("the secret is a token") },
                 { "password", NULL, N_ ("the secret is a password") } },
    .run = do_sign_in },
  { .name = NULL },
};
