/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "jmap/jmap-client.h"
#include "jmap/push-channel.h"

G_BEGIN_DECLS

/**
 * PosternJmapBackend:
 *
 * A mailbox on a server that speaks JMAP (RFC 8620, RFC 8621): a Postern Worker or any other.
 */
#define POSTERN_TYPE_JMAP_BACKEND (postern_jmap_backend_get_type ())
G_DECLARE_FINAL_TYPE (PosternJmapBackend, postern_jmap_backend, POSTERN, JMAP_BACKEND, GObject)

PosternJmapBackend *
postern_jmap_backend_new (PosternHttpClient *http, const char *url, PosternJmapAuth auth);

/* Tests hurry; before postern_backend_start_watching() only. */
void postern_jmap_backend_set_push_timing (PosternJmapBackend *self,
                                           const PosternPushTiming *timing);

G_END_DECLS
