/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/store-writer.h"

#include <glib.h>

G_BEGIN_DECLS

#define POSTERN_BLOCK_OCTETS (256 * 1024)

/**
 * PosternBlockFile:
 *
 * A file that grows from the main context and is written by a store writer, in blocks of 256 KiB of
 * which two may be on their way. Its owner ends it by postern_block_file_discard(), or by
 * postern_block_file_flush(), after which a job's `prepare` calls postern_block_file_finish().
 */
typedef struct _PosternBlockFile PosternBlockFile;

typedef void (*PosternBlockReady) (gpointer user_data);

PosternBlockFile *postern_block_file_new (PosternStoreWriter *writer,
                                          char *path,
                                          PosternBlockReady ready,
                                          gpointer user_data);
PosternBlockFile *postern_block_file_ref (PosternBlockFile *self);
void postern_block_file_unref (PosternBlockFile *self);

gboolean postern_block_file_append (PosternBlockFile *self, const void *data, gsize length);
void postern_block_file_flush (PosternBlockFile *self);
void postern_block_file_discard (PosternBlockFile *self);

gboolean postern_block_file_finish (PosternBlockFile *self, guint64 size_octets, GError **error);
void postern_block_file_remove (PosternBlockFile *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBlockFile, postern_block_file_unref)

G_END_DECLS
