/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-backend.h"

#include "jmap/jmap-blobs.h"
#include "jmap/jmap-find.h"
#include "jmap/jmap-identities.h"
#include "jmap/jmap-import.h"
#include "jmap/jmap-push.h"
#include "jmap/jmap-remove.h"
#include "jmap/jmap-settle.h"
#include "jmap/jmap-submit.h"
#include "jmap/jmap-sync.h"

/* Each method is a file of its own; here they are joined, and what they end with tells the push
 * whether the server is there. A task of the backend stands around each, so that the backend lives
 * as long as anything of it is under way. */

struct _PosternJmapBackend
{
  GObject parent_instance;
  PosternJmapClient *client; /* (owned) */
  PosternJmapSync *sync;     /* (owned) */
  PosternJmapBlobs *blobs;   /* (owned) */
  PosternJmapPush *push;     /* (owned) */
  PosternBackendInfo *info;  /* (owned) (nullable) */
};

static void backend_iface_init (PosternBackendInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternJmapBackend,
                               postern_jmap_backend,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_BACKEND, backend_iface_init))

static GTask *
start (PosternBackend *self,
       gpointer tag,
       GCancellable *cancellable,
       GAsyncReadyCallback callback,
       gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  /* What was done is told, even when it was cancelled a moment before. */
  g_task_set_check_cancellable (task, FALSE);
  return task;
}

/* @result: (transfer full) (nullable): NULL with @error set */
static void
end (GTask *task, gpointer result, GDestroyNotify free_result, GError *error)
{
  PosternJmapBackend *self = g_task_get_source_object (task);

  postern_jmap_push_note_outcome (self->push, error);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, result, free_result);
}

static void
do_set_credentials (PosternBackend *backend, const char *user, PosternSecret *secret)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_client_set_credentials (self->client, user, secret);
  postern_jmap_push_begin_anew (self->push);
}

static const PosternBackendInfo *
do_get_info (PosternBackend *backend)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);
  const PosternJmapSession *session = postern_jmap_client_get_session (self->client);

  g_clear_pointer (&self->info, postern_backend_info_free);
  if (session != NULL)
    self->info = postern_jmap_session_to_info (session);
  return self->info;
}

static void
on_probed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  const PosternJmapSession *session =
      postern_jmap_client_ensure_session_finish (POSTERN_JMAP_CLIENT (source), result, &error);

  end (task,
       session != NULL ? postern_jmap_session_to_info (session) : NULL,
       (GDestroyNotify) postern_backend_info_free,
       error);
}

static void
do_probe_async (PosternBackend *backend,
                GCancellable *cancellable,
                GAsyncReadyCallback callback,
                gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_client_forget_session (self->client);
  postern_jmap_client_ensure_session_async (
      self->client,
      cancellable,
      on_probed,
      start (backend, do_probe_async, cancellable, callback, user_data));
}

static PosternBackendInfo *
do_probe_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_list_identities (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GPtrArray *outcome = postern_jmap_identities_list_finish (result, &error);

  end (task, outcome, (GDestroyNotify) g_ptr_array_unref, error);
}

static void
do_list_identities_async (PosternBackend *backend,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_identities_list_async (
      self->client,
      cancellable,
      on_list_identities,
      start (backend, do_list_identities_async, cancellable, callback, user_data));
}

static GPtrArray *
do_list_identities_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_sync (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapBackend *self = g_task_get_source_object (task);
  GError *error = NULL;
  PosternSyncBatch *batch = postern_jmap_sync_page_finish (result, &error);

  if (batch != NULL && !batch->has_more)
    postern_jmap_push_note_state (self->push, postern_jmap_sync_get_state (self->sync));
  end (task, batch, (GDestroyNotify) postern_sync_batch_free, error);
}

static void
do_sync_async (PosternBackend *backend,
               const char *cursor,
               GCancellable *cancellable,
               GAsyncReadyCallback callback,
               gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_sync_page_async (self->sync,
                                cursor,
                                cancellable,
                                on_sync,
                                start (backend, do_sync_async, cancellable, callback, user_data));
}

