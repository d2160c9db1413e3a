/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-base"

#include "config.h"

#include "base/error.h"

G_DEFINE_QUARK (postern_error_quark, postern_error)

/**
 * postern_error_is_temporary:
 *
 * Returns: whether the same thing, unchanged, may succeed later. What needs a person (a password,
 *   a keyring) counts as temporary: the work is kept until they have acted. An error of another
 *   domain is one that nobody classified, so nothing may be given up for it.
 */
gboolean
postern_error_is_temporary (const GError *error)
{
  if (error->domain != POSTERN_ERROR)
    return TRUE;

  switch ((PosternError) error->code)
    {
    case POSTERN_ERROR_REFUSED:
    case POSTERN_ERROR_TOO_LARGE:
    case POSTERN_ERROR_NOT_FOUND:
    case POSTERN_ERROR_EXISTS:
    case POSTERN_ERROR_INVALID:
    case POSTERN_ERROR_NEWER:
      return FALSE;
    case POSTERN_ERROR_FAILED:
    case POSTERN_ERROR_TEMPORARY:
    case POSTERN_ERROR_OFFLINE:
    case POSTERN_ERROR_CREDENTIALS:
    case POSTERN_ERROR_FORBIDDEN:
    case POSTERN_ERROR_TRUST:
    case POSTERN_ERROR_PROTOCOL:
    case POSTERN_ERROR_STALE:
    case POSTERN_ERROR_BUSY:
    case POSTERN_ERROR_KEYRING_LOCKED:
    case POSTERN_ERROR_KEYRING_ABSENT:
    case POSTERN_ERROR_STORAGE:
    case POSTERN_ERROR_FULL:
    default:
      return TRUE;
    }
}
