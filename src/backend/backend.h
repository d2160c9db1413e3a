/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend-types.h"
#include "base/secret.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBackend:
 *
 * One mailbox at a mail service: what `bridge/` needs of it, whatever the service speaks.
 *
 * All methods run on the main context, take a GCancellable all the way down and may run side by
 * side; limits on requests at once are kept inside. Errors are POSTERN_ERROR (or
 * G_IO_ERROR_CANCELLED), wherever they come from:
 *
 *   OFFLINE      not reached: name, network, refused, timed out
 *   TRUST        the certificate is wrong
 *   CREDENTIALS  the service does not accept them, or none are set
 *   FORBIDDEN    accepted, but not for this
 *   TEMPORARY    it said: later; see postern_backend_get_not_before_us()
 *   TOO_LARGE, NOT_FOUND, REFUSED as the names say
 *   PROTOCOL     what answers is not such a service
 *
 * Signals:
 *   "changed" ()            while watched: something may be new; call sync. A hint, often too many.
 *   "connection-changed" () get_connection() would answer otherwise than before.
 */
#define POSTERN_TYPE_BACKEND (postern_backend_get_type ())
G_DECLARE_INTERFACE (PosternBackend, postern_backend, POSTERN, BACKEND, GObject)

struct _PosternBackendInterface
{
  GTypeInterface parent_iface;

  /* A method's pair has the meaning of the public function below of the same name. */
  void (*set_credentials) (PosternBackend *self, const char *user, PosternSecret *secret);
  void (*probe_async) (PosternBackend *self,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data);
  PosternBackendInfo *(*probe_finish) (PosternBackend *self, GAsyncResult *result, GError **error);
  const PosternBackendInfo *(*get_info) (PosternBackend *self);

  void (*list_identities_async) (PosternBackend *self,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
  GPtrArray *(*list_identities_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*sync_async) (PosternBackend *self,
                      const char *cursor,
                      GCancellable *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer user_data);
  PosternSyncBatch *(*sync_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*fetch_async) (PosternBackend *self,
                       const char *blob_id,
                       guint64 size_octets,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data);
  GInputStream *(*fetch_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*remove_async) (PosternBackend *self,
                        const char *const *email_ids,
                        PosternPlace from,
                        PosternRemoveMode mode,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data);
  GPtrArray *(*remove_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*upload_async) (PosternBackend *self,
                        GInputStream *content,
                        guint64 size_octets,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data);
  char *(*upload_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*import_async) (PosternBackend *self,
                        const PosternImport *items,
                        gsize n_items,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data);
  GPtrArray *(*import_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*find_imported_async) (PosternBackend *self,
                               const char *message_id,
                               PosternPlace place,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);
  GPtrArray *(*find_imported_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*submit_async) (PosternBackend *self,
                        const PosternOutgoing *items,
                        gsize n_items,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data);
  GPtrArray *(*submit_finish) (PosternBackend *self, GAsyncResult *result);

  void (*settle_async) (PosternBackend *self,
                        const char *const *email_ids,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data);
  GArray *(*settle_finish) (PosternBackend *self, GAsyncResult *result, GError **error);

  void (*start_watching) (PosternBackend *self);
  void (*stop_watching) (PosternBackend *self);
  void (*look_again) (PosternBackend *self);
  PosternConnection (*get_connection) (PosternBackend *self, const GError **reason);
  gint64 (*get_not_before_us) (PosternBackend *self);
};

void
postern_backend_set_credentials (PosternBackend *self, const char *user, PosternSecret *secret);

void postern_backend_probe_async (PosternBackend *self,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
PosternBackendInfo *
postern_backend_probe_finish (PosternBackend *self, GAsyncResult *result, GError **error);
const PosternBackendInfo *postern_backend_get_info (PosternBackend *self);

void postern_backend_list_identities_async (PosternBackend *self,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
GPtrArray *
postern_backend_list_identities_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_sync_async (PosternBackend *self,
                                 const char *cursor,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
PosternSyncBatch *
postern_backend_sync_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_fetch_async (PosternBackend *self,
                                  const char *blob_id,
                                  guint64 size_octets,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
GInputStream *
postern_backend_fetch_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_remove_async (PosternBackend *self,
                                   const char *const *email_ids,
                                   PosternPlace from,
                                   PosternRemoveMode mode,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
GPtrArray *
postern_backend_remove_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_upload_async (PosternBackend *self,
                                   GInputStream *content,
                                   guint64 size_octets,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
char *postern_backend_upload_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_import_async (PosternBackend *self,
                                   const PosternImport *items,
                                   gsize n_items,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
GPtrArray *
postern_backend_import_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_find_imported_async (PosternBackend *self,
                                          const char *message_id,
                                          PosternPlace place,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);
GPtrArray *
postern_backend_find_imported_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_submit_async (PosternBackend *self,
                                   const PosternOutgoing *items,
                                   gsize n_items,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
GPtrArray *postern_backend_submit_finish (PosternBackend *self, GAsyncResult *result);

void postern_backend_settle_async (PosternBackend *self,
                                   const char *const *email_ids,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
GArray *postern_backend_settle_finish (PosternBackend *self, GAsyncResult *result, GError **error);

void postern_backend_start_watching (PosternBackend *self);
void postern_backend_stop_watching (PosternBackend *self);
void postern_backend_look_again (PosternBackend *self);
PosternConnection postern_backend_get_connection (PosternBackend *self, const GError **reason);
gint64 postern_backend_get_not_before_us (PosternBackend *self);

G_END_DECLS
