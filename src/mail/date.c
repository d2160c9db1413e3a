/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/date.h"

#include <stdlib.h>
#include <time.h>

/**
 * postern_date_format:
 * @time_us: wall clock, microseconds since the epoch, UTC
 * @offset_minutes: of the zone to show, east of Greenwich is positive
 *
 * Returns: (transfer full): "Sun, 22 Nov 2026 13:05:09 +0100", RFC 5322 section 3.3. English in
 *   every locale.
 */
char *
postern_date_format (gint64 time_us, int offset_minutes)
{
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  gint64 seconds = time_us / G_USEC_PER_SEC - (time_us % G_USEC_PER_SEC < 0 ? 1 : 0);
  time_t local = (time_t) (seconds + (gint64) offset_minutes * 60);
  int offset = abs (offset_minutes);
  struct tm tm = { 0 };

  gmtime_r (&local, &tm);
  return g_strdup_printf ("%.3s, %d %.3s %d %02d:%02d:%02d %c%02d%02d",
                          days + tm.tm_wday * 3,
                          tm.tm_mday,
                          months + tm.tm_mon * 3,
                          tm.tm_year + 1900,
                          tm.tm_hour,
                          tm.tm_min,
                          tm.tm_sec,
                          offset_minutes < 0 ? '-' : '+',
                          offset / 60,
                          offset % 60);
}
