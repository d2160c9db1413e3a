/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "store/queue-entry.h"

G_BEGIN_DECLS

/**
 * PosternOutboxItem:
 *
 * One entry of the queue on its way, and what each answer of the backend makes of it. Nothing here
 * is committed: whoever has the item looks at is_changed.
 */
typedef struct
{
  PosternQueueEntry *entry;
  PosternBackend *backend;     /* lent by the batch */
  GArray *news;                /* (element-type guint): recipients that were pending at the claim */
  gboolean import_may_be_lost; /* it was uploaded when we claimed it */
  gboolean is_changed;         /* to be committed */
  gboolean is_over;            /* nothing more to do for it in this batch */
  gboolean wants_report;       /* somebody has to be told */
} PosternOutboxItem;

PosternOutboxItem *postern_outbox_item_new (PosternQueueEntry *entry, PosternBackend *backend);
void postern_outbox_item_free (gpointer data);

PosternPlace postern_outbox_item_get_place (const PosternOutboxItem *self);
PosternEnvelope *postern_outbox_item_dup_envelope (const PosternOutboxItem *self);

void postern_outbox_item_advance (PosternOutboxItem *item, PosternQueueStep step);
void postern_outbox_item_end (PosternOutboxItem *item);
void postern_outbox_item_done (PosternOutboxItem *item);
void postern_outbox_item_postpone (PosternOutboxItem *item, const GError *error);
void postern_outbox_item_fail_or_postpone (PosternOutboxItem *item, const GError *error);
void postern_outbox_item_take_import (PosternOutboxItem *item, PosternImportResult *result);
void postern_outbox_item_take_submit (PosternOutboxItem *item, const PosternSubmitResult *result);

G_END_DECLS
