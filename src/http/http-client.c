/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-http"

#include "config.h"

#include "http/http-client.h"

#include "base/error.h"
#include "http/answer-stream.h"
#include "http/http-error.h"
#include "http/trust-database.h"

#include <string.h>

#define REQUEST_TIMEOUT_S 60   /* silence on a connection, or while it is made */
#define IDLE_TIMEOUT_S    55   /* a connection nobody uses; below what servers and NATs allow */
#define MAX_CONNECTIONS   64   /* requests only */
#define MAX_PER_HOST      16   /* all accounts of one Worker share its host */
#define MAX_STREAMS       6000 /* pushes, one an account where there are no WebSockets */
#define READ_OCTETS       16384
#define STARTED_KEY       "postern-http-started"

struct _PosternHttpClient
{
  GObject parent_instance;
  SoupSession *requests; /* (owned) */
  SoupSession *streams;  /* (owned) the same without a timeout */
};

G_DEFINE_FINAL_TYPE (PosternHttpClient, postern_http_client, G_TYPE_OBJECT)

static SoupSession *
make_session (PosternHttpFlags flags, GTlsDatabase *trust, guint timeout_s, int max, int max_host)
{
  SoupSession *session = soup_session_new_with_options ("max-conns",
                                                        max,
                                                        "max-conns-per-host",
                                                        max_host,
                                                        "timeout",
                                                        timeout_s,
                                                        "idle-timeout",
                                                        IDLE_TIMEOUT_S,
                                                        "tls-database",
                                                        trust,
                                                        "user-agent",
                                                        "Postern/" POSTERN_VERSION,
                                                        NULL);

  if (flags & POSTERN_HTTP_NO_PROXY)
    soup_session_set_proxy_resolver (session, NULL);
  /* It would repeat a refused request with what it finds in the URL. */
  soup_session_remove_feature_by_type (session, SOUP_TYPE_AUTH_MANAGER);
  return session;
}

/**
 * postern_http_client_new:
 * @extra_ca_path: (nullable): a PEM file of authorities trusted beside the system's
 *
 * Returns: (transfer full): POSTERN_ERROR_INVALID when that file can not be used.
 */
PosternHttpClient *
postern_http_client_new (PosternHttpFlags flags, const char *extra_ca_path, GError **error)
{
  g_autoptr (GTlsDatabase) trust = postern_trust_database_new (extra_ca_path, error);
  PosternHttpClient *self;

  if (trust == NULL)
    return NULL;
  self = g_object_new (POSTERN_TYPE_HTTP_CLIENT, NULL);
  self->requests = make_session (flags, trust, REQUEST_TIMEOUT_S, MAX_CONNECTIONS, MAX_PER_HOST);
  self->streams = make_session (flags, trust, 0, MAX_STREAMS, MAX_STREAMS);
  return self;
}

static gboolean
is_this_machine (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  if (address != NULL)
    return g_inet_address_get_is_loopback (address);
  return g_ascii_strcasecmp (host, "localhost") == 0;
}

/**
 * postern_http_uri_parse:
 * @base: (nullable): what a relative @text is resolved against
 *
 * Returns: (transfer full): POSTERN_ERROR_INVALID unless it is an https URL, or an http URL of this
 *   very machine: credentials go nowhere in clear. User, password and fragment are dropped.
 */
GUri *
postern_http_uri_parse (GUri *base, const char *text, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (GUri) uri = g_uri_parse_relative (base, text, SOUP_HTTP_URI_FLAGS, &cause);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : NULL;

  if (uri == NULL)
    {
      g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID, "%s", cause->message);
      return NULL;
    }
  if (host == NULL || *host == '\0' ||
      (strcmp (scheme, "https") != 0 && !(strcmp (scheme, "http") == 0 && is_this_machine (host))))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "“%s” is not an https address (plain http is only for this very machine)",
                   text);
      return NULL;
    }
  return g_uri_build (SOUP_HTTP_URI_FLAGS,
                      scheme,
                      NULL,
                      host,
                      g_uri_get_port (uri),
                      g_uri_get_path (uri),
                      g_uri_get_query (uri),
                      NULL);
}

/**
 * postern_http_dup_redirect:
 * @message: one that was answered with 3xx
 *
 * For the few GETs that may follow a redirect. Returns: (transfer full): where to ask again with
 *   the same credentials: the same origin, or https on the same host. POSTERN_ERROR_PROTOCOL for
 *   any other place: nobody asked a person whether it may have the credentials.
 */
