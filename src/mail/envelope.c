/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/envelope.h"

static void
recipient_free (gpointer data)
{
  PosternRecipient *recipient = data;

  g_free (recipient->address);
  g_free (recipient->notify);
  g_free (recipient->orcpt);
  g_free (recipient);
}

PosternEnvelope *
postern_envelope_new (const char *sender)
{
  PosternEnvelope *self = g_new0 (PosternEnvelope, 1);

  self->sender = g_strdup (sender);
  self->recipients = g_ptr_array_new_with_free_func (recipient_free);
  return self;
}

PosternEnvelope *
postern_envelope_copy (const PosternEnvelope *self)
{
  PosternEnvelope *copy = postern_envelope_new (self->sender);

  copy->ret = g_strdup (self->ret);
  copy->envid = g_strdup (self->envid);
  copy->smtputf8 = self->smtputf8;
  copy->eight_bit = self->eight_bit;
  copy->declared_size_octets = self->declared_size_octets;
  for (guint i = 0; i < self->recipients->len; i++)
    {
      const PosternRecipient *from = g_ptr_array_index (self->recipients, i);
      PosternRecipient *to = postern_envelope_add (copy, from->address);

      to->notify = g_strdup (from->notify);
      to->orcpt = g_strdup (from->orcpt);
    }
  return copy;
}

void
postern_envelope_free (PosternEnvelope *self)
{
  g_free (self->sender);
  g_ptr_array_unref (self->recipients);
  g_free (self->ret);
  g_free (self->envid);
  g_free (self);
}

/**
 * postern_envelope_add:
 *
 * Returns: (transfer none): the new recipient, whose DSN parameters the caller may set.
 */
PosternRecipient *
postern_envelope_add (PosternEnvelope *self, const char *address)
{
  PosternRecipient *recipient = g_new0 (PosternRecipient, 1);

  recipient->address = g_strdup (address);
  g_ptr_array_add (self->recipients, recipient);
  return recipient;
}
