/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-blobs.h"

#include "base/error.h"
#include "http/answer-stream.h"
#include "http/http-error.h"
#include "jmap/json-read.h"

#define MAX_ANSWER_OCTETS (64 * 1024)
#define MESSAGE_TYPE      "message/rfc822"

struct _PosternJmapBlobs
{
  PosternJmapClient *client; /* (owned) */
  guint uploads;             /* under way */
  GQueue waiting;            /* (element-type GTask) uploads that wait for a place */
};

typedef struct
{
  PosternJmapBlobs *blobs;
  char *blob_id;         /* (nullable) of a fetch */
  GInputStream *content; /* (owned) (nullable) of an upload */
  guint64 size_octets;
  SoupMessage *message; /* (owned) (nullable) */
} Transfer;

static void
transfer_free (Transfer *transfer)
{
  g_free (transfer->blob_id);
  g_clear_object (&transfer->content);
  g_clear_object (&transfer->message);
  g_free (transfer);
}

PosternJmapBlobs *
postern_jmap_blobs_new (PosternJmapClient *client)
{
  PosternJmapBlobs *self = g_new0 (PosternJmapBlobs, 1);

  self->client = g_object_ref (client);
  g_queue_init (&self->waiting);
  return self;
}

/**
 * postern_jmap_blobs_free:
 *
 * Not while a transfer has yet to begin.
 */
void
postern_jmap_blobs_free (PosternJmapBlobs *self)
{
  g_object_unref (self->client);
  g_free (self);
}

/* Down */

static void
on_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = g_task_get_source_object (task);
  Transfer *transfer = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body =
      postern_http_client_open_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  SoupMessageHeaders *headers = soup_message_get_response_headers (transfer->message);

  if (body != NULL)
    {
      postern_jmap_client_note_answer (client, transfer->message);
      if (postern_http_check_status (transfer->message, &error) &&
          soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH &&
          (guint64) soup_message_headers_get_content_length (headers) != transfer->size_octets)
        g_set_error (&error,
                     POSTERN_ERROR,
                     POSTERN_ERROR_TEMPORARY,
                     "The server gives %" G_GOFFSET_FORMAT
                     " octets for a message of %" G_GUINT64_FORMAT,
                     soup_message_headers_get_content_length (headers),
                     transfer->size_octets);
    }
  if (error != NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  postern_answer_stream_expect (POSTERN_ANSWER_STREAM (body), transfer->size_octets);
  g_task_return_pointer (task, g_steal_pointer (&body), g_object_unref);
}

static void
on_session_for_fetch (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Transfer *transfer = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  const PosternJmapSession *session =
      postern_jmap_client_ensure_session_finish (client, result, &error);
  g_autoptr (GUri) uri = NULL;

  if (session != NULL)
    {
      const char *const values[] = {
        "accountId", session->mail_account, "blobId", transfer->blob_id, "name", "mail.eml",
        "type",      MESSAGE_TYPE,          NULL
      };

      uri = postern_jmap_session_expand (session, session->download_template, values, &error);
    }
  if (uri != NULL)
    transfer->message = postern_jmap_client_new_message (client, SOUP_METHOD_GET, uri, &error);
  if (transfer->message == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  /* The bytes as they are: a compressed body has no length to compare with. */
  soup_message_disable_feature (transfer->message, SOUP_TYPE_CONTENT_DECODER);
  postern_http_client_open_async (postern_jmap_client_get_http (client),
                                  transfer->message,
                                  POSTERN_HTTP_REQUEST,
                                  g_task_get_cancellable (task),
                                  on_opened,
                                  g_object_ref (task));
}

/**
 * postern_jmap_blobs_fetch_async:
 *
 * See postern_backend_fetch_async().
 */
void
postern_jmap_blobs_fetch_async (PosternJmapBlobs *self,
                                const char *blob_id,
                                guint64 size_octets,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  GTask *task = g_task_new (self->client, cancellable, callback, user_data);
  Transfer *transfer = g_new0 (Transfer, 1);

  transfer->blob_id = g_strdup (blob_id);
  transfer->size_octets = size_octets;
  g_task_set_source_tag (task, postern_jmap_blobs_fetch_async);
  g_task_set_task_data (task, transfer, (GDestroyNotify) transfer_free);
  postern_jmap_client_ensure_session_async (self->client, cancellable, on_session_for_fetch, task);
}

GInputStream *
postern_jmap_blobs_fetch_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Up */

static void upload_waiting (PosternJmapBlobs *self);

static char *
parse_upload (Transfer *transfer, GBytes *body, GError **error)
{
  g_autoptr (JsonObject) json = NULL;
  const char *blob_id;
  gint64 size;

  if (postern_http_message_is_json (transfer->message))
    json = postern_json_parse (body, NULL);
  if (!postern_http_check_status (transfer->message, error))
    {
      if (json != NULL && g_strcmp0 (postern_json_get_string (json, "limit"), "maxSizeUpload") == 0)
        (*error)->code = POSTERN_ERROR_TOO_LARGE;
      else if ((*error)->code == POSTERN_ERROR_NOT_FOUND)
        (*error)->code = POSTERN_ERROR_PROTOCOL;
      return NULL;
    }
  blob_id = postern_json_get_string (json, "blobId");
  size = postern_json_get_integer (json, "size", (gint64) transfer->size_octets);
  if (blob_id == NULL || size != (gint64) transfer->size_octets)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   blob_id == NULL ? POSTERN_ERROR_PROTOCOL : POSTERN_ERROR_TEMPORARY,
                   blob_id == NULL ? "The server did not say what it calls the uploaded message"
                                   : "The server kept another number of octets than were sent");
      return NULL;
    }
  return g_strdup (blob_id);
}

