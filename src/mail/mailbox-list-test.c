/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/mailbox-list.h"

static const struct
{
  const char *value;
  const char *addresses; /* joined by blanks; NULL: no list */
} cases[] = {
  { "alice@example.test", "alice@example.test" },
  { " Alice <alice@example.test> ", "alice@example.test" },
  { "\"Smith, Alice\" <alice@example.test>", "alice@example.test" },
  { "\"bob@example.test\" <alice@example.test>", "alice@example.test" },
  { "=?utf-8?q?bob=40example.test?= <alice@example.test>", "alice@example.test" },
  { "J\xc3\xb6rg Q. M\xc3\xbcller <j@x.test>", "j@x.test" },
  { "J\xf6rg <j@x.test>", "j@x.test" },
  { "(bob@example.test) alice@example.test (also (nested) <bob@x>)", "alice@example.test" },
  { "alice @ example . test", "alice@example.test" },
  { "al (c) . ice@example.test", "al.ice@example.test" },
  { "\"al ice\"@example.test", "\"al ice\"@example.test" },
  { "\"\".a@example.test", "\".a\"@example.test" },
  { "<@relay.test,@b.test:alice@example.test>", "alice@example.test" },
  { "alice@[192.0.2.1]", "alice@[192.0.2.1]" },
  { "\"\" <alice@example.test>", "alice@example.test" },
  { "a@x, b@y", "a@x b@y" },
  { "a@x,,b@y,", "a@x b@y" },
  { "Team: a@x, B <b@y>;", "a@x b@y" },
  { "Nobody:;", "" },
  { "Team: a@x;, c@z", "a@x c@z" },
  { "\r\n\talice@example.test\r\n (x)", "alice@example.test" },
  { "", NULL },
  { ",", NULL },
  { "alice", NULL },
  { "Alice alice@example.test", NULL },
  { "a@x b@y", NULL },
  { "a@x <b@y>", NULL },
  { "<a@x> b@y", NULL },
  { "<a@x", NULL },
  { "a@x>", NULL },
  { "<a@x><b@y>", NULL },
  { "<>", NULL },
  { "Team: a@x", NULL },
  { "Team: Inner: a@x;;", NULL },
  { ": a@x;", NULL },
  { "(a@x", NULL },
  { "a@x)", NULL },
  { "\"a@x", NULL },
  { "a@@x", NULL },
  { "a@x@y", NULL },
  { "a@\"x\"", NULL },
  { "a\xff@x", NULL },
  { "a;b@x", NULL },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) found = postern_mailbox_list_parse (cases[i].value);
      g_autofree char *escaped = g_strescape (cases[i].value, NULL);
      g_autofree char *joined = NULL;

      g_test_message ("%s", escaped);
      if (found != NULL)
        {
          g_ptr_array_add (found, NULL);
          joined = g_strjoinv (" ", (char **) found->pdata);
        }
      g_assert_cmpstr (joined, ==, cases[i].addresses);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mail/mailbox-list/finds-every-address-or-none", test_cases);
  return g_test_run ();
}
