/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/body-cache.h"

#include "base/clock.h"
#include "base/error.h"
#include "store/body-stream.h"
#include "store/disk-room.h"
#include "store/maildrop-private.h"
#include "store/maildrop-view.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* `bodies/ACCOUNT/ROW` is complete and synced: it was written under another name, checked and
 * synced before it got this one. So it can be opened by name alone, without asking the database,
 * also for a message that has left while a session still shows it. The database knows sizes and
 * last uses, for eviction, and which files are wanted at the next start. */

#define TOUCH_DELAY_S  60
#define EVICT_PER_TURN 64
#define EVICT_TO       0.9 /* of the limit, so that not every new body evicts one */

G_DEFINE_FINAL_TYPE (PosternBodyCache, postern_body_cache, G_TYPE_OBJECT)

/* Eviction */

typedef struct
{
  PosternStoreJob job;
  PosternBodyCache *cache; /* (owned) */
  gint64 excess_octets;
  gint64 freed_octets;
  GPtrArray *paths; /* (element-type utf8) */
} EvictJob;

static gboolean
do_evict (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  EvictJob *self = (EvictJob *) job;
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (gint64));
  sqlite3_stmt *query =
      postern_database_query (database,
                              error,
                              "SELECT row, account, octets FROM bodies ORDER BY used_at_us LIMIT ?",
                              "i",
                              (gint64) EVICT_PER_TURN);
  int step;

  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      gint64 row = sqlite3_column_int64 (query, 0);

      if (self->freed_octets >= self->excess_octets)
        {
          postern_database_end_query (query);
          step = 0;
          break;
        }
      g_array_append_val (rows, row);
      self->freed_octets += sqlite3_column_int64 (query, 2);
      g_ptr_array_add (self->paths,
                       postern_maildrop_view_dup_body_path (sqlite3_column_int64 (query, 1),
                                                            self->cache->bodies_dir,
                                                            (guint64) row));
    }
  if (step < 0)
    return FALSE;
  for (guint i = 0; i < rows->len; i++)
    {
      if (!postern_database_do (database,
                                error,
                                "DELETE FROM bodies WHERE row = ?",
                                "i",
                                g_array_index (rows, gint64, i)))
        return FALSE;
    }
  return TRUE;
}

static void
do_evict_committed (PosternStoreJob *job)
{
  EvictJob *self = (EvictJob *) job;

  for (guint i = 0; i < self->paths->len; i++)
    g_unlink (g_ptr_array_index (self->paths, i));
}

static void evict_if_over (PosternBodyCache *self);

static void
on_evict_done (PosternStoreJob *job)
{
  EvictJob *self = (EvictJob *) job;
  g_autoptr (PosternBodyCache) cache = self->cache;

  cache->is_evicting = FALSE;
  if (job->error == NULL)
    {
      cache->size_octets -= self->freed_octets;
      if (self->paths->len > 0)
        evict_if_over (cache);
    }
  g_clear_error (&job->error);
  g_ptr_array_unref (self->paths);
  g_free (self);
}

static void
evict_if_over (PosternBodyCache *self)
{
  EvictJob *evict;

  if (self->is_evicting || self->size_octets <= (gint64) self->limit_octets)
    return;
  /* Whoever was just read should not be the one to go. */
  postern_body_cache_flush (self);
  evict = g_new0 (EvictJob, 1);
  evict->job.run = do_evict;
  evict->job.committed = do_evict_committed;
  evict->job.done = on_evict_done;
  evict->cache = g_object_ref (self);
  evict->excess_octets = self->size_octets - (gint64) ((double) self->limit_octets * EVICT_TO);
  evict->paths = g_ptr_array_new_with_free_func (g_free);
  self->is_evicting = TRUE;
  postern_store_writer_push (self->writer, &evict->job);
}

/**
 * postern_body_cache_set_limit:
 *
 * What is over it goes, the longest unread first.
 */
void
postern_body_cache_set_limit (PosternBodyCache *self, guint64 limit_octets)
{
  self->limit_octets = MIN (limit_octets, G_MAXINT64);
  evict_if_over (self);
}

/**
 * postern_body_cache_get_size:
 *
 * Returns: octets of all bodies that are complete.
 */
guint64
postern_body_cache_get_size (PosternBodyCache *self)
{
  return (guint64) MAX (self->size_octets, 0);
}

/* The cache has grown or shrunk by so many octets. */
void
postern_body_cache_note_size (PosternBodyCache *self, gint64 octets)
{
  self->size_octets += octets;
  evict_if_over (self);
}

/* Last use */

typedef struct
{
  PosternStoreJob job;
  GHashTable *touched; /* (owned) */
} TouchJob;