static void
on_uploaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Transfer *transfer = g_task_get_task_data (task);
  PosternJmapBlobs *self = transfer->blobs;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body =
      postern_http_client_fetch_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  char *blob_id = NULL;

  self->uploads--;
  if (body != NULL)
    {
      postern_jmap_client_note_answer (self->client, transfer->message);
      blob_id = parse_upload (transfer, body, &error);
    }
  upload_waiting (self);
  if (blob_id != NULL)
    g_task_return_pointer (task, blob_id, g_free);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
upload (PosternJmapBlobs *self, GTask *task)
{
  Transfer *transfer = g_task_get_task_data (task);
  const PosternJmapSession *session = postern_jmap_client_get_session (self->client);
  const char *const values[] = { "accountId", session->mail_account, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = NULL;

  if (g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    uri = NULL;
  else if (transfer->size_octets > session->max_upload_octets)
    g_set_error (&error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_TOO_LARGE,
                 "The message has %" G_GUINT64_FORMAT
                 " octets; the server takes %" G_GUINT64_FORMAT,
                 transfer->size_octets,
                 session->max_upload_octets);
  else
    uri = postern_jmap_session_expand (session, session->upload_template, values, &error);
  if (uri != NULL)
    transfer->message =
        postern_jmap_client_new_message (self->client, SOUP_METHOD_POST, uri, &error);
  if (transfer->message == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      g_object_unref (task);
      return;
    }
  soup_message_set_request_body (transfer->message,
                                 MESSAGE_TYPE,
                                 transfer->content,
                                 (gssize) transfer->size_octets);
  self->uploads++;
  postern_http_client_fetch_async (postern_jmap_client_get_http (self->client),
                                   transfer->message,
                                   MAX_ANSWER_OCTETS,
                                   g_task_get_cancellable (task),
                                   on_uploaded,
                                   task);
}

static void
upload_waiting (PosternJmapBlobs *self)
{
  const PosternJmapSession *session = postern_jmap_client_get_session (self->client);

  while (self->waiting.length > 0 && session != NULL && self->uploads < session->max_uploads)
    upload (self, g_queue_pop_head (&self->waiting));
}

static void
on_session_for_upload (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  Transfer *transfer = g_task_get_task_data (task);
  PosternJmapBlobs *self = transfer->blobs;
  GError *error = NULL;

  if (postern_jmap_client_ensure_session_finish (self->client, result, &error) == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  g_queue_push_tail (&self->waiting, task);
  upload_waiting (self);
}

/**
 * postern_jmap_blobs_upload_async:
 *
 * See postern_backend_upload_async().
 */
void
postern_jmap_blobs_upload_async (PosternJmapBlobs *self,
                                 GInputStream *content,
                                 guint64 size_octets,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  GTask *task = g_task_new (self->client, cancellable, callback, user_data);
  Transfer *transfer = g_new0 (Transfer, 1);

  transfer->blobs = self;
  transfer->content = g_object_ref (content);
  transfer->size_octets = size_octets;
  g_task_set_source_tag (task, postern_jmap_blobs_upload_async);
  g_task_set_task_data (task, transfer, (GDestroyNotify) transfer_free);
  postern_jmap_client_ensure_session_async (self->client, cancellable, on_session_for_upload, task);
}

char *
postern_jmap_blobs_upload_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
