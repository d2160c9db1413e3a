/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternOutboxBatch:
 *
 * A few entries of the queue on their way through a backend, together, so that they share requests
 * and commits.
 */
#define POSTERN_TYPE_OUTBOX_BATCH (postern_outbox_batch_get_type ())
G_DECLARE_FINAL_TYPE (PosternOutboxBatch, postern_outbox_batch, POSTERN, OUTBOX_BATCH, GObject)

PosternOutboxBatch *postern_outbox_batch_new (PosternBackend *backend,
                                              PosternStore *store,
                                              const char *account_id,
                                              const char *address,
                                              gboolean keeps_sent_copy);
void postern_outbox_batch_run_async (PosternOutboxBatch *self,
                                     GPtrArray *entries,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
gboolean
postern_outbox_batch_run_finish (PosternOutboxBatch *self, GAsyncResult *result, GError **error);

G_END_DECLS
