/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "store/store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternOutbox:
 *
 * Takes what waits in the queue for one account through its backend.
 *
 * Signal `changed`: postern_outbox_get_error() is different.
 */
#define POSTERN_TYPE_OUTBOX (postern_outbox_get_type ())
G_DECLARE_FINAL_TYPE (PosternOutbox, postern_outbox, POSTERN, OUTBOX, GObject)

PosternOutbox *
postern_outbox_new (const char *account_id, PosternBackend *backend, PosternStore *store);
void postern_outbox_configure (PosternOutbox *self, const char *address, gboolean keeps_sent_copy);
void postern_outbox_set_open (PosternOutbox *self, gboolean is_open);
void postern_outbox_kick (PosternOutbox *self);
void postern_outbox_stop (PosternOutbox *self);
const GError *postern_outbox_get_error (PosternOutbox *self);

G_END_DECLS
