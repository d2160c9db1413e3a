/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

void postern_jmap_identities_list_async (PosternJmapClient *client,
                                         GCancellable *cancellable,
                                         GAsyncReadyCallback callback,
                                         gpointer user_data);
GPtrArray *postern_jmap_identities_list_finish (GAsyncResult *result, GError **error);

const PosternIdentity *postern_jmap_identities_choose (GPtrArray *identities, const char *address);

G_END_DECLS
