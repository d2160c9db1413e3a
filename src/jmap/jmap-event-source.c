/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/push-channel.h"

#include "base/error.h"
#include "http/http-error.h"
#include "jmap/event-stream.h"
#include "jmap/json-read.h"

#include <string.h>

/* RFC 8620 section 7.3 */

#define READ_OCTETS 2048

struct _PosternJmapEventSource
{
  GObject parent_instance;
  PosternJmapClient *client; /* (owned) */
  const PosternPushTiming *timing;
  const PosternPushEvents *events; /* (nullable) NULL: closed */
  gpointer user_data;
  GCancellable *cancellable;  /* (owned) */
  SoupMessage *message;       /* (owned) (nullable) */
  GInputStream *body;         /* (owned) (nullable) */
  PosternEventStream *stream; /* (owned) */
  char *last_event_id;        /* (nullable) of the stream before */
  guint8 buffer[READ_OCTETS];
};

G_DEFINE_FINAL_TYPE (PosternJmapEventSource, postern_jmap_event_source, G_TYPE_OBJECT)

static void
end (PosternJmapEventSource *self, const GError *error)
{
  const PosternPushEvents *events = g_steal_pointer (&self->events);

  if (events != NULL)
    events->ended (error, self->user_data);
}

static void
on_event (const char *type, const char *data, gpointer user_data)
{
  PosternJmapEventSource *self = user_data;
  g_autoptr (GBytes) text = g_bytes_new_static (data, strlen (data));
  g_autoptr (JsonObject) json = NULL;

  if (self->events == NULL || g_strcmp0 (type, "state") != 0)
    return;
  json = postern_json_parse (text, NULL);
  if (json != NULL)
    self->events->state_change (json, self->user_data);
}

static void on_read (GObject *source, GAsyncResult *result, gpointer user_data);

static void
read_more (PosternJmapEventSource *self)
{
  g_input_stream_read_async (self->body,
                             self->buffer,
                             sizeof self->buffer,
                             G_PRIORITY_DEFAULT,
                             self->cancellable,
                             on_read,
                             g_object_ref (self));
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternJmapEventSource) self = user_data;
  g_autoptr (GError) error = NULL;
  gssize octets = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (self->events == NULL)
    return;
  if (octets == 0)
    g_set_error (&error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE, "The server ended the push stream");
  if (octets <= 0)
    {
      end (self, error);
      return;
    }
  self->events->heard (self->user_data);
  if (!postern_event_stream_feed (self->stream, self->buffer, (gsize) octets))
    {
      g_set_error (&error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "The push stream has an event that is too long");
      end (self, error);
      return;
    }
  if (self->events != NULL)
    read_more (self);
}

static gboolean
check_answer (SoupMessage *message, GError **error)
{
  const char *type =
      soup_message_headers_get_content_type (soup_message_get_response_headers (message), NULL);
  guint status = soup_message_get_status (message);

  /* 204 tells a client not to come back (HTML standard, section 9.2.3). */
  if (status == SOUP_STATUS_NO_CONTENT || status == SOUP_STATUS_NOT_FOUND ||
      (status == SOUP_STATUS_OK &&
       (type == NULL || g_ascii_strcasecmp (type, "text/event-stream") != 0)))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_REFUSED,
                   "The server has no push by EventSource (HTTP %u)",
                   status);
      return FALSE;
    }
  return postern_http_check_status (message, error);
}

static void
on_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternJmapEventSource) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body =
      postern_http_client_open_finish (POSTERN_HTTP_CLIENT (source), result, &error);

  if (self->events == NULL)
    return;
  if (body != NULL)
    {
      postern_jmap_client_note_answer (self->client, self->message);
      check_answer (self->message, &error);
    }
  if (error != NULL)
    {
      end (self, error);
      return;
    }
  self->body = g_steal_pointer (&body);
  self->events->opened (self->user_data);
  if (self->events != NULL)
    read_more (self);
}

