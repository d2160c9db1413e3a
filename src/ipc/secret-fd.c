/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-ipc"

#include "config.h"

#include "ipc/secret-fd.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A secret in a D-Bus message would be copied into buffers that nobody wipes, and shown by every
 * bus monitor. So it crosses as a memfd: only a regular file is taken, since reading one never
 * waits, whereas a pipe whose other end stays open would stop our main context. */

/**
 * postern_secret_fd_new:
 *
 * Returns: (transfer full): a descriptor of a memory file that holds @secret, nobody can change it;
 *   -1 with POSTERN_ERROR_FAILED, or POSTERN_ERROR_INVALID for an empty or overlong secret.
 */
int
postern_secret_fd_new (PosternSecret *secret, GError **error)
{
  gsize length = postern_secret_get_length (secret);
  int fd;

  if (length == 0 || length > POSTERN_SECRET_FD_MAX)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "A secret has 1 to %d octets, this one %" G_GSIZE_FORMAT,
                   POSTERN_SECRET_FD_MAX,
                   length);
      return -1;
    }

  fd = memfd_create ("postern-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || pwrite (fd, postern_secret_get_text (secret), length, 0) != (gssize) length ||
      fcntl (fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_FAILED,
                   "Cannot hand over a secret: %s",
                   g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return -1;
    }
  return fd;
}

/**
 * postern_secret_fd_read:
 * @fd: from another process; stays the caller's
 *
 * Returns: (transfer full) (nullable): what it holds, one line end at its end left out. NULL with
 *   POSTERN_ERROR_INVALID when it is no regular file, empty, longer than POSTERN_SECRET_FD_MAX, or
 *   has a NUL or line end within.
 */
PosternSecret *
postern_secret_fd_read (int fd, GError **error)
{
  char buffer[POSTERN_SECRET_FD_MAX + 2];
  struct stat status;
  gssize length;
  PosternSecret *secret = NULL;

  if (fstat (fd, &status) < 0 || !S_ISREG (status.st_mode))
    {
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_INVALID,
                           "A secret must come as a memory file");
      return NULL;
    }

  length = pread (fd, buffer, sizeof buffer, 0);
  if (length > 0 && buffer[length - 1] == '\n')
    length--;
  if (length <= 0 || length > POSTERN_SECRET_FD_MAX)
    g_set_error (error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_INVALID,
                 "A secret has 1 to %d octets",
                 POSTERN_SECRET_FD_MAX);
  else if (memchr (buffer, '\0', (gsize) length) != NULL ||
           memchr (buffer, '\n', (gsize) length) != NULL)
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_INVALID,
                         "A secret is one line of text");
  else
    secret = postern_secret_new (buffer, length);

  postern_memory_wipe (buffer, sizeof buffer);
  return secret;
}

/**
 * postern_secret_fd_list_new:
 *
 * Returns: (transfer full) (nullable): a list whose handle 0 is @secret, ready for a call or an
 *   answer; NULL as postern_secret_fd_new().
 */
GUnixFDList *
postern_secret_fd_list_new (PosternSecret *secret, GError **error)
{
  int fd = postern_secret_fd_new (secret, error);

  return fd < 0 ? NULL : g_unix_fd_list_new_from_array (&fd, 1);
}

/**
 * postern_secret_fd_list_read:
 * @list: (nullable): what came with the message
 * @handle: of type h, which one of them
 *
 * Returns: (transfer full) (nullable): as postern_secret_fd_read().
 */
PosternSecret *
postern_secret_fd_list_read (GUnixFDList *list, GVariant *handle, GError **error)
{
  gint32 index = g_variant_get_handle (handle);

  /* The number is the peer's: it may name a descriptor that did not come. */
  if (list == NULL || index < 0 || index >= g_unix_fd_list_get_length (list))
    {
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_INVALID,
                           "The call came without the secret's descriptor");
      return NULL;
    }

  return postern_secret_fd_read (g_unix_fd_list_peek_fds (list, NULL)[index], error);
}
