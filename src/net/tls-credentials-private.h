/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/tls-credentials.h"

#include <gnutls/gnutls.h>

G_BEGIN_DECLS

struct _PosternTlsCredentials
{
  gatomicrefcount references;
  gnutls_certificate_credentials_t certificate;
  gnutls_priority_t priority;
  gnutls_datum_t ticket_key;
  char *fingerprint;
  gint64 expires_at_us;
};

char *postern_tls_format_fingerprint (const guint8 *digest, gsize length);

G_END_DECLS
