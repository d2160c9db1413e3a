/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <errno.h>
#include <glib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The program that includes this, once, has fsync() and fdatasync() of its own, also for the
 * libraries it is linked with: they count, and fail when told to, as a dying disk does. */

static int sync_count;    /* atomic */
static int syncs_to_fail; /* atomic: so many from now on */
static int sync_delay_ms; /* atomic: a slow disk */

int fsync (int fd);
int fdatasync (int fd);

static int
shim_sync (long number, int fd)
{
  g_atomic_int_inc (&sync_count);
  if (g_atomic_int_get (&sync_delay_ms) > 0)
    g_usleep ((gulong) g_atomic_int_get (&sync_delay_ms) * 1000);
  if (g_atomic_int_get (&syncs_to_fail) > 0)
    {
      g_atomic_int_add (&syncs_to_fail, -1);
      errno = EIO;
      return -1;
    }
  return (int) syscall (number, fd);
}

int
fsync (int fd)
{
  return shim_sync (SYS_fsync, fd);
}

int
fdatasync (int fd)
{
  return shim_sync (SYS_fdatasync, fd);
}
