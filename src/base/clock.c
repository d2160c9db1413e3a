/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-base"

#include "config.h"

#include "base/clock.h"

static gboolean is_set;
static gint64 set_now_us;
static gint64 set_monotonic_us;

/**
 * postern_clock_now_us:
 *
 * Returns: wall clock, microseconds since the epoch, UTC; it may jump. For what is stored or shown.
 */
gint64
postern_clock_now_us (void)
{
  return is_set ? set_now_us : g_get_real_time ();
}

/**
 * postern_clock_monotonic_us:
 *
 * Returns: microseconds since some point; never goes back. For waiting and measuring.
 */
gint64
postern_clock_monotonic_us (void)
{
  return is_set ? set_monotonic_us : g_get_monotonic_time ();
}

void
postern_clock_set (gint64 now_us, gint64 monotonic_us)
{
  is_set = TRUE;
  set_now_us = now_us;
  set_monotonic_us = monotonic_us;
}

void
postern_clock_advance (gint64 by_us)
{
  set_now_us += by_us;
  set_monotonic_us += by_us;
}

void
postern_clock_restore (void)
{
  is_set = FALSE;
}
