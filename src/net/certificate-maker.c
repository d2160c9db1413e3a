/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/certificate-maker.h"

#include "net/tls-credentials-private.h"

#include "base/error.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <string.h>

/* A person is asked to trust the authority, so it must be good for nothing but this: it can vouch
 * for this machine's own names and for loopback addresses, for servers only, and for no other
 * authority. Whoever steals its key can impersonate no bank with it. */

#define AUTHORITY_DAYS 3652 /* ten years */
#define LEAF_DAYS      397  /* what mail programs and systems accept at most */
#define RENEW_DAYS     30
#define EARLY_S        (24 * 60 * 60) /* clocks differ */
#define DAY_S          ((gint64) 24 * 60 * 60)

static gboolean
fail (GError **error, const char *doing, int code)
{
  g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_FAILED, "%s: %s", doing, gnutls_strerror (code));
  return FALSE;
}

/* Keys and certificates as files */

static gnutls_datum_t
datum (GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  return (gnutls_datum_t){ .data = (unsigned char *) data, .size = (unsigned int) size };
}

/* Both must be there and belong together, which a file that was half-written does not. */
static int
load (PosternKeyPair *self, const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
  guint8 of_certificate[32], of_key[32];
  gsize certificate_size = sizeof of_certificate;
  gsize key_size = sizeof of_key;
  int code = gnutls_x509_crt_init (&self->certificate);

  if (code == 0)
    code = gnutls_x509_privkey_init (&self->key);
  if (code == 0)
    code = gnutls_x509_crt_import (self->certificate, certificate, GNUTLS_X509_FMT_PEM);
  if (code == 0)
    code = gnutls_x509_privkey_import (self->key, key, GNUTLS_X509_FMT_PEM);
  if (code == 0)
    code = gnutls_x509_crt_get_key_id (self->certificate,
                                       GNUTLS_KEYID_USE_SHA256,
                                       of_certificate,
                                       &certificate_size);
  if (code == 0)
    code = gnutls_x509_privkey_get_key_id (self->key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size);
  if (code == 0 && memcmp (of_certificate, of_key, sizeof of_key) != 0)
    code = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
  return code;
}

/**
 * postern_key_pair_load:
 *
 * Reads PEM. POSTERN_ERROR_INVALID when one is broken, or when they do not belong together.
 */
gboolean
postern_key_pair_load (PosternKeyPair *self, GBytes *certificate, GBytes *key, GError **error)
{
  gnutls_datum_t certificate_pem = datum (certificate);
  gnutls_datum_t key_pem = datum (key);
  int code = load (self, &certificate_pem, &key_pem);

  if (code == 0)
    return TRUE;
  postern_key_pair_clear (self);
  g_set_error_literal (error, POSTERN_ERROR, POSTERN_ERROR_INVALID, gnutls_strerror (code));
  return FALSE;
}

void
postern_key_pair_clear (PosternKeyPair *self)
{
  if (self->certificate != NULL)
    gnutls_x509_crt_deinit (self->certificate);
  if (self->key != NULL)
    gnutls_x509_privkey_deinit (self->key);
  memset (self, 0, sizeof *self);
}

static void
free_datum (gpointer data)
{
  gnutls_datum_t *octets = data;

  explicit_bzero (octets->data, octets->size);
  gnutls_free (octets->data);
  g_free (octets);
}

static GBytes *
take_datum (int code, gnutls_datum_t octets)
{
  if (code < 0)
    return NULL;
  return g_bytes_new_with_free_func (octets.data,
                                     octets.size,
                                     free_datum,
                                     g_memdup2 (&octets, sizeof octets));
}

GBytes *
postern_key_pair_export_certificate (const PosternKeyPair *self)
{
  gnutls_datum_t pem = { 0 };
  int code = gnutls_x509_crt_export2 (self->certificate, GNUTLS_X509_FMT_PEM, &pem);

  return take_datum (code, pem);
}

/**
 * postern_key_pair_export_key:
 *
 * Returns: (transfer full): the private key in PEM; wiped when it goes.
 */
GBytes *
postern_key_pair_export_key (const PosternKeyPair *self)
{
  gnutls_datum_t pem = { 0 };
  int code = gnutls_x509_privkey_export2_pkcs8 (self->key,
                                                GNUTLS_X509_FMT_PEM,
                                                NULL,
                                                GNUTLS_PKCS_PLAIN,
                                                &pem);

  return take_datum (code, pem);
}

