/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-session.h"

G_BEGIN_DECLS

/* Email objects as messages of the inbox: what to ask Email/get for, and what it said. */

JsonArray *postern_jmap_emails_properties (const PosternJmapSession *session);
gboolean postern_jmap_emails_collect (PosternSyncBatch *batch,
                                      JsonArray *ids,
                                      JsonObject *answer,
                                      const char *inbox,
                                      GError **error);

G_END_DECLS
