/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/database.h"
#include "store/store-thread.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternStoreWriter:
 *
 * The one who writes a database, and the files that its rows name. All jobs that wait share one
 * transaction and so one sync.
 */
typedef struct _PosternStoreWriter PosternStoreWriter;

/* On the writer's thread, after the `committed` of all jobs of a batch. */
typedef void (*PosternStoreCommitted) (PosternDatabase *database, gpointer owner);

PosternStoreWriter *postern_store_writer_open (const char *path,
                                               const char *const *migrations,
                                               guint n_migrations,
                                               const char *files_dir,
                                               GError **error);
PosternDatabase *postern_store_writer_get_database (PosternStoreWriter *self);
void postern_store_writer_start (PosternStoreWriter *self,
                                 const char *name,
                                 PosternStoreCommitted committed,
                                 gpointer owner);
typedef void (*PosternStoreFailed) (gpointer owner);
void postern_store_writer_on_failure (PosternStoreWriter *self,
                                      PosternStoreFailed failed,
                                      gpointer owner);
void postern_store_writer_stop (PosternStoreWriter *self);
PosternStoreWriter *postern_store_writer_ref (PosternStoreWriter *self);
void postern_store_writer_unref (PosternStoreWriter *self);

void postern_store_writer_push (PosternStoreWriter *self, PosternStoreJob *job);
gboolean postern_store_writer_is_open (PosternStoreWriter *self);
void postern_store_writer_reopen (PosternStoreWriter *self, PosternStoreJob *job);
void postern_store_writer_close (PosternStoreWriter *self, PosternStoreJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternStoreWriter, postern_store_writer_unref)

G_END_DECLS
