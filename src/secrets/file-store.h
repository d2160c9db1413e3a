/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "secrets/secret-store.h"

G_BEGIN_DECLS

/**
 * PosternFileStore:
 *
 * Secrets in a file of mode 0600, for machines without a keyring, where that was chosen.
 */
#define POSTERN_TYPE_FILE_STORE (postern_file_store_get_type ())
G_DECLARE_FINAL_TYPE (PosternFileStore, postern_file_store, POSTERN, FILE_STORE, GObject)

PosternSecretStore *postern_file_store_new (const char *path);

G_END_DECLS
