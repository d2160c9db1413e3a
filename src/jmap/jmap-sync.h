/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

typedef struct _PosternJmapSync PosternJmapSync;

PosternJmapSync *postern_jmap_sync_new (PosternJmapClient *client);
void postern_jmap_sync_free (PosternJmapSync *self);

void postern_jmap_sync_page_async (PosternJmapSync *self,
                                   const char *cursor,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
PosternSyncBatch *postern_jmap_sync_page_finish (GAsyncResult *result, GError **error);
const char *postern_jmap_sync_get_state (PosternJmapSync *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapSync, postern_jmap_sync_free)

G_END_DECLS
