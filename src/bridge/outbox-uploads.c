/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/outbox-uploads.h"

#include "base/error.h"

#define AT_ONCE 4

/* The bodies of a batch on their way to the backend, a few side by side. */
typedef struct
{
  PosternBackend *backend;
  GPtrArray *items; /* lent by the batch, which waits */
  guint next;
  guint running;
  GError *error; /* (nullable): the backend as a whole failed; those that run come to their end */
} Uploads;

typedef struct
{
  GTask *task;
  PosternOutboxItem *item;
} Upload;

static void start_more (GTask *task);

static void
uploads_free (gpointer data)
{
  Uploads *uploads = data;

  g_object_unref (uploads->backend);
  g_clear_error (&uploads->error);
  g_free (uploads);
}

/* Does it say something about the way to the backend, rather than about a message? */
static gboolean
is_about_backend (const GError *error)
{
  if (error->domain != POSTERN_ERROR)
    return TRUE;
  switch ((PosternError) error->code)
    {
    case POSTERN_ERROR_OFFLINE:
    case POSTERN_ERROR_CREDENTIALS:
    case POSTERN_ERROR_TRUST:
    case POSTERN_ERROR_FORBIDDEN:
    case POSTERN_ERROR_KEYRING_LOCKED:
    case POSTERN_ERROR_KEYRING_ABSENT:
    case POSTERN_ERROR_FAILED:
    case POSTERN_ERROR_TEMPORARY:
    case POSTERN_ERROR_PROTOCOL:
    case POSTERN_ERROR_FULL:
    case POSTERN_ERROR_BUSY:
      return TRUE;
    case POSTERN_ERROR_REFUSED:
    case POSTERN_ERROR_STALE:
    case POSTERN_ERROR_TOO_LARGE:
    case POSTERN_ERROR_NOT_FOUND:
    case POSTERN_ERROR_EXISTS:
    case POSTERN_ERROR_INVALID:
    case POSTERN_ERROR_STORAGE:
    case POSTERN_ERROR_NEWER:
    default:
      return FALSE;
    }
}

static void
end_upload (Upload *upload)
{
  g_autoptr (GTask) task = upload->task;
  Uploads *uploads = g_task_get_task_data (task);

  g_free (upload);
  uploads->running--;
  start_more (task);
}

static void
on_uploaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Upload *upload = user_data;
  Uploads *uploads = g_task_get_task_data (upload->task);
  PosternOutboxItem *item = upload->item;
  g_autoptr (GError) error = NULL;
  char *blob_id = postern_backend_upload_finish (POSTERN_BACKEND (source), result, &error);

  if (blob_id != NULL)
    {
      g_free (item->entry->blob_id);
      item->entry->blob_id = blob_id;
      postern_outbox_item_advance (item, POSTERN_QUEUE_STEP_UPLOADED);
    }
  else if (!is_about_backend (error))
    postern_outbox_item_fail_or_postpone (item, error);
  else if (uploads->error == NULL)
    uploads->error = g_steal_pointer (&error);
  end_upload (upload);
}

static void
on_body_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Upload *upload = user_data;
  const Uploads *uploads = g_task_get_task_data (upload->task);
  PosternOutboxItem *item = upload->item;
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body =
      postern_queue_store_open_body_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (body != NULL)
    {
      postern_backend_upload_async (uploads->backend,
                                    body,
                                    item->entry->size_octets,
                                    g_task_get_cancellable (upload->task),
                                    on_uploaded,
                                    upload);
      return;
    }
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      /* Poisoned: it is set aside and told, and the others go on. */
      g_warning ("The text of message %s cannot be read, so it is held: %s",
                 item->entry->id,
                 error->message);
      postern_queue_entry_set_error (item->entry, error);
      item->entry->status = POSTERN_QUEUE_STATUS_HELD;
      postern_outbox_item_end (item);
    }
  end_upload (upload);
}

static void
start_more (GTask *task)
{
  PosternStore *store = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  Uploads *uploads = g_task_get_task_data (task);

  while (uploads->error == NULL && uploads->running < AT_ONCE &&
         uploads->next < uploads->items->len)
    {
      Upload *upload = g_new0 (Upload, 1);

      upload->task = g_object_ref (task);
      upload->item = g_ptr_array_index (uploads->items, uploads->next++);
      uploads->running++;
      postern_queue_store_open_body_async (postern_store_get_queue (store),
                                           upload->item->entry->id,
                                           cancellable,
                                           on_body_opened,
                                           upload);
    }
  if (uploads->running > 0)
    return;
  if (uploads->error != NULL)
    g_task_return_error (task, g_steal_pointer (&uploads->error));
  else
    g_task_return_boolean (task, TRUE);
}

/**
 * postern_outbox_uploads_run_async:
 * @items: (element-type PosternOutboxItem): at least one; lent, and not to change until the end
 *
 * Uploads the bodies of new entries. What becomes of each is in the item; nothing is committed.
 */
void
postern_outbox_uploads_run_async (PosternStore *store,
                                  PosternBackend *backend,
                                  GPtrArray *items,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);
  Uploads *uploads = g_new0 (Uploads, 1);

  g_task_set_source_tag (task, postern_outbox_uploads_run_async);
  g_task_set_check_cancellable (task, FALSE);
  uploads->backend = g_object_ref (backend);
  uploads->items = items;
  g_task_set_task_data (task, uploads, uploads_free);
  start_more (task);
}

/**
 * postern_outbox_uploads_run_finish:
 *
 * Returns: FALSE with @error when the backend as a whole failed; some may be uploaded all the same
 */
gboolean
postern_outbox_uploads_run_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
