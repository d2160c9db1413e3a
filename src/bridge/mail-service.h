/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "base/secret.h"
#include "config/configuration.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternSignIn:
 *
 * What signing in gave: enough to make an account of it.
 */
typedef struct
{
  char *url;  /* of the JMAP server, as it is to be stored */
  char *user; /* how the server knows the person */
  PosternConfigAuth auth;
  PosternSecret
      *secret; /* what to keep: a token rather than the password, where the server has any */
} PosternSignIn;

void postern_sign_in_free (PosternSignIn *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSignIn, postern_sign_in_free)

/**
 * PosternMailService:
 *
 * How accounts come to their backends. `bridge/` knows what a backend can do and not what it speaks;
 * `daemon/`, which knows both, gives it this.
 */
typedef struct
{
  /* Returns (transfer full): a backend without credentials yet, not watching. */
  PosternBackend *(*create_backend) (gpointer service, const PosternConfigAccount *account);

  /* Finds the server of an address and signs in. @url (nullable): asked of the address's domain.
   * @kind: "auto", "password" or "token". Errors are POSTERN_ERROR as PosternBackend has them, or
   * INVALID. */
  void (*sign_in_async) (gpointer service,
                         const char *address,
                         const char *url,
                         const char *user,
                         const char *kind,
                         PosternSecret *secret,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data);
  PosternSignIn *(*sign_in_finish) (gpointer service, GAsyncResult *result, GError **error);

  gpointer service;
} PosternMailService;

G_END_DECLS
