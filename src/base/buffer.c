/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-base"

#include "config.h"

#include "base/buffer.h"

#include <string.h>

#define LEAST_ALLOCATION 256

/**
 * postern_buffer_reserve:
 *
 * Returns: (transfer none): room for @length octets at the end, to be filled and then counted
 *   with postern_buffer_commit(). Valid until the next call.
 */
guint8 *
postern_buffer_reserve (PosternBuffer *self, gsize length)
{
  gsize held = postern_buffer_length (self);

  if (self->allocated - self->end >= length)
    return self->data + self->end;

  if (self->start > 0 && self->allocated - held >= length)
    {
      memmove (self->data, self->data + self->start, held);
    }
  else
    {
      gsize wanted = MAX (LEAST_ALLOCATION, held + length);
      gsize allocated = MAX (wanted, self->allocated + self->allocated / 2);
      guint8 *data = g_malloc (allocated);

      if (held > 0)
        memcpy (data, self->data + self->start, held);
      g_free (self->data);
      self->data = data;
      self->allocated = allocated;
    }
  self->start = 0;
  self->end = held;
  return self->data + self->end;
}

void
postern_buffer_commit (PosternBuffer *self, gsize length)
{
  g_assert (self->allocated - self->end >= length);
  self->end += length;
}

void
postern_buffer_append (PosternBuffer *self, const void *data, gsize length)
{
  if (length == 0)
    return;
  memcpy (postern_buffer_reserve (self, length), data, length);
  self->end += length;
}

/**
 * postern_buffer_take:
 * @length: at most what is held
 *
 * Drops octets from the front. An empty buffer holds no memory: most connections are idle.
 */
void
postern_buffer_take (PosternBuffer *self, gsize length)
{
  g_assert (length <= postern_buffer_length (self));
  self->start += length;
  if (self->start == self->end)
    postern_buffer_clear (self);
}

void
postern_buffer_clear (PosternBuffer *self)
{
  g_free (self->data);
  memset (self, 0, sizeof *self);
}
