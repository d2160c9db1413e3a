/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/encoded-word.h"

static void
expect (const char *value, const char *shown)
{
  g_autofree char *decoded = postern_encoded_word_decode (value);

  g_assert_cmpstr (decoded, ==, shown);
}

static void
test_words (void)
{
  expect ("Hello", "Hello");
  expect ("=?UTF-8?B?5L2g5aW9?=", "你好");
  expect ("=?utf-8?q?Gr=C3=BC=C3=9Fe_an?= alle", "Grüße an alle");
  expect ("=?GB2312?B?xOO6ww==?=", "你好");
  expect ("Re: =?ISO-8859-1*de?Q?=E4?= x", "Re: ä x");
}

static void
test_blanks (void)
{
  expect ("=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab");
  expect ("=?UTF-8?Q?a?=\r\n =?UTF-8?Q?b?= c", "ab c");
  expect ("one\r\n two", "one two");
}

static void
test_broken (void)
{
  expect ("=?", "=?");
  expect ("=?UTF-8?X?a?=", "=?UTF-8?X?a?=");
  expect ("=?nonsense?Q?a?=", "=?nonsense?Q?a?=");
  expect ("=?UTF-8?Q?a b?=", "=?UTF-8?Q?a b?=");
  expect ("raw \xe4 octet", "raw \xef\xbf\xbd octet");
  expect ("=?UTF-8?Q?a=0Ab?=", "a b");
  expect ("", "");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mail/encoded-word/both-encodings-are-decoded", test_words);
  g_test_add_func ("/mail/encoded-word/blanks-between-words-are-not-shown", test_blanks);
  g_test_add_func ("/mail/encoded-word/what-is-none-is-shown-as-it-came", test_broken);
  return g_test_run ();
}
