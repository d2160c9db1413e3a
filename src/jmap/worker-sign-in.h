/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"
#include "http/http-client.h"

G_BEGIN_DECLS

/**
 * PosternWorkerInfo:
 *
 * What a Postern Worker says of itself to anybody who asks (worker/API.md, "Finding it").
 */
typedef struct
{
  char *version;
  GUri *api; /* the base of its management API, ends with a slash */
} PosternWorkerInfo;

void postern_worker_info_free (PosternWorkerInfo *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternWorkerInfo, postern_worker_info_free)

void postern_worker_probe_async (PosternHttpClient *http,
                                 const char *url,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
PosternWorkerInfo *postern_worker_probe_finish (GAsyncResult *result, GError **error);

void postern_worker_sign_in_async (PosternHttpClient *http,
                                   const PosternWorkerInfo *worker,
                                   const char *address,
                                   PosternSecret *password,
                                   const char *name,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);
PosternSecret *postern_worker_sign_in_finish (GAsyncResult *result, GError **error);

G_END_DECLS
