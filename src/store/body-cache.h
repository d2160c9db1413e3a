/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/body-writer.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBodyCache:
 *
 * Received bodies on disk, byte for byte as the backend has them: a file each, named by the row of
 * its message. It is a cache: everything in it can be fetched again, so nothing waits for it. Main
 * context only; nothing blocks.
 */
#define POSTERN_TYPE_BODY_CACHE (postern_body_cache_get_type ())
G_DECLARE_FINAL_TYPE (PosternBodyCache, postern_body_cache, POSTERN, BODY_CACHE, GObject)

#define POSTERN_BODY_CACHE_LIMIT_DEFAULT (G_GUINT64_CONSTANT (2) << 30)

void postern_body_cache_set_limit (PosternBodyCache *self, guint64 limit_octets);
guint64 postern_body_cache_get_size (PosternBodyCache *self);

void postern_body_cache_open_async (PosternBodyCache *self,
                                    const char *account_id,
                                    guint64 row,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
GInputStream *
postern_body_cache_open_finish (PosternBodyCache *self, GAsyncResult *result, GError **error);

PosternBodyWriter *postern_body_cache_begin (PosternBodyCache *self,
                                             const char *account_id,
                                             guint64 row,
                                             guint64 size_octets,
                                             PosternBodyReady ready,
                                             gpointer user_data);

G_END_DECLS
