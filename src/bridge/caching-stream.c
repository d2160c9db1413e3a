/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/caching-stream.h"

#include "mail/canonical-lines.h"

struct _PosternCachingStream
{
  GInputStream parent_instance;

  GInputStream *source;
  PosternBodyWriter *writer; /* (nullable) NULL once finished or given up */
  PosternCanonicalCounter counter;
  gboolean is_complete;
  GTask *waiting; /* (nullable): a read that is answered when the writer has room again */
  gssize waiting_octets;
};

G_DEFINE_FINAL_TYPE (PosternCachingStream, postern_caching_stream, G_TYPE_INPUT_STREAM)

static void
on_writer_ready (gpointer user_data)
{
  PosternCachingStream *self = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&self->waiting);

  if (task != NULL)
    g_task_return_int (task, self->waiting_octets);
}

/**
 * postern_caching_stream_new:
 * @source: the whole message, checked to be @size_octets long by whoever made it
 *
 * Returns: (transfer full): a stream that reads as @source does
 */
GInputStream *
postern_caching_stream_new (GInputStream *source,
                            PosternBodyCache *cache,
                            const char *account_id,
                            guint64 row,
                            guint64 size_octets)
{
  PosternCachingStream *self = g_object_new (POSTERN_TYPE_CACHING_STREAM, NULL);

  self->source = g_object_ref (source);
  self->writer =
      postern_body_cache_begin (cache, account_id, row, size_octets, on_writer_ready, self);
  return G_INPUT_STREAM (self);
}

/**
 * postern_caching_stream_get_canonical_size:
 *
 * Returns: what RETR would announce, in octets, once the stream was read to its end; else -1
 */
gint64
postern_caching_stream_get_canonical_size (PosternCachingStream *self)
{
  return self->is_complete ? (gint64) postern_canonical_counter_get_size (&self->counter) : -1;
}

static void
on_cached (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!postern_body_writer_finish_finish (result, &error))
    g_info ("A message was passed on but could not be kept: %s", error->message);
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternCachingStream *self = g_task_get_source_object (task);
  const guint8 *buffer = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gssize octets = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (octets < 0)
    {
      g_clear_pointer (&self->writer, postern_body_writer_free);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (octets == 0)
    {
      self->is_complete = TRUE;
      if (self->writer != NULL)
        postern_body_writer_finish_async (g_steal_pointer (&self->writer),
                                          postern_caching_stream_get_canonical_size (self),
                                          on_cached,
                                          NULL);
      g_task_return_int (task, 0);
      return;
    }

  postern_canonical_counter_add (&self->counter, buffer, (gsize) octets);
  if (self->writer != NULL && !postern_body_writer_append (self->writer, buffer, (gsize) octets))
    {
      /* The disk is slower than the network: the reader waits for it, so that memory stays bounded. */
      self->waiting_octets = octets;
      self->waiting = g_steal_pointer (&task);
      return;
    }
  g_task_return_int (task, octets);
}

static void
caching_stream_read_async (GInputStream *stream,
                           void *buffer,
                           gsize count,
                           int io_priority,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  PosternCachingStream *self = POSTERN_CACHING_STREAM (stream);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, caching_stream_read_async);
  g_task_set_task_data (task, buffer, NULL);
  g_task_set_check_cancellable (task, FALSE); /* what was read must not be lost on the way */
  g_input_stream_read_async (self->source, buffer, count, io_priority, cancellable, on_read, task);
}

static gssize
caching_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static gssize
caching_stream_read (GInputStream *stream,
                     void *buffer,
                     gsize count,
                     GCancellable *cancellable,
                     GError **error)
{
  g_set_error_literal (error,
                       G_IO_ERROR,
                       G_IO_ERROR_NOT_SUPPORTED,
                       "This stream is only read without blocking");
  return -1;
}

static void
postern_caching_stream_dispose (GObject *object)
{
  PosternCachingStream *self = POSTERN_CACHING_STREAM (object);

  g_clear_pointer (&self->writer, postern_body_writer_free);
  g_clear_object (&self->source);
  G_OBJECT_CLASS (postern_caching_stream_parent_class)->dispose (object);
}

static void
postern_caching_stream_init (PosternCachingStream *self)
{
}

static void
postern_caching_stream_class_init (PosternCachingStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = postern_caching_stream_dispose;
  stream_class->read_fn = caching_stream_read;
  stream_class->read_async = caching_stream_read_async;
  stream_class->read_finish = caching_stream_read_finish;
}
