/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/database.h"
#include "store/queue-entry.h"
#include "store/queue-store.h"

#include <glib.h>

/* The schema of queue.db, and everything that is said to it about entries. All of it runs on the
 * writer's or the reader's thread. */

G_BEGIN_DECLS

extern const char *const postern_queue_schema[];
extern const guint postern_queue_schema_length;

/**
 * PosternQueueEffect:
 *
 * What a transaction did to things outside the database, to be carried out when it is on disk.
 */
typedef struct
{
  int counts[POSTERN_QUEUE_STATUS_LAST + 1]; /* how many more of each status there are */
  GPtrArray *orphans; /* (nullable) (element-type utf8) ids whose spool file may go */
} PosternQueueEffect;

void postern_queue_effect_clear (PosternQueueEffect *self);
void postern_queue_effect_note_status (PosternQueueEffect *effect, int from, int to);

gboolean postern_queue_rows_insert (PosternDatabase *database,
                                    const PosternQueueEntry *entry,
                                    GBytes *body,
                                    PosternQueueEffect *effect,
                                    GError **error);

typedef enum
{
  POSTERN_QUEUE_ROW_UPDATED,
  POSTERN_QUEUE_ROW_WITHDRAWN,
  POSTERN_QUEUE_ROW_FAILED,
} PosternQueueRowUpdate;

PosternQueueRowUpdate postern_queue_rows_update (PosternDatabase *database,
                                                 const PosternQueueEntry *entry,
                                                 gint64 now_us,
                                                 PosternQueueEffect *effect,
                                                 GError **error);

GPtrArray *postern_queue_rows_find_due (PosternDatabase *database,
                                        const char *account_id,
                                        guint limit,
                                        gint64 now_us,
                                        GHashTable *leased,
                                        GError **error);
gint64 postern_queue_rows_next_due (PosternDatabase *database,
                                    const char *account_id,
                                    GHashTable *leased,
                                    GError **error);
PosternQueueEntry *
postern_queue_rows_get (PosternDatabase *database, const char *id, GError **error);
GPtrArray *postern_queue_rows_list (PosternDatabase *database,
                                    const PosternQueueFilter *filter,
                                    guint offset,
                                    guint limit,
                                    guint *total,
                                    GError **error);
gboolean
postern_queue_rows_count (PosternDatabase *database, PosternQueueCounts *counts, GError **error);

gboolean postern_queue_rows_abandon_draft (PosternDatabase *database, gint64 row, GError **error);
gboolean postern_queue_rows_remove_row (PosternDatabase *database,
                                        gint64 row,
                                        const char *id,
                                        int status,
                                        gboolean spooled,
                                        PosternQueueEffect *effect,
                                        GError **error);
gboolean postern_queue_rows_remove (PosternDatabase *database,
                                    const char *id,
                                    PosternQueueEffect *effect,
                                    GError **error);
gboolean postern_queue_rows_get_body (PosternDatabase *database,
                                      const char *id,
                                      GBytes **body,
                                      GError **error);
gboolean postern_queue_rows_is_spooled (PosternDatabase *database, const char *id, GError **error);

G_END_DECLS
