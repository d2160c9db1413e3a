/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/canonical-lines.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static GString *
convert (const guint8 *data, gsize size, gint64 top_lines, gsize read, gsize room)
{
  g_autoptr (GString) result = g_string_new (NULL);
  g_autofree guint8 *out = g_malloc (room);
  PosternCanonicalLines lines;
  gsize at = 0;
  gsize written;

  postern_canonical_lines_init (&lines, top_lines);
  while (at < size && !lines.done)
    {
      gsize length = MIN (read, size - at);
      g_autofree guint8 *copy = g_memdup2 (data + at, length);
      gsize used = postern_canonical_lines_convert (&lines, copy, length, out, room, &written);

      g_assert (used <= length && written <= room && (used > 0 || written > 0));
      g_string_append_len (result, (const char *) out, (gssize) written);
      at += used;
    }
  written = postern_canonical_lines_finish (&lines, out);
  g_string_append_len (result, (const char *) out, (gssize) written);
  return g_steal_pointer (&result);
}

/* What a client does (RFC 1939 section 3). Returns FALSE when the server would have said more, or
 * less, than one message. */
static gboolean
read_as_client (const GString *wire, GString *message)
{
  gboolean line_start = TRUE;

  for (gsize i = 0; i < wire->len; i++)
    {
      if (line_start && wire->str[i] == '.')
        {
          if (i + 1 == wire->len || wire->str[i + 1] != '.')
            return FALSE;
          i++;
        }
      g_string_append_c (message, wire->str[i]);
      line_start = wire->str[i] == '\n';
      if (line_start && (i == 0 || wire->str[i - 1] != '\r'))
        return FALSE;
    }
  return line_start;
}

/* The first octets choose reads, room and lines. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GString) wire = NULL;
  g_autoptr (GString) whole = NULL;
  g_autoptr (GString) top = NULL;
  g_autoptr (GString) message = g_string_new (NULL);
  PosternCanonicalCounter counter = { 0 };
  gsize read, room;
  gint64 lines;

  if (size < 3)
    return 0;
  read = 1 + data[0];
  room = POSTERN_CANONICAL_LEAST_ROOM + data[1];
  lines = data[2];
  data += 3;
  size -= 3;

  wire = convert (data, size, -1, read, room);
  whole = convert (data, size, -1, size + 1, 2 * size + 4);
  g_assert (g_string_equal (wire, whole));
  g_assert (read_as_client (wire, message));

  for (gsize at = 0; at < size; at += read)
    postern_canonical_counter_add (&counter, data + at, MIN (read, size - at));
  g_assert (postern_canonical_counter_get_size (&counter) == message->len);

  /* TOP is a beginning of RETR, of whole lines. */
  top = convert (data, size, lines, read, room);
  g_assert (top->len <= wire->len && memcmp (top->str, wire->str, top->len) == 0);
  g_string_truncate (message, 0);
  g_assert (read_as_client (top, message));
  return 0;
}
