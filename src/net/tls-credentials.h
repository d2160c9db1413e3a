/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternTlsCredentials:
 *
 * What a server shows when TLS begins: a key, its certificate and those above it. Immutable and
 * reference-counted: sessions keep the one they began with while new ones get its successor.
 */
typedef struct _PosternTlsCredentials PosternTlsCredentials;

PosternTlsCredentials *
postern_tls_credentials_new_from_pem (GBytes *certificates, GBytes *key, GError **error);
PosternTlsCredentials *postern_tls_credentials_ref (PosternTlsCredentials *self);
void postern_tls_credentials_unref (PosternTlsCredentials *self);

const char *postern_tls_credentials_get_fingerprint (const PosternTlsCredentials *self);
gint64 postern_tls_credentials_get_expires_at_us (const PosternTlsCredentials *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternTlsCredentials, postern_tls_credentials_unref)

G_END_DECLS
