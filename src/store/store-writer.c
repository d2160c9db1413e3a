/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/store-writer.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A batch goes by in this order, so that a row never names a file that is not on the disk:
 *
 *   1. every job prepares: blocks are written, finished files synced;
 *   2. the directory of the files is synced once, if a new name is in the batch;
 *   3. one transaction; a job that fails is undone to its savepoint, the others go on;
 *   4. the commit, one sync; then all answers, in order.
 *
 * A sync that failed may have thrown away what it could not write, and the next one on the same
 * handle would succeed and mean nothing. So the database is given up at the first failure, and until
 * somebody reopens it every job is told why. The handle that failed does nothing any more, but stays
 * open until a new one is: it knows where the log ended before the failure. Without it the new one
 * would read the log from the file, and find a commit there that was answered with an error. */

struct _PosternStoreWriter
{
  gatomicrefcount references;
  char *path;
  const char *const *migrations;
  guint n_migrations;
  char *files_dir; /* (nullable) */
  int files_fd;    /* -1 without one */

  PosternStoreThread *thread;
  PosternStoreCommitted committed;
  gpointer owner;
  PosternStoreFailed failed_func; /* (nullable) */
  gpointer failed_owner;

  /* Of the thread, once it runs. */
  PosternDatabase *database;
  PosternDatabase *failed; /* (nullable) */
  GError *closed_by;
  gboolean closing;

  int is_open; /* atomic: what the main context may ask */
};

static void
close_after_error (PosternStoreWriter *self, const GError *error)
{
  PosternStoreFailed failed = g_atomic_pointer_get (&self->failed_func);

  if (self->closed_by != NULL)
    return;
  g_warning ("%s; it is closed now, and nothing is accepted until it is opened again",
             error->message);
  self->closed_by =
      g_error_new (POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "The message store was closed after an error: %s. Nothing is accepted "
                   "until it was opened again: check the disk",
                   error->message);
  self->failed = g_steal_pointer (&self->database);
  g_atomic_int_set (&self->is_open, FALSE);
  if (failed != NULL)
    failed (self->failed_owner);
}

static void
prepare (PosternStoreWriter *self, PosternStoreJob *jobs)
{
  gboolean names_files = FALSE;

  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    {
      if (job->prepare != NULL)
        job->prepare (job);
      if (job->run != NULL && job->error == NULL && self->closed_by != NULL)
        job->error = g_error_copy (self->closed_by);
      names_files |= job->names_files && job->error == NULL;
    }

  if (!names_files || fsync (self->files_fd) == 0)
    return;

  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    {
      if (job->names_files && job->error == NULL)
        g_set_error (&job->error,
                     POSTERN_ERROR,
                     POSTERN_ERROR_STORAGE,
                     "Syncing %s: %s",
                     self->files_dir,
                     g_strerror (errno));
    }
}

static gboolean
takes_part (const PosternStoreJob *job)
{
  return job->run != NULL && job->error == NULL;
}

static void
fail_all (PosternStoreJob *jobs, const GError *error)
{
  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    {
      if (takes_part (job))
        job->error = g_error_copy (error);
    }
}

/* Returns FALSE when the transaction itself is lost, and with it all that ran before. */
static gboolean
run_one (PosternStoreWriter *self, PosternStoreJob *job, gboolean alone, GError **error)
{
  if (!alone && !postern_database_do (self->database, error, "SAVEPOINT job", ""))
    return FALSE;
  if (!job->run (job, self->database, &job->error))
    {
      /* A full or failing disk makes SQLite roll back all by itself. */
      if (!postern_database_in_transaction (self->database))
        {
          g_propagate_error (error, g_steal_pointer (&job->error));
          return FALSE;
        }
      g_debug ("A job of the store failed: %s", job->error->message);
      if (alone)
        return TRUE;
      if (!postern_database_do (self->database, error, "ROLLBACK TO job", ""))
        return FALSE;
    }
  return alone || postern_database_do (self->database, error, "RELEASE job", "");
}

