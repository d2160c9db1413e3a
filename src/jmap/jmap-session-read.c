/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-session-read.h"

#include "base/error.h"
#include "http/http-error.h"
#include "jmap/json-read.h"

#include <string.h>

#define MAX_SESSION_OCTETS (1024 * 1024)
#define MAX_REDIRECTS      5

typedef struct
{
  PosternJmapCredentials *credentials; /* (owned) */
  SoupMessage *message;                /* (owned) (nullable) */
  guint hops;                          /* redirects followed */
  gint64 wait_us;                      /* what the server asked for */
} Reading;

static void
reading_free (Reading *reading)
{
  postern_jmap_credentials_unref (reading->credentials);
  g_clear_object (&reading->message);
  g_free (reading);
}

static void ask (GTask *task, GUri *uri);

static PosternJmapSession *
parse_session (SoupMessage *message, GBytes *body, GError **error)
{
  g_autoptr (JsonObject) json = NULL;

  if (!postern_http_check_status (message, error))
    {
      /* A web server without such a page is a server without JMAP, for now at least. */
      if (error != NULL && g_error_matches (*error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
        (*error)->code = POSTERN_ERROR_PROTOCOL;
      return NULL;
    }
  if (!postern_http_message_is_json (message))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "%s answers, but not as a JMAP server: perhaps a sign-in page stands before it",
                   g_uri_get_host (soup_message_get_uri (message)));
      return NULL;
    }
  json = postern_json_parse (body, error);
  if (json == NULL)
    return NULL;
  return postern_jmap_session_new (soup_message_get_uri (message), json, error);
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Reading *reading = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body =
      postern_http_client_fetch_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  PosternJmapSession *session = NULL;

  if (body != NULL && SOUP_STATUS_IS_REDIRECTION (soup_message_get_status (reading->message)) &&
      reading->hops++ < MAX_REDIRECTS)
    {
      g_autoptr (GUri) next = postern_http_dup_redirect (reading->message, &error);

      if (next != NULL)
        {
          ask (task, next);
          return;
        }
    }
  else if (body != NULL)
    session = parse_session (reading->message, body, &error);

  if (session != NULL)
    {
      g_task_return_pointer (task, session, (GDestroyNotify) postern_jmap_session_free);
      return;
    }
  if (body != NULL)
    reading->wait_us = postern_http_get_retry_after_us (reading->message);
  g_prefix_error (&error, "Reading the JMAP session: ");
  g_task_return_error (task, g_steal_pointer (&error));
}

static void
ask (GTask *task, GUri *uri)
{
  Reading *reading = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  g_clear_object (&reading->message);
  reading->message =
      postern_jmap_credentials_new_message (reading->credentials, SOUP_METHOD_GET, uri, &error);
  if (reading->message == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  soup_message_headers_replace (soup_message_get_request_headers (reading->message),
                                "Accept",
                                "application/json");
  postern_http_client_fetch_async (g_task_get_source_object (task),
                                   reading->message,
                                   MAX_SESSION_OCTETS,
                                   NULL,
                                   on_answered,
                                   g_object_ref (task));
}

static GUri *
parse_url (const char *url, GError **error)
{
  g_autoptr (GUri) uri = postern_http_uri_parse (NULL, url, error);

  if (uri == NULL)
    return NULL;
  if (*g_uri_get_path (uri) == '\0' || strcmp (g_uri_get_path (uri), "/") == 0)
    return postern_http_uri_parse (uri, "/.well-known/jmap", error);
  return g_steal_pointer (&uri);
}

/**
 * postern_jmap_session_read_async:
 * @url: the server, whose well-known address is then asked, or its session resource
 *
 * Follows redirects, but only where postern_http_dup_redirect() lets the credentials go.
 */
void
postern_jmap_session_read_async (PosternHttpClient *http,
                                 const char *url,
                                 PosternJmapCredentials *credentials,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (http, NULL, callback, user_data);
  Reading *reading = g_new0 (Reading, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = parse_url (url, &error);

  reading->credentials = postern_jmap_credentials_ref (credentials);
  g_task_set_source_tag (task, postern_jmap_session_read_async);
  g_task_set_task_data (task, reading, (GDestroyNotify) reading_free);
  if (uri == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    ask (task, uri);
}

/**
 * postern_jmap_session_read_finish:
 * @wait_us: (out): on an error, how long the server wants to be left alone; else 0
 *
 * Returns: (transfer full): errors as of postern_http_check_status() and postern_jmap_session_new();
 *   a server without a session resource is POSTERN_ERROR_PROTOCOL
 */
PosternJmapSession *
postern_jmap_session_read_finish (GAsyncResult *result, gint64 *wait_us, GError **error)
{
  *wait_us = ((Reading *) g_task_get_task_data (G_TASK (result)))->wait_us;
  return g_task_propagate_pointer (G_TASK (result), error);
}
