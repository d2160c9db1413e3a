/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-store.h"

#include "base/clock.h"
#include "base/error.h"
#include "store/body-stream.h"
#include "store/disk-room.h"
#include "store/password-private.h"
#include "store/queue-private.h"
#include "store/queue-rows.h"
#include "store/task-job.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

/* Everything that changes the queue is a job of its writer, everything that only looks is one of
 * the shared reader. The object on the main context keeps what must be answered at once: the counts
 * by status, brought up to date by what each committed job says it did.
 *
 * A lease is not written: it says that this process is at work on an entry, and ends with it. There
 * is only one process (STATE/lock), so a crash gives everything back at once, and no transfer can
 * take so long that its lease runs out and the message is sent twice. */

#define CHANGED_DELAY_MS 50

G_DEFINE_FINAL_TYPE (PosternQueueStore, postern_queue_store, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static gboolean
on_tell_changed (gpointer user_data)
{
  PosternQueueStore *self = user_data;

  self->changed_source = 0;
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0, self->generation);
  return G_SOURCE_REMOVE;
}

static void
note_changed (PosternQueueStore *self)
{
  self->generation++;
  if (self->changed_source == 0)
    self->changed_source = g_timeout_add (CHANGED_DELAY_MS, on_tell_changed, self);
}

void
postern_queue_store_take_effect (PosternQueueStore *self, const PosternQueueEffect *effect)
{
  for (guint i = 0; i <= POSTERN_QUEUE_STATUS_LAST; i++)
    self->counts.by_status[i] += (guint) effect->counts[i];
  note_changed (self);
}

void
postern_queue_store_remove_orphans (PosternQueueStore *self, PosternQueueEffect *effect)
{
  for (guint i = 0; effect->orphans != NULL && i < effect->orphans->len; i++)
    {
      g_autofree char *path =
          postern_queue_store_dup_spool_path (self, g_ptr_array_index (effect->orphans, i));

      /* One that stays is swept at the next start. */
      if (g_unlink (path) < 0)
        g_debug ("Removing %s: %s", path, g_strerror (errno));
    }
}

/* Changes */

typedef struct
{
  PosternStoreJob job;
  PosternQueueStore *store;
  PosternQueueChange *change; /* (owned) */
  PosternQueueEffect effect;
  gint64 now_us;
  GTask *task; /* (owned) */
} ApplyJob;

static void
do_apply_prepare (PosternStoreJob *job)
{
  ApplyJob *self = (ApplyJob *) job;

  for (guint i = 0; i < self->change->items->len; i++)
    {
      PosternQueueItem *item = &g_array_index (self->change->items, PosternQueueItem, i);

      if (item->file != NULL &&
          !postern_block_file_finish (item->file, item->entry->size_octets, &job->error))
        return;
    }
}

static gboolean
do_apply (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  ApplyJob *self = (ApplyJob *) job;

  for (guint i = 0; i < self->change->items->len; i++)
    {
      PosternQueueItem *item = &g_array_index (self->change->items, PosternQueueItem, i);

      if (item->is_new)
        {
          if (!postern_queue_rows_insert (database, item->entry, item->body, &self->effect, error))
            return FALSE;
          continue;
        }
      switch (postern_queue_rows_update (database, item->entry, self->now_us, &self->effect, error))
        {
        case POSTERN_QUEUE_ROW_UPDATED:
          break;
        case POSTERN_QUEUE_ROW_WITHDRAWN:
          item->withdrawn = TRUE;
          break;
        case POSTERN_QUEUE_ROW_FAILED:
        default:
          return FALSE;
        }
    }
  return TRUE;
}

static void
do_apply_committed (PosternStoreJob *job)
{
  ApplyJob *self = (ApplyJob *) job;

  for (guint i = 0; i < self->change->items->len; i++)
    {
      PosternQueueItem *item = &g_array_index (self->change->items, PosternQueueItem, i);

      /* The file has a row now and belongs to it. */
      g_clear_pointer (&item->file, postern_block_file_unref);
      if (!item->is_new && (item->lease == POSTERN_QUEUE_LEASE_ENDS || item->withdrawn))
        g_hash_table_remove (self->store->leased, item->entry->id);
    }
  postern_queue_store_remove_orphans (self->store, &self->effect);
}

