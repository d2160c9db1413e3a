/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/tls-credentials.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternCertificateAuthority:
 *
 * This machine's own authority and the certificate its servers show, kept in a folder.
 *
 * Signals:
 * - `changed`: get_credentials() gives others than before.
 */
#define POSTERN_TYPE_CERTIFICATE_AUTHORITY (postern_certificate_authority_get_type ())
G_DECLARE_FINAL_TYPE (PosternCertificateAuthority,
                      postern_certificate_authority,
                      POSTERN,
                      CERTIFICATE_AUTHORITY,
                      GObject)

PosternCertificateAuthority *postern_certificate_authority_new (const char *folder,
                                                                const char *host_name);
void postern_certificate_authority_ensure_async (PosternCertificateAuthority *self,
                                                 GCancellable *cancellable,
                                                 GAsyncReadyCallback callback,
                                                 gpointer user_data);
gboolean postern_certificate_authority_ensure_finish (PosternCertificateAuthority *self,
                                                      GAsyncResult *result,
                                                      GError **error);

PosternTlsCredentials *
postern_certificate_authority_get_credentials (PosternCertificateAuthority *self);
const char *postern_certificate_authority_get_ca_path (PosternCertificateAuthority *self);
const char *postern_certificate_authority_get_fingerprint (PosternCertificateAuthority *self);
const char *postern_certificate_authority_get_notice (PosternCertificateAuthority *self);

G_END_DECLS
