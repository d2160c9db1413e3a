/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/dot-unstuffer.h"

#include <string.h>

/* Unstuffs @text in reads of @first octets, then of @rest; what follows the end goes to @left. */
static char *
unstuff (const char *text, gsize first, gsize rest, gboolean *ended, const char **left)
{
  g_autoptr (GString) message = g_string_new (NULL);
  PosternDotUnstuffer unstuffer = { 0 };
  gsize length = strlen (text);
  gsize at = 0;
  gsize have = MIN (first, length);

  while (!unstuffer.ended)
    {
      const guint8 *piece;
      gsize piece_length;

      if (at == have)
        {
          if (have == length)
            break;
          have = MIN (have + rest, length);
        }
      at += postern_dot_unstuffer_next (&unstuffer,
                                        (const guint8 *) text + at,
                                        have - at,
                                        &piece,
                                        &piece_length);
      g_string_append_len (message, (const char *) piece, (gssize) piece_length);
    }
  *ended = unstuffer.ended;
  *left = text + at;
  return g_string_free (g_steal_pointer (&message), FALSE);
}

typedef struct
{
  const char *name;
  const char *wire;
  const char *message; /* NULL: the end never comes */
  const char *left;
} Case;

static const Case cases[] = {
  { "an-empty-message", ".\r\nQUIT\r\n", "", "QUIT\r\n" },
  { "a-message", "a\r\nb\r\n.\r\nQUIT\r\n", "a\r\nb\r\n", "QUIT\r\n" },
  { "stuffed-lines", "..\r\n...\r\n.a\r\na.\r\n.\r\n", ".\r\n..\r\na\r\na.\r\n", "" },
  { "a-dot-within-a-line", "a.\r\n.\r\n", "a.\r\n", "" },
  { "lf-dot-lf-does-not-end", "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", "" },
  { "lf-dot-crlf-does-not-end", "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", "" },
  { "crlf-dot-lf-does-not-end", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", "" },
  { "crlf-dot-cr-does-not-end", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "" },
  { "cr-dot-cr-does-not-end", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", "" },
  { "cr-dot-crlf-does-not-end", "a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", "" },
  { "crlf-dot-cr-crlf-does-not-end", "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", "" },
  { "crcrlf-is-a-line-end", "a\r\r\n.\r\nb", "a\r\r\n", "b" },
  { "lfcr-is-none", "a\n\r.\r\nb\r\n.\r\n", "a\n\r.\r\nb\r\n", "" },
  { "dots-alone", ".\r\n.\r\n", "", ".\r\n" },
  { "a-dot-that-waits", "a\r\n.", NULL, "" },
  { "a-dot-and-cr-that-wait", "a\r\n.\r", NULL, "" },
  { "no-final-line-end", "a\r\n.\r\r\n.", NULL, "" },
};

static void
test_case (gconstpointer data)
{
  const Case *test = data;
  gsize length = strlen (test->wire);

  for (gsize first = 0; first <= length; first++)
    for (gsize rest = 1; rest <= length; rest++)
      {
        gboolean ended;
        const char *left;
        g_autofree char *message = unstuff (test->wire, first, rest, &ended, &left);

        g_assert_cmpint (ended, ==, test->message != NULL);
        g_assert_cmpstr (left, ==, test->left);
        if (ended)
          g_assert_cmpstr (message, ==, test->message);
      }
}

static void
test_speed (void)
{
  const gsize length = 64 * 1024;
  g_autofree guint8 *data = g_malloc (length);
  PosternDotUnstuffer unstuffer = { 0 };
  gint64 start, took;
  double rate;
  guint64 total = 0;

  for (gsize i = 0; i < length; i++)
    data[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : i % 61 == 0 ? '.' : 'x';
  start = g_get_monotonic_time ();
  while (total < (guint64) 4 << 30)
    {
      gsize at = 0;

      while (at < length)
        {
          const guint8 *piece;
          gsize piece_length;

          at += postern_dot_unstuffer_next (&unstuffer,
                                            data + at,
                                            length - at,
                                            &piece,
                                            &piece_length);
        }
      total += length;
    }
  took = g_get_monotonic_time () - start;
  rate = (double) total / (double) took / 1000;
  g_test_maximized_result (rate, "%.1f GB/s of text", rate);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/mail/dot-unstuffer/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  if (g_test_perf ())
    g_test_add_func ("/mail/dot-unstuffer/speed", test_speed);
  return g_test_run ();
}
