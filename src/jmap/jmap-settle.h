/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

void postern_jmap_settle_async (PosternJmapClient *client,
                                const char *const *email_ids,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);
GArray *postern_jmap_settle_finish (GAsyncResult *result, GError **error);

G_END_DECLS
