/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/login-throttle.h"

#include "base/clock.h"

#define MINUTE_US (60 * (gint64) G_USEC_PER_SEC)

static guint
fail (PosternLoginThrottle *throttle, const char *login, PosternExposure exposure, guint guess)
{
  g_autofree char *text = g_strdup_printf ("guess %u", guess);
  g_autoptr (PosternSecret) password = postern_secret_new (text, -1);

  return postern_login_throttle_add_failure (throttle, login, exposure, NULL, password);
}

static guint
get_lock (PosternLoginThrottle *throttle, const char *login, PosternExposure exposure)
{
  return postern_login_throttle_get_lock_s (throttle, login, exposure, NULL);
}

static void
test_slowed_then_refused (void)
{
  g_autoptr (PosternLoginThrottle) throttle = postern_login_throttle_new ();
  guint before_ms = 0;
  guint n = 0;

  postern_clock_set (1, 1);
  for (; get_lock (throttle, "a", POSTERN_EXPOSURE_TUNNEL) == 0; n++)
    {
      guint delay_ms = fail (throttle, "a", POSTERN_EXPOSURE_TUNNEL, n);

      g_assert_cmpuint (delay_ms, >=, before_ms);
      before_ms = delay_ms;
    }
  g_assert_cmpuint (n, ==, 10);
  g_assert_cmpuint (before_ms, ==, 8000);
  g_assert_cmpuint (get_lock (throttle, "a", POSTERN_EXPOSURE_TUNNEL), ==, 300);
  /* A lock at one door closes no other, and nobody else. */
  g_assert_cmpuint (get_lock (throttle, "a", POSTERN_EXPOSURE_LOCAL), ==, 0);
  g_assert_cmpuint (get_lock (throttle, "b", POSTERN_EXPOSURE_TUNNEL), ==, 0);
  postern_clock_advance (5 * MINUTE_US);
  g_assert_cmpuint (get_lock (throttle, "a", POSTERN_EXPOSURE_TUNNEL), ==, 0);
  fail (throttle, "a", POSTERN_EXPOSURE_TUNNEL, n);
  g_assert_cmpuint (get_lock (throttle, "a", POSTERN_EXPOSURE_TUNNEL), ==, 300);
  postern_clock_advance (16 * MINUTE_US);
  g_assert_cmpuint (fail (throttle, "a", POSTERN_EXPOSURE_TUNNEL, 0), ==, 250);
  postern_clock_restore ();
}

static void
test_old_password (void)
{
  g_autoptr (PosternLoginThrottle) throttle = postern_login_throttle_new ();

  for (guint i = 0; i < 1000; i++)
    {
      g_assert_cmpuint (fail (throttle, "a", POSTERN_EXPOSURE_LOCAL, i % 2), <=, 500);
      g_assert_cmpuint (get_lock (throttle, "a", POSTERN_EXPOSURE_LOCAL), ==, 0);
    }
}

static void
test_success (void)
{
  g_autoptr (PosternLoginThrottle) throttle = postern_login_throttle_new ();

  for (guint i = 0; i < 9; i++)
    fail (throttle, "a", POSTERN_EXPOSURE_LOCAL, i);
  postern_login_throttle_forget (throttle, "a", POSTERN_EXPOSURE_LOCAL, NULL);
  g_assert_cmpuint (fail (throttle, "a", POSTERN_EXPOSURE_LOCAL, 100), ==, 250);
}

static void
test_flood (void)
{
  g_autoptr (PosternLoginThrottle) throttle = postern_login_throttle_new ();

  for (guint i = 0; i < 10; i++)
    fail (throttle, "a", POSTERN_EXPOSURE_LOCAL, i);
  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *login = g_strdup_printf ("invented %u", i);

      fail (throttle, login, POSTERN_EXPOSURE_LOCAL, i);
    }
  g_assert_cmpuint (get_lock (throttle, "a", POSTERN_EXPOSURE_LOCAL), >, 0);
}

static void
test_address (void)
{
  g_autoptr (PosternLoginThrottle) throttle = postern_login_throttle_new ();

  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *text = g_strdup_printf ("guess %u", i);
      g_autoptr (PosternSecret) password = postern_secret_new (text, -1);

      postern_login_throttle_add_failure (throttle,
                                          "a",
                                          POSTERN_EXPOSURE_TUNNEL,
                                          "192.0.2.1",
                                          password);
    }
  g_assert_cmpuint (
      postern_login_throttle_get_lock_s (throttle, "a", POSTERN_EXPOSURE_TUNNEL, "192.0.2.1"),
      >,
      0);
  g_assert_cmpuint (
      postern_login_throttle_get_lock_s (throttle, "a", POSTERN_EXPOSURE_TUNNEL, "192.0.2.2"),
      ==,
      0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/login-throttle/guessing-is-slowed-then-refused", test_slowed_then_refused);
  g_test_add_func ("/net/login-throttle/old-password-locks-nobody-out", test_old_password);
  g_test_add_func ("/net/login-throttle/right-password-clears-the-count", test_success);
  g_test_add_func ("/net/login-throttle/flood-of-logins-lifts-no-lock", test_flood);
  g_test_add_func ("/net/login-throttle/proved-addresses-count-apart", test_address);
  return g_test_run ();
}
