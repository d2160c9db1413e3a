/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-entry.h"

#include "base/error.h"

static void
recipient_free (gpointer data)
{
  PosternQueueRecipient *self = data;

  g_free (self->status);
  g_free (self->reason);
  g_free (self);
}

/**
 * postern_queue_entry_new:
 * @envelope: (transfer none): copied
 *
 * Returns: (transfer full): an entry that waits, with every recipient pending. The caller sets the
 *   login, the account, and what it knows of the message; the store sets id and size.
 */
PosternQueueEntry *
postern_queue_entry_new (const PosternEnvelope *envelope)
{
  PosternQueueEntry *self = g_new0 (PosternQueueEntry, 1);

  self->envelope = postern_envelope_copy (envelope);
  self->recipients = g_ptr_array_new_with_free_func (recipient_free);
  for (guint i = 0; i < envelope->recipients->len; i++)
    g_ptr_array_add (self->recipients, g_new0 (PosternQueueRecipient, 1));
  return self;
}

PosternQueueEntry *
postern_queue_entry_copy (const PosternQueueEntry *self)
{
  PosternQueueEntry *copy = postern_queue_entry_new (self->envelope);

  for (guint i = 0; i < copy->recipients->len; i++)
    {
      const PosternQueueRecipient *recipient = g_ptr_array_index (self->recipients, i);

      postern_queue_entry_set_delivery (copy,
                                        i,
                                        recipient->delivery,
                                        recipient->status,
                                        recipient->reason);
    }
  copy->id = g_strdup (self->id);
  copy->kind = self->kind;
  copy->login_id = g_strdup (self->login_id);
  copy->account_id = g_strdup (self->account_id);
  copy->message_id = g_strdup (self->message_id);
  copy->subject = g_strdup (self->subject);
  copy->size_octets = self->size_octets;
  copy->received_at_us = self->received_at_us;
  copy->status = self->status;
  copy->status_since_us = self->status_since_us;
  copy->step = self->step;
  copy->creation_id = g_strdup (self->creation_id);
  copy->blob_id = g_strdup (self->blob_id);
  copy->email_id = g_strdup (self->email_id);
  copy->submission_id = g_strdup (self->submission_id);
  copy->attempts = self->attempts;
  copy->next_attempt_us = self->next_attempt_us;
  copy->error_code = self->error_code;
  copy->error_text = g_strdup (self->error_text);
  return copy;
}

void
postern_queue_entry_free (PosternQueueEntry *self)
{
  g_free (self->id);
  g_free (self->login_id);
  g_free (self->account_id);
  postern_envelope_free (self->envelope);
  g_ptr_array_unref (self->recipients);
  g_free (self->message_id);
  g_free (self->subject);
  g_free (self->creation_id);
  g_free (self->blob_id);
  g_free (self->email_id);
  g_free (self->submission_id);
  g_free (self->error_text);
  g_free (self);
}

/**
 * postern_queue_entry_set_error:
 * @error: (nullable): NULL when the last attempt went well
 *
 * An error of another domain counts as POSTERN_ERROR_FAILED.
 */
void
postern_queue_entry_set_error (PosternQueueEntry *self, const GError *error)
{
  g_clear_pointer (&self->error_text, g_free);
  self->error_code = 0;
  if (error == NULL)
    return;
  self->error_code = error->domain == POSTERN_ERROR ? error->code : POSTERN_ERROR_FAILED;
  self->error_text = g_strdup (error->message);
}

void
postern_queue_entry_set_delivery (PosternQueueEntry *self,
                                  guint recipient,
                                  PosternDelivery delivery,
                                  const char *status,
                                  const char *reason)
{
  PosternQueueRecipient *to = g_ptr_array_index (self->recipients, recipient);
  g_autofree char *old_status = to->status;
  g_autofree char *old_reason = to->reason;

  to->delivery = delivery;
  to->status = g_strdup (status);
  to->reason = g_strdup (reason);
}
