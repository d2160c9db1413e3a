/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/object-listing.h"

#include "cli/bridge-client.h"

/* One word for a person, who need not know our states' names. */
static const char *
describe_state (const char *state)
{
  static const struct
  {
    const char *state;
    const char *shown;
  } states[] = {
    { "starting", N_ ("starting") },     { "first-sync", N_ ("first sync") },
    { "connected", N_ ("connected") },   { "offline", N_ ("offline") },
    { "signed-out", N_ ("signed out") }, { "attention", N_ ("needs attention") },
    { "paused", N_ ("paused") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_str_equal (states[i].state, state))
      return _ (states[i].shown);
  return state;
}

/**
 * postern_accounts_print:
 * @accounts: (element-type PosternBridgeObject)
 */
void
postern_accounts_print (PosternCli *cli, GPtrArray *accounts)
{
  const char *const headings[] = { _ ("ADDRESS"), _ ("STATE"),     _ ("MESSAGES"),
                                   _ ("WAITING"), _ ("LAST SYNC"), _ ("DETAIL"),
                                   NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);

  for (guint i = 0; i < accounts->len; i++)
    {
      GVariant *properties = ((PosternBridgeObject *) g_ptr_array_index (accounts, i))->properties;
      g_autofree char *messages =
          g_strdup_printf ("%" G_GINT64_FORMAT,
                           postern_properties_get_integer (properties, "Messages"));
      g_autofree char *waiting =
          g_strdup_printf ("%" G_GINT64_FORMAT,
                           postern_properties_get_integer (properties, "Waiting"));
      g_autofree char *last_sync =
          postern_output_dup_time (postern_properties_get_integer (properties, "LastSync"));

      postern_table_add (table,
                         postern_properties_get_string (properties, "Address"),
                         describe_state (postern_properties_get_string (properties, "State")),
                         messages,
                         waiting,
                         last_sync,
                         postern_properties_get_string (properties, "Detail"),
                         NULL);
    }
  postern_table_print (table, cli->out);
}

/**
 * postern_objects_add_json:
 *
 * Adds the array @name with the properties of each object.
 */
void
postern_objects_add_json (JsonBuilder *builder, const char *name, GPtrArray *objects)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; i < objects->len; i++)
    {
      json_builder_begin_object (builder);
      postern_json_add_properties (
          builder,
          ((PosternBridgeObject *) g_ptr_array_index (objects, i))->properties);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

/**
 * postern_listeners_print:
 * @listeners: (element-type PosternBridgeObject)
 */
void
postern_listeners_print (PosternCli *cli, GPtrArray *listeners)
{
  const char *const headings[] = { _ ("SERVICE"), _ ("SECURITY"), _ ("ADDRESS"), _ ("PORT"),
                                   _ ("STATE"),   _ ("SESSIONS"), _ ("DETAIL"),  NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);

  for (guint i = 0; i < listeners->len; i++)
    {
      GVariant *properties = ((PosternBridgeObject *) g_ptr_array_index (listeners, i))->properties;
      g_autofree char *port = g_strdup_printf ("%" G_GINT64_FORMAT,
                                               postern_properties_get_integer (properties, "Port"));
      g_autofree char *sessions =
          g_strdup_printf ("%" G_GINT64_FORMAT,
                           postern_properties_get_integer (properties, "Sessions"));

      postern_table_add (table,
                         postern_properties_get_string (properties, "Service"),
                         postern_properties_get_string (properties, "Security"),
                         postern_properties_get_string (properties, "Address"),
                         port,
                         postern_properties_get_string (properties, "State"),
                         sessions,
                         postern_properties_get_string (properties, "Detail"),
                         NULL);
    }
  postern_table_print (table, cli->out);
}
