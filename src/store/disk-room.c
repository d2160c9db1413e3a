/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/disk-room.h"

#include "base/clock.h"

#include <sys/statvfs.h>

/**
 * postern_disk_has_room:
 * @dir: the state directory
 *
 * Looks at most once a second, so it may be asked for every message. Main context only.
 * Returns: whether more than the reserve is free for us. A file system that does not say counts as
 *   one with room: a full disk is noticed again when it is written.
 */
gboolean
postern_disk_has_room (const char *dir)
{
  static char *known_dir;
  static gint64 known_until_us;
  static gboolean has_room;
  gint64 now_us = postern_clock_monotonic_us ();
  struct statvfs facts;

  if (now_us < known_until_us && g_strcmp0 (dir, known_dir) == 0)
    return has_room;

  if (g_strcmp0 (dir, known_dir) != 0)
    {
      g_free (known_dir);
      known_dir = g_strdup (dir);
    }
  known_until_us = now_us + G_TIME_SPAN_SECOND;
  has_room = statvfs (dir, &facts) < 0 ||
             (guint64) facts.f_bavail * facts.f_frsize > POSTERN_DISK_RESERVE_OCTETS;
  return has_room;
}
