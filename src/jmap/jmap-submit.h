/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

void postern_jmap_submit_async (PosternJmapClient *client,
                                const PosternOutgoing *items,
                                gsize n_items,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);
GPtrArray *postern_jmap_submit_finish (GAsyncResult *result);

G_END_DECLS
