/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-session.h"

/* One submission as JSON, and what its refusal means in SMTP terms. No I/O. */

G_BEGIN_DECLS

JsonObject *postern_jmap_submission_envelope (const PosternEnvelope *envelope,
                                              GHashTable *extensions);

void postern_jmap_submission_refused (PosternSubmitResult *result, JsonObject *set_error);

void postern_jmap_submission_failed (PosternSubmitResult *result, const GError *error);

G_END_DECLS
