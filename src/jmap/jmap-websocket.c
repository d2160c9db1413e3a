/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/push-channel.h"

#include "base/error.h"
#include "jmap/json-read.h"

#include <string.h>

/* RFC 8887: only to be told. Method calls go over HTTP, where a body can be a stream and an answer
 * that was lost can be told from one that was never asked for. */

#define MAX_FRAME_OCTETS (64 * 1024)

struct _PosternJmapWebsocket
{
  GObject parent_instance;
  PosternJmapClient *client; /* (owned) */
  const PosternPushTiming *timing;
  const PosternPushEvents *events; /* (nullable) NULL: closed */
  gpointer user_data;
  GCancellable *cancellable;           /* (owned) */
  SoupMessage *message;                /* (owned) (nullable) */
  SoupWebsocketConnection *connection; /* (owned) (nullable) */
};

G_DEFINE_FINAL_TYPE (PosternJmapWebsocket, postern_jmap_websocket, G_TYPE_OBJECT)

static void
end (PosternJmapWebsocket *self, const GError *error)
{
  const PosternPushEvents *events = g_steal_pointer (&self->events);

  if (events != NULL)
    events->ended (error, self->user_data);
}

static void
on_message (SoupWebsocketConnection *connection, int type, GBytes *text, PosternJmapWebsocket *self)
{
  g_autoptr (JsonObject) json = NULL;
  const char *kind;

  if (self->events == NULL)
    return;
  self->events->heard (self->user_data);
  if (type != SOUP_WEBSOCKET_DATA_TEXT || self->events == NULL ||
      (json = postern_json_parse (text, NULL)) == NULL)
    return;
  kind = postern_json_get_string (json, "@type");
  if (g_strcmp0 (kind, "StateChange") == 0)
    self->events->state_change (json, self->user_data);
  else if (g_strcmp0 (kind, "RequestError") == 0)
    g_info ("The server refuses a request over the WebSocket: %s",
            postern_json_get_string (json, "type"));
}

static void
on_pong (SoupWebsocketConnection *connection, GBytes *payload, PosternJmapWebsocket *self)
{
  if (self->events != NULL)
    self->events->heard (self->user_data);
}

static void
on_closed (SoupWebsocketConnection *connection, PosternJmapWebsocket *self)
{
  const char *reason = soup_websocket_connection_get_close_data (connection);
  g_autoptr (GError) error = g_error_new (POSTERN_ERROR,
                                          POSTERN_ERROR_OFFLINE,
                                          "The server ended the push connection (%u%s%s)",
                                          soup_websocket_connection_get_close_code (connection),
                                          reason != NULL && *reason != '\0' ? ": " : "",
                                          reason != NULL ? reason : "");

  end (self, error);
}

static void
send_json (PosternJmapWebsocket *self, JsonObject *object)
{
  g_autoptr (JsonNode) root = json_node_init_object (json_node_alloc (), object);
  g_autofree char *text = json_to_string (root, FALSE);

  if (soup_websocket_connection_get_state (self->connection) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_send_text (self->connection, text);
}

static void
enable_push (PosternJmapWebsocket *self)
{
  g_autoptr (JsonObject) enable = json_object_new ();
  static const char *const types[] = { "Email" };

  json_object_set_string_member (enable, "@type", "WebSocketPushEnable");
  json_object_set_array_member (enable, "dataTypes", postern_jmap_string_array (types, 1));
  send_json (self, enable);
}

/* A server that answers, but not with an upgrade, does not have WebSockets, whatever its session
 * says; one that wants other credentials says that too. */
static gboolean
is_refusal (const GError *error)
{
  return g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL) ||
         g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternJmapWebsocket) self = user_data;
  g_autoptr (GError) error = NULL;

  self->connection =
      postern_http_client_connect_websocket_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  if (self->connection == NULL)
    {
      if (is_refusal (error))
        error->code = POSTERN_ERROR_REFUSED;
      if (self->events != NULL)
        postern_jmap_client_note_answer (self->client, self->message);
      end (self, error);
      return;
    }
  if (self->events == NULL)
    return;
  soup_websocket_connection_set_max_incoming_payload_size (self->connection, MAX_FRAME_OCTETS);
  soup_websocket_connection_set_keepalive_interval (self->connection, self->timing->ping_s);
  g_signal_connect_object (self->connection, "message", G_CALLBACK (on_message), self, 0);
  g_signal_connect_object (self->connection, "pong", G_CALLBACK (on_pong), self, 0);
  g_signal_connect_object (self->connection, "closed", G_CALLBACK (on_closed), self, 0);
  enable_push (self);
  self->events->opened (self->user_data);
}

