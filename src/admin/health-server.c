/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-admin"

#include "config.h"

#include "admin/health-server.h"

#include "base/error.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

struct _PosternHealthServer
{
  SoupServer *server;
  guint16 port;
  PosternHealthFunc health;
  gpointer user_data;
};

/* A page in a browser can make requests to 127.0.0.1 under a name of its own that resolves there
 * (DNS rebinding). Its requests name that host; ours name this machine. */
static gboolean
is_for_us (SoupServerMessage *message)
{
  const char *host =
      soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Host");
  const char *end;
  gsize length;

  if (host == NULL)
    return FALSE;
  end = *host == '[' ? strchr (host, ']') : NULL;
  length = end != NULL ? (gsize) (end - host) + 1 : strcspn (host, ":");
  return (length == 9 && g_ascii_strncasecmp (host, "localhost", length) == 0) ||
         (length == 9 && strncmp (host, "127.0.0.1", length) == 0) ||
         (length == 5 && strncmp (host, "[::1]", length) == 0);
}

static void
answer_json (SoupServerMessage *message, guint status, JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, FALSE);

  soup_server_message_set_status (message, status, NULL);
  soup_message_headers_append (soup_server_message_get_response_headers (message),
                               "Cache-Control",
                               "no-store");
  soup_server_message_set_response (message,
                                    "application/json",
                                    SOUP_MEMORY_COPY,
                                    text,
                                    strlen (text));
}

static void
answer_problem (SoupServerMessage *message, guint status, const char *title)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "error");
  json_builder_add_string_value (builder, title);
  json_builder_end_object (builder);
  answer_json (message, status, builder);
}

static void
on_health (SoupServer *server,
           SoupServerMessage *message,
           const char *path,
           GHashTable *query,
           gpointer user_data)
{
  PosternHealthServer *self = user_data;
  const char *method = soup_server_message_get_method (message);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  const char *state;

  if (!is_for_us (message))
    {
      answer_problem (message, SOUP_STATUS_MISDIRECTED_REQUEST, "ask for localhost by its name");
      return;
    }
  if (!g_str_equal (path, "/health"))
    {
      answer_problem (message, SOUP_STATUS_NOT_FOUND, "there is only /health here");
      return;
    }
  if (!g_str_equal (method, SOUP_METHOD_GET) && !g_str_equal (method, SOUP_METHOD_HEAD))
    {
      soup_message_headers_append (soup_server_message_get_response_headers (message),
                                   "Allow",
                                   "GET, HEAD");
      answer_problem (message, SOUP_STATUS_METHOD_NOT_ALLOWED, "health can only be read");
      return;
    }

  state = self->health (self->user_data);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "state");
  json_builder_add_string_value (builder, state);
  json_builder_set_member_name (builder, "version");
  json_builder_add_string_value (builder, POSTERN_VERSION);
  json_builder_end_object (builder);
  answer_json (message,
               g_str_equal (state, "running") || g_str_equal (state, "offline")
                   ? SOUP_STATUS_OK
                   : SOUP_STATUS_SERVICE_UNAVAILABLE,
               builder);
}

/**
 * postern_health_server_new:
 * @port: on 127.0.0.1; 0 for any free one
 * @health: asked at each request, on the main context
 *
 * Returns: (transfer full) (nullable): POSTERN_ERROR_BUSY when the port is taken
 */
PosternHealthServer *
postern_health_server_new (guint16 port,
                           PosternHealthFunc health,
                           gpointer user_data,
                           GError **error)
{
  g_autoptr (PosternHealthServer) self = g_new0 (PosternHealthServer, 1);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  g_autoptr (GError) cause = NULL;
  GSList *uris;

  self->health = health;
  self->user_data = user_data;
  self->server = soup_server_new ("server-header", "Postern", NULL);
  soup_server_add_handler (self->server, NULL, on_health, self, NULL);
  if (!soup_server_listen (self->server, address, 0, &cause))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_BUSY,
                   "The health page cannot listen on 127.0.0.1 port %u: %s",
                   port,
                   cause->message);
      return NULL;
    }
  uris = soup_server_get_uris (self->server);
  self->port = (guint16) g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return g_steal_pointer (&self);
}

guint16
postern_health_server_get_port (PosternHealthServer *self)
{
  return self->port;
}

void
postern_health_server_free (PosternHealthServer *self)
{
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_free (self);
}
