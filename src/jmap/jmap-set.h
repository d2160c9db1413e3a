/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

G_BEGIN_DECLS

/* What the parts that change emails have in common: SetError and patches (RFC 8620 section 5.3). */

GError *postern_jmap_set_error_to_error (JsonObject *set_error);
gboolean postern_jmap_set_error_is (JsonObject *set_error, const char *type);
void postern_jmap_patch_mailbox (JsonObject *patch, const char *mailbox_id, gboolean is_in);

G_END_DECLS
