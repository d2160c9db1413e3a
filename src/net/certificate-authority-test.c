/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/certificate-authority.h"

#include "net/certificate-maker.h"

#include "base/clock.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DAY_US ((gint64) 24 * 60 * 60 * G_USEC_PER_SEC)

typedef struct
{
  char *folder;
  PosternCertificateAuthority *authority;
  guint n_changed;
} Fixture;

static void
on_changed (PosternCertificateAuthority *authority, gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->n_changed++;
}

static void
restart (Fixture *fixture, const char *host_name)
{
  g_clear_object (&fixture->authority);
  fixture->authority = postern_certificate_authority_new (fixture->folder, host_name);
  fixture->n_changed = 0;
  g_signal_connect (fixture->authority, "changed", G_CALLBACK (on_changed), fixture);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *parent = g_dir_make_tmp ("postern-tls-XXXXXX", NULL);

  fixture->folder = g_build_filename (parent, "tls", NULL);
  restart (fixture, "box");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *parent = g_path_get_dirname (fixture->folder);
  g_autoptr (GDir) folder = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  g_clear_object (&fixture->authority);
  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (fixture->folder);
  g_rmdir (parent);
  g_free (fixture->folder);
  postern_clock_restore ();
}

static void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_set_object ((GAsyncResult **) user_data, result);
}

static gboolean
ensure (Fixture *fixture, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  postern_certificate_authority_ensure_async (fixture->authority, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return postern_certificate_authority_ensure_finish (fixture->authority, result, error);
}

static void
ensure_well (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  ensure (fixture, &error);
  g_assert_no_error (error);
}

static GBytes *
read_file (Fixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *contents;
  gsize length;

  g_file_get_contents (path, &contents, &length, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (contents, length);
}

static void
write_file (Fixture *fixture, const char *name, const char *contents, gsize length)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, contents, (gssize) length, NULL));
}

static gboolean
exists (Fixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
assert_mode (Fixture *fixture, const char *name, guint mode)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  GStatBuf status;

  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, mode);
}

static void
load (Fixture *fixture, PosternKeyPair *pair, const char *certificate_name, const char *key_name)
{
  g_autoptr (GBytes) certificate = read_file (fixture, certificate_name);
  g_autoptr (GBytes) key = read_file (fixture, key_name);
  g_autoptr (GError) error = NULL;

  postern_key_pair_load (pair, certificate, key, &error);
  g_assert_no_error (error);
}

/* Returns the status a client finds that trusts the authority and looks for @name. */
static unsigned int
verify (gnutls_x509_crt_t leaf, gnutls_x509_crt_t authority, const char *name)
{
  gnutls_x509_trust_list_t list;
  gnutls_typed_vdata_st data[] = {
    { .type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *) name },
    { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *) GNUTLS_KP_TLS_WWW_SERVER },
  };
  guint8 address[16];
  unsigned int status = 0;

  if (inet_pton (AF_INET, name, address) == 1 || inet_pton (AF_INET6, name, address) == 1)
    {
      data[0].type = GNUTLS_DT_IP_ADDRESS;
      data[0].data = address;
      data[0].size = strchr (name, ':') != NULL ? 16 : 4;
    }
  gnutls_x509_trust_list_init (&list, 0);
  gnutls_x509_trust_list_add_cas (list, &authority, 1, 0);
  g_assert_cmpint (gnutls_x509_trust_list_verify_crt2 (list,
                                                       &leaf,
                                                       1,
                                                       data,
                                                       G_N_ELEMENTS (data),
                                                       0,
                                                       &status,
                                                       NULL),
                   ==,
                   0);
  gnutls_x509_trust_list_deinit (list, 0);
  return status;
}

