/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "http/http-client.h"
#include "jmap/jmap-credentials.h"
#include "jmap/jmap-session.h"

G_BEGIN_DECLS

void postern_jmap_session_read_async (PosternHttpClient *http,
                                      const char *url,
                                      PosternJmapCredentials *credentials,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
PosternJmapSession *
postern_jmap_session_read_finish (GAsyncResult *result, gint64 *wait_us, GError **error);

G_END_DECLS
