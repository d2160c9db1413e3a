/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/bridge.h"

G_BEGIN_DECLS

void postern_account_removal_async (PosternBridge *bridge,
                                    const char *account_id,
                                    const char *queued,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
gboolean
postern_account_removal_finish (PosternBridge *bridge, GAsyncResult *result, GError **error);

G_END_DECLS
