/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-private.h"

static void
do_get (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  PosternDatabase *database = postern_queue_job_get_reader (self);

  if (database != NULL)
    self->base.result = postern_queue_rows_get (database, self->id, &job->error);
  self->base.result_free = (GDestroyNotify) postern_queue_entry_free;
}

void
postern_queue_store_get_async (PosternQueueStore *self,
                               const char *id,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  PosternQueueJob *job =
      postern_queue_job_new (self, postern_queue_store_get_async, cancellable, callback, user_data);

  job->id = g_strdup (id);
  postern_queue_job_push_read (job, do_get, postern_task_job_return_result);
}

/**
 * postern_queue_store_get_finish:
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_NOT_FOUND when there is none.
 */
PosternQueueEntry *
postern_queue_store_get_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
do_list (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  PosternDatabase *database = postern_queue_job_get_reader (self);
  PosternQueueFilter filter = { self->status, self->id, self->text };

  if (database != NULL)
    self->base.result = postern_queue_rows_list (database,
                                                 &filter,
                                                 self->offset,
                                                 self->limit,
                                                 &self->total,
                                                 &job->error);
  self->base.result_free = (GDestroyNotify) g_ptr_array_unref;
}

static void
on_list_done (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  g_task_set_task_data (self->base.task, GUINT_TO_POINTER (self->total), NULL);
  postern_task_job_return_result (job);
}

/**
 * postern_queue_store_list_async:
 * @limit: entries, at most POSTERN_QUEUE_PAGE_MAX
 *
 * One page of the entries that pass the filter, the newest first.
 */
void
postern_queue_store_list_async (PosternQueueStore *self,
                                const PosternQueueFilter *filter,
                                guint offset,
                                guint limit,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_list_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->status = filter->status;
  job->id = g_strdup (filter->account_id);
  job->text = g_strdup (filter->text);
  job->offset = offset;
  job->limit = MIN (limit, POSTERN_QUEUE_PAGE_MAX);
  postern_queue_job_push_read (job, do_list, on_list_done);
}

/**
 * postern_queue_store_list_finish:
 * @total: (out) (optional): how many pass the filter in all
 *
 * Returns: (transfer full) (element-type PosternQueueEntry)
 */
