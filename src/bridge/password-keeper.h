/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"
#include "bridge/bridge.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Bridge passwords: their hashes in the store, so that a login can be checked at any time, and
 * themselves in the keyring, so that they can be shown again. */

#define POSTERN_PASSWORDS_MAX 32 /* to a login */

void postern_password_keeper_add_async (PosternBridge *bridge,
                                        const char *login_id,
                                        const char *name,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
char *postern_password_keeper_add_finish (PosternBridge *bridge,
                                          GAsyncResult *result,
                                          PosternSecret **password,
                                          GError **error);

void postern_password_keeper_revoke_async (PosternBridge *bridge,
                                           const char *login_id,
                                           const char *id,
                                           GAsyncReadyCallback callback,
                                           gpointer user_data);
gboolean
postern_password_keeper_revoke_finish (PosternBridge *bridge, GAsyncResult *result, GError **error);

G_END_DECLS
