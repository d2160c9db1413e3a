/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/listener.h"

#include "base/secret.h"

G_BEGIN_DECLS

/**
 * PosternLoginThrottle:
 *
 * Counts failed logins by login and by where they came in, so that guessing gets slow and then
 * stops, and so that a lock at one door never closes another.
 */
typedef struct _PosternLoginThrottle PosternLoginThrottle;

PosternLoginThrottle *postern_login_throttle_new (void);
void postern_login_throttle_free (PosternLoginThrottle *self);

guint postern_login_throttle_get_lock_s (PosternLoginThrottle *self,
                                         const char *login,
                                         PosternExposure exposure,
                                         const char *proved_address);
guint postern_login_throttle_add_failure (PosternLoginThrottle *self,
                                          const char *login,
                                          PosternExposure exposure,
                                          const char *proved_address,
                                          const PosternSecret *password);
void postern_login_throttle_forget (PosternLoginThrottle *self,
                                    const char *login,
                                    PosternExposure exposure,
                                    const char *proved_address);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternLoginThrottle, postern_login_throttle_free)

G_END_DECLS