/* Its sender is told no, and yet it may be in the log: should the process end before the database
 * was opened again, it is sent, and its file is needed. */
static void
note_unsure (PosternQueueStore *self, PosternQueueChange *change)
{
  for (guint i = 0; i < change->items->len; i++)
    {
      PosternQueueItem *item = &g_array_index (change->items, PosternQueueItem, i);

      if (!item->is_new)
        continue;
      g_ptr_array_add (self->unsure, g_strdup (item->entry->id));
      g_clear_pointer (&item->file, postern_block_file_unref);
    }
}

static void
on_apply_done (PosternStoreJob *job)
{
  ApplyJob *self = (ApplyJob *) job;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);
  g_autoptr (GStrvBuilder) withdrawn = g_strv_builder_new ();

  if (job->error == NULL)
    {
      postern_queue_store_take_effect (self->store, &self->effect);
      for (guint i = 0; i < self->change->items->len; i++)
        {
          PosternQueueItem *item = &g_array_index (self->change->items, PosternQueueItem, i);

          if (item->withdrawn)
            g_strv_builder_add (withdrawn, item->entry->id);
        }
      g_task_return_pointer (task, g_strv_builder_end (withdrawn), (GDestroyNotify) g_strfreev);
    }
  else
    {
      if (g_error_matches (job->error, POSTERN_ERROR, POSTERN_ERROR_STORAGE))
        note_unsure (self->store, self->change);
      g_task_return_error (task, g_steal_pointer (&job->error));
    }
  postern_queue_effect_clear (&self->effect);
  postern_queue_change_free (self->change);
  g_free (self);
}

/**
 * postern_queue_store_apply_async:
 * @change: (transfer full)
 *
 * Makes a change: all of it, durably, or nothing.
 */
void
postern_queue_store_apply_async (PosternQueueStore *self,
                                 PosternQueueChange *change,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  ApplyJob *apply = g_new0 (ApplyJob, 1);

  apply->job.prepare = do_apply_prepare;
  apply->job.run = do_apply;
  apply->job.committed = do_apply_committed;
  apply->job.done = on_apply_done;
  apply->store = self;
  apply->change = change;
  apply->now_us = postern_clock_now_us ();
  apply->task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (apply->task, postern_queue_store_apply_async);
  for (guint i = 0; i < change->items->len; i++)
    apply->job.names_files |= g_array_index (change->items, PosternQueueItem, i).file != NULL;
  postern_store_writer_push (self->writer, &apply->job);
}

/**
 * postern_queue_store_apply_finish:
 * @withdrawn: (out) (optional) (transfer full): ids of updated entries that a person has held or
 *   discarded meanwhile, or that are gone: do not go on with them
 */
gboolean
postern_queue_store_apply_finish (PosternQueueStore *self,
                                  GAsyncResult *result,
                                  GStrv *withdrawn,
                                  GError **error)
{
  g_auto (GStrv) ids = g_task_propagate_pointer (G_TASK (result), error);

  if (ids == NULL)
    return FALSE;
  if (withdrawn != NULL)
    *withdrawn = g_steal_pointer (&ids);
  return TRUE;
}

/**
 * postern_queue_store_begin:
 * @ready: (nullable): called when postern_queue_writer_append() had answered FALSE and may go on;
 *   never after the writer's end
 *
 * Returns: (transfer full): for a message that is about to be received.
 */
PosternQueueWriter *
postern_queue_store_begin (PosternQueueStore *self, PosternQueueReady ready, gpointer user_data)
{
  return postern_queue_writer_new (self, ready, user_data);
}

/* All other operations are jobs of one kind */

static void
queue_job_clear (gpointer data)
{
  PosternQueueJob *self = data;

  g_clear_pointer (&self->id, g_free);
  g_clear_pointer (&self->ids, g_strfreev);
  g_clear_pointer (&self->text, g_free);
  g_clear_pointer (&self->file, postern_body_file_free);
  postern_queue_effect_clear (&self->effect);
}

