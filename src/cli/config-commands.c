/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "base/error.h"
#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "config/config-file.h"
#include "config/config-parser.h"

#include <gio/gio.h>

/* Where the running daemon has its file, else where one would. */
static char *
find_path (PosternCli *cli)
{
  g_autoptr (GPtrArray) bridges = NULL;
  const char *path = "";

  if (postern_bridge_connect (cli, NULL))
    bridges = postern_bridge_list (cli, "Bridge1", NULL);
  if (bridges != NULL && bridges->len == 1)
    path = postern_properties_get_string (
        ((PosternBridgeObject *) g_ptr_array_index (bridges, 0))->properties,
        "ConfigPath");
  return *path == '\0' ? postern_config_default_path () : g_strdup (path);
}

static void
tell_fine (PosternCli *cli, const char *path, gboolean there, GPtrArray *remarks)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (cli->json)
    {
      builder = json_builder_new ();
      json_builder_begin_object (builder);
      postern_json_add_string (builder, "file", path);
      postern_json_add_boolean (builder, "exists", there);
      json_builder_set_member_name (builder, "remarks");
      json_builder_begin_array (builder);
      for (guint i = 0; i < remarks->len; i++)
        json_builder_add_string_value (builder, g_ptr_array_index (remarks, i));
      json_builder_end_array (builder);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
      return;
    }
  for (guint i = 0; i < remarks->len; i++)
    postern_output_line (cli, "%s", (const char *) g_ptr_array_index (remarks, i));
  if (there)
    /* Translators: %s is a file. */
    postern_output_line (cli, _ ("%s is in order."), path);
  else
    /* Translators: %s is a file. */
    postern_output_line (cli, _ ("%s does not exist; the defaults hold."), path);
}

static PosternExit
do_check (PosternCli *cli)
{
  const char *given = postern_cli_get_argument (cli, 0);
  g_autofree char *path = given == NULL ? find_path (cli) : g_strdup (given);
  g_autofree char *text = NULL;
  g_autoptr (GPtrArray) remarks = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (PosternConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) failure = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &error))
    {
      if (given == NULL && g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        {
          tell_fine (cli, path, FALSE, remarks);
          return POSTERN_EXIT_DONE;
        }
      failure = g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, error->message);
      return postern_cli_fail_with_remedy (cli,
                                           failure,
                                           _ ("Name a file that is there and can be read."));
    }
  config = postern_config_parse (text, length, path, remarks, &error);
  if (config == NULL)
    return postern_cli_fail_in_english (
        cli,
        error,
        _ ("Correct it there; until then Postern keeps what was valid last."));
  tell_fine (cli, path, TRUE, remarks);
  return POSTERN_EXIT_DONE;
}

static PosternExit
do_path (PosternCli *cli)
{
  g_autofree char *path = find_path (cli);
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      fprintf (cli->out, "%s\n", path);
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder, "file", path);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

static PosternExit
do_reload (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusBridge) bridge = postern_bridge_new_proxy (cli, &error);
  g_autoptr (JsonBuilder) builder = NULL;

  if (bridge == NULL || !postern_bus_bridge_call_reload_config_sync (bridge,
                                                                     G_DBUS_CALL_FLAGS_NONE,
                                                                     POSTERN_CALL_TIMEOUT_MS,
                                                                     NULL,
                                                                     &error))
    return postern_cli_fail (cli, error);
  if (!cli->json)
    {
      postern_output_line (cli, "%s", _ ("The configuration file was read again."));
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

const PosternCommand postern_config_commands[] = {
  { .name = "config check",
    .operand = NC_ ("argument", "[FILE]"),
    .most = 1,
    .no_daemon = TRUE,
    .summary = N_ ("Tell whether a configuration file is in order"),
    .details = N_ ("Names line and column of the first thing that is wrong, and all keys that "
                   "have no effect."),
    .run = do_check },
  { .name = "config path",
    .no_daemon = TRUE,
    .summary = N_ ("Tell where the configuration file is"),
    .run = do_path },
  { .name = "config reload",
    .summary = N_ ("Read the configuration file again now"),
    .run = do_reload },
  { .name = NULL },
};
