/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/block-file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_UNDERWAY 2 /* blocks; with the one being filled, 768 KiB a message at most */

struct _PosternBlockFile
{
  gatomicrefcount references;
  PosternStoreWriter *writer;
  char *path;

  /* Of the main context. */
  guint8 *block; /* (owned) (nullable) the one being filled */
  gsize filled;
  guint underway;
  gboolean told_to_wait;
  PosternBlockReady ready; /* (nullable) NULL when nobody appends any more */
  gpointer user_data;

  /* Of the writer's thread. */
  int fd;
  gboolean made; /* the file exists, and we made it */
  guint64 written;
  GError *error; /* (nullable) the first failure; nothing is written after it */
};

typedef struct
{
  PosternStoreJob job;
  PosternBlockFile *file; /* (owned) */
  guint8 *block;          /* (owned) (nullable) */
  gsize length;
} BlockJob;

/**
 * postern_block_file_new:
 * @path: (transfer full): where it will be; it must not exist
 * @ready: (nullable): called on the main context when postern_block_file_append() had answered
 *   FALSE and may be called again; never after the flush or the discard
 */
PosternBlockFile *
postern_block_file_new (PosternStoreWriter *writer,
                        char *path,
                        PosternBlockReady ready,
                        gpointer user_data)
{
  PosternBlockFile *self = g_new0 (PosternBlockFile, 1);

  g_atomic_ref_count_init (&self->references);
  self->writer = postern_store_writer_ref (writer);
  self->path = path;
  self->ready = ready;
  self->user_data = user_data;
  self->fd = -1;
  return self;
}

PosternBlockFile *
postern_block_file_ref (PosternBlockFile *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_block_file_unref (PosternBlockFile *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  if (self->fd >= 0)
    close (self->fd);
  postern_store_writer_unref (self->writer);
  g_clear_error (&self->error);
  g_free (self->block);
  g_free (self->path);
  g_free (self);
}

static void
fail (PosternBlockFile *self, const char *doing)
{
  int code = errno == ENOSPC || errno == EDQUOT ? POSTERN_ERROR_FULL : POSTERN_ERROR_STORAGE;

  self->error =
      g_error_new (POSTERN_ERROR, code, "%s %s: %s", doing, self->path, g_strerror (errno));
}

static void
do_write (PosternStoreJob *job)
{
  BlockJob *block = (BlockJob *) job;
  PosternBlockFile *self = block->file;
  gsize done = 0;

  if (self->error == NULL && self->fd < 0)
    {
      self->fd = open (self->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (self->fd < 0)
        fail (self, "Making");
      else
        self->made = TRUE;
    }
  while (self->error == NULL && done < block->length)
    {
      ssize_t written = write (self->fd, block->block + done, block->length - done);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        fail (self, "Writing");
      else
        done += (gsize) written;
    }
  if (self->error != NULL)
    return;
  /* The disk starts now, so that the sync at the end, for which others wait, has little to do. */
  sync_file_range (self->fd, (off_t) self->written, (off_t) block->length, SYNC_FILE_RANGE_WRITE);
  self->written += block->length;
}

static void
on_written (PosternStoreJob *job)
{
  BlockJob *block = (BlockJob *) job;
  PosternBlockFile *self = block->file;

  self->underway--;
  if (self->told_to_wait && self->ready != NULL)
    {
      self->told_to_wait = FALSE;
      self->ready (self->user_data);
    }
  g_free (block->block);
  postern_block_file_unref (self);
  g_free (block);
}

static void
push_block (PosternBlockFile *self)
{
  BlockJob *block = g_new0 (BlockJob, 1);

  block->job.prepare = do_write;
  block->job.done = on_written;
  block->file = postern_block_file_ref (self);
  block->block = g_steal_pointer (&self->block);
  block->length = self->filled;
  self->filled = 0;
  self->underway++;
  postern_store_writer_push (self->writer, &block->job);
}

/**
 * postern_block_file_append:
 *
 * Takes the bytes, all of them. A failure is kept and told by postern_block_file_finish().
 * Returns: FALSE when the caller should wait for `ready`.
 */
gboolean
postern_block_file_append (PosternBlockFile *self, const void *data, gsize length)
{
  const guint8 *next = data;

  while (length > 0)
    {
      gsize part = MIN (length, POSTERN_BLOCK_OCTETS - self->filled);

      if (self->block == NULL)
        self->block = g_malloc (POSTERN_BLOCK_OCTETS);
      memcpy (self->block + self->filled, next, part);
      self->filled += part;
      next += part;
      length -= part;
      if (self->filled == POSTERN_BLOCK_OCTETS)
        push_block (self);
    }
  self->told_to_wait = self->underway >= MAX_UNDERWAY;
  return !self->told_to_wait;
}

/**
 * postern_block_file_flush:
 *
 * The last bytes are on their way; `ready` is not called any more.
 */
void
postern_block_file_flush (PosternBlockFile *self)
{
  self->ready = NULL;
  push_block (self);
}

static void
do_discard (PosternStoreJob *job)
{
  postern_block_file_remove (((BlockJob *) job)->file);
}

/**
 * postern_block_file_discard:
 *
 * The file goes, with all that is still on its way.
 */
void
postern_block_file_discard (PosternBlockFile *self)
{
  BlockJob *block = g_new0 (BlockJob, 1);

  self->ready = NULL;
  g_clear_pointer (&self->block, g_free);
  block->job.prepare = do_discard;
  block->job.done = on_written;
  block->file = postern_block_file_ref (self);
  self->underway++;
  postern_store_writer_push (self->writer, &block->job);
}

/**
 * postern_block_file_finish:
 * @size_octets: how many there must be
 *
 * On the writer's thread, behind the flush: syncs and closes the file.
 * Returns: FALSE when any byte of it may not be on the disk; then the file is gone. A sync is never
 *   tried twice.
 */
gboolean
postern_block_file_finish (PosternBlockFile *self, guint64 size_octets, GError **error)
{
  if (self->error == NULL && self->written != size_octets)
    self->error = g_error_new (POSTERN_ERROR,
                               POSTERN_ERROR_STORAGE,
                               "%s has %" G_GUINT64_FORMAT " octets where %" G_GUINT64_FORMAT
                               " were expected",
                               self->path,
                               self->written,
                               size_octets);
  if (self->error == NULL && fdatasync (self->fd) < 0)
    fail (self, "Syncing");
  if (self->error == NULL)
    {
      close (self->fd);
      self->fd = -1;
      return TRUE;
    }
  g_propagate_error (error, g_error_copy (self->error));
  postern_block_file_remove (self);
  return FALSE;
}

/**
 * postern_block_file_remove:
 *
 * On the writer's thread: closes the file and removes it.
 */
void
postern_block_file_remove (PosternBlockFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  if (self->made)
    unlink (self->path);
  self->made = FALSE;
  if (self->error == NULL)
    self->error = g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_STORAGE, "It was discarded");
}
