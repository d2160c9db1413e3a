/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/certificate-authority.h"

#include "net/certificate-maker.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>

/* The folder holds ca.pem, ca-key.pem, server.pem and server-key.pem. Whatever state it is in, what
 * is missing is made and what is near its end is renewed; what cannot be read is moved aside,
 * since it may be all that is left of something a person wants back, and told. Keys and files are
 * the business of a thread, one at a time. */

#define LOOK_AGAIN_S (6 * 60 * 60)

typedef struct
{
  PosternTlsCredentials *credentials;
  char *fingerprint;
  char *notice; /* (nullable) */
} Outcome;

struct _PosternCertificateAuthority
{
  GObject parent_instance;

  char *folder;
  char *host_name;
  char *ca_path;
  Outcome *outcome;   /* (nullable) until the first time */
  GPtrArray *waiting; /* (nullable) (element-type GTask): while the thread runs */
  guint look_again;
};

enum
{
  CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (PosternCertificateAuthority, postern_certificate_authority, G_TYPE_OBJECT)

static void
outcome_free (Outcome *self)
{
  g_clear_pointer (&self->credentials, postern_tls_credentials_unref);
  g_free (self->fingerprint);
  g_free (self->notice);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Outcome, outcome_free)

/* On the thread */

typedef struct
{
  const char *folder;
  const char *host_name;
  gint64 now_us;
  GString *notice;
} Work;

static gboolean
convert_error (GError **error, GError *cause, const char *doing)
{
  g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE, "%s: %s", doing, cause->message);
  g_error_free (cause);
  return FALSE;
}

/* Reads one file. A missing one is an empty one: it will not parse, and is made. FALSE when it is
 * there and the system does not let us read it. */
static gboolean
read_file (const Work *work, const char *name, GBytes **bytes, gboolean *is_there, GError **error)
{
  g_autofree char *path = g_build_filename (work->folder, name, NULL);
  GError *cause = NULL;
  char *contents = NULL;
  gsize length = 0;

  *is_there = g_file_get_contents (path, &contents, &length, &cause);
  if (!*is_there && !g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return convert_error (error, cause, "Reading the certificates");
  g_clear_error (&cause);
  *bytes = g_bytes_new_take (contents, length);
  return TRUE;
}

static gboolean
write_file (const Work *work, const char *name, GBytes *bytes, int mode, GError **error)
{
  g_autofree char *path = g_build_filename (work->folder, name, NULL);
  GError *cause = NULL;
  gsize length;
  const char *contents;

  if (bytes == NULL)
    {
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_FAILED,
                           "A certificate could not be encoded");
      return FALSE;
    }
  contents = g_bytes_get_data (bytes, &length);
  /* By a synced temporary file, a rename and a sync of the folder. */
  if (!g_file_set_contents_full (path,
                                 contents,
                                 (gssize) length,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                 mode,
                                 &cause))
    return convert_error (error, cause, "Writing the certificates");
  return TRUE;
}

/* Moves a file out of the way, to a name that is free. */
static gboolean
set_aside (const Work *work, const char *name, const char *why, GError **error)
{
  g_autofree char *path = g_build_filename (work->folder, name, NULL);

  for (guint n = 1; n < 1000; n++)
    {
      g_autofree char *aside = g_strdup_printf ("%s.broken-%u", path, n);

      if (g_file_test (aside, G_FILE_TEST_EXISTS))
        continue;
      if (g_rename (path, aside) == 0)
        {
          g_string_append_printf (work->notice, "%s was set aside as %s (%s). ", path, aside, why);
          return TRUE;
        }
      if (errno == ENOENT)
        return TRUE;
      break;
    }
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_STORAGE,
               "%s cannot be used (%s) and could not be moved out of the way",
               path,
               why);
  return FALSE;
}

/* Loads a pair, if both files are there and good. What is not good is set aside. */
static gboolean
load_pair (const Work *work,
           PosternKeyPair *pair,
           const char *certificate_name,
           const char *key_name,
           GError **error)
{
  g_autoptr (GBytes) certificate = NULL;
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GError) cause = NULL;
  gboolean has_certificate, has_key;

  if (!read_file (work, certificate_name, &certificate, &has_certificate, error) ||
      !read_file (work, key_name, &key, &has_key, error))
    return FALSE;
  if (!has_certificate && !has_key)
    return TRUE;
  if (postern_key_pair_load (pair, certificate, key, &cause))
    return TRUE;
  return set_aside (work, certificate_name, cause->message, error) &&
         set_aside (work, key_name, cause->message, error);
}

/* The key first: a certificate without its key would be of no use. */
static gboolean
save_pair (const Work *work,
           const PosternKeyPair *pair,
           const char *certificate_name,
           const char *key_name,
           GError **error)
{
  g_autoptr (GBytes) certificate = postern_key_pair_export_certificate (pair);
  g_autoptr (GBytes) key = postern_key_pair_export_key (pair);

  return write_file (work, key_name, key, 0600, error) &&
         write_file (work, certificate_name, certificate, 0644, error);
}

