/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bridge/backoff.h"

static void
test_schedule (void)
{
  gint64 before_us = 0;
  gint64 total_us = 0;
  guint attempts = 0;

  while (total_us < POSTERN_QUEUE_LIFETIME_US)
    {
      gint64 wait_us = postern_backoff_us (++attempts, 0);

      g_assert_cmpint (wait_us, >=, before_us);
      g_assert_cmpint (wait_us, <=, 2 * G_TIME_SPAN_HOUR);
      before_us = wait_us;
      total_us += wait_us;
    }
  g_assert_cmpint (postern_backoff_us (1, 0), ==, 5 * G_TIME_SPAN_SECOND);
  g_assert_cmpuint (attempts, >, 50);
  g_assert_cmpuint (attempts, <, 100);
}

static void
test_jitter (void)
{
  g_assert_cmpint (postern_backoff_us (4, 0.5), >, postern_backoff_us (4, 0));
  g_assert_cmpint (postern_backoff_us (4, 0.99), <, postern_backoff_us (5, 0));
  g_assert_cmpint (postern_backoff_us (G_MAXUINT, 0.99), <, 3 * G_TIME_SPAN_HOUR);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bridge/backoff/doubles-to-two-hours-and-fills-five-days", test_schedule);
  g_test_add_func ("/bridge/backoff/jitter-never-reaches-the-next-step", test_jitter);
  return g_test_run ();
}
