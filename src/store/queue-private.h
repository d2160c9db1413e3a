/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/block-file.h"
#include "store/password-table.h"
#include "store/queue-rows.h"
#include "store/queue-store.h"
#include "store/store-reader.h"
#include "store/store-writer.h"

/* What the parts of the queue know of each other and other rooms do not. */

G_BEGIN_DECLS

PosternQueueStore *
postern_queue_store_open (const char *state_dir, PosternStoreThread *reader, GError **error);
PosternStoreWriter *postern_queue_store_get_writer (PosternQueueStore *self);
PosternPasswordTable *postern_queue_store_get_passwords (PosternQueueStore *self);
char *postern_queue_store_dup_spool_path (PosternQueueStore *self, const char *id);
void postern_queue_store_stop (PosternQueueStore *self);

PosternQueueWriter *
postern_queue_writer_new (PosternQueueStore *store, PosternQueueReady ready, gpointer user_data);
PosternBlockFile *
postern_queue_writer_end (PosternQueueWriter *self, char **id, guint64 *size_octets, GBytes **body);

/**
 * PosternQueueItem:
 *
 * One part of a change.
 */
typedef struct
{
  PosternQueueEntry *entry; /* (owned) */
  gboolean is_new;
  PosternQueueLease lease;
  GBytes *body;           /* (owned) (nullable) of a new one */
  PosternBlockFile *file; /* (owned) (nullable) of a new one */
  gboolean withdrawn;
} PosternQueueItem;

struct _PosternQueueChange
{
  GArray *items; /* (element-type PosternQueueItem) */
};

G_END_DECLS
