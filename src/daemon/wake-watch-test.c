/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "daemon/wake-watch.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* In place of the kernel's: a test cannot set this machine's clock. */

static int timer_fd = -1;
static gboolean is_cancelled; /* the next read says that the clock was set */
static gint64 armed_s;        /* when the timer is to come */
static guint n_armed;

int
timerfd_create (int clock, int flags)
{
  g_assert_cmpint (clock, ==, CLOCK_REALTIME);
  timer_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return timer_fd;
}

int
timerfd_settime (int fd,
                 int flags,
                 const struct itimerspec *new_value,
                 struct itimerspec *old_value)
{
  g_assert_cmpint (fd, ==, timer_fd);
  g_assert_cmpint (flags, ==, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
  armed_s = new_value->it_value.tv_sec;
  n_armed++;
  return 0;
}

ssize_t
read (int fd, void *buffer, size_t size)
{
  ssize_t octets = syscall (SYS_read, fd, buffer, size);

  if (fd == timer_fd && octets > 0 && is_cancelled)
    {
      errno = ECANCELED;
      return -1;
    }
  return octets;
}

static void
on_wake (gpointer user_data)
{
  ++*(guint *) user_data;
}

static void
fire (gboolean cancelled)
{
  guint before = n_armed;

  is_cancelled = cancelled;
  g_assert_cmpint (eventfd_write (timer_fd, 1), ==, 0);
  while (n_armed == before)
    g_main_context_iteration (NULL, TRUE);
  /* One event, one turn: nothing is left to be told. */
  g_assert_false (g_main_context_iteration (NULL, FALSE));
}

static void
test_told (void)
{
  guint woken = 0;
  guint id = postern_wake_watch_add (on_wake, &woken);

  g_assert_cmpuint (id, >, 0);
  fire (TRUE);
  g_assert_cmpuint (woken, ==, 1);
  fire (TRUE);
  g_assert_cmpuint (woken, ==, 2);
  fire (FALSE); /* its time came */
  g_assert_cmpuint (woken, ==, 2);
  g_source_remove (id);
}

static void
test_ahead (void)
{
  const gint64 year_us = 365 * G_TIME_SPAN_DAY;
  guint woken = 0;
  guint id = postern_wake_watch_add (on_wake, &woken);

  for (gint64 now_us = 50 * year_us; now_us < 200 * year_us; now_us += year_us)
    {
      postern_clock_set (now_us, 1);
      fire (TRUE);
      g_assert_cmpint (armed_s, >, now_us / G_USEC_PER_SEC);
    }
  postern_clock_restore ();
  g_source_remove (id);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon/wake-watch/a-clock-that-was-set-is-told", test_told);
  g_test_add_func ("/daemon/wake-watch/the-timer-is-ahead-of-every-clock", test_ahead);
  return g_test_run ();
}