static void
test_first_start (Fixture *fixture, gconstpointer data)
{
  static const char *const good[] = { "localhost", "127.0.0.1", "::1", "box", "box.local" };
  static const char *const bad[] = { "example.com", "192.0.2.1", "evil.localhost.com" };
  g_auto (PosternKeyPair) authority = { 0 };
  g_auto (PosternKeyPair) leaf = { 0 };

  ensure_well (fixture);
  g_assert_cmpuint (fixture->n_changed, ==, 1);
  g_assert_nonnull (postern_certificate_authority_get_credentials (fixture->authority));
  g_assert_null (postern_certificate_authority_get_notice (fixture->authority));
  assert_mode (fixture, "ca-key.pem", 0600);
  assert_mode (fixture, "server-key.pem", 0600);

  load (fixture, &authority, "ca.pem", "ca-key.pem");
  load (fixture, &leaf, "server.pem", "server-key.pem");
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_cmpuint (verify (leaf.certificate, authority.certificate, good[i]), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_cmpuint (verify (leaf.certificate, authority.certificate, bad[i]), !=, 0);
}

/* Signs for a name that the authority was not made for, as a thief of its key would. */
static void
forge (PosternKeyPair *leaf, const PosternKeyPair *authority, const char *name)
{
  g_autoptr (GBytes) certificate = NULL;
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (
      postern_certificate_make_leaf (leaf, authority, "box", g_get_real_time (), &error));
  g_assert_no_error (error);
  gnutls_x509_crt_set_subject_alt_name (leaf->certificate,
                                        GNUTLS_SAN_DNSNAME,
                                        name,
                                        (unsigned int) strlen (name),
                                        GNUTLS_FSAN_SET);
  g_assert_cmpint (gnutls_x509_crt_sign2 (leaf->certificate,
                                          authority->certificate,
                                          authority->key,
                                          GNUTLS_DIG_SHA256,
                                          0),
                   ==,
                   0);
  /* GnuTLS verifies what it has read, not what was changed since. */
  certificate = postern_key_pair_export_certificate (leaf);
  key = postern_key_pair_export_key (leaf);
  postern_key_pair_clear (leaf);
  g_assert_true (postern_key_pair_load (leaf, certificate, key, &error));
}

static void
test_constraints (Fixture *fixture, gconstpointer data)
{
  g_auto (PosternKeyPair) authority = { 0 };
  g_auto (PosternKeyPair) honest = { 0 };
  g_auto (PosternKeyPair) bank = { 0 };

  ensure_well (fixture);
  load (fixture, &authority, "ca.pem", "ca-key.pem");
  forge (&honest, &authority, "other.local");
  forge (&bank, &authority, "bank.example");
  g_assert_cmpuint (verify (honest.certificate, authority.certificate, "other.local"), ==, 0);
  g_assert_cmpuint (verify (bank.certificate, authority.certificate, "bank.example"), !=, 0);
}

static void
test_openssl (Fixture *fixture, gconstpointer data)
{
  g_autofree char *openssl = g_find_program_in_path ("openssl");
  g_autofree char *ca = g_build_filename (fixture->folder, "ca.pem", NULL);
  g_autofree char *server = g_build_filename (fixture->folder, "server.pem", NULL);
  g_autofree char *bank_path = g_build_filename (fixture->folder, "bank.pem", NULL);
  g_auto (PosternKeyPair) authority = { 0 };
  g_auto (PosternKeyPair) bank = { 0 };
  g_autoptr (GBytes) pem = NULL;
  const char *checks[][2] = { { "-verify_hostname", "localhost" },
                              { "-verify_ip", "127.0.0.1" },
                              { "-verify_ip", "::1" } };
  int status;

  if (openssl == NULL)
    {
      g_test_skip ("There is no openssl here");
      return;
    }
  ensure_well (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    {
      const char *argv[] = { openssl,      "verify",     "-x509_strict", "-purpose", "sslserver",
                             checks[i][0], checks[i][1], "-CAfile",      ca,         server,
                             NULL };

      g_assert_true (g_spawn_sync (NULL,
                                   (char **) argv,
                                   NULL,
                                   G_SPAWN_STDOUT_TO_DEV_NULL,
                                   NULL,
                                   NULL,
                                   NULL,
                                   NULL,
                                   &status,
                                   NULL));
      g_assert_cmpint (status, ==, 0);
    }
  load (fixture, &authority, "ca.pem", "ca-key.pem");
  forge (&bank, &authority, "bank.example");
  pem = postern_key_pair_export_certificate (&bank);
  write_file (fixture, "bank.pem", g_bytes_get_data (pem, NULL), g_bytes_get_size (pem));
  {
    const char *argv[] = { openssl, "verify", "-CAfile", ca, bank_path, NULL };

    g_assert_true (g_spawn_sync (NULL,
                                 (char **) argv,
                                 NULL,
                                 G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                 NULL,
                                 NULL,
                                 NULL,
                                 NULL,
                                 &status,
                                 NULL));
    g_assert_cmpint (status, !=, 0);
  }
}

static void
test_restart (Fixture *fixture, gconstpointer data)
{
  g_autofree char *fingerprint = NULL;
  g_autoptr (GBytes) before = NULL;
  g_autoptr (GBytes) after = NULL;

  ensure_well (fixture);
  fingerprint = g_strdup (postern_certificate_authority_get_fingerprint (fixture->authority));
  g_assert_cmpuint (strlen (fingerprint), ==, 32 * 3 - 1);
  before = read_file (fixture, "server.pem");
  restart (fixture, "box");
  ensure_well (fixture);
  after = read_file (fixture, "server.pem");
  g_assert_true (g_bytes_equal (before, after));
  g_assert_cmpstr (postern_certificate_authority_get_fingerprint (fixture->authority),
                   ==,
                   fingerprint);
  /* And looking again changes nothing. */
  ensure_well (fixture);
  g_assert_cmpuint (fixture->n_changed, ==, 1);
}

static void
test_renewal (Fixture *fixture, gconstpointer data)
{
  gint64 now_us = g_get_real_time ();
  g_autofree char *fingerprint = NULL;

  ensure_well (fixture);
  fingerprint = g_strdup (postern_certificate_authority_get_fingerprint (fixture->authority));
  postern_clock_set (now_us + 360 * DAY_US, 1);
  ensure_well (fixture);
  g_assert_cmpuint (fixture->n_changed, ==, 1);
  postern_clock_set (now_us + 368 * DAY_US, 1);
  ensure_well (fixture);
  g_assert_cmpuint (fixture->n_changed, ==, 2);
  g_assert_cmpstr (postern_certificate_authority_get_fingerprint (fixture->authority),
                   ==,
                   fingerprint);
  g_assert_null (postern_certificate_authority_get_notice (fixture->authority));
  /* The authority itself ends: there must be another, and the owner must hear of it. */
  postern_clock_set (now_us + 3640 * DAY_US, 1);
  ensure_well (fixture);
  g_assert_cmpstr (postern_certificate_authority_get_fingerprint (fixture->authority),
                   !=,
                   fingerprint);
  g_assert_nonnull (postern_certificate_authority_get_notice (fixture->authority));
}

static void
test_wrong_clock (Fixture *fixture, gconstpointer data)
{
  ensure_well (fixture);
  postern_clock_set (1000 * G_USEC_PER_SEC, 1);
  ensure_well (fixture);
  g_assert_cmpuint (fixture->n_changed, ==, 1);
}

static void
test_new_name (Fixture *fixture, gconstpointer data)
{
  g_auto (PosternKeyPair) leaf = { 0 };
  g_autofree char *fingerprint = NULL;

  ensure_well (fixture);
  fingerprint = g_strdup (postern_certificate_authority_get_fingerprint (fixture->authority));
  restart (fixture, "renamed");
  ensure_well (fixture);
  g_assert_cmpstr (postern_certificate_authority_get_fingerprint (fixture->authority),
                   ==,
                   fingerprint);
  load (fixture, &leaf, "server.pem", "server-key.pem");
  /* What the authority may vouch for is added, the rest is left out. */
  g_assert_true (gnutls_x509_crt_check_hostname (leaf.certificate, "renamed.local"));
  g_assert_false (gnutls_x509_crt_check_hostname (leaf.certificate, "renamed"));
}

static void
test_odd_names (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "", "-", "a b", ".", "x.", "büro", "localhost", "box.lan" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      restart (fixture, names[i]);
      ensure_well (fixture);
    }
}

static void
break_file (Fixture *fixture, const char *name, guint how)
{
  g_autoptr (GBytes) whole = read_file (fixture, name);

  if (how == 0)
    write_file (fixture, name, "", 0);
  else if (how == 1)
    write_file (fixture, name, g_bytes_get_data (whole, NULL), g_bytes_get_size (whole) / 2);
  else
    write_file (fixture, name, "\0\xff nonsense", 11);
}

static void
test_broken_files (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "ca.pem", "ca-key.pem", "server.pem", "server-key.pem" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint how = 0; how < 3; how++)
      {
        g_autofree char *fingerprint = NULL;
        g_autofree char *aside = g_strdup_printf ("%s.broken-%u", names[i], i % 2 * 3 + how + 1);
        gboolean is_authority = i < 2;
        g_auto (PosternKeyPair) authority = { 0 };
        g_auto (PosternKeyPair) leaf = { 0 };

        restart (fixture, "box");
        ensure_well (fixture);
        fingerprint = g_strdup (postern_certificate_authority_get_fingerprint (fixture->authority));
        break_file (fixture, names[i], how);
        restart (fixture, "box");
        ensure_well (fixture);
        g_assert_true (exists (fixture, aside));
        g_assert_nonnull (
            strstr (postern_certificate_authority_get_notice (fixture->authority), aside));
        g_assert_cmpint (
            g_strcmp0 (postern_certificate_authority_get_fingerprint (fixture->authority),
                       fingerprint) != 0,
            ==,
            is_authority);
        load (fixture, &authority, "ca.pem", "ca-key.pem");
        load (fixture, &leaf, "server.pem", "server-key.pem");
        g_assert_cmpuint (verify (leaf.certificate, authority.certificate, "localhost"), ==, 0);
      }
}

