/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternBuffer:
 *
 * Bytes on their way: appended at the end, taken from the front, its memory given back as soon as
 * it is empty. It is a value: zeroed is ready, postern_buffer_clear() ends it.
 */
typedef struct
{
  guint8 *data;    /* (owned) (nullable) */
  gsize start;     /* the first octet not yet taken */
  gsize end;       /* behind the last octet */
  gsize allocated; /* octets */
} PosternBuffer;

void postern_buffer_append (PosternBuffer *self, const void *data, gsize length);
guint8 *postern_buffer_reserve (PosternBuffer *self, gsize length);
void postern_buffer_commit (PosternBuffer *self, gsize length);
void postern_buffer_take (PosternBuffer *self, gsize length);
void postern_buffer_clear (PosternBuffer *self);

static inline const guint8 *
postern_buffer_peek (const PosternBuffer *self)
{
  return self->data == NULL ? NULL : self->data + self->start;
}

static inline gsize
postern_buffer_length (const PosternBuffer *self)
{
  return self->end - self->start;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PosternBuffer, postern_buffer_clear)

G_END_DECLS