static PosternSyncBatch *
do_sync_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_fetch (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GInputStream *outcome = postern_jmap_blobs_fetch_finish (result, &error);

  end (task, outcome, g_object_unref, error);
}

static void
do_fetch_async (PosternBackend *backend,
                const char *blob_id,
                guint64 size_octets,
                GCancellable *cancellable,
                GAsyncReadyCallback callback,
                gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_blobs_fetch_async (
      self->blobs,
      blob_id,
      size_octets,
      cancellable,
      on_fetch,
      start (backend, do_fetch_async, cancellable, callback, user_data));
}

static GInputStream *
do_fetch_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_remove (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GPtrArray *outcome = postern_jmap_remove_finish (result, &error);

  end (task, outcome, (GDestroyNotify) g_ptr_array_unref, error);
}

static void
do_remove_async (PosternBackend *backend,
                 const char *const *email_ids,
                 PosternPlace from,
                 PosternRemoveMode mode,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_remove_async (self->client,
                             email_ids,
                             from,
                             mode,
                             cancellable,
                             on_remove,
                             start (backend, do_remove_async, cancellable, callback, user_data));
}

static GPtrArray *
do_remove_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_upload (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  char *outcome = postern_jmap_blobs_upload_finish (result, &error);

  end (task, outcome, g_free, error);
}

static void
do_upload_async (PosternBackend *backend,
                 GInputStream *content,
                 guint64 size_octets,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_blobs_upload_async (
      self->blobs,
      content,
      size_octets,
      cancellable,
      on_upload,
      start (backend, do_upload_async, cancellable, callback, user_data));
}

static char *
do_upload_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_import (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GPtrArray *outcome = postern_jmap_import_finish (result, &error);

  end (task, outcome, (GDestroyNotify) g_ptr_array_unref, error);
}

static void
do_import_async (PosternBackend *backend,
                 const PosternImport *items,
                 gsize n_items,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_import_async (self->client,
                             items,
                             n_items,
                             cancellable,
                             on_import,
                             start (backend, do_import_async, cancellable, callback, user_data));
}

static GPtrArray *
do_import_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_find_imported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GPtrArray *outcome = postern_jmap_find_imported_finish (result, &error);

  end (task, outcome, (GDestroyNotify) g_ptr_array_unref, error);
}

static void
do_find_imported_async (PosternBackend *backend,
                        const char *message_id,
                        PosternPlace place,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_find_imported_async (
      self->client,
      message_id,
      place,
      cancellable,
      on_find_imported,
      start (backend, do_find_imported_async, cancellable, callback, user_data));
}

static GPtrArray *
do_find_imported_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_submit (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GPtrArray *outcome = postern_jmap_submit_finish (result);

  end (task, outcome, (GDestroyNotify) g_ptr_array_unref, error);
}

static void
do_submit_async (PosternBackend *backend,
                 const PosternOutgoing *items,
                 gsize n_items,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_submit_async (self->client,
                             items,
                             n_items,
                             cancellable,
                             on_submit,
                             start (backend, do_submit_async, cancellable, callback, user_data));
}

static void
on_settle (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;
  GArray *outcome = postern_jmap_settle_finish (result, &error);

  end (task, outcome, (GDestroyNotify) g_array_unref, error);
}

static void
do_settle_async (PosternBackend *backend,
                 const char *const *email_ids,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (backend);

  postern_jmap_settle_async (self->client,
                             email_ids,
                             cancellable,
                             on_settle,
                             start (backend, do_settle_async, cancellable, callback, user_data));
}

static GArray *
do_settle_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static GPtrArray *
do_submit_finish (PosternBackend *backend, GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}

static void
do_start_watching (PosternBackend *backend)
{
  postern_jmap_push_start (POSTERN_JMAP_BACKEND (backend)->push);
}

static void
do_stop_watching (PosternBackend *backend)
{
  postern_jmap_push_stop (POSTERN_JMAP_BACKEND (backend)->push);
}

static void
do_look_again (PosternBackend *backend)
{
  postern_jmap_push_look_again (POSTERN_JMAP_BACKEND (backend)->push);
}

