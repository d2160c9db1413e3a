/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"

#include <string.h>

static void
test_hash (void)
{
  g_autoptr (PosternSecret) secret = postern_secret_new ("abc", -1);
  guint8 hash[POSTERN_SECRET_HASH_LENGTH];
  /* FIPS 180-2 appendix B.1 */
  static const guint8 expected[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                     0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                     0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                     0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };

  postern_secret_hash (secret, hash);
  g_assert_true (postern_memory_equal (hash, expected, sizeof hash));
  hash[31] ^= 1;
  g_assert_false (postern_memory_equal (hash, expected, sizeof hash));
}

static void
test_random (void)
{
  g_autoptr (PosternSecret) one = postern_secret_new_random ("pb_");
  g_autoptr (PosternSecret) two = postern_secret_new_random ("pb_");

  g_assert_cmpuint (postern_secret_get_length (one), ==, 3 + 43);
  g_assert_true (g_str_has_prefix (postern_secret_get_text (one), "pb_"));
  g_assert_cmpstr (postern_secret_get_text (one), !=, postern_secret_get_text (two));
}

static void
test_nul (void)
{
  g_autoptr (PosternSecret) secret = postern_secret_new ("a\0b", 3);

  g_assert_cmpuint (postern_secret_get_length (secret), ==, 3);
  g_assert_cmpmem (postern_secret_get_text (secret), 3, "a\0b", 3);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/secret/hash-is-sha-256", test_hash);
  g_test_add_func ("/base/secret/random-ones-differ-and-are-256-bits", test_random);
  g_test_add_func ("/base/secret/nul-is-an-octet-like-others", test_nul);
  return g_test_run ();
}
