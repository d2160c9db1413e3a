/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "config/configuration.h"
#include "proto/smtp-reply.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternSenderPolicy:
 *
 * Which addresses a login may send as: its own, its aliases, and what the server calls its
 * identities.
 */
#define POSTERN_TYPE_SENDER_POLICY (postern_sender_policy_get_type ())
G_DECLARE_FINAL_TYPE (PosternSenderPolicy, postern_sender_policy, POSTERN, SENDER_POLICY, GObject)

PosternSenderPolicy *postern_sender_policy_new (PosternBackend *backend);
void postern_sender_policy_configure (PosternSenderPolicy *self,
                                      const PosternConfigAccount *config);
void postern_sender_policy_close (PosternSenderPolicy *self);
gboolean postern_sender_policy_owns (PosternSenderPolicy *self, const char *address);
void postern_sender_policy_check_async (PosternSenderPolicy *self,
                                        const char *address,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
PosternSmtpReply *postern_sender_policy_check_finish (PosternSenderPolicy *self,
                                                      GAsyncResult *result);

G_END_DECLS
