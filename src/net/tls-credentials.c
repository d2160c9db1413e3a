/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/tls-credentials.h"

#include "net/tls-credentials-private.h"

#include "base/error.h"

#include <gnutls/x509.h>

/* RFC 8314 section 4.1: TLS 1.2 at least. With a P-256 key only ephemeral key exchange is left. */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

static gnutls_datum_t
datum (GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  return (gnutls_datum_t){ .data = (unsigned char *) data, .size = (unsigned int) size };
}

static gboolean
describe_leaf (PosternTlsCredentials *self, GBytes *certificates)
{
  gnutls_datum_t pem = datum (certificates);
  gnutls_x509_crt_t leaf;
  guint8 digest[32];
  gsize size = sizeof digest;
  gboolean ok;

  if (gnutls_x509_crt_init (&leaf) < 0)
    return FALSE;
  ok = gnutls_x509_crt_import (leaf, &pem, GNUTLS_X509_FMT_PEM) == 0 &&
       gnutls_x509_crt_get_fingerprint (leaf, GNUTLS_DIG_SHA256, digest, &size) == 0;
  if (ok)
    {
      self->fingerprint = postern_tls_format_fingerprint (digest, size);
      self->expires_at_us = gnutls_x509_crt_get_expiration_time (leaf) * G_USEC_PER_SEC;
    }
  gnutls_x509_crt_deinit (leaf);
  return ok;
}

/* Fingerprints as openssl and mail programs show them: "AB:CD:…". */
char *
postern_tls_format_fingerprint (const guint8 *digest, gsize length)
{
  GString *text = g_string_sized_new (length * 3);

  for (gsize i = 0; i < length; i++)
    g_string_append_printf (text, i == 0 ? "%02X" : ":%02X", digest[i]);
  return g_string_free (text, FALSE);
}

/**
 * postern_tls_credentials_new_from_pem:
 * @certificates: the server's own first, each signed by the next
 * @key: of the first; wiped by nobody, its owner frees it
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_INVALID when they are no
 *   certificates or do not belong together.
 */
PosternTlsCredentials *
postern_tls_credentials_new_from_pem (GBytes *certificates, GBytes *key, GError **error)
{
  g_autoptr (PosternTlsCredentials) self = g_new0 (PosternTlsCredentials, 1);
  gnutls_datum_t certificates_pem = datum (certificates);
  gnutls_datum_t key_pem = datum (key);
  int code;

  g_atomic_ref_count_init (&self->references);
  code = gnutls_certificate_allocate_credentials (&self->certificate);
  if (code == 0)
    code = gnutls_certificate_set_x509_key_mem2 (self->certificate,
                                                 &certificates_pem,
                                                 &key_pem,
                                                 GNUTLS_X509_FMT_PEM,
                                                 NULL,
                                                 0);
  if (code >= 0)
    code = gnutls_priority_init (&self->priority, PRIORITY, NULL);
  if (code == 0)
    code = gnutls_session_ticket_key_generate (&self->ticket_key);
  if (code < 0 || !describe_leaf (self, certificates))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "The certificate and its key cannot be used: %s",
                   gnutls_strerror (code));
      return NULL;
    }
  return g_steal_pointer (&self);
}

PosternTlsCredentials *
postern_tls_credentials_ref (PosternTlsCredentials *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_tls_credentials_unref (PosternTlsCredentials *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;

  if (self->certificate != NULL)
    gnutls_certificate_free_credentials (self->certificate);
  if (self->priority != NULL)
    gnutls_priority_deinit (self->priority);
  if (self->ticket_key.data != NULL)
    {
      gnutls_memset (self->ticket_key.data, 0, self->ticket_key.size);
      gnutls_free (self->ticket_key.data);
    }
  g_free (self->fingerprint);
  g_free (self);
}

/**
 * postern_tls_credentials_get_fingerprint:
 *
 * Returns: SHA-256 of the server's certificate, "AB:CD:…", as mail programs show it.
 */
const char *
postern_tls_credentials_get_fingerprint (const PosternTlsCredentials *self)
{
  return self->fingerprint;
}

/**
 * postern_tls_credentials_get_expires_at_us:
 *
 * Returns: when the server's certificate ends; wall clock, microseconds since the epoch, UTC.
 */
gint64
postern_tls_credentials_get_expires_at_us (const PosternTlsCredentials *self)
{
  return self->expires_at_us;
}
