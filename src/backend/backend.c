/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-backend"

#include "config.h"

#include "backend/backend.h"

G_DEFINE_INTERFACE (PosternBackend, postern_backend, G_TYPE_OBJECT)

/**
 * postern_backend_set_credentials:
 * @user: (nullable): the name to log in with, where the service wants one
 * @secret: (nullable): kept by reference; NULL: none for now, every call ends with CREDENTIALS
 *
 * Later requests use these, and a watch that had stopped for their sake starts again. Requests
 * under way are not disturbed.
 */
void
postern_backend_set_credentials (PosternBackend *self, const char *user, PosternSecret *secret)
{
  POSTERN_BACKEND_GET_IFACE (self)->set_credentials (self, user, secret);
}

/**
 * postern_backend_probe_async:
 *
 * Asks the service anew who we are and what it can do. Nothing else needs it to come first.
 */
void
postern_backend_probe_async (PosternBackend *self,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)->probe_async (self, cancellable, callback, user_data);
}

/**
 * postern_backend_probe_finish:
 *
 * Returns: (transfer full): CREDENTIALS also when the service answers but shows no mailbox.
 */
PosternBackendInfo *
postern_backend_probe_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->probe_finish (self, result, error);
}

/**
 * postern_backend_get_info:
 *
 * Returns: (nullable): what the last answer said; NULL before the first. Lent, until the main
 *   context runs again.
 */
const PosternBackendInfo *
postern_backend_get_info (PosternBackend *self)
{
  return POSTERN_BACKEND_GET_IFACE (self)->get_info (self);
}

/**
 * postern_backend_list_identities_async:
 *
 * Asks the service, always, which addresses may be used as sender.
 */
void
postern_backend_list_identities_async (PosternBackend *self,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)->list_identities_async (self, cancellable, callback, user_data);
}

/**
 * postern_backend_list_identities_finish:
 *
 * Returns: (transfer full) (element-type PosternIdentity): empty when the mailbox may not send.
 */
GPtrArray *
postern_backend_list_identities_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->list_identities_finish (self, result, error);
}

/**
 * postern_backend_sync_async:
 * @cursor: (nullable): of an earlier batch; NULL begins a complete listing
 *
 * One page. See PosternSyncBatch for what to do with it. A message appears in the listing though it
 * arrives while the listing goes on, or in the changes after it; it is never missed by both.
 */
void
postern_backend_sync_async (PosternBackend *self,
                            const char *cursor,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)->sync_async (self, cursor, cancellable, callback, user_data);
}

/**
 * postern_backend_sync_finish:
 *
 * Returns: (transfer full): POSTERN_ERROR_STALE when the service can not tell what happened since
 *   the cursor: begin again with NULL. After any other error the same cursor is still good.
 */
PosternSyncBatch *
postern_backend_sync_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->sync_finish (self, result, error);
}

/**
 * postern_backend_fetch_async:
 * @blob_id: of a PosternRemoteMessage
 * @size_octets: what that said
 *
 * Opens the exact bytes of a message.
 */
void
postern_backend_fetch_async (PosternBackend *self,
                             const char *blob_id,
                             guint64 size_octets,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)
      ->fetch_async (self, blob_id, size_octets, cancellable, callback, user_data);
}

/**
 * postern_backend_fetch_finish:
 *
 * Returns: (transfer full): a stream of exactly size_octets octets, read as it comes from the
 *   network: read it asynchronously. When fewer or more come, or none for a minute, reading ends
 *   with POSTERN_ERROR_TEMPORARY or OFFLINE, never with a silent end. NOT_FOUND: it is gone.
 */
GInputStream *
postern_backend_fetch_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->fetch_finish (self, result, error);
}

/**
 * postern_backend_remove_async:
 * @email_ids: ends with NULL, any number
 * @from: the place it is to leave: INBOX, or DRAFTS for what an import left behind
 *
 * May be repeated after any error.
 */
void
postern_backend_remove_async (PosternBackend *self,
                              const char *const *email_ids,
                              PosternPlace from,
                              PosternRemoveMode mode,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)
      ->remove_async (self, email_ids, from, mode, cancellable, callback, user_data);
}

/**
 * postern_backend_remove_finish:
 *
 * Returns: (transfer full) (element-type PosternRemoval): one for each id, in their order. NULL
 *   with an error when nothing at all could be asked.
 */
GPtrArray *
postern_backend_remove_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->remove_finish (self, result, error);
}

/**
 * postern_backend_upload_async:
 * @content: a message with CRLF line ends; read to its end, not closed
 * @size_octets: how much @content gives
 *
 * May be repeated after any error, with a stream that starts again.
 */
void
postern_backend_upload_async (PosternBackend *self,
                              GInputStream *content,
                              guint64 size_octets,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)
      ->upload_async (self, content, size_octets, cancellable, callback, user_data);
}

/**
 * postern_backend_upload_finish:
 *
 * Returns: (transfer full): the blob id, good for an hour at least. TOO_LARGE when it is more than
 *   max_upload_octets; an error of reading @content is passed on as it is.
 */
char *
postern_backend_upload_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->upload_finish (self, result, error);
}

