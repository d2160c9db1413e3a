/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-private.h"

/* Claiming */

static gboolean
do_claim (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  GPtrArray *entries;

  if (postern_task_job_is_cancelled (&self->base))
    {
      g_propagate_error (error, g_steal_pointer (&job->error));
      return FALSE;
    }
  entries = postern_queue_rows_find_due (database,
                                         self->id,
                                         self->limit,
                                         self->now_us,
                                         self->store->leased,
                                         error);
  if (entries == NULL)
    return FALSE;
  self->base.result = entries;
  self->base.result_free = (GDestroyNotify) g_ptr_array_unref;
  for (guint i = 0; i < entries->len; i++)
    {
      const PosternQueueEntry *entry = g_ptr_array_index (entries, i);

      g_hash_table_add (self->store->leased, g_strdup (entry->id));
    }
  return TRUE;
}

static void
on_claim_done (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;
  GPtrArray *entries = self->base.result;

  /* Nobody gets what was claimed in a transaction that failed, or for a caller who has left. */
  if (entries != NULL && (job->error != NULL || postern_task_job_is_cancelled (&self->base)))
    {
      for (guint i = 0; i < entries->len; i++)
        postern_queue_store_release (self->store,
                                     ((PosternQueueEntry *) g_ptr_array_index (entries, i))->id);
    }
  postern_task_job_return_result (job);
}

/**
 * postern_queue_store_claim_async:
 * @account_id: (nullable): only entries of this account
 * @limit: at most so many
 * @now_us: wall clock, microseconds since the epoch, UTC
 *
 * Takes due entries, the longest due first, and leases them: nobody else is given them until an
 * update ends the lease, postern_queue_store_release() does, or the process ends.
 */
void
postern_queue_store_claim_async (PosternQueueStore *self,
                                 const char *account_id,
                                 guint limit,
                                 gint64 now_us,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_claim_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->id = g_strdup (account_id);
  job->limit = limit;
  job->now_us = now_us;
  postern_queue_job_push_write (job, do_claim, on_claim_done);
}

/**
 * postern_queue_store_claim_finish:
 *
 * Returns: (transfer full) (element-type PosternQueueEntry): empty when none is due; NULL with an
 *   error, and then none is leased.
 */
GPtrArray *
postern_queue_store_claim_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct
{
  PosternStoreJob job;
  PosternQueueStore *store; /* (owned) */
  char *id;
} ReleaseJob;

static void
do_release (PosternStoreJob *job)
{
  ReleaseJob *self = (ReleaseJob *) job;

  g_hash_table_remove (self->store->leased, self->id);
}

static void
on_release_done (PosternStoreJob *job)
{
  ReleaseJob *self = (ReleaseJob *) job;
  const PosternQueueEffect nothing = { 0 };

  /* Whoever was told that nothing is due, since this was being delivered, is to look again. */
  postern_queue_store_take_effect (self->store, &nothing);
  g_object_unref (self->store);
  g_free (self->id);
  g_free (self);
}

/**
 * postern_queue_store_release:
 *
 * Gives a claimed entry back as it is, and tells `changed`.
 */
void
postern_queue_store_release (PosternQueueStore *self, const char *id)
{
  ReleaseJob *release = g_new0 (ReleaseJob, 1);

  release->job.prepare = do_release;
  release->job.done = on_release_done;
  release->store = g_object_ref (self);
  release->id = g_strdup (id);
  postern_store_writer_push (self->writer, &release->job);
}

static gboolean
do_next_due (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  self->base.number = postern_queue_rows_next_due (database, self->id, self->store->leased, error);
  return self->base.number >= 0;
}

/**
 * postern_queue_store_next_due_async:
 * @account_id: (nullable): only entries of this account
 */
void
postern_queue_store_next_due_async (PosternQueueStore *self,
                                    const char *account_id,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_next_due_async,
                                                cancellable,
                                                callback,
                                                user_data);

  job->id = g_strdup (account_id);
  postern_queue_job_push_write (job, do_next_due, postern_task_job_return_number);
}

/**
 * postern_queue_store_next_due_finish:
 *
 * Returns: when the first entry that nobody has claimed is due, which may be in the past, in
 *   microseconds since the epoch; G_MAXINT64 when none waits; -1 with an error.
 */
gint64
postern_queue_store_next_due_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}