PosternQueueJob *
postern_queue_job_new (PosternQueueStore *self,
                       gpointer source_tag,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  PosternQueueJob *job = g_new0 (PosternQueueJob, 1);

  postern_task_job_init (&job->base, self, source_tag, cancellable, callback, user_data);
  job->base.clear = queue_job_clear;
  job->store = self;
  return job;
}

void
postern_queue_job_push_write (PosternQueueJob *job,
                              gboolean (*run) (PosternStoreJob *job,
                                               PosternDatabase *database,
                                               GError **error),
                              void (*done) (PosternStoreJob *job))
{
  job->base.job.run = run;
  job->base.job.done = done;
  postern_store_writer_push (job->store->writer, &job->base.job);
}

void
postern_queue_job_push_read (PosternQueueJob *job,
                             void (*prepare) (PosternStoreJob *job),
                             void (*done) (PosternStoreJob *job))
{
  job->base.job.prepare = prepare;
  job->base.job.done = done;
  postern_store_thread_push (job->store->reader, &job->base.job);
}

PosternDatabase *
postern_queue_job_get_reader (PosternQueueJob *job)
{
  if (postern_task_job_is_cancelled (&job->base))
    return NULL;
  return postern_read_database_get (job->store->read_database, &job->base.job.error);
}

/* Opening, reopening, closing */

static gboolean
do_reopen (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  for (guint i = 0; self->ids[i] != NULL; i++)
    {
      if (!postern_queue_rows_remove (database, self->ids[i], &self->effect, error))
        return FALSE;
    }
  self->base.result = g_new0 (PosternQueueCounts, 1);
  self->base.result_free = g_free;
  return postern_queue_rows_count (database, self->base.result, error);
}

static void
do_reopen_committed (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  for (guint i = 0; self->ids[i] != NULL; i++)
    {
      g_autofree char *path = postern_queue_store_dup_spool_path (self->store, self->ids[i]);

      g_unlink (path);
    }
}

static void
on_reopen_done (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  if (job->error == NULL)
    {
      self->store->counts = *(PosternQueueCounts *) self->base.result;
      g_ptr_array_set_size (self->store->unsure, 0);
      note_changed (self->store);
      self->base.number = 1;
    }
  postern_task_job_return_number (job);
}

/**
 * postern_queue_store_reopen_async:
 *
 * Opens the database again after an error has closed it. What was refused then, but had reached the
 * log, is removed first: its sender was told that it was not accepted, and sends it again.
 */
void
postern_queue_store_reopen_async (PosternQueueStore *self,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  PosternQueueJob *job =
      postern_queue_job_new (self, postern_queue_store_reopen_async, NULL, callback, user_data);

  job->ids = g_new0 (char *, self->unsure->len + 1);
  for (guint i = 0; i < self->unsure->len; i++)
    job->ids[i] = g_strdup (g_ptr_array_index (self->unsure, i));
  job->base.job.run = do_reopen;
  job->base.job.committed = do_reopen_committed;
  job->base.job.done = on_reopen_done;
  postern_store_writer_reopen (self->writer, &job->base.job);
}

gboolean
postern_queue_store_reopen_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error) > 0;
}

/* At the start nothing is being received, so a spool file without a row is what a crash left. */
static gboolean
sweep_spool (PosternQueueStore *self, GError **error)
{
  PosternDatabase *database = postern_store_writer_get_database (self->writer);
  g_autoptr (GDir) dir = g_dir_open (self->spool_dir, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = NULL;
      g_autoptr (GError) local = NULL;

      if (postern_queue_rows_is_spooled (database, name, &local))
        continue;
      if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      path = g_build_filename (self->spool_dir, name, NULL);
      g_debug ("%s was never accepted and goes", path);
      g_unlink (path);
    }
  return TRUE;
}