static gboolean
ensure_authority (const Work *work, PosternKeyPair *authority, GError **error)
{
  if (!load_pair (work, authority, "ca.pem", "ca-key.pem", error))
    return FALSE;
  if (authority->certificate != NULL && !postern_certificate_is_current (authority, work->now_us))
    {
      postern_key_pair_clear (authority);
      if (!set_aside (work, "ca.pem", "its time is over", error) ||
          !set_aside (work, "ca-key.pem", "its time is over", error))
        return FALSE;
    }
  if (authority->certificate != NULL)
    return TRUE;

  if (work->notice->len > 0)
    g_string_append (work->notice,
                     "There is a new certificate authority; mail programs must trust it anew. ");
  return postern_certificate_make_authority (authority, work->host_name, work->now_us, error) &&
         save_pair (work, authority, "ca.pem", "ca-key.pem", error);
}

static gboolean
is_good (const Work *work, const PosternKeyPair *leaf, const PosternKeyPair *authority)
{
  if (leaf->certificate == NULL || !postern_certificate_suits (leaf, authority, work->host_name))
    return FALSE;
  /* A clock that stands before the authority's time is wrong (a dead battery), so its judgement
   * on the leaf is worth nothing. */
  if (!postern_certificate_has_begun (authority, work->now_us))
    return TRUE;
  return postern_certificate_is_current (leaf, work->now_us) &&
         postern_certificate_has_begun (leaf, work->now_us);
}

static gboolean
ensure_leaf (const Work *work,
             const PosternKeyPair *authority,
             PosternKeyPair *leaf,
             GError **error)
{
  if (!load_pair (work, leaf, "server.pem", "server-key.pem", error))
    return FALSE;
  if (is_good (work, leaf, authority))
    return TRUE;

  postern_key_pair_clear (leaf);
  return postern_certificate_make_leaf (leaf, authority, work->host_name, work->now_us, error) &&
         save_pair (work, leaf, "server.pem", "server-key.pem", error);
}

static Outcome *
ensure (const Work *work, GError **error)
{
  g_autoptr (Outcome) outcome = g_new0 (Outcome, 1);
  g_auto (PosternKeyPair) authority = { 0 };
  g_auto (PosternKeyPair) leaf = { 0 };
  g_autoptr (GBytes) certificate = NULL;
  g_autoptr (GBytes) key = NULL;

  if (g_mkdir_with_parents (work->folder, 0700) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "Making the folder %s: %s",
                   work->folder,
                   g_strerror (errno));
      return NULL;
    }
  if (!ensure_authority (work, &authority, error) || !ensure_leaf (work, &authority, &leaf, error))
    return NULL;

  certificate = postern_key_pair_export_certificate (&leaf);
  key = postern_key_pair_export_key (&leaf);
  outcome->fingerprint = postern_key_pair_dup_fingerprint (&authority);
  outcome->credentials = postern_tls_credentials_new_from_pem (certificate, key, error);
  if (outcome->credentials == NULL)
    return NULL;
  if (work->notice->len > 0)
    outcome->notice = g_strndup (work->notice->str, work->notice->len - 1);
  return g_steal_pointer (&outcome);
}

static void
ensure_on_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  PosternCertificateAuthority *self = source;
  g_autoptr (GString) notice = g_string_new (NULL);
  Work work = {
    .folder = self->folder,
    .host_name = self->host_name,
    .now_us = postern_clock_now_us (),
    .notice = notice,
  };
  GError *error = NULL;
  Outcome *outcome = ensure (&work, &error);

  if (outcome == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, outcome, (GDestroyNotify) outcome_free);
}

/* On the main context */

