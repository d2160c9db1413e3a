/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

#define POSTERN_JMAP_PLACE(place) (1u << (place))

void postern_jmap_folders_ensure_async (PosternJmapClient *client,
                                        guint places,
                                        gboolean anew,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
gboolean postern_jmap_folders_ensure_finish (PosternJmapClient *client,
                                             GAsyncResult *result,
                                             GError **error);

G_END_DECLS
