/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/queue-store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

gboolean postern_bounce_is_wanted (const PosternQueueEntry *entry, GArray *news);
void postern_bounce_write_async (PosternQueueStore *queue,
                                 const PosternQueueEntry *entry,
                                 GArray *news,
                                 const char *address,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
GBytes *
postern_bounce_write_finish (GAsyncResult *result, PosternQueueEntry **bounce, GError **error);

G_END_DECLS
