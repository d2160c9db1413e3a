/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "secrets/secret-store.h"

G_BEGIN_DECLS

/**
 * PosternKeyringStore:
 *
 * The Secret Service of the session, wherever it is and whenever it comes.
 */
#define POSTERN_TYPE_KEYRING_STORE (postern_keyring_store_get_type ())
G_DECLARE_FINAL_TYPE (PosternKeyringStore, postern_keyring_store, POSTERN, KEYRING_STORE, GObject)

PosternSecretStore *postern_keyring_store_new (void);

G_END_DECLS
