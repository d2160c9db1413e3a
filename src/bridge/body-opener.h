/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

void postern_body_opener_open_async (PosternStore *store,
                                     PosternBackend *backend,
                                     const char *account_id,
                                     guint64 row,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
GInputStream *postern_body_opener_open_finish (GAsyncResult *result, GError **error);

G_END_DECLS
