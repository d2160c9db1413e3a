/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"
#include "http/http-client.h"

G_BEGIN_DECLS

typedef enum
{
  POSTERN_JMAP_AUTH_BEARER, /* a token alone; the user name, if any, is not sent */
  POSTERN_JMAP_AUTH_BASIC,  /* user name and secret */
} PosternJmapAuth;

#define POSTERN_TYPE_JMAP_BACKEND (postern_jmap_backend_get_type ())
G_DECLARE_FINAL_TYPE (PosternJmapBackend, postern_jmap_backend, POSTERN, JMAP_BACKEND, GObject)

PosternJmapBackend *
postern_jmap_backend_new (PosternHttpClient *http, const char *url, PosternJmapAuth auth);

G_END_DECLS
