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

  GMainContext *context;
  guint mend_id;
  guint mending; /* reopenings under way */
  guint mend_seconds;
  int is_closing; /* atomic */
};

G_DEFINE_FINAL_TYPE (PosternStore, postern_store, G_TYPE_OBJECT)

static guint health_changed_signal;

/* Mending. A failed sync closes its database, and nothing is tried on that handle again. A disk that
 * was full or away for a while is opened anew, which reads back what is really there. */

#define MEND_FIRST_SECONDS 5
#define MEND_LAST_SECONDS  300

static void mend_later (PosternStore *self);

/**
 * postern_store_is_healthy:
 *
 * Returns: FALSE while a database is closed after a disk error; nothing is accepted then.
 */
gboolean
postern_store_is_healthy (PosternStore *self)
{
  return postern_queue_store_is_open (self->queue) &&
         postern_maildrop_store_is_open (self->maildrops);
}

static void
mended (PosternStore *self, gboolean ok, const GError *error)
{
  if (!ok)
    g_info ("The message store cannot be opened again yet: %s", error->message);
  if (--self->mending > 0 || self->is_closing)
    return;
  if (postern_store_is_healthy (self))
    {
      g_message ("The message store is open again");
      self->mend_seconds = MEND_FIRST_SECONDS;
      g_signal_emit (self, health_changed_signal, 0);
    }
  else
    mend_later (self);
}

static void
on_queue_reopened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternStore) self = user_data;
  g_autoptr (GError) error = NULL;

  mended (self,
          postern_queue_store_reopen_finish (POSTERN_QUEUE_STORE (source), result, &error),
          error);
}

static void
on_maildrops_reopened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternStore) self = user_data;
  g_autoptr (GError) error = NULL;

  mended (self,
          postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error),
          error);
}

static gboolean
on_mend (gpointer user_data)
{
  PosternStore *self = user_data;

  self->mend_id = 0;
  if (!postern_queue_store_is_open (self->queue))
    {
      self->mending++;
      postern_queue_store_reopen_async (self->queue, on_queue_reopened, g_object_ref (self));
    }
  if (!postern_maildrop_store_is_open (self->maildrops))
    {
      self->mending++;
      postern_maildrop_store_reopen_async (self->maildrops,
                                           on_maildrops_reopened,
                                           g_object_ref (self));
    }
  return G_SOURCE_REMOVE;
}

static void
mend_later (PosternStore *self)
{
  if (self->mend_id != 0 || self->mending > 0 || self->is_closing)
    return;
  self->mend_id = g_timeout_add_seconds (self->mend_seconds, on_mend, self);
  self->mend_seconds = MIN (self->mend_seconds * 2, MEND_LAST_SECONDS);
}

static gboolean
on_failure (gpointer user_data)
{
  PosternStore *self = user_data;

  if (!self->is_closing && !postern_store_is_healthy (self))
    {
      g_signal_emit (self, health_changed_signal, 0);
      mend_later (self);
    }
  return G_SOURCE_REMOVE;
}

/* On a writer's thread, which is joined before the store ends; so there is one to refer to. */
static void
on_writer_failed (gpointer owner)
{
  PosternStore *self = owner;

  if (g_atomic_int_get (&self->is_closing))
    return;
  g_main_context_invoke_full (self->context,
                              G_PRIORITY_DEFAULT,
                              on_failure,
                              g_object_ref (self),
                              g_object_unref);
}

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
  self->context = g_main_context_ref_thread_default ();
  postern_store_writer_on_failure (postern_queue_store_get_writer (self->queue),
                                   on_writer_failed,
                                   self);
  postern_store_writer_on_failure (postern_maildrop_store_get_writer (self->maildrops),
                                   on_writer_failed,
                                   self);
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

  g_atomic_int_set (&self->is_closing, TRUE);
  g_clear_handle_id (&self->mend_id, g_source_remove);
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

  g_atomic_int_set (&self->is_closing, TRUE);
  g_clear_handle_id (&self->mend_id, g_source_remove);
  stop_threads (self);
  g_clear_object (&self->maildrops);
  g_clear_object (&self->queue);
  g_clear_pointer (&self->reader, postern_store_thread_unref);
  G_OBJECT_CLASS (postern_store_parent_class)->dispose (object);
}

static void
postern_store_finalize (GObject *object)
{
  PosternStore *self = POSTERN_STORE (object);

  g_clear_pointer (&self->context, g_main_context_unref);
  g_free (self->state_dir);
  G_OBJECT_CLASS (postern_store_parent_class)->finalize (object);
}

static void
postern_store_init (PosternStore *self)
{
  self->mend_seconds = MEND_FIRST_SECONDS;
}

static void
postern_store_class_init (PosternStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_store_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_store_finalize;
  health_changed_signal = g_signal_new ("health-changed",
                                        POSTERN_TYPE_STORE,
                                        G_SIGNAL_RUN_LAST,
                                        0,
                                        NULL,
                                        NULL,
                                        NULL,
                                        G_TYPE_NONE,
                                        0);
}
