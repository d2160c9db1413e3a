/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-http"

#include "config.h"

#include "http/answer-stream.h"

#include "base/error.h"
#include "http/http-error.h"

struct _PosternAnswerStream
{
  GFilterInputStream parent_instance;
  GCancellable *abort; /* (owned) ends the request */
  guint64 taken_octets;
  guint64 expected_octets; /* G_MAXUINT64: any number */
  gboolean is_over;        /* the end was read, or an error */
};

G_DEFINE_FINAL_TYPE (PosternAnswerStream, postern_answer_stream, G_TYPE_FILTER_INPUT_STREAM)

/**
 * postern_answer_stream_new:
 * @abort: what the request was sent with; cancelled when the rest is not wanted
 *
 * Returns: (transfer full): closes @body when it is closed
 */
GInputStream *
postern_answer_stream_new (GInputStream *body, GCancellable *abort)
{
  PosternAnswerStream *self = g_object_new (POSTERN_TYPE_ANSWER_STREAM, "base-stream", body, NULL);

  self->abort = g_object_ref (abort);
  self->expected_octets = G_MAXUINT64;
  return G_INPUT_STREAM (self);
}

/**
 * postern_answer_stream_expect:
 *
 * From now on another number of octets is an error (POSTERN_ERROR_TEMPORARY), told in place of the
 * end or of what is too much.
 */
void
postern_answer_stream_expect (PosternAnswerStream *self, guint64 size_octets)
{
  self->expected_octets = size_octets;
}

/* Looks at what a read gave, and returns what the reader is told. */
static gssize
account (PosternAnswerStream *self, gssize octets, GError **error)
{
  if (octets < 0)
    {
      self->is_over = TRUE;
      if (error != NULL)
        *error = postern_http_error_convert (*error);
      return -1;
    }

  self->taken_octets += (guint64) octets;
  if (self->expected_octets != G_MAXUINT64 &&
      (self->taken_octets > self->expected_octets ||
       (octets == 0 && self->taken_octets < self->expected_octets)))
    {
      self->is_over = octets == 0;
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_TEMPORARY,
                   "The server gave %s octets of a message of %" G_GUINT64_FORMAT,
                   octets == 0 ? "fewer" : "more",
                   self->expected_octets);
      return -1;
    }
  self->is_over = octets == 0;
  return octets;
}

static gssize
body_stream_read (GInputStream *stream,
                  void *buffer,
                  gsize count,
                  GCancellable *cancellable,
                  GError **error)
{
  PosternAnswerStream *self = POSTERN_ANSWER_STREAM (stream);
  GInputStream *base = g_filter_input_stream_get_base_stream (G_FILTER_INPUT_STREAM (stream));
  g_autoptr (GError) cause = NULL;
  gssize octets = g_input_stream_read (base, buffer, count, cancellable, &cause);

  octets = account (self, octets, &cause);
  if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return octets;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  g_autoptr (GError) error = NULL;
  gssize octets = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  octets = account (POSTERN_ANSWER_STREAM (g_task_get_source_object (task)), octets, &error);
  if (octets < 0)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_int (task, octets);
}

static void
body_stream_read_async (GInputStream *stream,
                        void *buffer,
                        gsize count,
                        int io_priority,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  GInputStream *base = g_filter_input_stream_get_base_stream (G_FILTER_INPUT_STREAM (stream));
  GTask *task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_source_tag (task, body_stream_read_async);
  g_task_set_check_cancellable (task, FALSE);
  g_input_stream_read_async (base, buffer, count, io_priority, cancellable, on_read, task);
}

static gssize
body_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static gboolean
body_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  PosternAnswerStream *self = POSTERN_ANSWER_STREAM (stream);
  GInputStream *base = g_filter_input_stream_get_base_stream (G_FILTER_INPUT_STREAM (stream));

  /* Closing would otherwise read the rest, blocking, to keep the connection for another request. */
  if (!self->is_over)
    g_cancellable_cancel (self->abort);
  g_input_stream_close (base, self->is_over ? NULL : self->abort, NULL);
  return TRUE;
}

static void
body_stream_close_async (GInputStream *stream,
                         int io_priority,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_source_tag (task, body_stream_close_async);
  body_stream_close (stream, NULL, NULL);
  g_task_return_boolean (task, TRUE);
}

static gboolean
body_stream_close_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
postern_answer_stream_finalize (GObject *object)
{
  g_clear_object (&POSTERN_ANSWER_STREAM (object)->abort);
  G_OBJECT_CLASS (postern_answer_stream_parent_class)->finalize (object);
}

static void
postern_answer_stream_class_init (PosternAnswerStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = postern_answer_stream_finalize;
  /* The asynchronous forms are given too: GIO's own would read in a thread. */
  stream_class->read_fn = body_stream_read;
  stream_class->read_async = body_stream_read_async;
  stream_class->read_finish = body_stream_read_finish;
  stream_class->close_fn = body_stream_close;
  stream_class->close_async = body_stream_close_async;
  stream_class->close_finish = body_stream_close_finish;
}

static void
postern_answer_stream_init (PosternAnswerStream *self)
{
}
