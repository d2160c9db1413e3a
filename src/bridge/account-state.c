/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/account-state.h"

#include "base/error.h"

/**
 * postern_account_state_from_error:
 *
 * Returns: what an error means for a person: wait (offline), sign in again, or act
 */
PosternAccountState
postern_account_state_from_error (const GError *error)
{
  if (error->domain != POSTERN_ERROR)
    return POSTERN_ACCOUNT_ATTENTION;
  switch ((PosternError) error->code)
    {
    case POSTERN_ERROR_OFFLINE:
    case POSTERN_ERROR_TEMPORARY:
    case POSTERN_ERROR_FAILED:
    case POSTERN_ERROR_BUSY:
      return POSTERN_ACCOUNT_OFFLINE;
    case POSTERN_ERROR_CREDENTIALS:
      return POSTERN_ACCOUNT_SIGNED_OUT;
    case POSTERN_ERROR_REFUSED:
    case POSTERN_ERROR_FORBIDDEN:
    case POSTERN_ERROR_TRUST:
    case POSTERN_ERROR_PROTOCOL:
    case POSTERN_ERROR_STALE:
    case POSTERN_ERROR_TOO_LARGE:
    case POSTERN_ERROR_NOT_FOUND:
    case POSTERN_ERROR_EXISTS:
    case POSTERN_ERROR_INVALID:
    case POSTERN_ERROR_KEYRING_LOCKED:
    case POSTERN_ERROR_KEYRING_ABSENT:
    case POSTERN_ERROR_STORAGE:
    case POSTERN_ERROR_FULL:
    case POSTERN_ERROR_NEWER:
    default:
      return POSTERN_ACCOUNT_ATTENTION;
    }
}

/**
 * postern_account_state_get_name:
 *
 * Returns: as Account1.State has it
 */
const char *
postern_account_state_get_name (PosternAccountState state)
{
  switch (state)
    {
    case POSTERN_ACCOUNT_FIRST_SYNC:
      return "first-sync";
    case POSTERN_ACCOUNT_CONNECTED:
      return "connected";
    case POSTERN_ACCOUNT_OFFLINE:
      return "offline";
    case POSTERN_ACCOUNT_SIGNED_OUT:
      return "signed-out";
    case POSTERN_ACCOUNT_ATTENTION:
      return "attention";
    case POSTERN_ACCOUNT_PAUSED:
      return "paused";
    case POSTERN_ACCOUNT_STARTING:
    default:
      return "starting";
    }
}