static gboolean
do_touch (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  GHashTableIter iter;
  gpointer row;
  gpointer used_us;

  g_hash_table_iter_init (&iter, ((TouchJob *) job)->touched);
  while (g_hash_table_iter_next (&iter, &row, &used_us))
    {
      if (!postern_database_do (database,
                                error,
                                "UPDATE bodies SET used_at_us = ? WHERE row = ?",
                                "ii",
                                *(gint64 *) used_us,
                                *(gint64 *) row))
        return FALSE;
    }
  return TRUE;
}

static void
on_touch_done (PosternStoreJob *job)
{
  g_clear_error (&job->error);
  g_hash_table_unref (((TouchJob *) job)->touched);
  g_free (job);
}

static GHashTable *
touched_new (void)
{
  return g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
}

/* Writes which bodies were read. Called before the store is closed, too. */
void
postern_body_cache_flush (PosternBodyCache *self)
{
  TouchJob *touch;

  g_clear_handle_id (&self->touch_source, g_source_remove);
  if (g_hash_table_size (self->touched) == 0)
    return;
  touch = g_new0 (TouchJob, 1);
  touch->job.run = do_touch;
  touch->job.done = on_touch_done;
  touch->touched = self->touched;
  self->touched = touched_new ();
  postern_store_writer_push (self->writer, &touch->job);
}

static gboolean
on_touch_due (gpointer user_data)
{
  PosternBodyCache *self = user_data;

  self->touch_source = 0;
  postern_body_cache_flush (self);
  return G_SOURCE_REMOVE;
}

static void
touch (PosternBodyCache *self, guint64 row)
{
  gint64 now_us = postern_clock_now_us ();

  g_hash_table_insert (self->touched,
                       g_memdup2 (&row, sizeof row),
                       g_memdup2 (&now_us, sizeof now_us));
  if (self->touch_source == 0)
    self->touch_source = g_timeout_add_seconds (TOUCH_DELAY_S, on_touch_due, self);
}

/* Reading */

typedef struct
{
  PosternTaskJob base;
  PosternBodyCache *cache;
  guint64 row;
  char *path;
  PosternBodyFile *file;
} OpenJob;

static void
open_job_clear (gpointer data)
{
  OpenJob *self = data;

  g_free (self->path);
  g_clear_pointer (&self->file, postern_body_file_free);
}

static void
do_open (PosternStoreJob *job)
{
  OpenJob *self = (OpenJob *) job;

  if (!postern_task_job_is_cancelled (&self->base))
    self->file = postern_body_file_open (self->path, &job->error);
}

static void
on_open_done (PosternStoreJob *job)
{
  OpenJob *self = (OpenJob *) job;

  if (self->file != NULL)
    {
      touch (self->cache, self->row);
      self->base.result =
          postern_body_stream_new (self->cache->reader, g_steal_pointer (&self->file));
    }
  self->base.result_free = g_object_unref;
  postern_task_job_return_result (job);
}

/**
 * postern_body_cache_open_async:
 * @row: of any listing that is still alive
 *
 * Opens a cached body. Its first 256 KiB come with it, the rest is read ahead; it stays readable
 * when it is evicted meanwhile. POSTERN_ERROR_NOT_FOUND when it is not cached.
 */
void
postern_body_cache_open_async (PosternBodyCache *self,
                               const char *account_id,
                               guint64 row,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  gint64 account =
      self->store == NULL ? 0 : postern_maildrop_store_get_account_number (self->store, account_id);
  OpenJob *job = g_new0 (OpenJob, 1);

  postern_task_job_init (&job->base,
                         self,
                         postern_body_cache_open_async,
                         cancellable,
                         callback,
                         user_data);
  job->base.clear = open_job_clear;
  job->base.job.prepare = do_open;
  job->base.job.done = on_open_done;
  job->cache = self;
  job->row = row;
  job->path = postern_maildrop_view_dup_body_path (account, self->bodies_dir, row);
  postern_store_thread_push (self->reader, &job->base.job);
}

