/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBodySizer:
 *
 * POP3 promises exact sizes, and only the bytes of a message tell how long its canonical lines are.
 * Where the server does not tell, this reads each new message once, into the cache, where its reader
 * will want it anyway.
 */
#define POSTERN_TYPE_BODY_SIZER (postern_body_sizer_get_type ())
G_DECLARE_FINAL_TYPE (PosternBodySizer, postern_body_sizer, POSTERN, BODY_SIZER, GObject)

PosternBodySizer *
postern_body_sizer_new (const char *account_id, PosternBackend *backend, PosternStore *store);
void postern_body_sizer_run_async (PosternBodySizer *self,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
gboolean
postern_body_sizer_run_finish (PosternBodySizer *self, GAsyncResult *result, GError **error);

G_END_DECLS
