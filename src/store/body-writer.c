/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/body-writer.h"

#include "base/error.h"
#include "store/disk-room.h"
#include "store/maildrop-private.h"
#include "store/maildrop-view.h"

struct _PosternBodyWriter
{
  PosternBodyCache *cache; /* (owned) */
  char *account_id;
  guint64 row;
  guint64 size_octets;
  PosternBlockFile *file;
  char *part_path;
  char *path;
};

/**
 * postern_body_cache_begin:
 * @size_octets: as the backend says; a body of another size is not kept
 * @ready: (nullable): called when postern_body_writer_append() had answered FALSE and may go on;
 *   never after the writer's end
 *
 * Returns: (transfer full) (nullable): NULL, and no error, when this body should not be cached: the
 *   disk has only its reserve left, it is larger than a cache should hold, or the account is gone.
 */
PosternBodyWriter *
postern_body_cache_begin (PosternBodyCache *self,
                          const char *account_id,
                          guint64 row,
                          guint64 size_octets,
                          PosternBodyReady ready,
                          gpointer user_data)
{
  gint64 account =
      self->store == NULL ? 0 : postern_maildrop_store_get_account_number (self->store, account_id);
  g_autofree char *nonce = NULL;
  PosternBodyWriter *writer;

  if (account <= 0 || size_octets > self->limit_octets / 2 ||
      !postern_disk_has_room (self->state_dir))
    return NULL;

  /* Two sessions may fetch the same body at once. */
  nonce = g_uuid_string_random ();
  writer = g_new0 (PosternBodyWriter, 1);
  writer->cache = g_object_ref (self);
  writer->account_id = g_strdup (account_id);
  writer->row = row;
  writer->size_octets = size_octets;
  writer->path = postern_maildrop_view_dup_body_path (account, self->bodies_dir, row);
  writer->part_path = g_strdup_printf ("%s.%s.part", writer->path, nonce);
  writer->file =
      postern_block_file_new (self->writer, g_strdup (writer->part_path), ready, user_data);
  return writer;
}

/**
 * postern_body_writer_append:
 *
 * Takes all of @data. A disk that fails is told at the finish.
 * Returns: FALSE when two blocks of 256 KiB are on their way and the caller should wait for `ready`.
 */
gboolean
postern_body_writer_append (PosternBodyWriter *self, const void *data, gsize length)
{
  return postern_block_file_append (self->file, data, length);
}

static void
body_writer_end (PosternBodyWriter *self)
{
  postern_block_file_unref (self->file);
  g_object_unref (self->cache);
  g_free (self->account_id);
  g_free (self->part_path);
  g_free (self->path);
  g_free (self);
}

static void
on_body_added (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * postern_body_writer_finish_async:
 * @self: (transfer full): ended by this, whatever comes of it
 * @canonical_octets: its size with canonical line ends, which lists the message; -1 to leave that
 *
 * The body is complete. Without an error it is checked, synced, and cached; nobody needs to wait.
 */
void
postern_body_writer_finish_async (PosternBodyWriter *self,
                                  gint64 canonical_octets,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  GTask *task = g_task_new (self->cache, NULL, callback, user_data);

  g_task_set_source_tag (task, postern_body_writer_finish_async);
  if (self->cache->store == NULL)
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_STORAGE,
                               "The message store is closed");
      g_object_unref (task);
      postern_body_writer_free (self);
      return;
    }
  postern_block_file_flush (self->file);
  postern_maildrop_store_add_body_async (self->cache->store,
                                         self->account_id,
                                         self->row,
                                         self->file,
                                         self->part_path,
                                         self->path,
                                         self->size_octets,
                                         canonical_octets,
                                         on_body_added,
                                         task);
  body_writer_end (self);
}

gboolean
postern_body_writer_finish_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * postern_body_writer_free:
 *
 * Discards what was written.
 */
void
postern_body_writer_free (PosternBodyWriter *self)
{
  postern_block_file_discard (self->file);
  body_writer_end (self);
}
