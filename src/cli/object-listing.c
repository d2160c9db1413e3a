/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/object-listing.h"

#include "cli/bridge-client.h"
#include "cli/failure.h"

/* A person need not know our names for things. */
typedef struct
{
  const char *name;
  const char *shown;
} Word;

static const Word account_states[] = {
  { "starting", NC_ ("account", "starting") },
  { "first-sync", NC_ ("account", "first sync") },
  { "connected", NC_ ("account", "connected") },
  { "offline", NC_ ("account", "offline") },
  { "signed-out", NC_ ("account", "signed out") },
  { "attention", NC_ ("account", "needs attention") },
  { "paused", NC_ ("account", "paused") },
  { NULL },
};

static const Word listener_states[] = {
  { "listening", NC_ ("listener", "listening") },
  { "failed", NC_ ("listener", "failed") },
  { "closed", NC_ ("listener", "closed") },
  { NULL },
};

/* Nobody translates these. */
static const Word technical_names[] = {
  { "pop3", "POP3" },   { "smtp", "SMTP" }, { "starttls", "STARTTLS" },
  { "tls", "SSL/TLS" }, { NULL },
};

static const char *
describe (const Word *words, const char *context, const char *name)
{
  for (; words->name != NULL; words++)
    if (g_str_equal (words->name, name))
      return context == NULL ? words->shown : g_dpgettext2 (NULL, context, words->shown);
  return name;
}

/**
 * postern_accounts_print:
 * @accounts: (element-type PosternBridgeObject)
 */
void
postern_accounts_print (PosternCli *cli, GPtrArray *accounts)
{
  const char *const headings[] = { C_ ("column", "ADDRESS"),
                                   C_ ("column", "STATE"),
                                   C_ ("column", "MESSAGES"),
                                   C_ ("column", "WAITING"),
                                   C_ ("column", "LAST SYNC"),
                                   C_ ("column", "DETAIL"),
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

      postern_table_add (
          table,
          postern_properties_get_string (properties, "Address"),
          describe (account_states, "account", postern_properties_get_string (properties, "State")),
          messages,
          waiting,
          last_sync,
          postern_failure_describe (postern_properties_get_string (properties, "Code"),
                                    postern_properties_get_string (properties, "Detail")),
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
  const char *const headings[] = { C_ ("column", "SERVICE"), C_ ("column", "SECURITY"),
                                   C_ ("column", "ADDRESS"), C_ ("column", "PORT"),
                                   C_ ("column", "STATE"),   C_ ("column", "SESSIONS"),
                                   C_ ("column", "DETAIL"),  NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);

  for (guint i = 0; i < listeners->len; i++)
    {
      GVariant *properties = ((PosternBridgeObject *) g_ptr_array_index (listeners, i))->properties;
      g_autofree char *port = g_strdup_printf ("%" G_GINT64_FORMAT,
                                               postern_properties_get_integer (properties, "Port"));
      g_autofree char *sessions =
          g_strdup_printf ("%" G_GINT64_FORMAT,
                           postern_properties_get_integer (properties, "Sessions"));

      postern_table_add (
          table,
          describe (technical_names, NULL, postern_properties_get_string (properties, "Service")),
          describe (technical_names, NULL, postern_properties_get_string (properties, "Security")),
          postern_properties_get_string (properties, "Address"),
          port,
          describe (listener_states,
                    "listener",
                    postern_properties_get_string (properties, "State")),
          sessions,
          postern_properties_get_string (properties, "Detail"),
          NULL);
    }
  postern_table_print (table, cli->out);
}