/**
 * postern_key_pair_dup_fingerprint:
 *
 * Returns: (transfer full) (nullable): SHA-256 of the certificate, "AB:CD:…".
 */
char *
postern_key_pair_dup_fingerprint (const PosternKeyPair *self)
{
  guint8 digest[32];
  gsize size = sizeof digest;

  if (gnutls_x509_crt_get_fingerprint (self->certificate, GNUTLS_DIG_SHA256, digest, &size) < 0)
    return NULL;
  return postern_tls_format_fingerprint (digest, size);
}

/* Names */

/* What a machine calls itself may be no host name at all; RFC 1123 section 2.1. */
static gboolean
is_host_name (const char *name)
{
  gsize length = strlen (name);

  if (length == 0 || length > 253 || name[0] == '.' || name[0] == '-')
    return FALSE;
  for (const char *c = name; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && *c != '-' && (*c != '.' || c[1] == '.' || c[1] == '\0'))
      return FALSE;
  return TRUE;
}

/* Returns (transfer full): the DNS names of this machine, "localhost" first. */
static char **
list_names (const char *host_name)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_autofree char *lower = g_ascii_strdown (host_name, -1);

  g_strv_builder_add (names, "localhost");
  if (is_host_name (lower) && strcmp (lower, "localhost") != 0)
    {
      g_strv_builder_add (names, lower);
      /* What multicast DNS calls it. */
      if (strchr (lower, '.') == NULL)
        {
          g_autofree char *local = g_strconcat (lower, ".local", NULL);

          g_strv_builder_add (names, local);
        }
    }
  return g_strv_builder_end (names);
}

static gboolean
permits (gnutls_x509_crt_t authority, const char *name)
{
  gnutls_x509_name_constraints_t constraints;
  gnutls_datum_t octets = { .data = (unsigned char *) name, .size = (unsigned int) strlen (name) };
  unsigned int critical;
  gboolean permitted = FALSE;

  if (gnutls_x509_name_constraints_init (&constraints) < 0)
    return FALSE;
  if (gnutls_x509_crt_get_name_constraints (authority, constraints, 0, &critical) == 0)
    permitted = gnutls_x509_name_constraints_check (constraints, GNUTLS_SAN_DNSNAME, &octets) != 0;
  gnutls_x509_name_constraints_deinit (constraints);
  return permitted;
}

static int
permit_network (gnutls_x509_name_constraints_t constraints, const char *network)
{
  gnutls_datum_t range = { 0 };
  int code = gnutls_x509_cidr_to_rfc5280 (network, &range);

  if (code == 0)
    code = gnutls_x509_name_constraints_add_permitted (constraints, GNUTLS_SAN_IPADDRESS, &range);
  gnutls_free (range.data);
  return code;
}

static int
permit_name (gnutls_x509_name_constraints_t constraints, const char *name)
{
  gnutls_datum_t octets = { .data = (unsigned char *) name, .size = (unsigned int) strlen (name) };

  return gnutls_x509_name_constraints_add_permitted (constraints, GNUTLS_SAN_DNSNAME, &octets);
}

static int
constrain_names (gnutls_x509_crt_t certificate, const char *host_name)
{
  g_auto (GStrv) names = list_names (host_name);
  gnutls_x509_name_constraints_t constraints;
  int code = gnutls_x509_name_constraints_init (&constraints);

  if (code < 0)
    return code;
  for (guint i = 0; code == 0 && names[i] != NULL; i++)
    code = permit_name (constraints, names[i]);
  /* RFC 5280 section 4.2.1.10: with all that ends in it. */
  if (code == 0)
    code = permit_name (constraints, "local");
  if (code == 0)
    code = permit_network (constraints, "127.0.0.0/8");
  if (code == 0)
    code = permit_network (constraints, "::1/128");
  if (code == 0)
    code = gnutls_x509_crt_set_name_constraints (certificate, constraints, 1);
  gnutls_x509_name_constraints_deinit (constraints);
  return code;
}

/* Making */

