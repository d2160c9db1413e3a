/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/wake-watch.h"

#include "base/clock.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* The kernel cancels a timer on the wall clock when that clock is set, and it counts resuming as
 * setting it (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). So one descriptor tells of both, without a
 * system bus and without ever waking up otherwise. */

#define AHEAD_US (365 * G_TIME_SPAN_DAY)

typedef struct
{
  int fd;
  PosternWakeFunc func;
  gpointer user_data;
} Watch;

/* A time that lies behind the clock would come at once, for ever; so it is far ahead, and set anew when
 * it comes. */
static gboolean
arm (int fd)
{
  gint64 far_us = postern_clock_now_us () + AHEAD_US;
  const struct itimerspec far = { .it_value = { .tv_sec = (time_t) (far_us / G_USEC_PER_SEC) } };

  return timerfd_settime (fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) == 0;
}

static gboolean
on_ready (int fd, GIOCondition condition, gpointer user_data)
{
  const Watch *watch = user_data;
  guint64 expirations;

  if (read (fd, &expirations, sizeof expirations) < 0 && errno == ECANCELED)
    {
      g_info ("The clock was set, or this machine was asleep: looking again");
      watch->func (watch->user_data);
    }
  return arm (fd) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  close (watch->fd);
  g_free (watch);
}

/**
 * postern_wake_watch_add:
 * @func: called on the main context when the machine resumes or its clock was set
 *
 * Returns: the id of a source, or 0 when the kernel does not tell
 */
guint
postern_wake_watch_add (PosternWakeFunc func, gpointer user_data)
{
  int fd = timerfd_create (CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  Watch *watch;

  if (fd < 0 || !arm (fd))
    {
      g_info ("Cannot watch the clock: %s", g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return 0;
    }
  watch = g_new0 (Watch, 1);
  watch->fd = fd;
  watch->func = func;
  watch->user_data = user_data;
  return g_unix_fd_add_full (G_PRIORITY_DEFAULT, fd, G_IO_IN, on_ready, watch, watch_free);
}
