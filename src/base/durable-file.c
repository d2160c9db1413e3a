/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-base"

#include "config.h"

#include "base/durable-file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
set_error_from_errno (GError **error, const char *what, const char *path)
{
  int saved = errno;

  g_set_error (error,
               POSTERN_ERROR,
               saved == ENOSPC || saved == EDQUOT ? POSTERN_ERROR_FULL : POSTERN_ERROR_STORAGE,
               "%s %s: %s",
               what,
               path,
               g_strerror (saved));
}

static gboolean
write_all (int fd, const char *data, gsize length)
{
  while (length > 0)
    {
      gssize written = write (fd, data, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        return FALSE;
      data += written;
      length -= (gsize) written;
    }
  return TRUE;
}

static gboolean
write_new (const char *path, const char *data, gsize length)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean ok;

  if (fd < 0)
    return FALSE;
  ok = fchmod (fd, 0600) == 0 && write_all (fd, data, length) && fsync (fd) == 0;
  /* A failed fsync leaves nothing to be had from close(). */
  return close (fd) == 0 && ok;
}

static gboolean
sync_folder (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (fd < 0)
    return FALSE;
  ok = fsync (fd) == 0;
  close (fd);
  return ok;
}

/**
 * postern_durable_file_write:
 * @path: its folder is made (0700) when missing; a symbolic link is followed, so that what it
 *   points to is replaced and the link stays
 *
 * Puts @data in place of what is at @path: after a crash there is all of the old or all of the new,
 * and after TRUE, also after a power cut, the new. Mode 0600. One writer at a time, who is blocked
 * for the time of two syncs: not for the main context.
 *
 * Returns: FALSE with POSTERN_ERROR_STORAGE or POSTERN_ERROR_FULL; what was there is still there, unless
 *   only the last sync, of the folder, failed: then it is the new, which a power cut may undo.
 */
gboolean
postern_durable_file_write (const char *path, const char *data, gsize length, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  char *resolved = realpath (path, NULL); /* NULL when it is not there yet */
  g_autofree char *target = g_strdup (resolved != NULL ? resolved : path);
  g_autofree char *temporary = g_strconcat (target, ".new", NULL);
  g_autofree char *target_folder = g_path_get_dirname (target);

  free (resolved);
  if (g_mkdir_with_parents (folder, 0700) < 0)
    {
      set_error_from_errno (error, "Making", folder);
      return FALSE;
    }

  /* A fixed name: what a crash left is replaced by the next write, and none can pile up. */
  unlink (temporary);
  if (!write_new (temporary, data, length))
    {
      set_error_from_errno (error, "Writing", temporary);
      unlink (temporary);
      return FALSE;
    }
  if (rename (temporary, target) < 0)
    {
      set_error_from_errno (error, "Replacing", target);
      unlink (temporary);
      return FALSE;
    }
  if (!sync_folder (target_folder))
    {
      set_error_from_errno (error, "Syncing", target_folder);
      return FALSE;
    }
  return TRUE;
}