static gboolean
run_transaction (PosternStoreWriter *self, PosternStoreJob *jobs, guint count, GError **error)
{
  if (!postern_database_do (self->database, error, "BEGIN IMMEDIATE", ""))
    return FALSE;
  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    {
      if (!takes_part (job))
        continue;
      if (!run_one (self, job, count == 1, error))
        return FALSE;
      if (count == 1 && job->error != NULL)
        return postern_database_do (self->database, error, "ROLLBACK", "");
    }
  return postern_database_do (self->database, error, "COMMIT", "");
}

static void
close_in_order (PosternStoreWriter *self)
{
  if (self->closed_by == NULL)
    self->closed_by = g_error_new_literal (POSTERN_ERROR,
                                           POSTERN_ERROR_STORAGE,
                                           "The message store is closed: Postern is ending");
  g_clear_pointer (&self->database, postern_database_free);
  g_clear_pointer (&self->failed, postern_database_abandon);
  g_atomic_int_set (&self->is_open, FALSE);
}

static void
run_batch (PosternStoreJob *jobs, gpointer data)
{
  PosternStoreWriter *self = data;
  g_autoptr (GError) error = NULL;
  guint count = 0;

  prepare (self, jobs);
  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    count += takes_part (job) ? 1 : 0;

  if (count > 0 && !run_transaction (self, jobs, count, &error))
    {
      g_prefix_error (&error, "Writing ");
      fail_all (jobs, error);
      if (postern_database_in_transaction (self->database))
        postern_database_do (self->database, NULL, "ROLLBACK", "");
      /* Out of room is no fault of the disk; everything else may be. */
      if (!g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_FULL))
        close_after_error (self, error);
    }

  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    {
      if (job->committed != NULL && job->error == NULL)
        job->committed (job);
    }
  if (count > 0 && error == NULL && self->committed != NULL)
    self->committed (self->database, self->owner);
  if (self->closing)
    close_in_order (self);
}

static void
keep_up (PosternStoreJob *jobs, gpointer data)
{
  PosternStoreWriter *self = data;
  g_autoptr (GError) error = NULL;

  if (self->database != NULL && !postern_database_upkeep (self->database, &error))
    close_after_error (self, error);
}

/**
 * postern_store_writer_open:
 * @files_dir: (nullable): where the files are that jobs name; it must exist
 *
 * Opens the database, blocking. Until postern_store_writer_start() the caller may use it directly.
 */
