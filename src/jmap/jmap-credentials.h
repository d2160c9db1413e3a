/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef enum
{
  POSTERN_JMAP_AUTH_BEARER, /* a token alone; the user name, if any, is not sent */
  POSTERN_JMAP_AUTH_BASIC,  /* user name and secret */
} PosternJmapAuth;

/**
 * PosternJmapCredentials:
 *
 * Who we say we are: immutable, so that a request under way keeps what it began with.
 */
typedef struct
{
  grefcount references;
  PosternJmapAuth auth;
  char *user;            /* (nullable) */
  PosternSecret *secret; /* (owned) (nullable) NULL: there are none */
} PosternJmapCredentials;

PosternJmapCredentials *
postern_jmap_credentials_new (PosternJmapAuth auth, const char *user, PosternSecret *secret);
PosternJmapCredentials *postern_jmap_credentials_ref (PosternJmapCredentials *self);
void postern_jmap_credentials_unref (PosternJmapCredentials *self);
SoupMessage *postern_jmap_credentials_new_message (const PosternJmapCredentials *self,
                                                   const char *method,
                                                   GUri *uri,
                                                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapCredentials, postern_jmap_credentials_unref)

G_END_DECLS
