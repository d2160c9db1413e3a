/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/lock-file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/**
 * postern_lock_file_take:
 * @path: the file that stands for a state directory; made when it is not there
 *
 * One daemon to a state directory. The kernel gives the lock up with the process, however it ends,
 * so there is nothing to clean up.
 *
 * Returns: a descriptor to keep open for life, or -1: POSTERN_ERROR_BUSY names the process that
 *   holds it, POSTERN_ERROR_STORAGE when the file cannot be had.
 */
int
postern_lock_file_take (const char *path, GError **error)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  char pid[32] = "";

  if (fd < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "Cannot open %s: %s",
                   path,
                   g_strerror (errno));
      return -1;
    }
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    {
      int length = g_snprintf (pid, sizeof pid, "%d\n", (int) getpid ());

      /* The number only helps a person; the lock itself does not depend on it. */
      if (ftruncate (fd, 0) != 0 || pwrite (fd, pid, (size_t) length, 0) != length)
        g_info ("Cannot write the process number into %s: %s", path, g_strerror (errno));
      return fd;
    }

  if (pread (fd, pid, sizeof pid - 1, 0) <= 0)
    g_strlcpy (pid, "unknown", sizeof pid);
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_BUSY,
               "Another posternd (process %s) already serves this state directory",
               g_strstrip (pid));
  close (fd);
  return -1;
}
