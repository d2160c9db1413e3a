/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/mail-settings.h"

#include "cli/bridge-client.h"

/* The certificate names localhost, and a mail program that is given the name finds either address. */
#define SERVER "localhost"

static gboolean
is_usable (const PosternBridgeObject *listener, const char *service)
{
  return g_str_equal (postern_properties_get_string (listener->properties, "Service"), service) &&
         g_str_equal (postern_properties_get_string (listener->properties, "State"), "listening");
}

/* A port that listens on both loopback addresses is one setting. */
static gboolean
was_listed (GPtrArray *listeners, guint index, const char *service)
{
  const PosternBridgeObject *listener = g_ptr_array_index (listeners, index);

  for (guint i = 0; i < index; i++)
    {
      const PosternBridgeObject *other = g_ptr_array_index (listeners, i);

      if (is_usable (other, service) &&
          postern_properties_get_integer (other->properties, "Port") ==
              postern_properties_get_integer (listener->properties, "Port"))
        return TRUE;
    }
  return FALSE;
}

static void
print_servers (PosternCli *cli, GPtrArray *listeners, const char *service, const char *title)
{
  gboolean is_first = TRUE;

  for (guint i = 0; i < listeners->len; i++)
    {
      const PosternBridgeObject *listener = g_ptr_array_index (listeners, i);
      const char *security =
          g_str_equal (postern_properties_get_string (listener->properties, "Security"), "tls")
              ? "SSL/TLS"
              : "STARTTLS";
      int port = (int) postern_properties_get_integer (listener->properties, "Port");
      g_autofree char *value = NULL;

      if (!is_usable (listener, service) || was_listed (listeners, i, service))
        continue;
      if (is_first)
        /* Translators: a server's name, a port, and SSL/TLS or STARTTLS. */
        value = g_strdup_printf (_ ("%s, port %d, %s"), SERVER, port, security);
      else
        /* Translators: another server that does as well: its name, a port, and SSL/TLS or STARTTLS. */
        value = g_strdup_printf (_ ("or %s, port %d, %s"), SERVER, port, security);
      postern_output_field (cli, is_first ? title : "", value);
      is_first = FALSE;
    }
  if (is_first)
    postern_output_field (cli, title, _ ("nothing listens; “posternctl listener list” tells why"));
}

/**
 * postern_mail_settings_print:
 * @listeners: (element-type PosternBridgeObject)
 * @password: (nullable): a bridge password, when it is to be shown
 */
void
postern_mail_settings_print (PosternCli *cli,
                             GPtrArray *listeners,
                             const char *address,
                             const char *password,
                             const char *ca_path)
{
  postern_output_line (cli, "%s", _ ("Settings for a mail program on this machine:"));
  print_servers (cli, listeners, "pop3", C_ ("field", "Receiving (POP3)"));
  print_servers (cli, listeners, "smtp", C_ ("field", "Sending (SMTP)"));
  postern_output_field (cli, C_ ("field", "User name"), address);
  if (password != NULL)
    postern_output_field (cli, C_ ("field", "Password"), password);
  postern_output_field (cli, C_ ("field", "Authentication"), _ ("normal password"));
  if (*ca_path != '\0')
    postern_output_field (cli, C_ ("field", "Certificate to trust"), ca_path);
}

/**
 * postern_mail_settings_add_json:
 *
 * Adds the same as members "user", "password", "ca" and "servers" of the object being built.
 */
void
postern_mail_settings_add_json (JsonBuilder *builder,
                                GPtrArray *listeners,
                                const char *address,
                                const char *password,
                                const char *ca_path)
{
  static const char *const services[] = { "pop3", "smtp" };

  postern_json_add_string (builder, "user", address);
  if (password != NULL)
    postern_json_add_string (builder, "password", password);
  postern_json_add_string (builder, "ca", ca_path);
  json_builder_set_member_name (builder, "servers");
  json_builder_begin_array (builder);
  for (gsize s = 0; s < G_N_ELEMENTS (services); s++)
    for (guint i = 0; i < listeners->len; i++)
      {
        const PosternBridgeObject *listener = g_ptr_array_index (listeners, i);

        if (!is_usable (listener, services[s]) || was_listed (listeners, i, services[s]))
          continue;
        json_builder_begin_object (builder);
        postern_json_add_string (builder, "service", services[s]);
        postern_json_add_string (builder,
                                 "security",
                                 postern_properties_get_string (listener->properties, "Security"));
        postern_json_add_string (builder, "host", SERVER);
        postern_json_add_int (builder,
                              "port",
                              postern_properties_get_integer (listener->properties, "Port"));
        json_builder_end_object (builder);
      }
  json_builder_end_array (builder);
}
