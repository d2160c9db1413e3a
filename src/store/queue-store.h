/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/queue-entry.h"
#include "store/queue-writer.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternQueueStore:
 *
 * What was accepted and not yet handed over. Everything here may be called on the main context,
 * never blocks, and answers there. When an operation that changes something has answered without an
 * error, the change is on disk, synced; with one, nothing has changed.
 *
 * Errors are POSTERN_ERROR: STORAGE when the disk failed (from then on every operation answers that
 * until postern_queue_store_reopen_async()), FULL when there is no room, NOT_FOUND for an unknown
 * id. G_IO_ERROR_CANCELLED passes unchanged.
 *
 * Signal `changed (guint64 generation)`: something is different; many changes are told as one.
 */
#define POSTERN_TYPE_QUEUE_STORE (postern_queue_store_get_type ())
G_DECLARE_FINAL_TYPE (PosternQueueStore, postern_queue_store, POSTERN, QUEUE_STORE, GObject)

typedef struct
{
  guint by_status[POSTERN_QUEUE_STATUS_LAST + 1]; /* waiting, held, failed, discarded */
} PosternQueueCounts;

guint64 postern_queue_store_get_generation (PosternQueueStore *self);
void postern_queue_store_get_counts (PosternQueueStore *self, PosternQueueCounts *counts);
gboolean postern_queue_store_has_room (PosternQueueStore *self);
gboolean postern_queue_store_is_open (PosternQueueStore *self);

/* Receiving: begin, append, commit are in queue-writer.h. */
PosternQueueWriter *
postern_queue_store_begin (PosternQueueStore *self, PosternQueueReady ready, gpointer user_data);

/* Delivering */
void postern_queue_store_claim_async (PosternQueueStore *self,
                                      const char *account_id,
                                      guint limit,
                                      gint64 now_us,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
GPtrArray *
postern_queue_store_claim_finish (PosternQueueStore *self, GAsyncResult *result, GError **error);
void postern_queue_store_release (PosternQueueStore *self, const char *id);
void postern_queue_store_next_due_async (PosternQueueStore *self,
                                         const char *account_id,
                                         GCancellable *cancellable,
                                         GAsyncReadyCallback callback,
                                         gpointer user_data);
gint64
postern_queue_store_next_due_finish (PosternQueueStore *self, GAsyncResult *result, GError **error);

/**
 * PosternQueueChange:
 *
 * Changes of any number of entries that happen together or not at all.
 */
typedef struct _PosternQueueChange PosternQueueChange;

typedef enum
{
  POSTERN_QUEUE_LEASE_ENDS,
  POSTERN_QUEUE_LEASE_GOES_ON,
} PosternQueueLease;

PosternQueueChange *postern_queue_change_new (void);
void postern_queue_change_free (PosternQueueChange *self);
void postern_queue_change_update (PosternQueueChange *self,
                                  const PosternQueueEntry *entry,
                                  PosternQueueLease lease);
const char *postern_queue_change_add_bytes (PosternQueueChange *self,
                                            const PosternQueueEntry *entry,
                                            GBytes *body);
const char *postern_queue_change_take_writer (PosternQueueChange *self,
                                              const PosternQueueEntry *entry,
                                              PosternQueueWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternQueueChange, postern_queue_change_free)

void postern_queue_store_apply_async (PosternQueueStore *self,
                                      PosternQueueChange *change,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
gboolean postern_queue_store_apply_finish (PosternQueueStore *self,
                                           GAsyncResult *result,
                                           GStrv *withdrawn,
                                           GError **error);

void postern_queue_store_open_body_async (PosternQueueStore *self,
                                          const char *id,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);
GInputStream *postern_queue_store_open_body_finish (PosternQueueStore *self,
                                                    GAsyncResult *result,
                                                    GError **error);

/* Looking */
typedef struct
{
  int status;             /* PosternQueueStatus, -1 for all but discarded */
  const char *account_id; /* (nullable) */
  const char *text;       /* (nullable) part of an address, the subject or the reason; case of ASCII
                             letters does not matter */
} PosternQueueFilter;

#define POSTERN_QUEUE_PAGE_MAX 200

void postern_queue_store_get_async (PosternQueueStore *self,
                                    const char *id,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
PosternQueueEntry *
postern_queue_store_get_finish (PosternQueueStore *self, GAsyncResult *result, GError **error);
void postern_queue_store_list_async (PosternQueueStore *self,
                                     const PosternQueueFilter *filter,
                                     guint offset,
                                     guint limit,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
GPtrArray *postern_queue_store_list_finish (PosternQueueStore *self,
                                            GAsyncResult *result,
                                            guint *total,
                                            GError **error);
void postern_queue_store_count_account_async (PosternQueueStore *self,
                                              const char *account_id,
                                              GCancellable *cancellable,
                                              GAsyncReadyCallback callback,
                                              gpointer user_data);
gint64 postern_queue_store_count_account_finish (PosternQueueStore *self,
                                                 GAsyncResult *result,
                                                 GError **error);

void postern_queue_store_find_unowned_async (PosternQueueStore *self,
                                             const char *account_id,
                                             const char *const *email_ids,
                                             GCancellable *cancellable,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data);
GStrv postern_queue_store_find_unowned_finish (PosternQueueStore *self,
                                               GAsyncResult *result,
                                               GError **error);

void postern_queue_store_list_drafts_async (PosternQueueStore *self,
                                            const char *account_id,
                                            guint limit,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
GStrv postern_queue_store_list_drafts_finish (PosternQueueStore *self,
                                              GAsyncResult *result,
                                              GError **error);
void postern_queue_store_forget_drafts_async (PosternQueueStore *self,
                                              const char *account_id,
                                              const char *const *email_ids,
                                              GAsyncReadyCallback callback,
                                              gpointer user_data);
gboolean postern_queue_store_forget_drafts_finish (PosternQueueStore *self,
                                                   GAsyncResult *result,
                                                   GError **error);

/* What a person does to entries */
typedef enum
{
  POSTERN_QUEUE_ACTION_RETRY, /* waiting, held or failed: due now; what was given up starts over */
  POSTERN_QUEUE_ACTION_HOLD,  /* waiting or failed: held */
  POSTERN_QUEUE_ACTION_DISCARD, /* any: discarded */
  POSTERN_QUEUE_ACTION_RESTORE, /* discarded: what it was before */
} PosternQueueAction;

void postern_queue_store_act_async (PosternQueueStore *self,
                                    PosternQueueAction action,
                                    const char *const *ids,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
void postern_queue_store_act_account_async (PosternQueueStore *self,
                                            PosternQueueAction action,
                                            const char *account_id,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
gint64
postern_queue_store_act_finish (PosternQueueStore *self, GAsyncResult *result, GError **error);

#define POSTERN_QUEUE_DISCARDED_DAYS 7
void postern_queue_store_sweep_async (PosternQueueStore *self,
                                      gint64 now_us,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
gint64
postern_queue_store_sweep_finish (PosternQueueStore *self, GAsyncResult *result, GError **error);

void postern_queue_store_reopen_async (PosternQueueStore *self,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean
postern_queue_store_reopen_finish (PosternQueueStore *self, GAsyncResult *result, GError **error);

G_END_DECLS
