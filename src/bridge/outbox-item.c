/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/outbox-item.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "bridge/backoff.h"
#include "bridge/bounce.h"

void
postern_outbox_item_free (gpointer data)
{
  PosternOutboxItem *item = data;

  postern_queue_entry_free (item->entry);
  g_array_unref (item->news);
  g_free (item);
}

PosternOutboxItem *
postern_outbox_item_new (PosternQueueEntry *entry, PosternBackend *backend)
{
  PosternOutboxItem *item = g_new0 (PosternOutboxItem, 1);

  item->entry = entry;
  item->backend = backend;
  item->news = g_array_new (FALSE, FALSE, sizeof (guint));
  item->import_may_be_lost = entry->step == POSTERN_QUEUE_STEP_UPLOADED;
  for (guint i = 0; i < entry->recipients->len; i++)
    {
      const PosternQueueRecipient *recipient = g_ptr_array_index (entry->recipients, i);

      if (recipient->delivery == POSTERN_DELIVERY_PENDING)
        g_array_append_val (item->news, i);
    }
  return item;
}

/* What becomes of an entry */

void
postern_outbox_item_advance (PosternOutboxItem *item, PosternQueueStep step)
{
  item->entry->step = step;
  item->is_changed = TRUE;
}

void
postern_outbox_item_end (PosternOutboxItem *item)
{
  item->is_changed = TRUE;
  item->is_over = TRUE;
}

static void
settle_pending (PosternOutboxItem *item,
                PosternDelivery delivery,
                const char *status,
                const char *reason)
{
  for (guint i = 0; i < item->entry->recipients->len; i++)
    {
      const PosternQueueRecipient *recipient = g_ptr_array_index (item->entry->recipients, i);

      if (recipient->delivery == POSTERN_DELIVERY_PENDING)
        postern_queue_entry_set_delivery (item->entry, i, delivery, status, reason);
    }
}

static gboolean
has_failed_recipient (const PosternQueueEntry *entry)
{
  for (guint i = 0; i < entry->recipients->len; i++)
    {
      const PosternQueueRecipient *recipient = g_ptr_array_index (entry->recipients, i);

      if (recipient->delivery == POSTERN_DELIVERY_FAILED)
        return TRUE;
    }
  return FALSE;
}

static void
item_fail (PosternOutboxItem *item, const char *status, const GError *error)
{
  postern_queue_entry_set_error (item->entry, error);
  settle_pending (item, POSTERN_DELIVERY_FAILED, status, error->message);
  item->entry->status = POSTERN_QUEUE_STATUS_FAILED;
  item->wants_report = TRUE;
  g_message ("Message %s could not be sent: %s", item->entry->id, error->message);
  postern_outbox_item_end (item);
}

/* Tries again later, or gives up when it was tried for long enough. */
void
postern_outbox_item_postpone (PosternOutboxItem *item, const GError *error)
{
  PosternQueueEntry *entry = item->entry;
  gint64 now_us = postern_clock_now_us ();

  /* Since it was received, or since a person sent it on its way again. */
  if (now_us - entry->status_since_us > POSTERN_QUEUE_LIFETIME_US)
    {
      g_autoptr (GError) expired =
          g_error_new (POSTERN_ERROR,
                       POSTERN_ERROR_REFUSED,
                       "It was tried for five days, the last time with: %s",
                       error->message);

      item_fail (item, POSTERN_QUEUE_EXPIRED, expired);
      return;
    }
  postern_queue_entry_set_error (entry, error);
  entry->attempts++;
  entry->next_attempt_us =
      now_us + postern_backoff_us (entry->attempts, postern_random_fraction ());
  postern_outbox_item_end (item);
}

/* A backend that was told NOTIFY is the one to say what became of it. Ours would be a second report. */
static void
leave_success_to_backend (PosternOutboxItem *item)
{
  const PosternBackendInfo *info = postern_backend_get_info (item->backend);

  if (info == NULL || !info->tells_outcomes)
    return;
  for (guint i = item->news->len; i > 0; i--)
    {
      const PosternQueueRecipient *recipient =
          g_ptr_array_index (item->entry->recipients, g_array_index (item->news, guint, i - 1));

      if (recipient->delivery == POSTERN_DELIVERY_PENDING)
        g_array_remove_index (item->news, i - 1);
    }
}

void
postern_outbox_item_done (PosternOutboxItem *item)
{
  leave_success_to_backend (item);
  settle_pending (item, POSTERN_DELIVERY_SENT, NULL, NULL);
  item->wants_report = postern_bounce_is_wanted (item->entry, item->news);
  if (has_failed_recipient (item->entry))
    item->entry->status = POSTERN_QUEUE_STATUS_FAILED;
  item->entry->step = POSTERN_QUEUE_STEP_DONE;
  postern_outbox_item_end (item);
}

void
postern_outbox_item_fail_or_postpone (PosternOutboxItem *item, const GError *error)
{
  if (postern_error_is_temporary (error))
    postern_outbox_item_postpone (item, error);
  else
    item_fail (item,
               g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) ? "5.3.4" : "5.6.0",
               error);
}

