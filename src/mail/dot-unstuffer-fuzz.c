/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/dot-unstuffer.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* The rule of RFC 5321 section 4.5.2, written in the slowest way. Returns what was consumed, 0 when
 * the end never comes. */
static gsize
unstuff_plainly (const guint8 *data, gsize size, GString *message)
{
  gboolean line_start = TRUE;

  for (gsize i = 0; i < size; i++)
    {
      if (line_start && size - i >= 3 && memcmp (data + i, ".\r\n", 3) == 0)
        return i + 3;
      if (!(line_start && data[i] == '.'))
        g_string_append_c (message, (char) data[i]);
      line_start = data[i] == '\n' && i > 0 && data[i - 1] == '\r';
    }
  return 0;
}

/* The first octet chooses how long reads are. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GString) message = g_string_new (NULL);
  g_autoptr (GString) expected = g_string_new (NULL);
  PosternDotUnstuffer unstuffer = { 0 };
  gsize read, consumed;
  gsize at = 0;

  if (size == 0)
    return 0;
  read = 1 + data[0];
  data++;
  size--;
  while (at < size && !unstuffer.ended)
    {
      /* A copy of its own for each read, so that the sanitizer sees a step beyond it. */
      gsize length = MIN (read, size - at);
      g_autofree guint8 *copy = g_memdup2 (data + at, length);
      const guint8 *piece;
      gsize piece_length;
      gsize used = postern_dot_unstuffer_next (&unstuffer, copy, length, &piece, &piece_length);

      g_assert (used <= length);
      g_string_append_len (message, (const char *) piece, (gssize) piece_length);
      at += used;
    }

  consumed = unstuff_plainly (data, size, expected);
  g_assert (unstuffer.ended == (consumed > 0));
  if (unstuffer.ended)
    {
      g_assert (at == consumed);
      g_assert (g_string_equal (message, expected));
    }
  return 0;
}
