/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/store-reader.h"

#include "base/error.h"

static void
run (PosternStoreJob *jobs, gpointer owner)
{
  for (PosternStoreJob *job = jobs; job != NULL; job = job->next)
    job->prepare (job);
}

PosternStoreThread *
postern_store_reader_new (void)
{
  return postern_store_thread_new ("store-reader", POSTERN_STORE_TAKES_ONE, run, NULL, NULL);
}

struct _PosternReadDatabase
{
  char *path;
  PosternDatabase *database; /* (nullable) */
  gboolean is_closed;
};

PosternReadDatabase *
postern_read_database_new (const char *path)
{
  PosternReadDatabase *self = g_new0 (PosternReadDatabase, 1);

  self->path = g_strdup (path);
  return self;
}

/**
 * postern_read_database_get:
 *
 * On the reader's thread.
 * Returns: (transfer none) (nullable)
 */
PosternDatabase *
postern_read_database_get (PosternReadDatabase *self, GError **error)
{
  if (self->is_closed)
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_STORAGE,
                         "The message store is closed: Postern is ending");
  else if (self->database == NULL)
    self->database = postern_database_open_reader (self->path, error);
  return self->database;
}

/**
 * postern_read_database_close:
 *
 * When the reader's thread has ended: whoever asks later gets an error.
 */
void
postern_read_database_close (PosternReadDatabase *self)
{
  g_clear_pointer (&self->database, postern_database_free);
  self->is_closed = TRUE;
}

void
postern_read_database_free (PosternReadDatabase *self)
{
  postern_read_database_close (self);
  g_free (self->path);
  g_free (self);
}
