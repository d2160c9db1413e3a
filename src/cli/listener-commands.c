/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/object-listing.h"

static PosternExit
do_list (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) listeners = postern_bridge_list (cli, "Listener1", &error);
  g_autoptr (JsonBuilder) builder = NULL;

  if (listeners == NULL)
    return postern_cli_fail (cli, error);
  if (!cli->json)
    {
      postern_listeners_print (cli, listeners);
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_objects_add_json (builder, "listeners", listeners);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

const PosternCommand postern_listener_commands[] = {
  { .name = "listener list",
    .summary = N_ ("List where mail programs can connect"),
    .run = do_list },
  { .name = NULL },
};
