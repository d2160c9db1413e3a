/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "ipc/secret-fd.h"

#include <gio/gio.h>

/* The passwords with which mail programs log in here; the server's is never among them. */

static void
tell_password (PosternCli *cli, const char *id, PosternSecret *secret)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      /* Alone on its line, so that a script can take it. */
      fprintf (cli->out, "%s\n", postern_secret_get_text (secret));
      return;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder, "id", id);
  postern_json_add_string (builder, "password", postern_secret_get_text (secret));
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
}

static PosternExit
do_add (PosternCli *cli)
{
  const char *name = postern_cli_get_option (cli, "name");
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusAccount) account = NULL;
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (PosternSecret) secret = NULL;
  g_autofree char *id = NULL;

  account = postern_bridge_new_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (account != NULL &&
      postern_bus_account_call_add_password_sync (account,
                                                  name == NULL ? _ ("Mail program") : name,
                                                  G_DBUS_CALL_FLAGS_NONE,
                                                  POSTERN_CALL_TIMEOUT_MS,
                                                  NULL,
                                                  &id,
                                                  &handle,
                                                  &fds,
                                                  NULL,
                                                  &error))
    secret = postern_secret_fd_list_read (fds, handle, &error);
  if (secret == NULL)
    return postern_cli_fail (cli, error);
  tell_password (cli, id, secret);
  return POSTERN_EXIT_DONE;
}

static void
print_list (PosternCli *cli, GVariant *passwords)
{
  const char *const headings[] = { C_ ("column", "ID"),
                                   C_ ("column", "NAME"),
                                   C_ ("column", "CREATED"),
                                   C_ ("column", "LAST USED"),
                                   NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);
  GVariantIter iter;
  const char *id;
  const char *name;
  gint64 created;
  gint64 used;

  g_variant_iter_init (&iter, passwords);
  while (g_variant_iter_loop (&iter, "(&s&sxx)", &id, &name, &created, &used))
    {
      g_autofree char *created_text = postern_output_dup_time (created);
      g_autofree char *used_text = postern_output_dup_time (used);

      postern_table_add (table, id, name, created_text, used_text, NULL);
    }
  postern_table_print (table, cli->out);
}

static void
print_list_json (PosternCli *cli, GVariant *passwords)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GVariantIter iter;
  const char *id;
  const char *name;
  gint64 created;
  gint64 used;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "passwords");
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, passwords);
  while (g_variant_iter_loop (&iter, "(&s&sxx)", &id, &name, &created, &used))
    {
      json_builder_begin_object (builder);
      postern_json_add_string (builder, "id", id);
      postern_json_add_string (builder, "name", name);
      postern_json_add_int (builder, "created_at", created);
      postern_json_add_int (builder, "last_used_at", used);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
}

static PosternExit
do_list (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusAccount) account = NULL;
  g_autoptr (GVariant) passwords = NULL;

  account = postern_bridge_new_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (account == NULL || !postern_bus_account_call_list_passwords_sync (account,
                                                                        G_DBUS_CALL_FLAGS_NONE,
                                                                        POSTERN_CALL_TIMEOUT_MS,
                                                                        &passwords,
                                                                        NULL,
                                                                        &error))
    return postern_cli_fail (cli, error);
  if (cli->json)
    print_list_json (cli, passwords);
  else if (g_variant_n_children (passwords) == 0)
    postern_output_line (cli,
                         "%s",
                         _ ("There is no password yet. “posternctl password add” makes one."));
  else
    print_list (cli, passwords);
  return POSTERN_EXIT_DONE;
}

static PosternExit
do_show (PosternCli *cli)
{
  const char *id = postern_cli_get_argument (cli, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusAccount) account = NULL;
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (PosternSecret) secret = NULL;

  account = postern_bridge_new_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (account != NULL && postern_bus_account_call_show_password_sync (account,
                                                                      id,
                                                                      G_DBUS_CALL_FLAGS_NONE,
                                                                      POSTERN_CALL_TIMEOUT_MS,
                                                                      NULL,
                                                                      &handle,
                                                                      &fds,
                                                                      NULL,
                                                                      &error))
    secret = postern_secret_fd_list_read (fds, handle, &error);
  if (secret == NULL)
    return postern_cli_fail (cli, error);
  tell_password (cli, id, secret);
  return POSTERN_EXIT_DONE;
}

static PosternExit
do_revoke (PosternCli *cli)
{
  const char *id = postern_cli_get_argument (cli, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusAccount) account = NULL;
  g_autoptr (JsonBuilder) builder = NULL;

  account = postern_bridge_new_account (cli, postern_cli_get_argument (cli, 0), &error);
  if (account == NULL || !postern_bus_account_call_revoke_password_sync (account,
                                                                         id,
                                                                         G_DBUS_CALL_FLAGS_NONE,
                                                                         POSTERN_CALL_TIMEOUT_MS,
                                                                         NULL,
                                                                         &error))
    return postern_cli_fail (cli, error);
  if (!cli->json)
    {
      postern_output_line (cli, "%s", _ ("The password opens nothing any more."));
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder, "id", id);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

const PosternCommand postern_password_commands[] = {
  { .name = "password list",
    .operand = NC_ ("argument", "ACCOUNT"),
    .least = 1,
    .most = 1,
    .summary = N_ ("List the passwords that mail programs log in with"),
    .run = do_list },
  { .name = "password add",
    .operand = NC_ ("argument", "ACCOUNT"),
    .least = 1,
    .most = 1,
    .summary = N_ ("Make a password for a mail program and show it"),
    .options = { { "name", NC_ ("argument", "NAME"), N_ ("what to call it, like “Thunderbird”") } },
    .run = do_add },
  { .name = "password show",
    .operand = NC_ ("argument", "ACCOUNT ID"),
    .least = 2,
    .most = 2,
    .summary = N_ ("Show a password again"),
    .run = do_show },
  { .name = "password revoke",
    .operand = NC_ ("argument", "ACCOUNT ID"),
    .least = 2,
    .most = 2,
    .summary = N_ ("Make a password useless from now on"),
    .run = do_revoke },
  { .name = NULL },
};
