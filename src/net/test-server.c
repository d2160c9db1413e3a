/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/test-server.h"

#include "net/certificate-maker.h"

#include "base/clock.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <unistd.h>

/* Returns (transfer full): a fresh certificate. @ca_path: (out): where its authority is */
PosternTlsCredentials *
postern_test_server_make_credentials (char **ca_path)
{
  g_auto (PosternKeyPair) authority = { 0 };
  g_auto (PosternKeyPair) leaf = { 0 };
  g_autoptr (GBytes) certificate = NULL;
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GBytes) ca = NULL;
  g_autoptr (GError) error = NULL;
  PosternTlsCredentials *credentials;
  gint64 now_us = g_get_real_time ();
  int fd;

  postern_certificate_make_authority (&authority, "test-box", now_us, &error);
  g_assert_no_error (error);
  postern_certificate_make_leaf (&leaf, &authority, "test-box", now_us, &error);
  g_assert_no_error (error);
  certificate = postern_key_pair_export_certificate (&leaf);
  key = postern_key_pair_export_key (&leaf);
  credentials = postern_tls_credentials_new_from_pem (certificate, key, &error);
  g_assert_no_error (error);

  fd = g_file_open_tmp ("postern-ca-XXXXXX.pem", ca_path, &error);
  g_assert_no_error (error);
  close (fd);
  ca = postern_key_pair_export_certificate (&authority);
  g_file_set_contents (*ca_path,
                       g_bytes_get_data (ca, NULL),
                       (gssize) g_bytes_get_size (ca),
                       &error);
  g_assert_no_error (error);
  return credentials;
}

PosternTestServer *
postern_test_server_new (const PosternServerLimits *limits)
{
  PosternTestServer *self = g_new0 (PosternTestServer, 1);
  g_autoptr (PosternTlsCredentials) credentials =
      postern_test_server_make_credentials (&self->ca_path);

  self->host = postern_test_host_new ();
  self->server = postern_mail_server_new (POSTERN_MAIL_HOST (self->host), limits);
  postern_mail_server_set_credentials (self->server, credentials);
  for (guint service = 0; service < POSTERN_N_SERVICES; service++)
    for (guint security = 0; security < 2; security++)
      {
        PosternListenerSpec spec = { .service = service, .security = security };
        g_autoptr (GError) error = NULL;
        g_autoptr (PosternListener) listener =
            postern_mail_server_listen (self->server, &spec, &error);

        g_assert_no_error (error);
        self->ports[service][security] = postern_listener_get_port (listener);
      }
  return self;
}

/* Also proves that nothing holds on to the server or its host: what was begun comes to its end. */
void
postern_test_server_free (PosternTestServer *self)
{
  gpointer server = self->server;
  gpointer host = self->host;
  gint64 until_us = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  g_object_add_weak_pointer (G_OBJECT (self->server), &server);
  g_object_add_weak_pointer (G_OBJECT (self->host), &host);
  g_object_unref (self->server);
  g_assert_null (server);
  g_object_unref (self->host);
  while (host != NULL && g_get_monotonic_time () < until_us)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (500);
    }
  g_assert_null (host);
  g_unlink (self->ca_path);
  g_free (self->ca_path);
  g_free (self);
}

/* From the client's thread; the handshake of an IMPLICIT door is done. */
PosternTestClient *
postern_test_server_connect (PosternTestServer *self,
                             PosternService service,
                             PosternSecurity security)
{
  PosternTestClient *client = postern_test_client_new (self->ports[service][security]);

  if (security == POSTERN_SECURITY_IMPLICIT)
    g_assert_true (postern_test_client_start_tls (client, self->ca_path));
  return client;
}

/* The same in clear, behind the login. */
PosternTestClient *
postern_test_server_log_in (PosternTestServer *self, PosternService service)
{
  PosternTestClient *client =
      postern_test_server_connect (self, service, POSTERN_SECURITY_STARTTLS);

  if (service == POSTERN_SERVICE_POP3)
    {
      postern_test_client_expect (client, "+OK*");
      postern_test_client_talk (client, "USER user", "+OK*");
      postern_test_client_talk (client, "PASS right", "+OK*");
    }
  else
    {
      postern_test_client_expect (client, "220 *");
      postern_test_client_talk (client, "EHLO client.test", "250 *");
      postern_test_client_talk (client, "AUTH PLAIN AHVzZXIAcmlnaHQ=", "235 *");
    }
  return client;
}

/* What this process has allocated and not freed, on all arenas. */
gsize
postern_test_server_get_heap_octets (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}