GUri *
postern_http_dup_redirect (SoupMessage *message, GError **error)
{
  GUri *from = soup_message_get_uri (message);
  const char *location =
      soup_message_headers_get_one (soup_message_get_response_headers (message), "Location");
  g_autoptr (GUri) to = NULL;

  if (location != NULL)
    to = g_uri_parse_relative (from, location, SOUP_HTTP_URI_FLAGS, NULL);
  if (to != NULL && g_uri_get_host (to) != NULL &&
      g_ascii_strcasecmp (g_uri_get_host (from), g_uri_get_host (to)) == 0 &&
      (strcmp (g_uri_get_scheme (to), "https") == 0 ||
       (strcmp (g_uri_get_scheme (to), g_uri_get_scheme (from)) == 0 &&
        g_uri_get_port (to) == g_uri_get_port (from))))
    return postern_http_uri_parse (from, location, error);

  g_set_error (
      error,
      POSTERN_ERROR,
      POSTERN_ERROR_PROTOCOL,
      "%s sends us to “%s”, which is another server; give that address if it is the right one",
      g_uri_get_host (from),
      location != NULL ? location : "");
  return NULL;
}

static void
on_starting (SoupMessage *message, gpointer user_data)
{
  g_object_set_data (G_OBJECT (message), STARTED_KEY, GINT_TO_POINTER (TRUE));
}

/**
 * postern_http_message_new:
 * @uri: of postern_http_uri_parse()
 *
 * Returns: (transfer full): a request that follows no redirect and is answered once
 */
SoupMessage *
postern_http_message_new (const char *method, GUri *uri)
{
  SoupMessage *message = soup_message_new_from_uri (method, uri);

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE);
  g_signal_connect (message, "starting", G_CALLBACK (on_starting), NULL);
  return message;
}

/**
 * postern_http_message_may_have_arrived:
 *
 * Returns: whether a connection was there and writing began, so that the server may have acted on
 *   the request though no answer came.
 */
gboolean
postern_http_message_may_have_arrived (SoupMessage *message)
{
  return g_object_get_data (G_OBJECT (message), STARTED_KEY) != NULL;
}

/**
 * postern_http_message_is_json:
 *
 * Returns: whether the answer says that it is JSON (problem details included). A captive portal, a
 *   proxy and a web server's own error page say HTML.
 */
gboolean
postern_http_message_is_json (SoupMessage *message)
{
  const char *type =
      soup_message_headers_get_content_type (soup_message_get_response_headers (message), NULL);

  return type != NULL && (g_ascii_strcasecmp (type, "application/json") == 0 ||
                          g_ascii_strcasecmp (type, "application/problem+json") == 0);
}

/* open: one request, its cancellable our own, so that a body can be dropped in the middle. */

typedef struct
{
  GCancellable *abort;       /* (owned) */
  GCancellable *cancellable; /* (owned) (nullable) the caller's */
  gulong handler;
} Opening;

static void
opening_free (Opening *opening)
{
  g_cancellable_disconnect (opening->cancellable, opening->handler);
  g_clear_object (&opening->cancellable);
  g_object_unref (opening->abort);
  g_free (opening);
}

static void
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static Opening *
opening_new (GCancellable *cancellable)
{
  Opening *opening = g_new0 (Opening, 1);

  opening->abort = g_cancellable_new ();
  if (cancellable != NULL)
    {
      opening->cancellable = g_object_ref (cancellable);
      opening->handler = g_cancellable_connect (cancellable,
                                                G_CALLBACK (on_cancelled),
                                                g_object_ref (opening->abort),
                                                g_object_unref);
    }
  return opening;
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Opening *opening = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body = soup_session_send_finish (SOUP_SESSION (source), result, &error);

  if (body == NULL)
    g_task_return_error (task, postern_http_error_convert (g_steal_pointer (&error)));
  else
    g_task_return_pointer (task, postern_answer_stream_new (body, opening->abort), g_object_unref);
}

/**
 * postern_http_client_open_async:
 * @message: of postern_http_message_new(), sent once
 *
 * Sends it and answers as soon as the header of the answer is there, whatever its status.
 */
void
postern_http_client_open_async (PosternHttpClient *self,
                                SoupMessage *message,
                                PosternHttpKind kind,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Opening *opening = opening_new (cancellable);

  g_task_set_source_tag (task, postern_http_client_open_async);
  g_task_set_task_data (task, opening, (GDestroyNotify) opening_free);
  soup_session_send_async (kind == POSTERN_HTTP_STREAM ? self->streams : self->requests,
                           message,
                           G_PRIORITY_DEFAULT,
                           opening->abort,
                           on_sent,
                           task);
}

/**
 * postern_http_client_open_finish:
 *
 * Returns: (transfer full): a PosternAnswerStream
 */
