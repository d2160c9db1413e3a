/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/store.h"

#include "base/error.h"
#include "store/disk-room.h"
#include "store/maildrop-private.h"
#include "store/password-private.h"
#include "store/queue-private.h"

#include <errno.h>
#include <glib/gstdio.h>

/* One writer for each database and one reader for both: three threads, which sleep unless there is
 * something to do. */

struct _PosternStore
{
  GObject parent_instance;
  char *state_dir;
  PosternStoreThread *reader;
  PosternQueueStore *queue;
  PosternMaildropStore *maildrops;
};

G_DEFINE_FINAL_TYPE (PosternStore, postern_store, G_TYPE_OBJECT)

/**
 * postern_store_open:
 * @state_dir: made when it is missing; whoever calls holds its lock
 *
 * Opens everything, and removes what a crash left behind. Blocks, so call it before serving.
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_NEWER when a newer version has
 *   written the state, which is then untouched; STORAGE or FULL when the disk does not do it.
 */
PosternStore *
postern_store_open (const char *state_dir, GError **error)
{
  g_autoptr (PosternStore) self = g_object_new (POSTERN_TYPE_STORE, NULL);

  self->state_dir = g_strdup (state_dir);
  if (g_mkdir_with_parents (state_dir, 0700) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "Making %s: %s",
                   state_dir,
                   g_strerror (errno));
      return NULL;
    }
  self->reader = postern_store_reader_new ();
  self->queue = postern_queue_store_open (state_dir, self->reader, error);
  if (self->queue == NULL)
    return NULL;
  self->maildrops = postern_maildrop_store_open (state_dir, self->reader, error);
  if (self->maildrops == NULL)
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * postern_store_get_queue:
 *
 * Returns: (transfer none)
 */
PosternQueueStore *
postern_store_get_queue (PosternStore *self)
{
  return self->queue;
}

PosternPasswordTable *
postern_store_get_passwords (PosternStore *self)
{
  return postern_queue_store_get_passwords (self->queue);
}

PosternMaildropStore *
postern_store_get_maildrops (PosternStore *self)
{
  return self->maildrops;
}

PosternBodyCache *
postern_store_get_bodies (PosternStore *self)
{
  return postern_maildrop_store_get_bodies (self->maildrops);
}

/**
 * postern_store_has_room:
 *
 * Cheap: the file system is asked once a second at most.
 * Returns: whether more than the reserve of 200 MB is free.
 */
gboolean
postern_store_has_room (PosternStore *self)
{
  return postern_disk_has_room (self->state_dir);
}

/* Closing goes along the threads: a job at the end of each queue says that all before it is done.
 * Then joining them takes no time. */

typedef struct
{
  PosternTaskJob base;
  PosternStore *store;
} CloseJob;

static void
stop_threads (PosternStore *self)
{
  if (self->reader != NULL)
    postern_store_thread_stop (self->reader);
  if (self->maildrops != NULL)
    postern_maildrop_store_stop (self->maildrops);
  if (self->queue != NULL)
    postern_queue_store_stop (self->queue);
}

static void
on_maildrops_closed (PosternStoreJob *job)
{
  CloseJob *self = (CloseJob *) job;

  stop_threads (self->store);
  self->base.number = 1;
  postern_task_job_return_number (job);
}

static void
on_queue_closed (PosternStoreJob *job)
{
  CloseJob *self = (CloseJob *) job;

  job->done = on_maildrops_closed;
  postern_store_writer_close (postern_maildrop_store_get_writer (self->store->maildrops), job);
}

static void
do_nothing (PosternStoreJob *job)
{
}

static void
on_reader_idle (PosternStoreJob *job)
{
  CloseJob *self = (CloseJob *) job;

  job->prepare = NULL;
  job->done = on_queue_closed;
  postern_store_writer_close (postern_queue_store_get_writer (self->store->queue), job);
}

/**
 * postern_store_close_async:
 *
 * Finishes everything that was asked for so far, durably, then closes the databases. Whatever is
 * asked for later is answered with POSTERN_ERROR_STORAGE.
 */
void
postern_store_close_async (PosternStore *self, GAsyncReadyCallback callback, gpointer user_data)
{
  CloseJob *job = g_new0 (CloseJob, 1);

  postern_password_table_flush (postern_queue_store_get_passwords (self->queue));
  postern_body_cache_flush (postern_maildrop_store_get_bodies (self->maildrops));
  postern_task_job_init (&job->base, self, postern_store_close_async, NULL, callback, user_data);
  job->store = self;
  job->base.job.prepare = do_nothing;
  job->base.job.done = on_reader_idle;
  postern_store_thread_push (self->reader, &job->base.job);
}

gboolean
postern_store_close_finish (PosternStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error) > 0;
}

static void
postern_store_dispose (GObject *object)
{
  PosternStore *self = POSTERN_STORE (object);

  stop_threads (self);
  g_clear_object (&self->maildrops);
  g_clear_object (&self->queue);
  g_clear_pointer (&self->reader, postern_store_thread_unref);
  G_OBJECT_CLASS (postern_store_parent_class)->dispose (object);
}

static void
postern_store_finalize (GObject *object)
{
  g_free (POSTERN_STORE (object)->state_dir);
  G_OBJECT_CLASS (postern_store_parent_class)->finalize (object);
}

static void
postern_store_init (PosternStore *self)
{
}

static void
postern_store_class_init (PosternStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_store_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_store_finalize;
}