static gboolean
on_failed_at_once (gpointer user_data)
{
  PosternJmapEventSource *self = user_data;
  g_autoptr (GError) error = g_error_new (POSTERN_ERROR,
                                          POSTERN_ERROR_REFUSED,
                                          "The server names no usable address for push");

  end (self, error);
  return G_SOURCE_REMOVE;
}

/**
 * postern_jmap_event_source_open:
 * @client: its session is there and has an event source
 * @last_event_id: (nullable): what the last stream ended with
 *
 * Returns: (transfer full): one that calls @events until it is closed
 */
PosternJmapEventSource *
postern_jmap_event_source_open (PosternJmapClient *client,
                                const PosternPushTiming *timing,
                                const char *last_event_id,
                                const PosternPushEvents *events,
                                gpointer user_data)
{
  PosternJmapEventSource *self = g_object_new (POSTERN_TYPE_JMAP_EVENT_SOURCE, NULL);
  const PosternJmapSession *session = postern_jmap_client_get_session (client);
  g_autofree char *ping = g_strdup_printf ("%u", timing->ping_s);
  const char *const values[] = { "types", "Email", "closeafter", "no", "ping", ping, NULL };
  g_autoptr (GUri) uri = NULL;

  self->client = g_object_ref (client);
  self->timing = timing;
  self->events = events;
  self->user_data = user_data;
  self->last_event_id = g_strdup (last_event_id);
  uri = postern_jmap_session_expand (session, session->event_source_template, values, NULL);
  if (uri != NULL)
    self->message = postern_jmap_client_new_message (client, SOUP_METHOD_GET, uri, NULL);
  if (self->message == NULL)
    {
      g_idle_add_full (G_PRIORITY_DEFAULT, on_failed_at_once, g_object_ref (self), g_object_unref);
      return self;
    }
  soup_message_headers_replace (soup_message_get_request_headers (self->message),
                                "Accept",
                                "text/event-stream");
  if (last_event_id != NULL && *last_event_id != '\0')
    soup_message_headers_replace (soup_message_get_request_headers (self->message),
                                  "Last-Event-ID",
                                  last_event_id);
  /* A stream that is compressed may hold an event back. */
  soup_message_disable_feature (self->message, SOUP_TYPE_CONTENT_DECODER);
  postern_http_client_open_async (postern_jmap_client_get_http (client),
                                  self->message,
                                  POSTERN_HTTP_STREAM,
                                  self->cancellable,
                                  on_opened,
                                  g_object_ref (self));
  return self;
}

/**
 * postern_jmap_event_source_get_last_id:
 *
 * Returns: (nullable): lent: what the next stream is to be opened with
 */
const char *
postern_jmap_event_source_get_last_id (PosternJmapEventSource *self)
{
  const char *id = postern_event_stream_get_last_id (self->stream);

  return id != NULL ? id : self->last_event_id;
}

/**
 * postern_jmap_event_source_close:
 *
 * Nothing is called any more; the reference stays the caller's.
 */
void
postern_jmap_event_source_close (PosternJmapEventSource *self)
{
  self->events = NULL;
  g_cancellable_cancel (self->cancellable);
}

static void
postern_jmap_event_source_dispose (GObject *object)
{
  PosternJmapEventSource *self = POSTERN_JMAP_EVENT_SOURCE (object);

  postern_jmap_event_source_close (self);
  g_clear_object (&self->body);
  g_clear_object (&self->client);
  g_clear_object (&self->message);
  G_OBJECT_CLASS (postern_jmap_event_source_parent_class)->dispose (object);
}

static void
postern_jmap_event_source_finalize (GObject *object)
{
  PosternJmapEventSource *self = POSTERN_JMAP_EVENT_SOURCE (object);

  g_object_unref (self->cancellable);
  postern_event_stream_free (self->stream);
  g_free (self->last_event_id);
  G_OBJECT_CLASS (postern_jmap_event_source_parent_class)->finalize (object);
}

static void
postern_jmap_event_source_class_init (PosternJmapEventSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_jmap_event_source_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_jmap_event_source_finalize;
}

static void
postern_jmap_event_source_init (PosternJmapEventSource *self)
{
  self->cancellable = g_cancellable_new ();
  self->stream = postern_event_stream_new (on_event, self);
}
