/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

void postern_jmap_import_async (PosternJmapClient *client,
                                const PosternImport *items,
                                gsize n_items,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);
GPtrArray *postern_jmap_import_finish (GAsyncResult *result, GError **error);

G_END_DECLS
