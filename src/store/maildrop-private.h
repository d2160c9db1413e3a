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

/* What the main context knows of an account. */
typedef struct
{
  gint64 number;
  PosternListing *listing; /* (nullable) */
  char *cursor;            /* (nullable) */
  gint64 listed_at_us;
  guint tombstones; /* that the backend has not confirmed */
} PosternMaildropState;

struct _PosternMaildropStore
{
  GObject parent_instance;
  PosternStoreWriter *writer;
  PosternStoreThread *reader;
  PosternReadDatabase *read_database;
  PosternBodyCache *bodies;
  char *bodies_dir;
  GHashTable *maildrops; /* account id to PosternMaildropState */

  /* Of the writer's thread. */
  GHashTable *views;    /* account number to PosternMaildropView */
  GPtrArray *committed; /* (element-type PosternMaildropJob) of this batch */
};

/* A change, and what it wants written. */
typedef struct
{
  PosternTaskJob base;
  PosternMaildropStore *store;
  gboolean (*change) (gpointer job, PosternDatabase *database, GError **error);
  char *account_id;
  GPtrArray *messages; /* (nullable) */
  GStrv ids;           /* (nullable) */
  char *cursor;        /* (nullable) */
  gint64 started_us;
  gint64 now_us;
  guint64 *rows;
  gsize n_rows;
  guint64 row;
  gint64 octets;
  gint64 canonical_octets;
  PosternBlockFile *file; /* (owned) (nullable) */
  char *part_path;
  char *path;

  PosternMaildropEffect effect;
  PosternMaildropState *outcome; /* (owned) (nullable) */
} PosternMaildropJob;

PosternMaildropJob *postern_maildrop_job_new (PosternMaildropStore *self,
                                              gpointer source_tag,
                                              const char *account_id,
                                              GCancellable *cancellable,
                                              GAsyncReadyCallback callback,
                                              gpointer user_data);
void postern_maildrop_job_push_change (PosternMaildropJob *job,
                                       gboolean (*change) (gpointer job,
                                                           PosternDatabase *database,
                                                           GError **error));

struct _PosternBodyCache
{
  GObject parent_instance;
  PosternMaildropStore *store; /* (nullable) owns this; NULL once it is closed */
  PosternStoreWriter *writer;
  PosternStoreThread *reader;
  char *state_dir;
  char *bodies_dir;
  guint64 limit_octets;
  gint64 size_octets;
  gboolean is_evicting;
  GHashTable *touched; /* row to time: read since the last note of it was written */
  guint touch_source;
};

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