/* What both kinds have. */
static int
begin (PosternKeyPair *self, const char *common_name, gint64 from_s, gint64 until_s)
{
  guint8 serial[16];
  guint8 key_id[20];
  gsize key_id_size = sizeof key_id;
  int code = gnutls_x509_privkey_init (&self->key);

  if (code == 0)
    code = gnutls_x509_privkey_generate (self->key,
                                         GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1),
                                         0);
  if (code == 0)
    code = gnutls_x509_crt_init (&self->certificate);
  if (code < 0)
    return code;

  postern_random_bytes (serial, sizeof serial);
  serial[0] = (serial[0] & 0x7f) | 0x40; /* RFC 5280 section 4.1.2.2: positive */
  if ((code = gnutls_x509_crt_set_version (self->certificate, 3)) < 0 ||
      (code = gnutls_x509_crt_set_serial (self->certificate, serial, sizeof serial)) < 0 ||
      (code = gnutls_x509_crt_set_activation_time (self->certificate, (time_t) from_s)) < 0 ||
      (code = gnutls_x509_crt_set_expiration_time (self->certificate, (time_t) until_s)) < 0 ||
      (code = gnutls_x509_crt_set_dn_by_oid (self->certificate,
                                             GNUTLS_OID_X520_ORGANIZATION_NAME,
                                             0,
                                             "Postern",
                                             7)) < 0 ||
      (code = gnutls_x509_crt_set_dn_by_oid (self->certificate,
                                             GNUTLS_OID_X520_COMMON_NAME,
                                             0,
                                             common_name,
                                             (unsigned int) strlen (common_name))) < 0 ||
      (code = gnutls_x509_crt_set_key (self->certificate, self->key)) < 0 ||
      (code = gnutls_x509_crt_get_key_id (self->certificate, 0, key_id, &key_id_size)) < 0)
    return code;
  return gnutls_x509_crt_set_subject_key_id (self->certificate, key_id, key_id_size);
}