/**
 * postern_backend_import_async:
 *
 * Makes emails of uploaded messages, as many as fit in one request.
 */
void
postern_backend_import_async (PosternBackend *self,
                              const PosternImport *items,
                              gsize n_items,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)
      ->import_async (self, items, n_items, cancellable, callback, user_data);
}

/**
 * postern_backend_import_finish:
 *
 * Returns: (transfer full) (element-type PosternImportResult): one for each item, in their order.
 *   NULL with an error when the answer did not come: then some may have been imported all the same,
 *   see postern_backend_find_imported_async(). A message that was there before is not doubled by a
 *   service that notices; it is then also in the target.
 */
GPtrArray *
postern_backend_import_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->import_finish (self, result, error);
}

/**
 * postern_backend_find_imported_async:
 * @message_id: the whole Message-ID, with or without angle brackets
 *
 * Looks for what an import left whose answer was lost.
 */
void
postern_backend_find_imported_async (PosternBackend *self,
                                     const char *message_id,
                                     PosternPlace place,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)
      ->find_imported_async (self, message_id, place, cancellable, callback, user_data);
}

/**
 * postern_backend_find_imported_finish:
 *
 * Returns: (transfer full) (element-type utf8): ids of the emails in that place with exactly this
 *   Message-ID, in no order; empty when there is none. Ids that other entries own must be ignored.
 */
GPtrArray *
postern_backend_find_imported_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->find_imported_finish (self, result, error);
}

/**
 * postern_backend_submit_async:
 *
 * Hands imported emails over for sending, as many as fit in one request. Never repeated by the
 * backend itself once it may have arrived.
 */
void
postern_backend_submit_async (PosternBackend *self,
                              const PosternOutgoing *items,
                              gsize n_items,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)
      ->submit_async (self, items, n_items, cancellable, callback, user_data);
}

/**
 * postern_backend_submit_finish:
 *
 * Returns: (transfer full) (element-type PosternSubmitResult): one for each item, in their order;
 *   never NULL, since even what was cancelled may have arrived.
 */
GPtrArray *
postern_backend_submit_finish (PosternBackend *self, GAsyncResult *result)
{
  return POSTERN_BACKEND_GET_IFACE (self)->submit_finish (self, result);
}

/**
 * postern_backend_settle_async:
 * @email_ids: ends with NULL
 *
 * Looks what became of submissions whose answer was lost, by their email ids alone.
 */
void
postern_backend_settle_async (PosternBackend *self,
                              const char *const *email_ids,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  POSTERN_BACKEND_GET_IFACE (self)->settle_async (self,
                                                  email_ids,
                                                  cancellable,
                                                  callback,
                                                  user_data);
}

/**
 * postern_backend_settle_finish:
 *
 * Returns: (transfer full) (element-type PosternSettlement): one for each id, in their order.
 */
GArray *
postern_backend_settle_finish (PosternBackend *self, GAsyncResult *result, GError **error)
{
  return POSTERN_BACKEND_GET_IFACE (self)->settle_finish (self, result, error);
}

/**
 * postern_backend_start_watching:
 *
 * From now on "changed" tells that something may be new: by push where the service has it, else by
 * asking now and then. It is emitted after every time the connection was made anew, too.
 */
void
postern_backend_start_watching (PosternBackend *self)
{
  POSTERN_BACKEND_GET_IFACE (self)->start_watching (self);
}

/**
 * postern_backend_stop_watching:
 *
 * No signal comes after it returns.
 */
void
postern_backend_stop_watching (PosternBackend *self)
{
  POSTERN_BACKEND_GET_IFACE (self)->stop_watching (self);
}

/**
 * postern_backend_look_again:
 *
 * Whatever was known of the network is old: after a resume, a clock jump, or when a person asks.
 * Proves the push connection or makes it anew, without waiting for any back-off. Changes of the
 * network are noticed without it.
 */
void
postern_backend_look_again (PosternBackend *self)
{
  POSTERN_BACKEND_GET_IFACE (self)->look_again (self);
}

/**
 * postern_backend_get_connection:
 * @reason: (out) (optional) (nullable): why it is offline or polls, lent until "connection-changed"
 */
PosternConnection
postern_backend_get_connection (PosternBackend *self, const GError **reason)
{
  return POSTERN_BACKEND_GET_IFACE (self)->get_connection (self, reason);
}

/**
 * postern_backend_get_not_before_us:
 *
 * Returns: wall clock before which the service asked to be left alone (Retry-After), in
 *   microseconds; 0 when it did not, or the time has passed.
 */
gint64
postern_backend_get_not_before_us (PosternBackend *self)
{
  return POSTERN_BACKEND_GET_IFACE (self)->get_not_before_us (self);
}

static void
postern_backend_default_init (PosternBackendInterface *iface)
{
  g_signal_new ("changed",
                POSTERN_TYPE_BACKEND,
                G_SIGNAL_RUN_LAST,
                0,
                NULL,
                NULL,
                NULL,
                G_TYPE_NONE,
                0);
  g_signal_new ("connection-changed",
                POSTERN_TYPE_BACKEND,
                G_SIGNAL_RUN_LAST,
                0,
                NULL,
                NULL,
                NULL,
                G_TYPE_NONE,
                0);
}
