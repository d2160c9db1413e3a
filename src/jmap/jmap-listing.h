/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

/**
 * PosternJmapListing:
 *
 * A complete listing of the inbox while it goes on, page by page.
 */
typedef struct _PosternJmapListing PosternJmapListing;

PosternJmapListing *
postern_jmap_listing_new (PosternJmapClient *client, const char *account, const char *inbox);
PosternJmapListing *postern_jmap_listing_ref (PosternJmapListing *self);
void postern_jmap_listing_unref (PosternJmapListing *self);

void postern_jmap_listing_page_async (PosternJmapListing *self,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
PosternSyncBatch *postern_jmap_listing_page_finish (GAsyncResult *result, GError **error);
const char *postern_jmap_listing_get_state (PosternJmapListing *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapListing, postern_jmap_listing_unref)

G_END_DECLS
