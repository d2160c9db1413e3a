/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/account.h"
#include "bridge/mail-service.h"
#include "config/config-file.h"
#include "secrets/secret-store.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBridge:
 *
 * All accounts of the configuration, and who may log in to them: a #PosternMailHost.
 *
 * Signals:
 *   "account-added" (PosternAccount)
 *   "account-removed" (PosternAccount): it has been stopped
 *   "changed" (): postern_bridge_get_state() may answer otherwise
 */
#define POSTERN_TYPE_BRIDGE (postern_bridge_get_type ())
G_DECLARE_FINAL_TYPE (PosternBridge, postern_bridge, POSTERN, BRIDGE, GObject)

PosternBridge *postern_bridge_new (PosternConfigFile *config,
                                   PosternSecretStore *secrets,
                                   PosternStore *store,
                                   const PosternMailService *service);
void postern_bridge_start (PosternBridge *self);
void postern_bridge_stop (PosternBridge *self);
void postern_bridge_sync (PosternBridge *self);
void postern_bridge_look_again (PosternBridge *self);

const char *postern_bridge_get_state (PosternBridge *self);
GPtrArray *postern_bridge_get_accounts (PosternBridge *self);
PosternAccount *postern_bridge_find_account (PosternBridge *self, const char *id);
PosternAccount *postern_bridge_find_address (PosternBridge *self, const char *address);

PosternConfigFile *postern_bridge_get_config (PosternBridge *self);
PosternSecretStore *postern_bridge_get_secrets (PosternBridge *self);
PosternStore *postern_bridge_get_store (PosternBridge *self);
const PosternMailService *postern_bridge_get_service (PosternBridge *self);

G_END_DECLS
