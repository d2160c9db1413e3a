/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/block-file.h"
#include "store/body-cache.h"
#include "store/maildrop-rows.h"
#include "store/maildrop-store.h"
#include "store/store-reader.h"
#include "store/store-writer.h"
#include "store/task-job.h"

/* What the maildrops and the cache of their bodies know of each other and other rooms do not. */

G_BEGIN_DECLS

PosternMaildropStore *
postern_maildrop_store_open (const char *state_dir, PosternStoreThread *reader, GError **error);
void postern_maildrop_store_stop (PosternMaildropStore *self);
PosternStoreWriter *postern_maildrop_store_get_writer (PosternMaildropStore *self);
PosternBodyCache *postern_maildrop_store_get_bodies (PosternMaildropStore *self);
gint64 postern_maildrop_store_get_account_number (PosternMaildropStore *self,
                                                  const char *account_id);

/* A complete body: its file is finished and takes its place, and its row says so. */
void postern_maildrop_store_add_body_async (PosternMaildropStore *self,
                                            const char *account_id,
                                            guint64 row,
                                            PosternBlockFile *file,
                                            const char *part_path,
                                            const char *path,
                                            guint64 size_octets,
                                            gint64 canonical_octets,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);

PosternBodyCache *postern_body_cache_new (PosternMaildropStore *store,
                                          PosternStoreWriter *writer,
                                          PosternStoreThread *reader,
                                          const char *state_dir,
                                          const char *bodies_dir);
void postern_body_cache_sweep (PosternBodyCache *self);
void postern_body_cache_note_size (PosternBodyCache *self, gint64 octets);
void postern_body_cache_flush (PosternBodyCache *self);
void postern_body_cache_detach (PosternBodyCache *self);

G_END_DECLS