GInputStream *
postern_http_client_open_finish (PosternHttpClient *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* fetch: the whole body, within a limit */

typedef struct
{
  GInputStream *body; /* (owned) */
  GByteArray *read;   /* (owned) */
  gsize max_octets;
  guint8 buffer[READ_OCTETS];
} Fetch;

static void
fetch_free (Fetch *fetch)
{
  g_clear_object (&fetch->body);
  g_clear_pointer (&fetch->read, g_byte_array_unref);
  g_free (fetch);
}

static void on_fetch_read (GObject *source, GAsyncResult *result, gpointer user_data);

static void
on_fetch_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  fetch->body = postern_http_client_open_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  if (fetch->body == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_input_stream_read_async (fetch->body,
                               fetch->buffer,
                               READ_OCTETS,
                               G_PRIORITY_DEFAULT,
                               g_task_get_cancellable (task),
                               on_fetch_read,
                               g_object_ref (task));
}

static void
on_fetch_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gssize octets = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (octets < 0)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (octets == 0)
    {
      /* Closed now, the connection is free before the answer is looked at. */
      g_input_stream_close (fetch->body, NULL, NULL);
      g_task_return_pointer (task,
                             g_byte_array_free_to_bytes (g_steal_pointer (&fetch->read)),
                             (GDestroyNotify) g_bytes_unref);
      return;
    }
  if ((gsize) octets > fetch->max_octets - fetch->read->len)
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_PROTOCOL,
                               "The server's answer is longer than %" G_GSIZE_FORMAT " octets",
                               fetch->max_octets);
      return;
    }
  g_byte_array_append (fetch->read, fetch->buffer, (guint) octets);
  g_input_stream_read_async (fetch->body,
                             fetch->buffer,
                             READ_OCTETS,
                             G_PRIORITY_DEFAULT,
                             g_task_get_cancellable (task),
                             on_fetch_read,
                             g_object_ref (task));
}

/**
 * postern_http_client_fetch_async:
 * @message: of postern_http_message_new(), sent once
 * @max_octets: a longer answer is POSTERN_ERROR_PROTOCOL
 *
 * Sends it and reads the whole answer, whatever its status: see postern_http_check_status().
 */
void
postern_http_client_fetch_async (PosternHttpClient *self,
                                 SoupMessage *message,
                                 gsize max_octets,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Fetch *fetch = g_new0 (Fetch, 1);

  fetch->read = g_byte_array_new ();
  fetch->max_octets = max_octets;
  g_task_set_source_tag (task, postern_http_client_fetch_async);
  g_task_set_task_data (task, fetch, (GDestroyNotify) fetch_free);
  /* Once the whole answer was read it counts, even when cancelled a moment before. */
  g_task_set_check_cancellable (task, FALSE);
  postern_http_client_open_async (self,
                                  message,
                                  POSTERN_HTTP_REQUEST,
                                  cancellable,
                                  on_fetch_opened,
                                  task);
}

GBytes *
postern_http_client_fetch_finish (PosternHttpClient *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_websocket (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  SoupMessage *message = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  SoupWebsocketConnection *connection =
      soup_session_websocket_connect_finish (SOUP_SESSION (source), result, &error);
  guint status = soup_message_get_status (message);

  if (connection != NULL)
    g_task_return_pointer (task, connection, g_object_unref);
  else if (status != SOUP_STATUS_NONE && status != SOUP_STATUS_SWITCHING_PROTOCOLS &&
           !SOUP_STATUS_IS_SUCCESSFUL (status))
    {
      /* The status says more than "not accepted". */
      g_clear_error (&error);
      postern_http_check_status (message, &error);
      g_task_return_error (task, g_steal_pointer (&error));
    }
  else
    g_task_return_error (task, postern_http_error_convert (g_steal_pointer (&error)));
}

/**
 * postern_http_client_connect_websocket_async:
 * @message: a GET of postern_http_message_new() with an http or https URL
 * @protocol: the only subprotocol offered
 */
void
postern_http_client_connect_websocket_async (PosternHttpClient *self,
                                             SoupMessage *message,
                                             const char *protocol,
                                             GCancellable *cancellable,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  char *protocols[] = { (char *) protocol, NULL };

  g_task_set_source_tag (task, postern_http_client_connect_websocket_async);
  g_task_set_task_data (task, g_object_ref (message), g_object_unref);
  soup_session_websocket_connect_async (self->requests,
                                        message,
                                        NULL,
                                        protocols,
                                        G_PRIORITY_DEFAULT,
                                        cancellable,
                                        on_websocket,
                                        task);
}

/**
 * postern_http_client_connect_websocket_finish:
 *
 * Returns: (transfer full): an open connection; a refusal by its status as of
 *   postern_http_check_status()
 */
SoupWebsocketConnection *
postern_http_client_connect_websocket_finish (PosternHttpClient *self,
                                              GAsyncResult *result,
                                              GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
postern_http_client_dispose (GObject *object)
{
  PosternHttpClient *self = POSTERN_HTTP_CLIENT (object);

  if (self->requests != NULL)
    soup_session_abort (self->requests);
  if (self->streams != NULL)
    soup_session_abort (self->streams);
  g_clear_object (&self->requests);
  g_clear_object (&self->streams);
  G_OBJECT_CLASS (postern_http_client_parent_class)->dispose (object);
}

static void
postern_http_client_class_init (PosternHttpClientClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_http_client_dispose;
}

static void
postern_http_client_init (PosternHttpClient *self)
{
}
