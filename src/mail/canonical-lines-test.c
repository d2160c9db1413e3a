/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/canonical-lines.h"

#include <string.h>

/* Converts @text in pieces of @piece octets, with room for @room. */
static char *
convert (const char *text, gint64 top_lines, gsize piece, gsize room)
{
  g_autoptr (GString) result = g_string_new (NULL);
  g_autofree guint8 *out = g_malloc (room);
  PosternCanonicalLines lines;
  gsize length = strlen (text);
  gsize at = 0;
  gsize written;

  postern_canonical_lines_init (&lines, top_lines);
  while (at < length && !lines.done)
    {
      gsize used = postern_canonical_lines_convert (&lines,
                                                    (const guint8 *) text + at,
                                                    MIN (piece, length - at),
                                                    out,
                                                    room,
                                                    &written);

      g_assert_true (used > 0 || written > 0);
      g_assert_cmpuint (written, <=, room);
      at += used;
      g_string_append_len (result, (const char *) out, (gssize) written);
    }
  written = postern_canonical_lines_finish (&lines, out);
  g_string_append_len (result, (const char *) out, (gssize) written);
  return g_string_free (g_steal_pointer (&result), FALSE);
}

static guint64
count (const char *text, gsize piece)
{
  PosternCanonicalCounter counter = { 0 };
  gsize length = strlen (text);

  for (gsize at = 0; at < length; at += piece)
    postern_canonical_counter_add (&counter, (const guint8 *) text + at, MIN (piece, length - at));
  return postern_canonical_counter_get_size (&counter);
}

typedef struct
{
  const char *name;
  const char *raw;
  gint64 top_lines;
  const char *wire;
  guint64 size; /* octets; of the whole, unstuffed */
} Case;

static const Case cases[] = {
  { "canonical-stays", "A: b\r\n\r\nc\r\n", -1, "A: b\r\n\r\nc\r\n", 11 },
  { "nothing-stays-nothing", "", -1, "", 0 },
  { "bare-lf-becomes-crlf", "a\n\nb\n", -1, "a\r\n\r\nb\r\n", 8 },
  { "bare-cr-stays", "a\rb\r\r\n\r", -1, "a\rb\r\r\n\r\r\n", 9 },
  { "final-crlf-is-added", "a\r\nb", -1, "a\r\nb\r\n", 6 },
  { "final-cr-is-no-line-end", "a\r", -1, "a\r\r\n", 4 },
  { "dots-are-stuffed", ".\r\n..\r\n.a\r\na.\r\n", -1, "..\r\n...\r\n..a\r\na.\r\n", 15 },
  { "dots-behind-bare-lf-are-stuffed", "a\n.\n.\r\nb", -1, "a\r\n..\r\n..\r\nb\r\n", 12 },
  { "dots-behind-bare-cr-are-not", "a\r.\r\n", -1, "a\r.\r\n", 5 },
  { "a-dot-alone-gets-its-line-end", ".", -1, "..\r\n", 3 },
  { "top-0", "A: b\n.C: d\r\n\r\ne\n", 0, "A: b\r\n..C: d\r\n\r\n", 18 },
  { "top-1", "A: b\n\n.e\nf\n", 1, "A: b\r\n\r\n..e\r\n", 15 },
  { "top-many", "A: b\r\n\r\ne", 9, "A: b\r\n\r\ne\r\n", 11 },
  { "top-without-body", "A: b\r\nC: d", 9, "A: b\r\nC: d\r\n", 12 },
  { "top-0-of-a-body-alone", "\r\nx\r\n", 0, "\r\n", 5 },
  { "a-cr-more-is-not-an-empty-line",
    "A: b\r\n\r\r\nc\r\n\r\nd",
    0,
    "A: b\r\n\r\r\nc\r\n\r\n",
    17 },
};

static void
test_case (gconstpointer data)
{
  const Case *test = data;
  gsize length = strlen (test->raw);

  for (gsize piece = 1; piece <= length + 1; piece++)
    {
      for (gsize room = POSTERN_CANONICAL_LEAST_ROOM; room < 2 * length + 6; room++)
        {
          g_autofree char *wire = convert (test->raw, test->top_lines, piece, room);

          g_assert_cmpstr (wire, ==, test->wire);
        }
      g_assert_cmpuint (count (test->raw, piece), ==, test->size);
    }
}

/* A size is what the client gets, not what some transport of ours made of it on its way. */
static void
test_sizes (void)
{
  guint8 body[3001];
  guint8 out[2 * sizeof body + POSTERN_CANONICAL_LEAST_ROOM];
  PosternCanonicalCounter counter = { 0 };
  PosternCanonicalLines lines;
  gsize written;

  for (gsize i = 0; i < sizeof body; i++)
    body[i] = (guint8) (i % 256 == '\n' || i % 256 == '.' ? 0xff : i % 256);
  postern_canonical_counter_add (&counter, body, sizeof body);
  postern_canonical_lines_init (&lines, -1);
  g_assert_cmpuint (
      postern_canonical_lines_convert (&lines, body, sizeof body, out, sizeof out, &written),
      ==,
      sizeof body);
  written += postern_canonical_lines_finish (&lines, out + written);
  g_assert_cmpuint (postern_canonical_counter_get_size (&counter), ==, written);
  g_assert_cmpuint (written, ==, sizeof body + 2);
  g_assert_cmpmem (out, sizeof body, body, sizeof body);
}

static void
test_speed (void)
{
  const gsize length = 64 * 1024;
  g_autofree guint8 *data = g_malloc (length);
  g_autofree guint8 *out = g_malloc (length);
  PosternCanonicalLines lines;
  guint64 total = 0;
  gint64 start, took;
  double rate;

  for (gsize i = 0; i < length; i++)
    data[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
  postern_canonical_lines_init (&lines, -1);
  start = g_get_monotonic_time ();
  while (total < (guint64) 4 << 30)
    {
      gsize at = 0;

      while (at < length)
        {
          gsize written;

          at += postern_canonical_lines_convert (&lines,
                                                 data + at,
                                                 length - at,
                                                 out,
                                                 length,
                                                 &written);
        }
      total += length;
    }
  took = g_get_monotonic_time () - start;
  rate = (double) total / (double) took / 1000;
  g_test_maximized_result (rate, "%.1f GB/s of base64", rate);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/mail/canonical-lines/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/mail/canonical-lines/base64-lengths-are-never-sizes", test_sizes);
  if (g_test_perf ())
    g_test_add_func ("/mail/canonical-lines/speed", test_speed);
  return g_test_run ();
}
