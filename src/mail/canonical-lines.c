/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/canonical-lines.h"

#include <string.h>

/* What stands before the next octet on its line. */
enum
{
  EMPTY,    /* nothing */
  EMPTY_CR, /* a CR alone: with an LF, this is the line that ends the header */
  TEXT,
  TEXT_CR,
};

/**
 * postern_canonical_lines_init:
 * @top_lines: how many lines of the body follow the header (TOP, RFC 1939 section 7); -1 for all
 */
void
postern_canonical_lines_init (PosternCanonicalLines *self, gint64 top_lines)
{
  memset (self, 0, sizeof *self);
  self->body_lines_left = top_lines;
  self->in_header = TRUE;
}

/* A line has ended; decides whether TOP has had enough. */
static void
end_line (PosternCanonicalLines *self, gboolean was_empty)
{
  self->line = EMPTY;
  if (self->body_lines_left < 0)
    return;

  if (!self->in_header)
    self->body_lines_left--;
  else if (was_empty)
    self->in_header = FALSE;
  if (!self->in_header && self->body_lines_left == 0)
    self->done = TRUE;
}

/* Returns how many octets of @data are canonical as they stand, from within a line on. Whole lines
 * are skipped in one go; @self is brought behind them. */
static gsize
span_plain (PosternCanonicalLines *self, const guint8 *data, gsize length)
{
  gsize at = 0;

  while (at < length)
    {
      const guint8 *newline = memchr (data + at, '\n', length - at);
      gsize ends = newline == NULL ? length : (gsize) (newline - data);
      gboolean after_cr, was_empty;

      if (ends > at)
        {
          gboolean cr = data[ends - 1] == '\r';

          if (self->line == EMPTY && data[at] == '.')
            return at;
          self->line = !cr ? TEXT : self->line == EMPTY && ends - at == 1 ? EMPTY_CR : TEXT_CR;
        }
      at = ends;
      if (newline == NULL)
        return at;

      after_cr = self->line == EMPTY_CR || self->line == TEXT_CR;
      if (!after_cr)
        return at;
      was_empty = self->line == EMPTY_CR;
      at++;
      end_line (self, was_empty);
      if (self->done)
        return at;
    }
  return at;
}

/**
 * postern_canonical_lines_convert:
 * @room: octets that @out takes, at least POSTERN_CANONICAL_LEAST_ROOM
 * @written: (out): octets put there
 *
 * Converts as much as there is room for. Where @done is set afterwards, the rest of the message
 * need not be read.
 *
 * Returns: how many octets of @data were used.
 */
gsize
postern_canonical_lines_convert (PosternCanonicalLines *self,
                                 const guint8 *data,
                                 gsize length,
                                 guint8 *out,
                                 gsize room,
                                 gsize *written)
{
  gsize used = 0;
  gsize put = 0;

  self->any = self->any || length > 0;
  while (used < length && room - put >= 2 && !self->done)
    {
      gsize plain = span_plain (self, data + used, MIN (length - used, room - put));

      memcpy (out + put, data + used, plain);
      used += plain;
      put += plain;
      if (self->done || used == length || room - put < 2)
        break;

      if (data[used] == '.' && self->line == EMPTY)
        {
          out[put++] = '.';
          out[put++] = '.';
          self->line = TEXT;
          used++;
        }
      else if (data[used] == '\n' && (self->line == EMPTY || self->line == TEXT))
        {
          out[put++] = '\r';
          out[put++] = '\n';
          used++;
          end_line (self, self->line == EMPTY);
        }
    }
  *written = put;
  return used;
}

/**
 * postern_canonical_lines_finish:
 *
 * To be called once behind the last octet.
 * Returns: how many octets of @out are to be sent: the final CRLF when it is missing. A message of
 *   no octets at all has no line to end.
 */
gsize
postern_canonical_lines_finish (PosternCanonicalLines *self,
                                guint8 out[POSTERN_CANONICAL_LEAST_ROOM])
{
  if (!self->any || self->done || self->line == EMPTY)
    return 0;
  memcpy (out, "\r\n", 2);
  self->done = TRUE;
  return 2;
}

void
postern_canonical_counter_add (PosternCanonicalCounter *self, const guint8 *data, gsize length)
{
  const guint8 *end = data + length;
  const guint8 *newline = data;

  if (length == 0)
    return;

  self->octets += length;
  while ((newline = memchr (newline, '\n', (gsize) (end - newline))) != NULL)
    {
      guint8 before = newline > data ? newline[-1] : self->last;

      if (before != '\r')
        self->octets++;
      newline++;
    }
  self->last = end[-1];
}

guint64
postern_canonical_counter_get_size (const PosternCanonicalCounter *self)
{
  return self->octets == 0 || self->last == '\n' ? self->octets : self->octets + 2;
}