PosternPlace
postern_outbox_item_get_place (const PosternOutboxItem *self)
{
  return self->entry->kind == POSTERN_QUEUE_KIND_IMPORT ? POSTERN_PLACE_INBOX
                                                        : POSTERN_PLACE_DRAFTS;
}

/* A message of our own has arrived when it is in the inbox: there is nothing to submit. */
static void
item_imported (PosternOutboxItem *item)
{
  if (item->entry->kind == POSTERN_QUEUE_KIND_IMPORT)
    postern_outbox_item_done (item);
  else
    postern_outbox_item_advance (item, POSTERN_QUEUE_STEP_IMPORTED);
}

void
postern_outbox_item_take_import (PosternOutboxItem *item, PosternImportResult *result)
{
  if (result->error == NULL)
    {
      g_free (item->entry->email_id);
      item->entry->email_id = g_steal_pointer (&result->email_id);
      item_imported (item);
    }
  else if (g_error_matches (result->error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
    {
      /* Uploads that nobody used are thrown away after a while: upload again. */
      g_clear_pointer (&item->entry->blob_id, g_free);
      item->entry->step = POSTERN_QUEUE_STEP_NEW;
      postern_outbox_item_postpone (item, result->error);
    }
  else
    postern_outbox_item_fail_or_postpone (item, result->error);
}

PosternEnvelope *
postern_outbox_item_dup_envelope (const PosternOutboxItem *self)
{
  const PosternQueueEntry *entry = self->entry;
  PosternEnvelope *envelope = postern_envelope_copy (entry->envelope);

  for (guint i = entry->recipients->len; i > 0; i--)
    {
      const PosternQueueRecipient *recipient = g_ptr_array_index (entry->recipients, i - 1);

      if (recipient->delivery != POSTERN_DELIVERY_PENDING)
        g_ptr_array_remove_index (envelope->recipients, i - 1);
    }
  return envelope;
}

static gboolean
has_pending (const PosternQueueEntry *entry)
{
  for (guint i = 0; i < entry->recipients->len; i++)
    {
      const PosternQueueRecipient *recipient = g_ptr_array_index (entry->recipients, i);

      if (recipient->delivery == POSTERN_DELIVERY_PENDING)
        return TRUE;
    }
  return FALSE;
}

static void
refuse_some (PosternOutboxItem *item, const PosternSubmitResult *result)
{
  PosternQueueEntry *entry = item->entry;
  gboolean is_any_known = FALSE;

  for (guint i = 0; i < entry->recipients->len; i++)
    {
      const PosternRecipient *address = g_ptr_array_index (entry->envelope->recipients, i);
      const PosternQueueRecipient *recipient = g_ptr_array_index (entry->recipients, i);

      if (recipient->delivery != POSTERN_DELIVERY_PENDING)
        continue;
      for (guint j = 0; j < result->refused->len; j++)
        if (g_ascii_strcasecmp (address->address, g_ptr_array_index (result->refused, j)) == 0)
          {
            postern_queue_entry_set_delivery (entry,
                                              i,
                                              POSTERN_DELIVERY_FAILED,
                                              result->enhanced,
                                              result->error->message);
            is_any_known = TRUE;
            break;
          }
    }
  if (!has_pending (entry))
    {
      item_fail (item, result->enhanced, result->error);
      return;
    }
  if (!is_any_known)
    {
      /* It names others than those it was given. The rest would be refused for ever. */
      postern_outbox_item_postpone (item, result->error);
      return;
    }
  /* The others were not sent to: they go from the same draft, under a new name, since the old one
   * stands for this answer. */
  g_free (entry->creation_id);
  entry->creation_id = postern_random_id ();
  entry->next_attempt_us = postern_clock_now_us ();
  postern_queue_entry_set_error (entry, result->error);
  item->wants_report = TRUE;
  postern_outbox_item_end (item);
}

void
postern_outbox_item_take_submit (PosternOutboxItem *item, const PosternSubmitResult *result)
{
  if (result->error == NULL)
    postern_outbox_item_done (item);
  else if (result->may_have_arrived)
    postern_outbox_item_postpone (
        item,
        result->error); /* still submitting: settled before anything else */
  else
    {
      item->entry->step = POSTERN_QUEUE_STEP_IMPORTED; /* nobody was sent to */
      if (g_error_matches (result->error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
        {
          /* Somebody has removed the draft. We have the message: import it anew. */
          g_clear_pointer (&item->entry->email_id, g_free);
          item->entry->step = POSTERN_QUEUE_STEP_NEW;
          postern_outbox_item_postpone (item, result->error);
        }
      else if (result->refused != NULL && result->refused->len > 0)
        refuse_some (item, result);
      else if (result->code >= 500)
        item_fail (item, result->enhanced, result->error);
      else
        postern_outbox_item_postpone (item, result->error);
    }
}
