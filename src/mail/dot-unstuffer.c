/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/dot-unstuffer.h"

#include <string.h>

/* Where the last octet left us. A line starts behind CRLF only, never behind a lone CR or LF: what
 * one server takes for the end of a message and another does not is how mail is smuggled.
 * All octets have been passed on, but for the dot in DOT, and the dot and the CR in DOT_CR. */
enum
{
  LINE_START, /* zero: DATA's own CRLF came before */
  TEXT,
  CR,
  DOT,
  DOT_CR,
};

static guint8
state_behind (guint8 before, const guint8 *data, gsize length)
{
  if (data[length - 1] == '\r')
    return CR;
  if (data[length - 1] != '\n')
    return TEXT;
  if (length > 1)
    return data[length - 2] == '\r' ? LINE_START : TEXT;
  return before == CR ? LINE_START : TEXT;
}

/* Returns the first dot that starts a line within @data, or its end. */
static const guint8 *
find_line_dot (guint8 state, const guint8 *data, gsize length)
{
  const guint8 *end = data + length;
  const guint8 *dot = data;

  if (state == LINE_START && data[0] == '.')
    return data;
  if (state == CR && length > 1 && data[0] == '\n' && data[1] == '.')
    return data + 1;

  /* Dots are rarer than line ends, and there are none in base64. */
  while ((dot = memchr (dot, '.', (gsize) (end - dot))) != NULL)
    {
      if (dot - data >= 2 && dot[-1] == '\n' && dot[-2] == '\r')
        return dot;
      dot++;
    }
  return end;
}

/**
 * postern_dot_unstuffer_next:
 * @piece: (out): octets of the message; within @data, or static
 * @piece_length: (out): may be 0
 *
 * Gives the next piece of the message, without copying. To be called again with what is left of
 * @data until that is empty or @ended is set; what follows the end is not touched and belongs to
 * the next command.
 *
 * Returns: how many octets of @data were consumed; 0 only when @length is 0, at the end, or when
 *   octets held back from an earlier call come first.
 */
gsize
postern_dot_unstuffer_next (PosternDotUnstuffer *self,
                            const guint8 *data,
                            gsize length,
                            const guint8 **piece,
                            gsize *piece_length)
{
  const guint8 *dot;

  *piece = data;
  *piece_length = 0;
  if (length == 0 || self->ended)
    return 0;

  if (self->state == DOT)
    {
      /* RFC 5321 section 4.5.2: the dot goes, whatever follows it. */
      self->state = data[0] == '\r' ? DOT_CR : TEXT;
      if (self->state == DOT_CR)
        return 1;
    }
  else if (self->state == DOT_CR)
    {
      if (data[0] == '\n')
        {
          self->ended = TRUE;
          return 1;
        }
      self->state = CR;
      *piece = (const guint8 *) "\r";
      *piece_length = 1;
      return 0;
    }

  dot = find_line_dot (self->state, data, length);
  *piece_length = (gsize) (dot - data);
  if (*piece_length > 0)
    self->state = state_behind (self->state, data, *piece_length);
  if (dot == data + length)
    return length;
  self->state = DOT;
  return *piece_length + 1;
}
