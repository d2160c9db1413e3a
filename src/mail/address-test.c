/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/address.h"

#include <string.h>

static void
test_paths (void)
{
  static const struct
  {
    const char *text;
    const char *mailbox; /* NULL: no path */
    gsize length;
  } cases[] = {
    { "<>", "", 2 },
    { "<a@b>", "a@b", 5 },
    { "<a@b> SIZE=1", "a@b", 5 },
    { "<@x,@y.z:a@b>", "a@b", 13 },
    { "<\"a b\"@c>", "\"a b\"@c", 9 },
    { "<\"a\\\"b\"@c>", "\"a\\\"b\"@c", 10 },
    { "<\">\"@c>", "\">\"@c", 7 },
    { "<a+b.c=d!@b_c.d>", "a+b.c=d!@b_c.d", 16 },
    { "<a@[192.0.2.1]>", "a@[192.0.2.1]", 15 },
    { "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", 22 },
    { "<j\xc3\xb6@\xc3\xbc.de>", "j\xc3\xb6@\xc3\xbc.de", 11 },
    { "a@b", NULL, 0 },
    { "<a>", NULL, 0 },
    { "<a@>", NULL, 0 },
    { "<@b>", NULL, 0 },
    { "<a@b", NULL, 0 },
    { "<a b@c>", NULL, 0 },
    { "<.a@b>", NULL, 0 },
    { "<a.@b>", NULL, 0 },
    { "<a..b@c>", NULL, 0 },
    { "<a@b..c>", NULL, 0 },
    { "<a@b.>", NULL, 0 },
    { "<a@-b>", NULL, 0 },
    { "<a@b->", NULL, 0 },
    { "<a@b@c>", NULL, 0 },
    { "<a@[]>", NULL, 0 },
    { "<a@[x>", NULL, 0 },
    { "<\"a@b>", NULL, 0 },
    { "<\"a\"b@c>", NULL, 0 },
    { "<\"a\nb\"@c>", NULL, 0 },
    { "<a\r\n@b>", NULL, 0 },
    { "<@x a@b>", NULL, 0 },
    { "<@x,:a@b>", NULL, 0 },
    { "<\xff@b>", NULL, 0 },
    { "<a@b\xc3>", NULL, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *escaped = g_strescape (cases[i].text, NULL);
      g_autofree char *mailbox = NULL;

      g_test_message ("%s", escaped);
      g_assert_cmpuint (postern_address_scan_path (cases[i].text, &mailbox), ==, cases[i].length);
      g_assert_cmpstr (mailbox, ==, cases[i].mailbox);
    }
}

static void
test_length (void)
{
  g_autofree char *local = g_strnfill (316, 'a');
  g_autofree char *most = g_strconcat (local, "@bcd", NULL);
  g_autofree char *more = g_strconcat (local, "@bcde", NULL);

  g_assert_true (postern_address_is_valid (most));
  g_assert_false (postern_address_is_valid (more));
}

static void
test_normalise (void)
{
  static const char *const cases[][2] = {
    { "Alice@Example.TEST", "Alice@example.test" },
    { "\"alice\"@example.test", "alice@example.test" },
    { "\"al ice\"@example.test", "\"al ice\"@example.test" },
    { "\"al\\ice\"@example.test", "alice@example.test" },
    { "\"a\\\"\\\\b\"@example.test", "\"a\\\"\\\\b\"@example.test" },
    { "\"\"@example.test", "\"\"@example.test" },
    { "j\xc3\xb6rg@M\xc3\xbcller.example", "j\xc3\xb6rg@xn--mller-kva.example" },
    { "a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]" },
    { "a@evil\xef\xbc\xa0"
      "example.test",
      NULL }, /* a full-width "@" */
    { "nonsense", NULL },
    { "a@b c", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *normal = postern_address_normalise (cases[i][0]);

      g_assert_cmpstr (normal, ==, cases[i][1]);
    }
}

static void
test_same_recipient (void)
{
  g_assert_true (postern_address_same_recipient ("a@b.c", "a@B.C"));
  g_assert_false (postern_address_same_recipient ("a@b.c", "A@b.c"));
  g_assert_false (postern_address_same_recipient ("a@b.c", "a@b.cd"));
  g_assert_false (postern_address_same_recipient ("a@b.cd", "a@b.c"));
  g_assert_false (postern_address_same_recipient ("ab@c", "a@c"));
  g_assert_false (postern_address_same_recipient ("a@c", "ab@c"));
}

static void
test_owned (void)
{
  const char *const owned[] = { "Alice@Example.test", "sales@m\xc3\xbcller.example",
                                "*@own.example",      "\"odd one\"@example.test",
                                "\"\"@odd.example",   NULL };
  const char *const all[] = { "*", NULL };
  const char *const none[] = { "*@", "@example.test", "", "alice", NULL };
  static const struct
  {
    const char *address;
    gboolean owned;
  } cases[] = {
    { "alice@example.test", TRUE },
    { "ALICE@EXAMPLE.TEST", TRUE },
    { "alice+news@example.test", TRUE },
    { "alice+a+b@example.test", TRUE },
    { "\"alice\"@example.test", TRUE },
    { "sales@xn--mller-kva.example", TRUE },
    { "anybody@OWN.example", TRUE },
    { "odd\\ one@example.test", FALSE },
    { "\"odd one\"@example.test", TRUE },
    { "\"odd one+x\"@example.test", TRUE },
    { "bob@example.test", FALSE },
    { "alic@example.test", FALSE },
    { "alice2@example.test", FALSE },
    { "+alice@example.test", FALSE },
    { "\"\"@odd.example", TRUE },
    { "+x@odd.example", FALSE },
    { "alice@evil\xef\xbc\xa0"
      "example.test",
      FALSE },
    { "alice@example.test.evil.test", FALSE },
    { "alice@sub.example.test", FALSE },
    { "x@sub.own.example", FALSE },
    { "\"alice@example.test\"@evil.test", FALSE },
    { "\"x@own.example\"@evil.test", FALSE },
    { "*@example.test", FALSE },
    { "alice", FALSE },
    { "", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].address);
      g_assert_cmpint (postern_address_is_owned (cases[i].address, owned), ==, cases[i].owned);
      g_assert_false (postern_address_is_owned (cases[i].address, none));
    }
  g_assert_true (postern_address_is_owned ("x@y", all));
  g_assert_false (postern_address_is_owned ("", all));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mail/address/paths-are-read-to-the-letter", test_paths);
  g_test_add_func ("/mail/address/length-is-limited", test_length);
  g_test_add_func ("/mail/address/one-address-has-one-normal-form", test_normalise);
  g_test_add_func ("/mail/address/recipients-differ-by-the-case-of-the-local-part-only",
                   test_same_recipient);
  g_test_add_func ("/mail/address/nobody-owns-what-only-looks-alike", test_owned);
  return g_test_run ();
}
