/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/queue-entry.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternQueueWriter:
 *
 * One message being received, made by postern_queue_store_begin(). Up to 64 KiB stay in memory;
 * what is longer goes to a spool file as it comes. Freeing it before the commit discards all.
 */
typedef struct _PosternQueueWriter PosternQueueWriter;

typedef void (*PosternQueueReady) (gpointer user_data);

const char *postern_queue_writer_get_id (PosternQueueWriter *self);
gboolean postern_queue_writer_append (PosternQueueWriter *self, const void *data, gsize length);
guint64 postern_queue_writer_get_size (PosternQueueWriter *self);
void postern_queue_writer_free (PosternQueueWriter *self);

void postern_queue_writer_commit_async (PosternQueueWriter *self,
                                        const PosternQueueEntry *entry,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
gboolean postern_queue_writer_commit_finish (GAsyncResult *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternQueueWriter, postern_queue_writer_free)

G_END_DECLS
