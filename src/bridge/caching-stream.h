/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/body-cache.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternCachingStream:
 *
 * A message on its way from the backend to a mail program, which leaves a copy in the cache as it
 * passes. The copy is a by-product: when it cannot be made, the mail still flows. Asynchronous reads
 * only.
 */
#define POSTERN_TYPE_CACHING_STREAM (postern_caching_stream_get_type ())
G_DECLARE_FINAL_TYPE (PosternCachingStream,
                      postern_caching_stream,
                      POSTERN,
                      CACHING_STREAM,
                      GInputStream)

GInputStream *postern_caching_stream_new (GInputStream *source,
                                          PosternBodyCache *cache,
                                          const char *account_id,
                                          guint64 row,
                                          guint64 size_octets);
gint64 postern_caching_stream_get_canonical_size (PosternCachingStream *self);

G_END_DECLS