static gboolean
on_failed_at_once (gpointer user_data)
{
  PosternJmapWebsocket *self = user_data;
  g_autoptr (GError) error = g_error_new (POSTERN_ERROR,
                                          POSTERN_ERROR_CREDENTIALS,
                                          "There is no password or token for this account");

  end (self, error);
  return G_SOURCE_REMOVE;
}

/**
 * postern_jmap_websocket_open:
 * @client: its session is there and has a WebSocket URL
 *
 * Returns: (transfer full): one that calls @events until it is closed
 */
PosternJmapWebsocket *
postern_jmap_websocket_open (PosternJmapClient *client,
                             const PosternPushTiming *timing,
                             const PosternPushEvents *events,
                             gpointer user_data)
{
  PosternJmapWebsocket *self = g_object_new (POSTERN_TYPE_JMAP_WEBSOCKET, NULL);

  self->client = g_object_ref (client);
  self->timing = timing;
  self->events = events;
  self->user_data = user_data;
  self->message =
      postern_jmap_client_new_message (client,
                                       SOUP_METHOD_GET,
                                       postern_jmap_client_get_session (client)->websocket_url,
                                       NULL);
  if (self->message == NULL)
    g_idle_add_full (G_PRIORITY_DEFAULT, on_failed_at_once, g_object_ref (self), g_object_unref);
  else
    postern_http_client_connect_websocket_async (postern_jmap_client_get_http (client),
                                                 self->message,
                                                 "jmap",
                                                 self->cancellable,
                                                 on_connected,
                                                 g_object_ref (self));
  return self;
}

/**
 * postern_jmap_websocket_ask_for_sign:
 *
 * Asks the server for a sign of life now; libsoup sends its pings by the clock only.
 */
void
postern_jmap_websocket_ask_for_sign (PosternJmapWebsocket *self)
{
  g_autoptr (JsonObject) request = json_object_new ();
  static const char *const using[] = { POSTERN_JMAP_URN_CORE };
  JsonArray *calls = json_array_new ();
  JsonArray *call = json_array_new ();

  if (self->connection == NULL)
    {
      json_array_unref (calls);
      json_array_unref (call);
      return;
    }
  json_array_add_string_element (call, "Core/echo");
  json_array_add_object_element (call, json_object_new ());
  json_array_add_string_element (call, "0");
  json_array_add_array_element (calls, call);
  json_object_set_string_member (request, "@type", "Request");
  json_object_set_string_member (request, "id", "sign");
  json_object_set_array_member (request, "using", postern_jmap_string_array (using, 1));
  json_object_set_array_member (request, "methodCalls", calls);
  send_json (self, request);
}

/**
 * postern_jmap_websocket_close:
 *
 * Nothing is called any more; the reference stays the caller's.
 */
void
postern_jmap_websocket_close (PosternJmapWebsocket *self)
{
  SoupWebsocketConnection *connection = g_steal_pointer (&self->connection);

  self->events = NULL;
  g_cancellable_cancel (self->cancellable);
  if (connection == NULL)
    return;
  g_signal_handlers_disconnect_by_data (connection, self);
  if (soup_websocket_connection_get_state (connection) != SOUP_WEBSOCKET_STATE_OPEN)
    {
      g_object_unref (connection);
      return;
    }
  /* It lives until the other end has said goodbye, or has had ten seconds to. */
  g_signal_connect (connection, "closed", G_CALLBACK (g_object_unref), NULL);
  soup_websocket_connection_close (connection, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, NULL);
}

static void
postern_jmap_websocket_dispose (GObject *object)
{
  PosternJmapWebsocket *self = POSTERN_JMAP_WEBSOCKET (object);

  postern_jmap_websocket_close (self);
  g_clear_object (&self->client);
  g_clear_object (&self->message);
  G_OBJECT_CLASS (postern_jmap_websocket_parent_class)->dispose (object);
}

static void
postern_jmap_websocket_finalize (GObject *object)
{
  g_object_unref (POSTERN_JMAP_WEBSOCKET (object)->cancellable);
  G_OBJECT_CLASS (postern_jmap_websocket_parent_class)->finalize (object);
}

static void
postern_jmap_websocket_class_init (PosternJmapWebsocketClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_jmap_websocket_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_jmap_websocket_finalize;
}

static void
postern_jmap_websocket_init (PosternJmapWebsocket *self)
{
  self->cancellable = g_cancellable_new ();
}
