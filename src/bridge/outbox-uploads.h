/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/outbox-item.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

void postern_outbox_uploads_run_async (PosternStore *store,
                                       PosternBackend *backend,
                                       GPtrArray *items,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean postern_outbox_uploads_run_finish (GAsyncResult *result, GError **error);

G_END_DECLS
