/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/backoff.h"

/* RFC 5321 section 4.5.4.1 asks for 30 minutes between attempts in general, and for more frequent
 * ones at first: a mailbox that is full of greylisting or a Worker that restarts is back in a
 * minute, and a person is waiting. */
#define FIRST_US (5 * G_TIME_SPAN_SECOND)
#define LAST_US  (2 * G_TIME_SPAN_HOUR)

/**
 * postern_backoff_us:
 * @attempts: how many have failed, from 1
 * @jitter: at least 0, below 1; spreads what failed together
 *
 * Returns: how long to wait before the next attempt, in microseconds: doubling from five seconds
 *   up to two hours, each up to a quarter longer.
 */
gint64
postern_backoff_us (guint attempts, double jitter)
{
  gint64 wait_us = FIRST_US;

  for (guint i = 1; i < attempts && wait_us < LAST_US; i++)
    wait_us *= 2;
  wait_us = MIN (wait_us, LAST_US);
  return wait_us + (gint64) (jitter * (double) wait_us / 4);
}
