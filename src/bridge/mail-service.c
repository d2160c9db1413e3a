/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/mail-service.h"

void
postern_sign_in_free (PosternSignIn *self)
{
  g_free (self->url);
  g_free (self->user);
  g_clear_pointer (&self->secret, postern_secret_unref);
  g_free (self);
}