PosternStoreWriter *
postern_store_writer_open (const char *path,
                           const char *const *migrations,
                           guint n_migrations,
                           const char *files_dir,
                           GError **error)
{
  g_autoptr (PosternStoreWriter) self = g_new0 (PosternStoreWriter, 1);

  g_atomic_ref_count_init (&self->references);
  self->path = g_strdup (path);
  self->migrations = migrations;
  self->n_migrations = n_migrations;
  self->files_dir = g_strdup (files_dir);
  self->files_fd = -1;
  if (files_dir != NULL)
    {
      self->files_fd = open (files_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (self->files_fd < 0)
        {
          g_set_error (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_STORAGE,
                       "%s: %s",
                       files_dir,
                       g_strerror (errno));
          return NULL;
        }
    }
  self->database = postern_database_open (path, migrations, n_migrations, error);
  if (self->database == NULL)
    return NULL;
  self->is_open = TRUE;
  return g_steal_pointer (&self);
}

PosternDatabase *
postern_store_writer_get_database (PosternStoreWriter *self)
{
  return self->database;
}

/**
 * postern_store_writer_start:
 * @committed: (nullable): called after each batch that reached the disk
 */
void
postern_store_writer_start (PosternStoreWriter *self,
                            const char *name,
                            PosternStoreCommitted committed,
                            gpointer owner)
{
  self->committed = committed;
  self->owner = owner;
  self->thread = postern_store_thread_new (name, POSTERN_STORE_TAKES_ALL, run_batch, keep_up, self);
}

/**
 * postern_store_writer_on_failure:
 * @failed: called on the writer's thread when an error has closed the database
 */
void
postern_store_writer_on_failure (PosternStoreWriter *self,
                                 PosternStoreFailed failed,
                                 gpointer owner)
{
  self->failed_owner = owner;
  g_atomic_pointer_set (&self->failed_func, failed);
}

/**
 * postern_store_writer_stop:
 *
 * Waits for all jobs, which blocks unless they are done; then closes the database. Whoever still
 * has a reference may push, and is told that the store is closed.
 */
void
postern_store_writer_stop (PosternStoreWriter *self)
{
  if (self->thread != NULL)
    postern_store_thread_stop (self->thread);
  close_in_order (self);
  self->committed = NULL;
  self->owner = NULL;
}

PosternStoreWriter *
postern_store_writer_ref (PosternStoreWriter *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_store_writer_unref (PosternStoreWriter *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  postern_store_writer_stop (self);
  g_clear_pointer (&self->thread, postern_store_thread_unref);
  g_clear_error (&self->closed_by);
  if (self->files_fd >= 0)
    close (self->files_fd);
  g_free (self->files_dir);
  g_free (self->path);
  g_free (self);
}

/**
 * postern_store_writer_push:
 * @job: (transfer full)
 *
 * On any thread.
 */
void
postern_store_writer_push (PosternStoreWriter *self, PosternStoreJob *job)
{
  postern_store_thread_push (self->thread, job);
}

gboolean
postern_store_writer_is_open (PosternStoreWriter *self)
{
  return g_atomic_int_get (&self->is_open);
}

/* Opening and closing wait their turn among the jobs, as a step before the transaction. */
typedef struct
{
  PosternStoreJob job;
  PosternStoreWriter *writer;
  PosternStoreJob *inner; /* (owned) what the caller wanted to be told by */
} TurnJob;

static void
do_reopen (PosternStoreJob *job)
{
  TurnJob *self = (TurnJob *) job;
  PosternStoreWriter *writer = self->writer;

  if (writer->database != NULL)
    return;
  writer->database =
      postern_database_reopen (writer->path, writer->migrations, writer->n_migrations, &job->error);
  if (writer->database == NULL)
    return;
  g_clear_pointer (&writer->failed, postern_database_abandon);
  g_clear_error (&writer->closed_by);
  g_atomic_int_set (&writer->is_open, TRUE);
  g_message ("%s is open again", writer->path);
}

static void
do_close (PosternStoreJob *job)
{
  /* Those of the same batch are still to be committed. */
  ((TurnJob *) job)->writer->closing = TRUE;
}

static void
on_turn (PosternStoreJob *job)
{
  TurnJob *self = (TurnJob *) job;
  PosternStoreJob *inner = self->inner;

  /* The first job in the new database, if there is one, still has to run. */
  if (job->error == NULL && inner->run != NULL)
    {
      postern_store_writer_push (self->writer, inner);
    }
  else
    {
      inner->error = g_steal_pointer (&job->error);
      inner->done (inner);
    }
  g_free (self);
}

static void
push_turn (PosternStoreWriter *self, PosternStoreJob *inner, void (*step) (PosternStoreJob *job))
{
  TurnJob *turn = g_new0 (TurnJob, 1);

  turn->job.prepare = step;
  turn->job.done = on_turn;
  turn->writer = self;
  turn->inner = inner;
  postern_store_writer_push (self, &turn->job);
}

/**
 * postern_store_writer_reopen:
 * @job: (transfer full): done with an error when the database could not be opened, else run as the
 *   first thing in it
 */
void
postern_store_writer_reopen (PosternStoreWriter *self, PosternStoreJob *job)
{
  push_turn (self, job, do_reopen);
}

/**
 * postern_store_writer_close:
 * @job: (transfer full): done, not run, when all that was pushed before is done and the database
 *   closed
 */
void
postern_store_writer_close (PosternStoreWriter *self, PosternStoreJob *job)
{
  g_assert (job->run == NULL);
  push_turn (self, job, do_close);
}
