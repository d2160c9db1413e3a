/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternAccountSync:
 *
 * Keeps the stored listing of one maildrop like the backend's inbox, in both directions: what is new
 * there is listed here, and what was deleted here is deleted there.
 *
 * Signal `changed`: an answer of the functions below is different.
 */
#define POSTERN_TYPE_ACCOUNT_SYNC (postern_account_sync_get_type ())
G_DECLARE_FINAL_TYPE (PosternAccountSync, postern_account_sync, POSTERN, ACCOUNT_SYNC, GObject)

PosternAccountSync *
postern_account_sync_new (const char *account_id, PosternBackend *backend, PosternStore *store);
void postern_account_sync_set_remove_mode (PosternAccountSync *self, PosternRemoveMode mode);
void postern_account_sync_request (PosternAccountSync *self);
void postern_account_sync_set_paused (PosternAccountSync *self, gboolean is_paused);
void postern_account_sync_stop (PosternAccountSync *self);

const GError *postern_account_sync_get_error (PosternAccountSync *self);
const GError *postern_account_sync_get_removal_error (PosternAccountSync *self);
gint64 postern_account_sync_get_last_us (PosternAccountSync *self);
void postern_account_sync_get_progress (PosternAccountSync *self, guint *listed, guint *total);

G_END_DECLS
