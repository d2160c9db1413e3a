/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/random.h"

#include <string.h>

static void
count_up (void *data, gsize length)
{
  for (gsize i = 0; i < length; i++)
    ((guint8 *) data)[i] = (guint8) (i + 0xf0);
}

static void
test_id (void)
{
  g_autofree char *id = NULL;

  postern_random_set_source (count_up);
  id = postern_random_id ();
  postern_random_set_source (NULL);
  g_assert_cmpstr (id, ==, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
}

static void
test_base64url (void)
{
  static const guint8 data[] = { 0xfb, 0xff, 0xbe, 0xff };
  g_autofree char *text = postern_base64url (data, sizeof data);

  g_assert_cmpstr (text, ==, "-_--_w");
}

static void
test_fraction (void)
{
  for (guint i = 0; i < 1000; i++)
    {
      double fraction = postern_random_fraction ();

      g_assert_cmpfloat (fraction, >=, 0);
      g_assert_cmpfloat (fraction, <, 1);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/random/id-is-128-bits-in-hex", test_id);
  g_test_add_func ("/base/random/base64url-has-no-padding", test_base64url);
  g_test_add_func ("/base/random/fraction-is-below-one", test_fraction);
  return g_test_run ();
}
