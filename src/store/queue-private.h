/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/block-file.h"
#include "store/body-stream.h"
#include "store/password-table.h"
#include "store/queue-rows.h"
#include "store/queue-store.h"
#include "store/store-reader.h"
#include "store/store-writer.h"
#include "store/task-job.h"

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

struct _PosternQueueStore
{
  GObject parent_instance;
  PosternStoreWriter *writer;
  PosternStoreThread *reader;
  PosternReadDatabase *read_database;
  PosternPasswordTable *passwords;
  char *state_dir;
  char *spool_dir;

  PosternQueueCounts counts;
  guint64 generation;
  guint changed_source;
  GPtrArray *unsure; /* (element-type utf8) refused, but perhaps in the log that failed to sync */

  GHashTable *leased; /* (element-type utf8) of the writer's thread */
};

void postern_queue_store_take_effect (PosternQueueStore *self, const PosternQueueEffect *effect);
void postern_queue_store_remove_orphans (PosternQueueStore *self, PosternQueueEffect *effect);

/**
 * PosternQueueJob:
 *
 * Every operation but a change is one of these: a task, a bit of input, a number or a pointer.
 */

typedef struct
{
  PosternTaskJob base;
  PosternQueueStore *store;
  char *id; /* (nullable) of an entry or an account, as the operation has it */
  GStrv ids;
  char *text;
  int status;
  guint offset;
  guint limit;
  guint total;
  gint64 now_us;
  PosternQueueAction action;
  PosternQueueEffect effect;
  PosternBodyFile *file;
} PosternQueueJob;

PosternQueueJob *postern_queue_job_new (PosternQueueStore *self,
                                        gpointer source_tag,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
void postern_queue_job_push_write (PosternQueueJob *job,
                                   gboolean (*run) (PosternStoreJob *job,
                                                    PosternDatabase *database,
                                                    GError **error),
                                   void (*done) (PosternStoreJob *job));
void postern_queue_job_push_read (PosternQueueJob *job,
                                  void (*prepare) (PosternStoreJob *job),
                                  void (*done) (PosternStoreJob *job));
PosternDatabase *postern_queue_job_get_reader (PosternQueueJob *job);

G_END_DECLS