GPtrArray *
postern_queue_store_list_finish (PosternQueueStore *self,
                                 GAsyncResult *result,
                                 guint *total,
                                 GError **error)
{
  if (total != NULL)
    *total = GPOINTER_TO_UINT (g_task_get_task_data (G_TASK (result)));
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
do_count_account (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  PosternDatabase *database = postern_queue_job_get_reader (self);

  if (database != NULL)
    self->base.number = postern_database_number (database,
                                                 &job->error,
                                                 "SELECT (SELECT count (*) FROM entries"
                                                 " WHERE account = ?1 AND status = 0)"
                                                 " + (SELECT count (*) FROM entries"
                                                 " WHERE account = ?1 AND status = 1)",
                                                 "s",
                                                 self->id);
}

/**
 * postern_queue_store_count_account_async:
 *
 * How many entries of an account are still to be sent: waiting or held.
 */
void
postern_queue_store_count_account_async (PosternQueueStore *self,
                                         const char *account_id,
                                         GCancellable *cancellable,
                                         GAsyncReadyCallback callback,
                                         gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_count_account_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->id = g_strdup (account_id);
  postern_queue_job_push_read (job, do_count_account, postern_task_job_return_number);
}

gint64
postern_queue_store_count_account_finish (PosternQueueStore *self,
                                          GAsyncResult *result,
                                          GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static void
do_find_unowned (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  PosternDatabase *database = postern_queue_job_get_reader (self);
  g_autoptr (GStrvBuilder) unowned = g_strv_builder_new ();

  if (database == NULL)
    return;
  for (guint i = 0; self->ids[i] != NULL; i++)
    {
      gint64 count = postern_database_number (
          database,
          &job->error,
          "SELECT (SELECT count (*) FROM entries WHERE account = ?1 AND email_id = ?2)"
          " + (SELECT count (*) FROM unwanted_drafts WHERE account = ?1 AND email_id = ?2)",
          "ss",
          self->id,
          self->ids[i]);

      if (count < 0)
        return;
      if (count == 0)
        g_strv_builder_add (unowned, self->ids[i]);
    }
  self->base.result = g_strv_builder_end (unowned);
  self->base.result_free = (GDestroyNotify) g_strfreev;
}

/**
 * postern_queue_store_find_unowned_async:
 *
 * Which of these Email ids no entry of the account has made its own, in their order. A draft that
 * belongs to another entry, or is about to be removed, must not be taken for one's own, however alike
 * they are.
 */
void
postern_queue_store_find_unowned_async (PosternQueueStore *self,
                                        const char *account_id,
                                        const char *const *email_ids,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_find_unowned_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->id = g_strdup (account_id);
  job->ids = g_strdupv ((GStrv) email_ids);
  postern_queue_job_push_read (job, do_find_unowned, postern_task_job_return_result);
}

GStrv
postern_queue_store_find_unowned_finish (PosternQueueStore *self,
                                         GAsyncResult *result,
                                         GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
do_list_drafts (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  PosternDatabase *database = postern_queue_job_get_reader (self);
  g_autoptr (GStrvBuilder) ids = g_strv_builder_new ();
  sqlite3_stmt *query;
  int step;

  if (database == NULL)
    return;
  /* A backend that keeps the same octets once gives an entry that is tried again the same draft. */
  query = postern_database_query (database,
                                  &job->error,
                                  "SELECT email_id FROM unwanted_drafts AS draft WHERE account = ?1"
                                  " AND NOT EXISTS (SELECT 1 FROM entries WHERE account = ?1"
                                  " AND email_id = draft.email_id) LIMIT ?2",
                                  "si",
                                  self->id,
                                  (gint64) self->limit);
  if (query == NULL)
    return;
  while ((step = postern_database_step (database, query, &job->error)) > 0)
    g_strv_builder_add (ids, (const char *) sqlite3_column_text (query, 0));
  if (step < 0)
    return;
  self->base.result = g_strv_builder_end (ids);
  self->base.result_free = (GDestroyNotify) g_strfreev;
}

/**
 * postern_queue_store_list_drafts_async:
 *
 * The Email ids of drafts that entries of the account have left at the backend and nobody wants any
 * more: of what failed, or was discarded.
 */
void
postern_queue_store_list_drafts_async (PosternQueueStore *self,
                                       const char *account_id,
                                       guint limit,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_list_drafts_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->id = g_strdup (account_id);
  job->limit = limit;
  postern_queue_job_push_read (job, do_list_drafts, postern_task_job_return_result);
}

GStrv
postern_queue_store_list_drafts_finish (PosternQueueStore *self,
                                        GAsyncResult *result,
                                        GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
do_open_body (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  PosternDatabase *database = postern_queue_job_get_reader (self);
  g_autofree char *path = NULL;
  GBytes *body;

  if (database == NULL || !postern_queue_rows_get_body (database, self->id, &body, &job->error))
    return;
  if (body != NULL)
    {
      self->file = g_new0 (PosternBodyFile, 1);
      self->file->fd = -1;
      self->file->first = body;
      self->file->size_octets = g_bytes_get_size (body);
      return;
    }
  path = postern_queue_store_dup_spool_path (self->store, self->id);
  self->file = postern_body_file_open (path, &job->error);
}

static void
on_open_body_done (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  if (self->file != NULL)
    self->base.result =
        postern_body_stream_new (self->store->reader, g_steal_pointer (&self->file));
  self->base.result_free = g_object_unref;
  postern_task_job_return_result (job);
}

/**
 * postern_queue_store_open_body_async:
 *
 * Opens the bytes of a message as they were given. They stay readable when the entry goes.
 */
void
postern_queue_store_open_body_async (PosternQueueStore *self,
                                     const char *id,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_open_body_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->id = g_strdup (id);
  postern_queue_job_push_read (job, do_open_body, on_open_body_done);
}

GInputStream *
postern_queue_store_open_body_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