static gboolean
on_look_again (gpointer user_data)
{
  postern_certificate_authority_ensure_async (user_data, NULL, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean
take_outcome (PosternCertificateAuthority *self, Outcome *outcome)
{
  g_autoptr (Outcome) old = self->outcome;
  gboolean is_same =
      old != NULL &&
      g_strcmp0 (postern_tls_credentials_get_fingerprint (old->credentials),
                 postern_tls_credentials_get_fingerprint (outcome->credentials)) == 0;

  if (outcome->notice != NULL)
    g_warning ("%s", outcome->notice);
  /* What was told stays told until there is something newer to tell. */
  else if (old != NULL)
    outcome->notice = g_steal_pointer (&old->notice);
  self->outcome = outcome;
  return !is_same;
}

static void
on_ensured (GObject *source, GAsyncResult *result, gpointer user_data)
{
  PosternCertificateAuthority *self = POSTERN_CERTIFICATE_AUTHORITY (source);
  g_autoptr (GPtrArray) waiting = g_steal_pointer (&self->waiting);
  g_autoptr (GError) error = NULL;
  Outcome *outcome = g_task_propagate_pointer (G_TASK (result), &error);

  if (outcome == NULL)
    g_warning ("%s", error->message);
  else if (take_outcome (self, outcome))
    g_signal_emit (self, signals[CHANGED], 0);

  for (guint i = 0; i < waiting->len; i++)
    {
      GTask *task = g_ptr_array_index (waiting, i);

      if (outcome == NULL)
        g_task_return_error (task, g_error_copy (error));
      else
        g_task_return_boolean (task, TRUE);
    }
}

/**
 * postern_certificate_authority_ensure_async:
 * @callback: (nullable): NULL when only `changed` matters
 *
 * Sees to it that there are an authority and a certificate: reads them, makes what is missing,
 * renews what ends within 30 days. Afterwards the authority looks again by itself every six
 * hours. May be called at any time, also while another call is under way.
 */
void
postern_certificate_authority_ensure_async (PosternCertificateAuthority *self,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) work = NULL;

  g_task_set_source_tag (task, postern_certificate_authority_ensure_async);
  if (self->waiting != NULL)
    {
      g_ptr_array_add (self->waiting, g_steal_pointer (&task));
      return;
    }

  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (self->waiting, g_steal_pointer (&task));
  if (self->look_again == 0)
    self->look_again = g_timeout_add_seconds (LOOK_AGAIN_S, on_look_again, self);
  work = g_task_new (self, NULL, on_ensured, NULL);
  g_task_set_source_tag (work, ensure_on_thread);
  g_task_run_in_thread (work, ensure_on_thread);
}

/**
 * postern_certificate_authority_ensure_finish:
 *
 * Returns: FALSE with POSTERN_ERROR_STORAGE when the folder cannot be read or written; what there
 *   was before stays in use.
 */
gboolean
postern_certificate_authority_ensure_finish (PosternCertificateAuthority *self,
                                             GAsyncResult *result,
                                             GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * postern_certificate_authority_get_credentials:
 *
 * Returns: (transfer none) (nullable): for postern_mail_server_set_credentials(), anew at each
 *   `changed`; NULL until the first ensure is through.
 */
PosternTlsCredentials *
postern_certificate_authority_get_credentials (PosternCertificateAuthority *self)
{
  return self->outcome != NULL ? self->outcome->credentials : NULL;
}

/**
 * postern_certificate_authority_get_ca_path:
 *
 * Returns: (transfer none): where the certificate is that mail programs are to trust.
 */
const char *
postern_certificate_authority_get_ca_path (PosternCertificateAuthority *self)
{
  return self->ca_path;
}

/**
 * postern_certificate_authority_get_fingerprint:
 *
 * Returns: (transfer none) (nullable): SHA-256 of the authority's certificate, "AB:CD:…"; NULL
 *   until the first ensure is through. That of the server's own is with its credentials.
 */
const char *
postern_certificate_authority_get_fingerprint (PosternCertificateAuthority *self)
{
  return self->outcome != NULL ? self->outcome->fingerprint : NULL;
}

/**
 * postern_certificate_authority_get_notice:
 *
 * Returns: (transfer none) (nullable): what the owner should know: files that had to be set aside,
 *   an authority that is a new one.
 */
const char *
postern_certificate_authority_get_notice (PosternCertificateAuthority *self)
{
  return self->outcome != NULL ? self->outcome->notice : NULL;
}

/**
 * postern_certificate_authority_new:
 * @folder: made when it is missing; only its owner may look into it
 * @host_name: (nullable): NULL for what the machine calls itself
 */
PosternCertificateAuthority *
postern_certificate_authority_new (const char *folder, const char *host_name)
{
  PosternCertificateAuthority *self = g_object_new (POSTERN_TYPE_CERTIFICATE_AUTHORITY, NULL);

  self->folder = g_strdup (folder);
  self->host_name = g_strdup (host_name != NULL ? host_name : g_get_host_name ());
  self->ca_path = g_build_filename (folder, "ca.pem", NULL);
  return self;
}

static void
postern_certificate_authority_dispose (GObject *object)
{
  PosternCertificateAuthority *self = POSTERN_CERTIFICATE_AUTHORITY (object);

  g_clear_handle_id (&self->look_again, g_source_remove);
  G_OBJECT_CLASS (postern_certificate_authority_parent_class)->dispose (object);
}

static void
postern_certificate_authority_finalize (GObject *object)
{
  PosternCertificateAuthority *self = POSTERN_CERTIFICATE_AUTHORITY (object);

  g_clear_pointer (&self->outcome, outcome_free);
  g_free (self->folder);
  g_free (self->host_name);
  g_free (self->ca_path);
  G_OBJECT_CLASS (postern_certificate_authority_parent_class)->finalize (object);
}

static void
postern_certificate_authority_class_init (PosternCertificateAuthorityClass *class)
{
  G_OBJECT_CLASS (class)->dispose = postern_certificate_authority_dispose;
  G_OBJECT_CLASS (class)->finalize = postern_certificate_authority_finalize;

  signals[CHANGED] = g_signal_new ("changed",
                                   POSTERN_TYPE_CERTIFICATE_AUTHORITY,
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   0);
}

static void
postern_certificate_authority_init (PosternCertificateAuthority *self)
{
}
