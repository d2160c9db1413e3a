/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-private.h"

#include "base/random.h"

static void
clear_item (gpointer data)
{
  PosternQueueItem *item = data;

  g_clear_pointer (&item->entry, postern_queue_entry_free);
  g_clear_pointer (&item->body, g_bytes_unref);
  if (item->file != NULL)
    postern_block_file_discard (item->file);
  g_clear_pointer (&item->file, postern_block_file_unref);
}

/**
 * postern_queue_change_new:
 *
 * Returns: (transfer full): a change of nothing yet.
 */
PosternQueueChange *
postern_queue_change_new (void)
{
  PosternQueueChange *self = g_new0 (PosternQueueChange, 1);

  self->items = g_array_sized_new (FALSE, TRUE, sizeof (PosternQueueItem), 1);
  g_array_set_clear_func (self->items, clear_item);
  return self;
}

/**
 * postern_queue_change_free:
 *
 * Bodies that were added are discarded.
 */
void
postern_queue_change_free (PosternQueueChange *self)
{
  g_array_unref (self->items);
  g_free (self);
}

/**
 * postern_queue_change_update:
 * @entry: (transfer none): claimed, then changed by whoever delivers it
 * @lease: whether they go on with it, or others may claim it
 *
 * Writes what delivery found: step, ids, attempts, error, recipients, and status. An entry whose
 * step is DONE is removed with its body, unless its status is FAILED. One that a person has held or
 * discarded meanwhile keeps that status and is reported as withdrawn; its lease ends.
 */
void
postern_queue_change_update (PosternQueueChange *self,
                             const PosternQueueEntry *entry,
                             PosternQueueLease lease)
{
  PosternQueueItem item = { .entry = postern_queue_entry_copy (entry), .lease = lease };

  g_array_append_val (self->items, item);
}

static const char *
add (PosternQueueChange *self, PosternQueueItem *item, char *id, guint64 size_octets)
{
  item->is_new = TRUE;
  g_free (item->entry->id);
  item->entry->id = id;
  g_clear_pointer (&item->entry->creation_id, g_free);
  item->entry->size_octets = size_octets;
  g_array_append_vals (self->items, item, 1);
  return id;
}

/**
 * postern_queue_change_add_bytes:
 * @entry: (transfer none): its id is ignored
 * @body: (transfer none): the whole message; for long ones there is the writer
 *
 * A new entry, a bounce for example, that comes into being together with the rest of the change.
 * Returns: (transfer none): its id, as long as the change lives.
 */
const char *
postern_queue_change_add_bytes (PosternQueueChange *self,
                                const PosternQueueEntry *entry,
                                GBytes *body)
{
  PosternQueueItem item = { .entry = postern_queue_entry_copy (entry), .body = g_bytes_ref (body) };

  return add (self, &item, postern_random_id (), g_bytes_get_size (body));
}

/**
 * postern_queue_change_take_writer:
 * @entry: (transfer none): its id is ignored
 * @writer: (transfer full): complete
 *
 * The same with a body of any length.
 */
const char *
postern_queue_change_take_writer (PosternQueueChange *self,
                                  const PosternQueueEntry *entry,
                                  PosternQueueWriter *writer)
{
  PosternQueueItem item = { .entry = postern_queue_entry_copy (entry) };
  char *id;
  guint64 size_octets;

  item.file = postern_queue_writer_end (writer, &id, &size_octets, &item.body);
  return add (self, &item, id, size_octets);
}
