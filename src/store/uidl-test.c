/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/uidl.h"

#include <string.h>

static void
assert_uidl (const char *email_id, const char *expected)
{
  g_autofree char *uidl = postern_uidl_from_email_id (email_id);

  g_assert_cmpstr (uidl, ==, expected);
}

static void
test_plain (void)
{
  g_autofree char *longest = g_strnfill (70, 'x');

  assert_uidl ("M1", "M1");
  assert_uidl ("!~", "!~");
  assert_uidl (longest, longest);
}

static void
test_others (void)
{
  g_autofree char *too_long = g_strnfill (71, 'x');
  g_autofree char *uidl = postern_uidl_from_email_id (too_long);

  /* SHA-256 of nothing, FIPS 180-4; in base64url it ends with an unpadded digit. */
  assert_uidl ("", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
  g_assert_cmpuint (strlen (uidl), ==, 43);
  g_clear_pointer (&uidl, g_free);
  uidl = postern_uidl_from_email_id ("a b");
  g_assert_cmpuint (strlen (uidl), ==, 43);
  g_clear_pointer (&uidl, g_free);
  uidl = postern_uidl_from_email_id ("ü");
  g_assert_cmpuint (strlen (uidl), ==, 43);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store/uidl/id-that-pop3-can-carry-is-itself", test_plain);
  g_test_add_func ("/store/uidl/any-other-is-its-hash", test_others);
  return g_test_run ();
}
