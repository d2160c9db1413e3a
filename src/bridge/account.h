/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "bridge/account-state.h"
#include "bridge/mail-service.h"
#include "config/configuration.h"
#include "secrets/secret-store.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternAccount:
 *
 * A mailbox at a mail service and its maildrop here. It is a #PosternMailUser: what the servers show
 * to whoever logs in. What was listed and cached is served in every state.
 *
 * Signal `changed`: an answer of the functions below is different.
 */
#define POSTERN_TYPE_ACCOUNT (postern_account_get_type ())
G_DECLARE_FINAL_TYPE (PosternAccount, postern_account, POSTERN, ACCOUNT, GObject)

PosternAccount *postern_account_new (const PosternConfigAccount *config,
                                     PosternBackend *backend,
                                     PosternStore *store,
                                     PosternSecretStore *secrets);
void postern_account_start (PosternAccount *self);
void postern_account_stop (PosternAccount *self);
void postern_account_configure (PosternAccount *self, const PosternConfigAccount *config);
void postern_account_set_secret (PosternAccount *self, PosternSecret *secret);
void postern_account_sync (PosternAccount *self);
void postern_account_look_again (PosternAccount *self);
void postern_account_kick_queue (PosternAccount *self);

const char *postern_account_get_id (PosternAccount *self);
const PosternConfigAccount *postern_account_get_config (PosternAccount *self);
PosternBackend *postern_account_get_backend (PosternAccount *self);
gboolean postern_account_owns (PosternAccount *self, const char *address);

PosternAccountState postern_account_get_state (PosternAccount *self);
const GError *postern_account_get_error (PosternAccount *self);
const char *postern_account_get_push (PosternAccount *self);
guint postern_account_get_messages (PosternAccount *self);
void postern_account_get_progress (PosternAccount *self, guint *listed, guint *total);
gint64 postern_account_get_last_sync_us (PosternAccount *self);
guint64 postern_account_get_max_size (PosternAccount *self);

G_END_DECLS
