/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/mail-service.h"

G_BEGIN_DECLS

/**
 * PosternJmapService:
 *
 * Gives the bridge backends that speak JMAP, all over one HTTP client.
 */
typedef struct _PosternJmapService PosternJmapService;

PosternJmapService *postern_jmap_service_new (GError **error);
PosternMailService postern_jmap_service_get_mail_service (PosternJmapService *self);
void postern_jmap_service_free (PosternJmapService *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapService, postern_jmap_service_free)

G_END_DECLS
