/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/body-stream.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_OCTETS (256 * 1024)

struct _PosternBodyStream
{
  GInputStream parent_instance;
  PosternStoreThread *reader;
  int fd;
  guint64 size_octets;
  guint64 position; /* of the next octet handed out */

  GBytes *block;       /* (nullable) what is being handed out */
  guint64 block_start; /* its first octet in the file */
  GBytes *ahead;       /* (nullable) what follows it */
  guint64 ahead_start;
  gboolean is_reading; /* a job for `ahead` is out */
  GError *error;       /* (nullable) reading ahead failed */

  GTask *waiting; /* (owned) (nullable) a read that needs what the job brings */
  guint8 *buffer; /* its */
  gsize buffer_length;
};

G_DEFINE_FINAL_TYPE (PosternBodyStream, postern_body_stream, G_TYPE_INPUT_STREAM)

typedef struct
{
  PosternStoreJob job;
  PosternBodyStream *stream; /* (owned) */
  int fd;
  guint64 start;
  gsize length;
  GBytes *block;
} ReadJob;

static GBytes *
read_block (int fd, guint64 start, gsize length, GError **error)
{
  g_autofree guint8 *block = g_malloc (MAX (length, 1));
  gsize have = 0;

  while (have < length)
    {
      ssize_t got = pread (fd, block + have, length - have, (off_t) (start + have));

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        {
          g_set_error (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_STORAGE,
                       "Reading a message from disk: %s",
                       got < 0 ? g_strerror (errno) : "the file is shorter than it was");
          return NULL;
        }
      have += (gsize) got;
    }
  return g_bytes_new_take (g_steal_pointer (&block), length);
}

/**
 * postern_body_file_open:
 *
 * On the reader's thread.
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_NOT_FOUND or STORAGE.
 */
PosternBodyFile *
postern_body_file_open (const char *path, GError **error)
{
  g_autoptr (PosternBodyFile) self = g_new0 (PosternBodyFile, 1);
  struct stat facts;

  self->fd = open (path, O_RDONLY | O_CLOEXEC);
  if (self->fd < 0 || fstat (self->fd, &facts) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   errno == ENOENT ? POSTERN_ERROR_NOT_FOUND : POSTERN_ERROR_STORAGE,
                   "Opening %s: %s",
                   path,
                   g_strerror (errno));
      return NULL;
    }
  self->size_octets = (guint64) facts.st_size;
  self->first = read_block (self->fd, 0, (gsize) MIN (self->size_octets, BLOCK_OCTETS), error);
  if (self->first == NULL)
    return NULL;
  if (self->size_octets <= BLOCK_OCTETS)
    {
      close (self->fd);
      self->fd = -1;
    }
  else
    {
      posix_fadvise (self->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
  return g_steal_pointer (&self);
}

void
postern_body_file_free (PosternBodyFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->first, g_bytes_unref);
  g_free (self);
}

/* The octets at the position, from whichever block has them. */
static const guint8 *
peek (PosternBodyStream *self, gsize *length)
{
  gsize size;
  const guint8 *data;

  if (self->block != NULL && self->position >= self->block_start + g_bytes_get_size (self->block))
    {
      g_clear_pointer (&self->block, g_bytes_unref);
    }
  if (self->block == NULL && self->ahead != NULL && self->ahead_start == self->position)
    {
      self->block = g_steal_pointer (&self->ahead);
      self->block_start = self->ahead_start;
    }
  if (self->block == NULL)
    {
      *length = 0;
      return NULL;
    }
  data = g_bytes_get_data (self->block, &size);
  *length = size - (gsize) (self->position - self->block_start);
  return data + (self->position - self->block_start);
}

static gsize
hand_out (PosternBodyStream *self, void *buffer, gsize count)
{
  gsize length;
  const guint8 *data = peek (self, &length);

  length = MIN (length, count);
  if (length > 0)
    memcpy (buffer, data, length);
  self->position += length;
  return length;
}

static void
do_read (PosternStoreJob *job)
{
  ReadJob *self = (ReadJob *) job;

  self->block = read_block (self->fd, self->start, self->length, &job->error);
}

static void read_ahead (PosternBodyStream *self);

/* Answers the read that waits, if there is something to answer by now. */
static void
serve_waiting (PosternBodyStream *self)
{
  g_autoptr (GTask) task = NULL;
  gsize got = hand_out (self, self->buffer, self->buffer_length);

  /* The block ahead was of no use when somebody read synchronously in between. */
  if (got == 0 && self->position < self->size_octets && self->error == NULL)
    {
      g_clear_pointer (&self->ahead, g_bytes_unref);
      read_ahead (self);
      return;
    }
  task = g_steal_pointer (&self->waiting);
  if (got == 0 && self->error != NULL)
    g_task_return_error (task, g_error_copy (self->error));
  else
    g_task_return_int (task, (gssize) got);
}