GInputStream *
postern_body_cache_open_finish (PosternBodyCache *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* The sweep at the start */

typedef struct
{
  PosternStoreJob job;
  PosternBodyCache *cache; /* (owned) */
  gint64 size_octets;
} SweepJob;

/* Removes the files of one account that have no row, and notes those that have. */
static void
sweep_dir (PosternBodyCache *self, PosternDatabase *database, const char *name, GHashTable *found)
{
  g_autofree char *dir_path = g_build_filename (self->bodies_dir, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  gint64 account = g_ascii_strtoll (name, NULL, 10);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      gint64 row = strchr (file, '.') != NULL ? 0 : g_ascii_strtoll (file, NULL, 10);
      gint64 wanted = row <= 0 ? 0
                               : postern_database_number (database,
                                                          NULL,
                                                          "SELECT count (*) FROM bodies"
                                                          " WHERE row = ? AND account = ?",
                                                          "ii",
                                                          row,
                                                          account);

      if (wanted == 0)
        {
          g_autofree char *path = g_build_filename (dir_path, file, NULL);

          g_unlink (path);
        }
      else if (wanted > 0)
        {
          g_hash_table_add (found, g_memdup2 (&row, sizeof row));
        }
    }
}

/* And the rows that have no file: a rename may be younger than the last time the disk was quiet. */
static gboolean
sweep_rows (PosternDatabase *database, GHashTable *found, gint64 *size_octets, GError **error)
{
  g_autoptr (GArray) lost = g_array_new (FALSE, FALSE, sizeof (gint64));
  sqlite3_stmt *query =
      postern_database_query (database, error, "SELECT row, octets FROM bodies", "");
  int step;

  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      gint64 row = sqlite3_column_int64 (query, 0);

      if (g_hash_table_contains (found, &row))
        *size_octets += sqlite3_column_int64 (query, 1);
      else
        g_array_append_val (lost, row);
    }
  if (step < 0)
    return FALSE;
  for (guint i = 0; i < lost->len; i++)
    {
      if (!postern_database_do (database,
                                error,
                                "DELETE FROM bodies WHERE row = ?",
                                "i",
                                g_array_index (lost, gint64, i)))
        return FALSE;
    }
  return TRUE;
}

/* A step before the transaction, so that it is over before the first new file is made. */
static void
do_sweep (PosternStoreJob *job)
{
  SweepJob *self = (SweepJob *) job;
  PosternDatabase *database = postern_store_writer_get_database (self->cache->writer);
  g_autoptr (GHashTable) found = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GDir) dir = g_dir_open (self->cache->bodies_dir, 0, NULL);
  const char *name;

  if (database == NULL || !postern_database_do (database, &job->error, "BEGIN IMMEDIATE", ""))
    return;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    sweep_dir (self->cache, database, name, found);
  if (!sweep_rows (database, found, &self->size_octets, &job->error))
    postern_database_do (database, NULL, "ROLLBACK", "");
  else
    postern_database_do (database, &job->error, "COMMIT", "");
}

static void
on_sweep_done (PosternStoreJob *job)
{
  SweepJob *self = (SweepJob *) job;
  g_autoptr (PosternBodyCache) cache = self->cache;

  if (job->error != NULL)
    g_message ("Looking through the cached messages: %s", job->error->message);
  else
    postern_body_cache_note_size (cache, self->size_octets);
  g_clear_error (&job->error);
  g_free (self);
}

/* Removes what a crash left; the size is known after it. */
void
postern_body_cache_sweep (PosternBodyCache *self)
{
  SweepJob *sweep = g_new0 (SweepJob, 1);

  sweep->job.prepare = do_sweep;
  sweep->job.done = on_sweep_done;
  sweep->cache = g_object_ref (self);
  postern_store_writer_push (self->writer, &sweep->job);
}

PosternBodyCache *
postern_body_cache_new (PosternMaildropStore *store,
                        PosternStoreWriter *writer,
                        PosternStoreThread *reader,
                        const char *state_dir,
                        const char *bodies_dir)
{
  PosternBodyCache *self = g_object_new (POSTERN_TYPE_BODY_CACHE, NULL);

  self->store = store;
  self->writer = postern_store_writer_ref (writer);
  self->reader = postern_store_thread_ref (reader);
  self->state_dir = g_strdup (state_dir);
  self->bodies_dir = g_strdup (bodies_dir);
  return self;
}

/* The store is closed; whoever still has the cache finds it empty. */
void
postern_body_cache_detach (PosternBodyCache *self)
{
  self->store = NULL;
  g_clear_handle_id (&self->touch_source, g_source_remove);
}

static void
postern_body_cache_finalize (GObject *object)
{
  PosternBodyCache *self = POSTERN_BODY_CACHE (object);

  g_clear_handle_id (&self->touch_source, g_source_remove);
  g_hash_table_unref (self->touched);
  g_clear_pointer (&self->writer, postern_store_writer_unref);
  g_clear_pointer (&self->reader, postern_store_thread_unref);
  g_free (self->state_dir);
  g_free (self->bodies_dir);
  G_OBJECT_CLASS (postern_body_cache_parent_class)->finalize (object);
}

static void
postern_body_cache_init (PosternBodyCache *self)
{
  self->limit_octets = POSTERN_BODY_CACHE_LIMIT_DEFAULT;
  self->touched = touched_new ();
}

static void
postern_body_cache_class_init (PosternBodyCacheClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_body_cache_finalize;
}
