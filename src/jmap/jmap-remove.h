/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

void postern_jmap_remove_async (PosternJmapClient *client,
                                const char *const *email_ids,
                                PosternPlace from,
                                PosternRemoveMode mode,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);
GPtrArray *postern_jmap_remove_finish (GAsyncResult *result, GError **error);

G_END_DECLS
