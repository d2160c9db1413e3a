/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/listing.h"

static void
on_released (gpointer data)
{
  *(gboolean *) data = TRUE;
}

static void
test_listing (void)
{
  PosternListing *listing = postern_listing_new (2);
  gboolean released = FALSE;

  postern_listing_add (listing, 77, 1000, "first");
  postern_listing_add (listing, 12, 5000000000, "second");
  postern_listing_set_release (listing, on_released, &released);
  g_assert_cmpuint (postern_listing_get_count (listing), ==, 2);
  g_assert_cmpstr (postern_listing_get_uidl (listing, 0), ==, "first");
  g_assert_cmpstr (postern_listing_get_uidl (listing, 1), ==, "second");
  g_assert_cmpuint (postern_listing_get_row (listing, 1), ==, 12);
  g_assert_cmpuint (postern_listing_get_size (listing, 1), ==, 5000000000);
  g_assert_cmpuint (postern_listing_get_total (listing), ==, 5000001000);

  postern_listing_ref (listing);
  postern_listing_unref (listing);
  g_assert_false (released);
  postern_listing_unref (listing);
  g_assert_true (released);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mail/listing/keeps-order-and-tells-when-the-last-reader-left", test_listing);
  return g_test_run ();
}
