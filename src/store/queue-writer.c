/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-writer.h"

#include "base/buffer.h"
#include "base/random.h"
#include "store/block-file.h"
#include "store/queue-private.h"
#include "store/queue-store.h"

/* Most messages are small, and a row costs one sync that many share, so up to this size the body
 * goes into the database; a longer one would make the log grow and is cheaper in a file. */
#define MAX_ROW_OCTETS (64 * 1024)

struct _PosternQueueWriter
{
  PosternQueueStore *store; /* (owned) */
  char *id;
  guint64 size_octets;
  PosternBuffer memory;   /* while it is short */
  PosternBlockFile *file; /* (nullable) once it is not */
  PosternQueueReady ready;
  gpointer user_data;
};

PosternQueueWriter *
postern_queue_writer_new (PosternQueueStore *store, PosternQueueReady ready, gpointer user_data)
{
  PosternQueueWriter *self = g_new0 (PosternQueueWriter, 1);

  self->store = g_object_ref (store);
  self->id = postern_random_id ();
  self->ready = ready;
  self->user_data = user_data;
  return self;
}

/**
 * postern_queue_writer_get_id:
 *
 * Returns: (transfer none): what the entry will be called.
 */
const char *
postern_queue_writer_get_id (PosternQueueWriter *self)
{
  return self->id;
}

guint64
postern_queue_writer_get_size (PosternQueueWriter *self)
{
  return self->size_octets;
}

/**
 * postern_queue_writer_append:
 *
 * Takes all of @data. A disk that fails is told at the commit.
 * Returns: FALSE when two blocks of 256 KiB are on their way and the caller should wait for `ready`.
 */
gboolean
postern_queue_writer_append (PosternQueueWriter *self, const void *data, gsize length)
{
  self->size_octets += length;
  if (self->file == NULL && self->size_octets <= MAX_ROW_OCTETS)
    {
      postern_buffer_append (&self->memory, data, length);
      return TRUE;
    }
  if (self->file == NULL)
    {
      self->file =
          postern_block_file_new (postern_queue_store_get_writer (self->store),
                                  postern_queue_store_dup_spool_path (self->store, self->id),
                                  self->ready,
                                  self->user_data);
      postern_block_file_append (self->file,
                                 postern_buffer_peek (&self->memory),
                                 postern_buffer_length (&self->memory));
      postern_buffer_clear (&self->memory);
    }
  return postern_block_file_append (self->file, data, length);
}

/**
 * postern_queue_writer_free:
 *
 * Discards the message.
 */
void
postern_queue_writer_free (PosternQueueWriter *self)
{
  if (self->file != NULL)
    postern_block_file_discard (self->file);
  g_clear_pointer (&self->file, postern_block_file_unref);
  postern_buffer_clear (&self->memory);
  g_object_unref (self->store);
  g_free (self->id);
  g_free (self);
}

/* Ends the writer: its body is a file on its way, or else bytes. (transfer full) */
PosternBlockFile *
postern_queue_writer_end (PosternQueueWriter *self, char **id, guint64 *size_octets, GBytes **body)
{
  PosternBlockFile *file = g_steal_pointer (&self->file);

  if (file != NULL)
    postern_block_file_flush (file);
  else
    *body =
        g_bytes_new (postern_buffer_peek (&self->memory), postern_buffer_length (&self->memory));
  *id = g_strdup (self->id);
  *size_octets = self->size_octets;
  postern_queue_writer_free (self);
  return file;
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (postern_queue_store_apply_finish (POSTERN_QUEUE_STORE (source), result, NULL, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * postern_queue_writer_commit_async:
 * @self: (transfer full): ended by this, whatever comes of it
 * @entry: (transfer none): what is known of the message; its id and size are the writer's
 *
 * The message is complete. It is durable when the callback is called without an error: the bytes,
 * the name of their file and the entry are synced. With one, nothing of it stays.
 */
void
postern_queue_writer_commit_async (PosternQueueWriter *self,
                                   const PosternQueueEntry *entry,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (PosternQueueStore) store = g_object_ref (self->store);
  PosternQueueChange *change = postern_queue_change_new ();
  GTask *task = g_task_new (store, NULL, callback, user_data);

  g_task_set_source_tag (task, postern_queue_writer_commit_async);
  postern_queue_change_take_writer (change, entry, self);
  postern_queue_store_apply_async (store, change, on_applied, task);
}

gboolean
postern_queue_writer_commit_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
