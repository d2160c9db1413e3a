/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/session-output.h"

#include <string.h>

#define MAX_LINE 512  /* RFC 1939 section 3, RFC 5321 section 4.5.3.1.5, with its line end */
#define FULL     4096 /* our own: so much is gathered before the driver has to send */

/**
 * postern_session_output_put:
 * @text: whole lines of our own, with their line ends
 */
void
postern_session_output_put (PosternSessionOutput *self, const char *text)
{
  postern_buffer_append (&self->buffer, text, strlen (text));
}

/**
 * postern_session_output_put_line:
 * @format: a line without its end
 *
 * Appends one line. What a peer or a server said may be part of it: what could end the line, or is
 * not ASCII, becomes '?', and what is too long is cut.
 */
void
postern_session_output_put_line (PosternSessionOutput *self, const char *format, ...)
{
  char line[MAX_LINE];
  va_list arguments;
  gsize length;

  va_start (arguments, format);
  g_vsnprintf (line, sizeof line - 2, format, arguments);
  va_end (arguments);
  length = strlen (line);
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isprint (line[i]))
      line[i] = '?';
  memcpy (line + length, "\r\n", 2);
  postern_buffer_append (&self->buffer, line, length + 2);
}

/**
 * postern_session_output_lend:
 * @data: (out): valid until postern_session_output_take_back()
 *
 * Returns: FALSE when there is nothing to send.
 */
gboolean
postern_session_output_lend (PosternSessionOutput *self, const guint8 **data, gsize *length)
{
  *data = postern_buffer_peek (&self->buffer);
  *length = self->lent = postern_buffer_length (&self->buffer);
  return self->lent > 0;
}

/* The driver is done with what was lent. */
void
postern_session_output_take_back (PosternSessionOutput *self)
{
  if (self->lent > 0)
    postern_buffer_take (&self->buffer, self->lent);
  self->lent = 0;
}

gboolean
postern_session_output_is_full (const PosternSessionOutput *self)
{
  return postern_buffer_length (&self->buffer) - self->lent >= FULL;
}

void
postern_session_output_clear (PosternSessionOutput *self)
{
  postern_buffer_clear (&self->buffer);
  self->lent = 0;
}
