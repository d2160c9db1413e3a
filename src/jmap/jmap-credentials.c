/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-credentials.h"

#include "base/error.h"
#include "http/http-client.h"

#include <string.h>

PosternJmapCredentials *
postern_jmap_credentials_new (PosternJmapAuth auth, const char *user, PosternSecret *secret)
{
  PosternJmapCredentials *self = g_new0 (PosternJmapCredentials, 1);

  g_ref_count_init (&self->references);
  self->auth = auth;
  self->user = g_strdup (user);
  self->secret = secret != NULL ? postern_secret_ref (secret) : NULL;
  return self;
}

PosternJmapCredentials *
postern_jmap_credentials_ref (PosternJmapCredentials *self)
{
  g_ref_count_inc (&self->references);
  return self;
}

void
postern_jmap_credentials_unref (PosternJmapCredentials *self)
{
  if (!g_ref_count_dec (&self->references))
    return;
  g_free (self->user);
  g_clear_pointer (&self->secret, postern_secret_unref);
  g_free (self);
}

static char *
make_authorization (const PosternJmapCredentials *self)
{
  const char *secret = postern_secret_get_text (self->secret);
  g_autofree char *pair = NULL;
  g_autofree char *encoded = NULL;
  char *value;

  if (self->auth == POSTERN_JMAP_AUTH_BEARER)
    return g_strconcat ("Bearer ", secret, NULL);
  pair = g_strconcat (self->user != NULL ? self->user : "", ":", secret, NULL);
  encoded = g_base64_encode ((const guchar *) pair, strlen (pair));
  value = g_strconcat ("Basic ", encoded, NULL);
  postern_memory_wipe (pair, strlen (pair));
  postern_memory_wipe (encoded, strlen (encoded));
  return value;
}

static gboolean
is_header_text (const char *text)
{
  for (; *text != '\0'; text++)
    if ((guchar) *text < 0x20 || *text == 0x7f)
      return FALSE;
  return TRUE;
}

/**
 * postern_jmap_credentials_new_message:
 *
 * Returns: (transfer full): a request with our credentials; CREDENTIALS when there are none
 */
SoupMessage *
postern_jmap_credentials_new_message (const PosternJmapCredentials *self,
                                      const char *method,
                                      GUri *uri,
                                      GError **error)
{
  SoupMessage *message;
  g_autofree char *authorization = NULL;

  if (self->secret == NULL || !is_header_text (postern_secret_get_text (self->secret)))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_CREDENTIALS,
                   self->secret == NULL
                       ? "There is no password or token for this account"
                       : "The password or token has characters that none can have");
      return NULL;
    }
  message = postern_http_message_new (method, uri);
  authorization = make_authorization (self);
  soup_message_headers_replace (soup_message_get_request_headers (message),
                                "Authorization",
                                authorization);
  postern_memory_wipe (authorization, strlen (authorization));
  return message;
}