static int
make_authority (PosternKeyPair *self, const char *host_name, gint64 now_s)
{
  /* RFC 5280 appendix A.1: at most 64 octets. */
  g_autofree char *name =
      g_strdup_printf ("Postern on %.50s", is_host_name (host_name) ? host_name : "this machine");
  int code = begin (self, name, now_s - EARLY_S, now_s + AUTHORITY_DAYS * DAY_S);

  if (code == 0)
    code = gnutls_x509_crt_set_basic_constraints (self->certificate, 1, 0);
  if (code == 0)
    code = gnutls_x509_crt_set_key_usage (self->certificate, GNUTLS_KEY_KEY_CERT_SIGN);
  if (code == 0)
    code = gnutls_x509_crt_set_key_purpose_oid (self->certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
  if (code == 0)
    code = constrain_names (self->certificate, host_name);
  if (code == 0)
    code = gnutls_x509_crt_sign2 (self->certificate,
                                  self->certificate,
                                  self->key,
                                  GNUTLS_DIG_SHA256,
                                  0);
  return code;
}

/**
 * postern_certificate_make_authority:
 * @self: (out): an empty pair
 * @host_name: what this machine calls itself
 *
 * Makes a key and an authority that signs itself, for ten years. Takes milliseconds: not for the
 * main loop.
 */
gboolean
postern_certificate_make_authority (PosternKeyPair *self,
                                    const char *host_name,
                                    gint64 now_us,
                                    GError **error)
{
  int code = make_authority (self, host_name, now_us / G_USEC_PER_SEC);

  if (code == 0)
    return TRUE;
  postern_key_pair_clear (self);
  return fail (error, "Making a certificate authority", code);
}

static int
add_address (gnutls_x509_crt_t certificate, const void *octets, unsigned int length)
{
  return gnutls_x509_crt_set_subject_alt_name (certificate,
                                               GNUTLS_SAN_IPADDRESS,
                                               octets,
                                               length,
                                               GNUTLS_FSAN_APPEND);
}

static int
add_names (gnutls_x509_crt_t certificate, gnutls_x509_crt_t authority, const char *host_name)
{
  static const guint8 loopback4[4] = { 127, 0, 0, 1 };
  g_auto (GStrv) names = list_names (host_name);
  int code = 0;

  for (guint i = 0; code == 0 && names[i] != NULL; i++)
    if (permits (authority, names[i]))
      code = gnutls_x509_crt_set_subject_alt_name (certificate,
                                                   GNUTLS_SAN_DNSNAME,
                                                   names[i],
                                                   (unsigned int) strlen (names[i]),
                                                   GNUTLS_FSAN_APPEND);
  if (code == 0)
    code = add_address (certificate, loopback4, sizeof loopback4);
  if (code == 0)
    code = add_address (certificate, &in6addr_loopback, sizeof in6addr_loopback);
  return code;
}

static int
make_leaf (PosternKeyPair *self,
           const PosternKeyPair *authority,
           const char *host_name,
           gint64 now_s)
{
  gint64 authority_until_s = gnutls_x509_crt_get_expiration_time (authority->certificate);
  gint64 authority_from_s = gnutls_x509_crt_get_activation_time (authority->certificate);
  guint8 key_id[64];
  gsize key_id_size = sizeof key_id;
  int code = begin (self,
                    "localhost",
                    MAX (now_s - EARLY_S, authority_from_s),
                    MIN (now_s - EARLY_S + LEAF_DAYS * DAY_S, authority_until_s));

  if (code == 0)
    code = gnutls_x509_crt_set_basic_constraints (self->certificate, 0, -1);
  if (code == 0)
    code = gnutls_x509_crt_set_key_usage (self->certificate, GNUTLS_KEY_DIGITAL_SIGNATURE);
  if (code == 0)
    code = gnutls_x509_crt_set_key_purpose_oid (self->certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
  if (code == 0)
    code = add_names (self->certificate, authority->certificate, host_name);
  if (code == 0)
    code = gnutls_x509_crt_get_subject_key_id (authority->certificate, key_id, &key_id_size, NULL);
  if (code == 0)
    code = gnutls_x509_crt_set_authority_key_id (self->certificate, key_id, key_id_size);
  if (code == 0)
    code = gnutls_x509_crt_sign2 (self->certificate,
                                  authority->certificate,
                                  authority->key,
                                  GNUTLS_DIG_SHA256,
                                  0);
  return code;
}

/**
 * postern_certificate_make_leaf:
 * @self: (out): an empty pair
 *
 * Makes a key and a certificate for this machine's names and loopback addresses, for 397 days or
 * as long as @authority lasts. A name that @authority may not vouch for is left out.
 */
gboolean
postern_certificate_make_leaf (PosternKeyPair *self,
                               const PosternKeyPair *authority,
                               const char *host_name,
                               gint64 now_us,
                               GError **error)
{
  int code = make_leaf (self, authority, host_name, now_us / G_USEC_PER_SEC);

  if (code == 0)
    return TRUE;
  postern_key_pair_clear (self);
  return fail (error, "Making a certificate", code);
}

/* Judging */

/**
 * postern_certificate_is_current:
 *
 * Returns: whether it lasts 30 days more.
 */
gboolean
postern_certificate_is_current (const PosternKeyPair *self, gint64 now_us)
{
  return gnutls_x509_crt_get_expiration_time (self->certificate) >=
         now_us / G_USEC_PER_SEC + RENEW_DAYS * DAY_S;
}

/**
 * postern_certificate_has_begun:
 *
 * Returns: whether its time has come. If not, the clock was wrong then, or is now.
 */
gboolean
postern_certificate_has_begun (const PosternKeyPair *self, gint64 now_us)
{
  return gnutls_x509_crt_get_activation_time (self->certificate) <= now_us / G_USEC_PER_SEC;
}

/**
 * postern_certificate_suits:
 *
 * Returns: whether @authority signed @leaf, and @leaf has all names it may have by now.
 */
gboolean
postern_certificate_suits (const PosternKeyPair *leaf,
                           const PosternKeyPair *authority,
                           const char *host_name)
{
  g_auto (GStrv) names = list_names (host_name);
  unsigned int status = 0;

  if (gnutls_x509_crt_verify (leaf->certificate,
                              &authority->certificate,
                              1,
                              GNUTLS_VERIFY_DISABLE_TIME_CHECKS,
                              &status) < 0 ||
      status != 0)
    return FALSE;
  for (guint i = 0; names[i] != NULL; i++)
    if (permits (authority->certificate, names[i]) &&
        !gnutls_x509_crt_check_hostname (leaf->certificate, names[i]))
      return FALSE;
  return TRUE;
}
