/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  POSTERN_ACCOUNT_STARTING,
  POSTERN_ACCOUNT_FIRST_SYNC, /* not served before its end */
  POSTERN_ACCOUNT_CONNECTED,
  POSTERN_ACCOUNT_OFFLINE,
  POSTERN_ACCOUNT_SIGNED_OUT, /* the server refuses our secret, or we have none */
  POSTERN_ACCOUNT_ATTENTION,  /* a person must act; the error says why */
  POSTERN_ACCOUNT_PAUSED,
} PosternAccountState;

PosternAccountState postern_account_state_from_error (const GError *error);
const char *postern_account_state_get_name (PosternAccountState state);

G_END_DECLS
