/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <gnutls/x509.h>

G_BEGIN_DECLS

/**
 * PosternKeyPair:
 *
 * A certificate and the key that belongs to it. It is a value: zeroed is empty.
 */
typedef struct
{
  gnutls_x509_crt_t certificate; /* (owned) (nullable) */
  gnutls_x509_privkey_t key;     /* (owned) (nullable) */
} PosternKeyPair;

gboolean
postern_key_pair_load (PosternKeyPair *self, GBytes *certificate, GBytes *key, GError **error);
void postern_key_pair_clear (PosternKeyPair *self);
GBytes *postern_key_pair_export_certificate (const PosternKeyPair *self);
GBytes *postern_key_pair_export_key (const PosternKeyPair *self);
char *postern_key_pair_dup_fingerprint (const PosternKeyPair *self);

gboolean postern_certificate_make_authority (PosternKeyPair *self,
                                             const char *host_name,
                                             gint64 now_us,
                                             GError **error);
gboolean postern_certificate_make_leaf (PosternKeyPair *self,
                                        const PosternKeyPair *authority,
                                        const char *host_name,
                                        gint64 now_us,
                                        GError **error);
gboolean postern_certificate_is_current (const PosternKeyPair *self, gint64 now_us);
gboolean postern_certificate_has_begun (const PosternKeyPair *self, gint64 now_us);
gboolean postern_certificate_suits (const PosternKeyPair *leaf,
                                    const PosternKeyPair *authority,
                                    const char *host_name);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PosternKeyPair, postern_key_pair_clear)

G_END_DECLS
