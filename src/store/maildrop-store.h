/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "mail/listing.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternMaildropMessage:
 *
 * One message as the backend knows it.
 */
typedef struct
{
  guint64 row; /* the store's own number, as in a PosternListing; 0 on the way in */
  char *email_id;
  char *blob_id; /* (nullable) NULL on the way in: known already, nothing new about it */
  guint64 size_octets;
  gint64 canonical_octets; /* with canonical line ends; -1: not known yet, so not listed */
  gint64 received_at_us;
} PosternMaildropMessage;

PosternMaildropMessage *postern_maildrop_message_new (const char *email_id);
void postern_maildrop_message_free (PosternMaildropMessage *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternMaildropMessage, postern_maildrop_message_free)

/**
 * PosternMaildropStore:
 *
 * The maildrops of all accounts as last seen at their backends, and the deletions that the backends
 * are still to be told. Calls come on the main context, never block and answer there; a change that
 * was answered without an error is on disk, synced, and postern_maildrop_store_ref_listing() shows
 * it. Errors are POSTERN_ERROR, mostly STORAGE.
 *
 * Signal `listing-changed (const char *account_id)`.
 */
#define POSTERN_TYPE_MAILDROP_STORE (postern_maildrop_store_get_type ())
G_DECLARE_FINAL_TYPE (PosternMaildropStore,
                      postern_maildrop_store,
                      POSTERN,
                      MAILDROP_STORE,
                      GObject)

/* From memory */
PosternListing *postern_maildrop_store_ref_listing (PosternMaildropStore *self,
                                                    const char *account_id);
const char *postern_maildrop_store_get_cursor (PosternMaildropStore *self, const char *account_id);
gint64 postern_maildrop_store_get_listed_at_us (PosternMaildropStore *self, const char *account_id);
guint postern_maildrop_store_get_tombstone_count (PosternMaildropStore *self,
                                                  const char *account_id);
gboolean postern_maildrop_store_is_open (PosternMaildropStore *self);

/* What the backend says. started_us: the wall clock when the first request of this answer went out.
 * All these end by change_finish. */
void postern_maildrop_store_apply_changes_async (PosternMaildropStore *self,
                                                 const char *account_id,
                                                 GPtrArray *updated,
                                                 const char *const *removed_ids,
                                                 const char *cursor,
                                                 gint64 started_us,
                                                 GAsyncReadyCallback callback,
                                                 gpointer user_data);
void postern_maildrop_store_replace_listing_async (PosternMaildropStore *self,
                                                   const char *account_id,
                                                   GPtrArray *messages,
                                                   const char *cursor,
                                                   gint64 started_us,
                                                   GAsyncReadyCallback callback,
                                                   gpointer user_data);
void postern_maildrop_store_set_canonical_size_async (PosternMaildropStore *self,
                                                      const char *account_id,
                                                      guint64 row,
                                                      guint64 canonical_octets,
                                                      GAsyncReadyCallback callback,
                                                      gpointer user_data);
void postern_maildrop_store_remove_account_async (PosternMaildropStore *self,
                                                  const char *account_id,
                                                  GAsyncReadyCallback callback,
                                                  gpointer user_data);

/* Deletions */
void postern_maildrop_store_add_tombstones_async (PosternMaildropStore *self,
                                                  const char *account_id,
                                                  const guint64 *rows,
                                                  gsize n_rows,
                                                  GAsyncReadyCallback callback,
                                                  gpointer user_data);
void postern_maildrop_store_confirm_tombstones_async (PosternMaildropStore *self,
                                                      const char *account_id,
                                                      const char *const *email_ids,
                                                      GAsyncReadyCallback callback,
                                                      gpointer user_data);
void postern_maildrop_store_forget_tombstones_async (PosternMaildropStore *self,
                                                     const char *account_id,
                                                     const char *const *email_ids,
                                                     GAsyncReadyCallback callback,
                                                     gpointer user_data);
gboolean postern_maildrop_store_change_finish (PosternMaildropStore *self,
                                               GAsyncResult *result,
                                               GError **error);

/* Looking */
void postern_maildrop_store_list_tombstones_async (PosternMaildropStore *self,
                                                   const char *account_id,
                                                   guint limit,
                                                   GCancellable *cancellable,
                                                   GAsyncReadyCallback callback,
                                                   gpointer user_data);
void postern_maildrop_store_find_unknown_async (PosternMaildropStore *self,
                                                const char *account_id,
                                                const char *const *email_ids,
                                                GCancellable *cancellable,
                                                GAsyncReadyCallback callback,
                                                gpointer user_data);
GStrv postern_maildrop_store_ids_finish (PosternMaildropStore *self,
                                         GAsyncResult *result,
                                         GError **error);
void postern_maildrop_store_lookup_async (PosternMaildropStore *self,
                                          const char *account_id,
                                          guint64 row,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);
PosternMaildropMessage *postern_maildrop_store_lookup_finish (PosternMaildropStore *self,
                                                              GAsyncResult *result,
                                                              GError **error);
void postern_maildrop_store_find_unsized_async (PosternMaildropStore *self,
                                                const char *account_id,
                                                guint limit,
                                                GCancellable *cancellable,
                                                GAsyncReadyCallback callback,
                                                gpointer user_data);
GPtrArray *postern_maildrop_store_find_unsized_finish (PosternMaildropStore *self,
                                                       GAsyncResult *result,
                                                       GError **error);

void postern_maildrop_store_reopen_async (PosternMaildropStore *self,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);

G_END_DECLS
