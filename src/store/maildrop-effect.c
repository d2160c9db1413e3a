/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-effect.h"

void
postern_maildrop_effect_clear (PosternMaildropEffect *self)
{
  g_clear_pointer (&self->appended, g_ptr_array_unref);
  g_clear_pointer (&self->hidden, g_array_unref);
  g_clear_pointer (&self->gone, g_array_unref);
}

/* @rows: one of the arrays of an effect, made when it is needed */
void
postern_maildrop_effect_note_row (GArray **rows, guint64 row)
{
  if (*rows == NULL)
    *rows = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_array_append_val (*rows, row);
}

/* The message is in no listing yet; where all of it is read anew, this is too. */
void
postern_maildrop_effect_note_appended (PosternMaildropEffect *self,
                                       const PosternMaildropMessage *message)
{
  PosternMaildropMessage *copy;

  if (self->rebuild)
    return;
  copy = postern_maildrop_message_new (message->email_id);
  copy->row = message->row;
  copy->canonical_octets = message->canonical_octets;
  copy->received_at_us = message->received_at_us;
  if (self->appended == NULL)
    self->appended =
        g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
  g_ptr_array_add (self->appended, copy);
}