static void
on_read (PosternStoreJob *job)
{
  ReadJob *read = (ReadJob *) job;
  PosternBodyStream *self = read->stream;

  self->is_reading = FALSE;
  if (job->error != NULL)
    {
      g_clear_error (&self->error);
      self->error = g_steal_pointer (&job->error);
    }
  else
    {
      g_clear_pointer (&self->ahead, g_bytes_unref);
      self->ahead = g_steal_pointer (&read->block);
      self->ahead_start = read->start;
    }
  if (self->waiting != NULL)
    serve_waiting (self);
  if (!g_input_stream_is_closed (G_INPUT_STREAM (self)))
    read_ahead (self);
  g_object_unref (self);
  g_free (read);
}

static void
read_ahead (PosternBodyStream *self)
{
  guint64 start = self->position;
  ReadJob *read;

  if (self->block != NULL)
    start = self->block_start + g_bytes_get_size (self->block);
  if (self->is_reading || self->ahead != NULL || self->error != NULL || start >= self->size_octets)
    return;

  read = g_new0 (ReadJob, 1);
  read->job.prepare = do_read;
  read->job.done = on_read;
  read->stream = g_object_ref (self);
  read->fd = self->fd;
  read->start = start;
  read->length = (gsize) MIN (self->size_octets - start, BLOCK_OCTETS);
  self->is_reading = TRUE;
  postern_store_thread_push (self->reader, &read->job);
}

static void
postern_body_stream_read_async (GInputStream *stream,
                                void *buffer,
                                gsize count,
                                int io_priority,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  PosternBodyStream *self = POSTERN_BODY_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);
  gsize got;

  g_task_set_source_tag (task, postern_body_stream_read_async);
  if (g_task_return_error_if_cancelled (task))
    return;

  got = hand_out (self, buffer, count);
  read_ahead (self);
  if (got > 0 || self->position >= self->size_octets || count == 0)
    {
      g_task_return_int (task, (gssize) got);
      return;
    }
  self->buffer = buffer;
  self->buffer_length = count;
  self->waiting = g_steal_pointer (&task);
  if (!self->is_reading)
    serve_waiting (self);
}

static gssize
postern_body_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static gssize
postern_body_stream_read (GInputStream *stream,
                          void *buffer,
                          gsize count,
                          GCancellable *cancellable,
                          GError **error)
{
  PosternBodyStream *self = POSTERN_BODY_STREAM (stream);
  gsize got = hand_out (self, buffer, count);

  if (got == 0 && self->position < self->size_octets)
    {
      gsize length = (gsize) MIN (self->size_octets - self->position, BLOCK_OCTETS);

      self->block = read_block (self->fd, self->position, length, error);
      if (self->block == NULL)
        return -1;
      self->block_start = self->position;
      got = hand_out (self, buffer, count);
    }
  return (gssize) got;
}

static void
postern_body_stream_finalize (GObject *object)
{
  PosternBodyStream *self = POSTERN_BODY_STREAM (object);

  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->reader, postern_store_thread_unref);
  g_clear_pointer (&self->block, g_bytes_unref);
  g_clear_pointer (&self->ahead, g_bytes_unref);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (postern_body_stream_parent_class)->finalize (object);
}

static void
postern_body_stream_init (PosternBodyStream *self)
{
  self->fd = -1;
}

static void
postern_body_stream_class_init (PosternBodyStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = postern_body_stream_finalize;
  stream_class->read_fn = postern_body_stream_read;
  stream_class->read_async = postern_body_stream_read_async;
  stream_class->read_finish = postern_body_stream_read_finish;
}

/**
 * postern_body_stream_new:
 * @file: (transfer full)
 *
 * On the main context.
 * Returns: (transfer full): a message that came whole with the first block is a #GMemoryInputStream,
 *   which is read without another way to the thread or round the main loop.
 */
GInputStream *
postern_body_stream_new (PosternStoreThread *reader, PosternBodyFile *file)
{
  PosternBodyStream *self;

  if (file->fd < 0)
    {
      GInputStream *whole = g_memory_input_stream_new_from_bytes (file->first);

      postern_body_file_free (file);
      return whole;
    }
  self = g_object_new (POSTERN_TYPE_BODY_STREAM, NULL);

  self->reader = postern_store_thread_ref (reader);
  self->fd = file->fd;
  self->size_octets = file->size_octets;
  self->block = g_steal_pointer (&file->first);
  file->fd = -1;
  postern_body_file_free (file);
  return G_INPUT_STREAM (self);
}