static void
test_lost_file (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "ca.pem", "ca-key.pem", "server.pem", "server-key.pem" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (fixture->folder, names[i], NULL);
      g_auto (PosternKeyPair) authority = { 0 };
      g_auto (PosternKeyPair) leaf = { 0 };

      restart (fixture, "box");
      ensure_well (fixture);
      g_assert_cmpint (g_unlink (path), ==, 0);
      restart (fixture, "box");
      ensure_well (fixture);
      load (fixture, &authority, "ca.pem", "ca-key.pem");
      load (fixture, &leaf, "server.pem", "server-key.pem");
      g_assert_cmpuint (verify (leaf.certificate, authority.certificate, "localhost"), ==, 0);
    }
}

static void
test_no_folder (Fixture *fixture, gconstpointer data)
{
  g_autofree char *parent = g_path_get_dirname (fixture->folder);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->folder, "a file", -1, NULL));
  g_assert_false (ensure (fixture, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
  g_assert_null (postern_certificate_authority_get_credentials (fixture->authority));
  g_unlink (fixture->folder);
  /* And when the cause is gone it works. */
  ensure_well (fixture);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* What is set aside is told as a warning, here on purpose. */
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
#define ADD(path, test)                                                                            \
  g_test_add ("/net/certificate-authority/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("first-start-makes-what-clients-accept", test_first_start);
  ADD ("authority-cannot-vouch-for-foreign-names", test_constraints);
  ADD ("openssl-agrees", test_openssl);
  ADD ("restart-changes-nothing", test_restart);
  ADD ("certificate-is-renewed-before-it-ends", test_renewal);
  ADD ("wrong-clock-changes-nothing", test_wrong_clock);
  ADD ("renamed-machine-gets-a-new-certificate", test_new_name);
  ADD ("odd-host-names-are-left-out", test_odd_names);
  ADD ("broken-file-is-set-aside-and-told", test_broken_files);
  ADD ("lost-file-is-made-again", test_lost_file);
  ADD ("unusable-folder-is-an-error", test_no_folder);
  return g_test_run ();
}