static PosternConnection
do_get_connection (PosternBackend *backend, const GError **reason)
{
  return postern_jmap_push_get_connection (POSTERN_JMAP_BACKEND (backend)->push, reason);
}

static gint64
do_get_not_before_us (PosternBackend *backend)
{
  return postern_jmap_client_get_not_before_us (POSTERN_JMAP_BACKEND (backend)->client);
}

static void
on_push_changed (PosternJmapPush *push, PosternJmapBackend *self)
{
  g_signal_emit_by_name (self, "changed");
}

static void
on_push_connection_changed (PosternJmapPush *push, PosternJmapBackend *self)
{
  g_signal_emit_by_name (self, "connection-changed");
}

static void
take_push (PosternJmapBackend *self, PosternJmapPush *push)
{
  g_clear_object (&self->push);
  self->push = push;
  g_signal_connect_object (push, "changed", G_CALLBACK (on_push_changed), self, 0);
  g_signal_connect_object (push,
                           "connection-changed",
                           G_CALLBACK (on_push_connection_changed),
                           self,
                           0);
}

/**
 * postern_jmap_backend_new:
 * @http: shared by all
 * @url: the server (`https://host`, whose well-known address is then asked), or its session resource;
 *   http only on this machine
 *
 * Returns: (transfer full): one without credentials yet, see postern_backend_set_credentials()
 */
PosternJmapBackend *
postern_jmap_backend_new (PosternHttpClient *http, const char *url, PosternJmapAuth auth)
{
  PosternJmapBackend *self = g_object_new (POSTERN_TYPE_JMAP_BACKEND, NULL);

  self->client = postern_jmap_client_new (http, url, auth);
  self->sync = postern_jmap_sync_new (self->client);
  self->blobs = postern_jmap_blobs_new (self->client);
  take_push (self, postern_jmap_push_new (self->client, &postern_push_timing));
  return self;
}

/**
 * postern_jmap_backend_set_push_timing:
 * @timing: must outlive the backend
 */
void
postern_jmap_backend_set_push_timing (PosternJmapBackend *self, const PosternPushTiming *timing)
{
  take_push (self, postern_jmap_push_new (self->client, timing));
}

static void
postern_jmap_backend_dispose (GObject *object)
{
  PosternJmapBackend *self = POSTERN_JMAP_BACKEND (object);

  g_clear_object (&self->push);
  g_clear_pointer (&self->sync, postern_jmap_sync_free);
  g_clear_pointer (&self->blobs, postern_jmap_blobs_free);
  g_clear_object (&self->client);
  g_clear_pointer (&self->info, postern_backend_info_free);
  G_OBJECT_CLASS (postern_jmap_backend_parent_class)->dispose (object);
}

static void
postern_jmap_backend_class_init (PosternJmapBackendClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_jmap_backend_dispose;
}

static void
postern_jmap_backend_init (PosternJmapBackend *self)
{
}

static void
backend_iface_init (PosternBackendInterface *iface)
{
  iface->set_credentials = do_set_credentials;
  iface->get_info = do_get_info;
  iface->probe_async = do_probe_async;
  iface->probe_finish = do_probe_finish;
  iface->list_identities_async = do_list_identities_async;
  iface->list_identities_finish = do_list_identities_finish;
  iface->sync_async = do_sync_async;
  iface->sync_finish = do_sync_finish;
  iface->fetch_async = do_fetch_async;
  iface->fetch_finish = do_fetch_finish;
  iface->remove_async = do_remove_async;
  iface->remove_finish = do_remove_finish;
  iface->upload_async = do_upload_async;
  iface->upload_finish = do_upload_finish;
  iface->import_async = do_import_async;
  iface->import_finish = do_import_finish;
  iface->find_imported_async = do_find_imported_async;
  iface->find_imported_finish = do_find_imported_finish;
  iface->settle_async = do_settle_async;
  iface->settle_finish = do_settle_finish;
  iface->submit_async = do_submit_async;
  iface->submit_finish = do_submit_finish;
  iface->start_watching = do_start_watching;
  iface->stop_watching = do_stop_watching;
  iface->look_again = do_look_again;
  iface->get_connection = do_get_connection;
  iface->get_not_before_us = do_get_not_before_us;
}
