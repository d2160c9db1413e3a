/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/command-line.h"

#include <string.h>

/* Lines that begin with "LONG " may have 40 octets, others 20. */
static gsize
limit (const char *start, gsize length, gconstpointer data)
{
  return length >= 5 && memcmp (start, "LONG ", 5) == 0 ? 40 : 20;
}

/* Reads all lines of @text in pieces of @piece octets: "ready:text|too-long|binary|partial". */
static char *
read_lines (const char *text, gsize length, gsize piece)
{
  static const char *const states[] = { "partial", "ready:", "too-long", "binary" };
  g_autoptr (GString) result = g_string_new (NULL);
  PosternCommandLine line = { 0 };
  gsize at = 0;

  while (at < length)
    {
      gsize consumed;
      PosternCommandLineState state = postern_command_line_feed (&line,
                                                                 (const guint8 *) text + at,
                                                                 MIN (piece, length - at),
                                                                 limit,
                                                                 NULL,
                                                                 &consumed);

      g_assert_cmpuint (consumed, >, 0);
      g_assert_cmpuint (line.length, <=, 40);
      at += consumed;
      if (state == POSTERN_COMMAND_LINE_PARTIAL)
        continue;
      g_string_append_printf (result, "%s%s", result->len > 0 ? "|" : "", states[state]);
      if (state == POSTERN_COMMAND_LINE_READY)
        g_string_append (result, line.text);
      postern_command_line_clear (&line);
      g_assert_null (line.text);
    }
  if (line.length > 0 || line.too_long)
    g_string_append_printf (result, "%s%s", result->len > 0 ? "|" : "", states[0]);
  postern_command_line_clear (&line);
  return g_string_free (g_steal_pointer (&result), FALSE);
}

static void
test_lines (void)
{
  static const struct
  {
    const char *text;
    gsize length;
    const char *lines;
  } cases[] = {
    { "NOOP\r\n", 6, "ready:NOOP" },
    { "NOOP\n", 5, "ready:NOOP" },
    { "\r\n\n", 3, "ready:|ready:" },
    { "A\r\nB b\r\nC", 9, "ready:A|ready:B b|partial" },
    /* exactly the limit, and one octet more */
    { "123456789012345678\r\nA\r\n", 23, "ready:123456789012345678|ready:A" },
    { "1234567890123456789\r\nA\r\n", 24, "too-long|ready:A" },
    { "LONG 67890123456789012345678901234567\r\nA\r\n",
      42,
      "ready:LONG 67890123456789012345678901234567|ready:A" },
    { "LONG 678901234567890123456789012345678901\r\nA\r\n", 46, "too-long|ready:A" },
    { "SHORT 78901234567890123456789012345678", 38, "partial" },
    { "A\0B\r\nC\r\n", 8, "binary|ready:C" },
    { "A\rB\r\nC\r\n", 8, "binary|ready:C" },
    { "A\r\r\nC\r\n", 7, "binary|ready:C" },
    { "\xff\xfe\r\n", 4, "ready:\xff\xfe" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize piece = 1; piece <= cases[i].length; piece++)
      {
        g_autofree char *lines = read_lines (cases[i].text, cases[i].length, piece);

        g_assert_cmpstr (lines, ==, cases[i].lines);
      }
}

static void
test_words (void)
{
  char text[] = " one\ttwo   three ";
  char *rest = text;

  g_assert_cmpstr (postern_command_line_take_word (&rest), ==, "one");
  g_assert_cmpstr (postern_command_line_take_word (&rest), ==, "two");
  g_assert_cmpstr (rest, ==, "three ");
  g_assert_cmpstr (postern_command_line_take_word (&rest), ==, "three");
  g_assert_null (postern_command_line_take_word (&rest));
  g_assert_null (postern_command_line_take_word (&rest));
}

static void
test_http (void)
{
  static const char *const http[] = { "GET / HTTP/1.1",
                                      "POST /x HTTP/1.0",
                                      "CONNECT a:1 HTTP/1.1",
                                      "OPTIONS * HTTP/1.1",
                                      "PRI * HTTP/2.0" };
  static const char *const mail[] = {
    "DELE 1", "TOP 1 1", "HELP", "HELO x", "GETX", "get / x", ""
  };

  for (guint i = 0; i < G_N_ELEMENTS (http); i++)
    g_assert_true (postern_command_line_is_http (http[i]));
  for (guint i = 0; i < G_N_ELEMENTS (mail); i++)
    g_assert_false (postern_command_line_is_http (mail[i]));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proto/command-line/lines-are-the-same-in-every-piece", test_lines);
  g_test_add_func ("/proto/command-line/words-are-taken-one-by-one", test_words);
  g_test_add_func ("/proto/command-line/a-browser-is-told-from-a-mail-program", test_http);
  return g_test_run ();
}
