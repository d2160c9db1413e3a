/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-http"

#include "config.h"

#include "http/trust-database.h"

#include "base/error.h"

/* glib-networking copies the whole list of authorities into every connection whose database is its
 * own (3.8 MB each, measured). One that it does not know it only asks to verify, so this one passes
 * the question on to a single shared list. */
struct _PosternTrustDatabase
{
  GTlsDatabase parent_instance;
  GTlsDatabase *system; /* (owned) (nullable) until it is asked, see get_system() */
  GTlsDatabase *extra;  /* (owned) (nullable) */
};

G_DEFINE_FINAL_TYPE (PosternTrustDatabase, postern_trust_database, G_TYPE_TLS_DATABASE)

/**
 * postern_trust_database_new:
 * @extra_ca_path: (nullable): a PEM file of authorities trusted beside the system's
 *
 * Returns: (transfer full): POSTERN_ERROR_INVALID when the file holds none or can not be read.
 */
GTlsDatabase *
postern_trust_database_new (const char *extra_ca_path, GError **error)
{
  g_autoptr (PosternTrustDatabase) self = g_object_new (POSTERN_TYPE_TRUST_DATABASE, NULL);
  g_autoptr (GError) cause = NULL;

  if (extra_ca_path != NULL)
    {
      self->extra = g_tls_file_database_new (extra_ca_path, &cause);
      if (self->extra == NULL)
        {
          g_set_error (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_INVALID,
                       "Reading the certificate authorities in “%s”: %s",
                       extra_ca_path,
                       cause->message);
          return NULL;
        }
    }
  return G_TLS_DATABASE (g_steal_pointer (&self));
}

/* The list costs 3.8 MB, so it is read when the first certificate comes, not at the start: a bridge to
 * a Worker on the same machine never needs it. Handshakes may be verified on any thread. */
static GTlsDatabase *
get_system (PosternTrustDatabase *self)
{
  if (g_once_init_enter (&self->system))
    g_once_init_leave (&self->system,
                       g_tls_backend_get_default_database (g_tls_backend_get_default ()));
  return self->system;
}

static GTlsCertificateFlags
verify_chain (GTlsDatabase *database,
              GTlsCertificate *chain,
              const char *purpose,
              GSocketConnectable *identity,
              GTlsInteraction *interaction,
              GTlsDatabaseVerifyFlags flags,
              GCancellable *cancellable,
              GError **error)
{
  PosternTrustDatabase *self = POSTERN_TRUST_DATABASE (database);
  GTlsCertificateFlags wrong = g_tls_database_verify_chain (get_system (self),
                                                            chain,
                                                            purpose,
                                                            identity,
                                                            interaction,
                                                            flags,
                                                            cancellable,
                                                            error);

  /* The extra list is asked only about who signed; whatever it finds wrong beside that counts. */
  if (self->extra == NULL || (wrong & G_TLS_CERTIFICATE_UNKNOWN_CA) == 0)
    return wrong;
  g_clear_error (error);
  return g_tls_database_verify_chain (self->extra,
                                      chain,
                                      purpose,
                                      identity,
                                      interaction,
                                      flags,
                                      cancellable,
                                      error);
}

static void
postern_trust_database_finalize (GObject *object)
{
  PosternTrustDatabase *self = POSTERN_TRUST_DATABASE (object);

  g_clear_object (&self->system);
  g_clear_object (&self->extra);
  G_OBJECT_CLASS (postern_trust_database_parent_class)->finalize (object);
}

static void
postern_trust_database_class_init (PosternTrustDatabaseClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_trust_database_finalize;
  G_TLS_DATABASE_CLASS (klass)->verify_chain = verify_chain;
}

static void
postern_trust_database_init (PosternTrustDatabase *self)
{
}
