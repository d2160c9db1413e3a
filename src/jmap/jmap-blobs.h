/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

/**
 * PosternJmapBlobs:
 *
 * The bytes of messages, up and down (RFC 8620 section 6).
 */
typedef struct _PosternJmapBlobs PosternJmapBlobs;

PosternJmapBlobs *postern_jmap_blobs_new (PosternJmapClient *client);
void postern_jmap_blobs_free (PosternJmapBlobs *self);

void postern_jmap_blobs_fetch_async (PosternJmapBlobs *self,
                                     const char *blob_id,
                                     guint64 size_octets,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
GInputStream *postern_jmap_blobs_fetch_finish (GAsyncResult *result, GError **error);

void postern_jmap_blobs_upload_async (PosternJmapBlobs *self,
                                      GInputStream *content,
                                      guint64 size_octets,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
char *postern_jmap_blobs_upload_finish (GAsyncResult *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapBlobs, postern_jmap_blobs_free)

G_END_DECLS
