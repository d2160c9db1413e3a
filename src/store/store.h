/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/body-cache.h"
#include "store/maildrop-store.h"
#include "store/password-table.h"
#include "store/queue-store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternStore:
 *
 * All that is kept in the state directory: what was accepted (`queue.db`, `spool/`) and what can be
 * fetched again (`maildrops.db`, `bodies/`). It is used on the main context only, and blocks only
 * while it is opened. After a disk error it opens what was closed again by itself, as soon as that
 * goes.
 *
 * Signal `health-changed`: postern_store_is_healthy() answers otherwise.
 */
#define POSTERN_TYPE_STORE (postern_store_get_type ())
G_DECLARE_FINAL_TYPE (PosternStore, postern_store, POSTERN, STORE, GObject)

PosternStore *postern_store_open (const char *state_dir, GError **error);

PosternQueueStore *postern_store_get_queue (PosternStore *self);
PosternPasswordTable *postern_store_get_passwords (PosternStore *self);
PosternMaildropStore *postern_store_get_maildrops (PosternStore *self);
PosternBodyCache *postern_store_get_bodies (PosternStore *self);

gboolean postern_store_has_room (PosternStore *self);
gboolean postern_store_is_healthy (PosternStore *self);

void
postern_store_close_async (PosternStore *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean postern_store_close_finish (PosternStore *self, GAsyncResult *result, GError **error);

G_END_DECLS