/* The queue in @state_dir, which must exist. Blocks. */
PosternQueueStore *
postern_queue_store_open (const char *state_dir, PosternStoreThread *reader, GError **error)
{
  g_autoptr (PosternQueueStore) self = g_object_new (POSTERN_TYPE_QUEUE_STORE, NULL);
  g_autofree char *path = g_build_filename (state_dir, "queue.db", NULL);

  self->state_dir = g_strdup (state_dir);
  self->spool_dir = g_build_filename (state_dir, "spool", NULL);
  self->reader = postern_store_thread_ref (reader);
  self->read_database = postern_read_database_new (path);
  if (g_mkdir_with_parents (self->spool_dir, 0700) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "Making %s: %s",
                   self->spool_dir,
                   g_strerror (errno));
      return NULL;
    }
  self->writer = postern_store_writer_open (path,
                                            postern_queue_schema,
                                            postern_queue_schema_length,
                                            self->spool_dir,
                                            error);
  if (self->writer == NULL ||
      !postern_queue_rows_count (postern_store_writer_get_database (self->writer),
                                 &self->counts,
                                 error) ||
      !sweep_spool (self, error))
    {
      g_prefix_error (error, "Opening the queue: ");
      return NULL;
    }
  self->passwords = postern_password_table_load (self->writer, error);
  if (self->passwords == NULL)
    return NULL;
  postern_store_writer_start (self->writer, "store-queue", NULL, NULL);
  return g_steal_pointer (&self);
}

PosternStoreWriter *
postern_queue_store_get_writer (PosternQueueStore *self)
{
  return self->writer;
}

PosternPasswordTable *
postern_queue_store_get_passwords (PosternQueueStore *self)
{
  return self->passwords;
}

char *
postern_queue_store_dup_spool_path (PosternQueueStore *self, const char *id)
{
  return g_build_filename (self->spool_dir, id, NULL);
}

/* When the reader's thread has ended. Blocks until all jobs are done. */
void
postern_queue_store_stop (PosternQueueStore *self)
{
  if (self->writer != NULL)
    postern_store_writer_stop (self->writer);
  g_clear_handle_id (&self->changed_source, g_source_remove);
  if (self->read_database != NULL)
    postern_read_database_close (self->read_database);
}

/**
 * postern_queue_store_get_generation:
 *
 * Returns: a number that grows with every change.
 */
guint64
postern_queue_store_get_generation (PosternQueueStore *self)
{
  return self->generation;
}

void
postern_queue_store_get_counts (PosternQueueStore *self, PosternQueueCounts *counts)
{
  *counts = self->counts;
}

/**
 * postern_queue_store_has_room:
 *
 * Returns: whether more than the reserve of 200 MB is free; if not, MAIL is answered 452 4.3.1.
 */
gboolean
postern_queue_store_has_room (PosternQueueStore *self)
{
  return postern_disk_has_room (self->state_dir);
}

/**
 * postern_queue_store_is_open:
 *
 * Returns: FALSE after a failed sync; then postern_queue_store_reopen_async() is to be tried.
 */
gboolean
postern_queue_store_is_open (PosternQueueStore *self)
{
  return postern_store_writer_is_open (self->writer);
}

static void
postern_queue_store_finalize (GObject *object)
{
  PosternQueueStore *self = POSTERN_QUEUE_STORE (object);

  postern_queue_store_stop (self);
  g_clear_object (&self->passwords);
  g_clear_pointer (&self->writer, postern_store_writer_unref);
  g_clear_pointer (&self->read_database, postern_read_database_free);
  g_clear_pointer (&self->reader, postern_store_thread_unref);
  g_ptr_array_unref (self->unsure);
  g_hash_table_unref (self->leased);
  g_free (self->spool_dir);
  g_free (self->state_dir);
  G_OBJECT_CLASS (postern_queue_store_parent_class)->finalize (object);
}

static void
postern_queue_store_init (PosternQueueStore *self)
{
  self->unsure = g_ptr_array_new_with_free_func (g_free);
  self->leased = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
postern_queue_store_class_init (PosternQueueStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_queue_store_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed",
                                          POSTERN_TYPE_QUEUE_STORE,
                                          G_SIGNAL_RUN_LAST,
                                          0,
                                          NULL,
                                          NULL,
                                          NULL,
                                          G_TYPE_NONE,
                                          1,
                                          G_TYPE_UINT64);
}
