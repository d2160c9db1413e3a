/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define POSTERN_ERROR (postern_error_quark ())
GQuark postern_error_quark (void);

/**
 * PosternError:
 *
 * What the caller can do about a failure. The queue, the servers and the window branch on these;
 * nobody reads messages to find out. `ipc/` gives each a bus name.
 */
typedef enum
{
  POSTERN_ERROR_FAILED,         /* nothing more precise is known; trying again may help */
  POSTERN_ERROR_TEMPORARY,      /* the other side says: later */
  POSTERN_ERROR_OFFLINE,        /* the other side was not reached */
  POSTERN_ERROR_CREDENTIALS,    /* ask for credentials */
  POSTERN_ERROR_REFUSED,        /* the other side says: never */
  POSTERN_ERROR_FORBIDDEN,      /* not with these rights */
  POSTERN_ERROR_TRUST,          /* the certificate is not trusted */
  POSTERN_ERROR_PROTOCOL,       /* the other side does not speak what it should */
  POSTERN_ERROR_STALE,          /* the cursor is of no use any more: list again */
  POSTERN_ERROR_TOO_LARGE,      /* larger than the other side, or a limit of ours, takes */
  POSTERN_ERROR_NOT_FOUND,      /* there is no such thing */
  POSTERN_ERROR_EXISTS,         /* there is one already */
  POSTERN_ERROR_INVALID,        /* what was given makes no sense; the message names the place */
  POSTERN_ERROR_BUSY,           /* something that must end first is still going on */
  POSTERN_ERROR_KEYRING_LOCKED, /* unlock the keyring */
  POSTERN_ERROR_KEYRING_ABSENT, /* there is no keyring */
  POSTERN_ERROR_STORAGE,        /* the disk failed us */
  POSTERN_ERROR_FULL,           /* the disk or the mailbox is full */
  POSTERN_ERROR_NEWER,          /* written by a newer version: not touched */
} PosternError;

#define POSTERN_ERROR_LAST POSTERN_ERROR_NEWER

gboolean postern_error_is_temporary (const GError *error);

G_END_DECLS
