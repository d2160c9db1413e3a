/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

#include <unistd.h>

typedef struct
{
  PosternTestServer *on;
  PosternService service;
  PosternSecurity security;
  GPtrArray *clients; /* (element-type PosternTestClient) */
} Scene;

static void
play (PosternTestScenario scenario, PosternTestServer *server)
{
  Scene scene = { .on = server };

  postern_test_client_run (scenario, &scene);
}

static PosternServerStatistics
get_statistics (PosternTestServer *server)
{
  PosternServerStatistics statistics;

  postern_mail_server_get_statistics (server->server, &statistics);
  return statistics;
}

static void
use_tls (gpointer user_data)
{
  Scene *scene = user_data;
  gboolean is_pop3 = scene->service == POSTERN_SERVICE_POP3;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, scene->service, scene->security);

  postern_test_client_expect (client, is_pop3 ? "+OK*" : "220 *");
  if (scene->security == POSTERN_SECURITY_STARTTLS)
    {
      if (!is_pop3)
        postern_test_client_talk (client, "EHLO client.test", "250 *");
      postern_test_client_talk (client, is_pop3 ? "STLS" : "STARTTLS", is_pop3 ? "+OK*" : "220 *");
      g_assert_true (postern_test_client_start_tls (client, scene->on->ca_path));
    }
  if (is_pop3)
    {
      postern_test_client_send (client, "USER user\r\nPASS right\r\nSTAT\r\nQUIT\r\n");
      for (guint i = 0; i < 4; i++)
        postern_test_client_expect (client, "+OK*");
    }
  else
    {
      postern_test_client_talk (client, "EHLO client.test", "250 *");
      postern_test_client_talk (client, "AUTH PLAIN AHVzZXIAcmlnaHQ=", "235 *");
      postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
      postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
      postern_test_client_talk (client, "DATA", "354 *");
      postern_test_client_talk (client, "text\r\n.", "250 2.0.0 *");
      postern_test_client_talk (client, "QUIT", "221 *");
    }
  g_assert_true (postern_test_client_has_ended (client));
}

static void
test_tls (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  Scene scene = { .on = server };
  PosternLastLogin last;

  for (scene.service = 0; scene.service < POSTERN_N_SERVICES; scene.service++)
    for (scene.security = 0; scene.security < 2; scene.security++)
      {
        postern_test_client_run (use_tls, &scene);
        postern_mail_server_get_last_login (server->server, scene.service, "user", &last);
        g_assert_true (last.secure);
      }
  g_assert_cmpstr (server->host->last_peer, ==, "127.0.0.1 client.test esmtp secure");
  g_assert_cmpuint (get_statistics (server).failed_handshakes, ==, 0);
}

static void
inject (gpointer user_data)
{
  Scene *scene = user_data;
  gboolean is_pop3 = scene->service == POSTERN_SERVICE_POP3;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, scene->service, POSTERN_SECURITY_STARTTLS);

  postern_test_client_expect (client, is_pop3 ? "+OK*" : "220 *");
  if (!is_pop3)
    postern_test_client_talk (client, "EHLO client.test", "250 *");
  /* Somebody in between adds a command behind the one that starts TLS. */
  postern_test_client_send (client,
                            is_pop3 ? "STLS\r\nCAPA\r\n" : "STARTTLS\r\nEHLO other.test\r\n");
  postern_test_client_expect (client, is_pop3 ? "+OK*" : "220 *");
  g_assert_true (postern_test_client_start_tls (client, NULL));
  postern_test_client_talk (client, "NONSENSE", is_pop3 ? "-ERR*" : "500 *");
}

static void
test_injection (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  Scene scene = { .on = server };

  for (scene.service = 0; scene.service < POSTERN_N_SERVICES; scene.service++)
    postern_test_client_run (inject, &scene);
}

static void
offer_protocols (gpointer user_data)
{
  static const char *const offers[] = { "pop3", "http/1.1", NULL };
  Scene *scene = user_data;

  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    {
      g_autoptr (PosternTestClient) client = postern_test_client_new (
          scene->on->ports[POSTERN_SERVICE_POP3][POSTERN_SECURITY_IMPLICIT]);

      postern_test_client_offer_alpn (client, offers[i]);
      g_assert_true (postern_test_client_start_tls (client, scene->on->ca_path));
      g_assert_cmpstr (postern_test_client_get_alpn (client), ==, i == 0 ? "pop3" : NULL);
      postern_test_client_expect (client, "+OK*");
    }
}

static void
test_alpn (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  play (offer_protocols, server);
}

static void
use_swapped (gpointer user_data)
{
  Scene *scene = user_data;
  PosternTestClient *old =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_IMPLICIT);

  postern_test_client_expect (old, "+OK*");
  g_ptr_array_add (scene->clients, old);
}

static void
use_after_swap (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) distrustful =
      postern_test_client_new (scene->on->ports[POSTERN_SERVICE_POP3][POSTERN_SECURITY_IMPLICIT]);
  g_autoptr (PosternTestClient) new =
      postern_test_client_new (scene->on->ports[POSTERN_SERVICE_POP3][POSTERN_SECURITY_IMPLICIT]);

  /* The old session goes on; new ones get the new certificate, which only the new authority
   * vouches for. */
  postern_test_client_talk (scene->clients->pdata[0], "CAPA", "+OK*");
  g_assert_false (postern_test_client_start_tls (distrustful, scene->on->ca_path));
  g_assert_true (postern_test_client_start_tls (new, NULL));
  postern_test_client_expect (new, "+OK*");
  postern_test_client_free (scene->clients->pdata[0]);
}

static void
test_swap (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  g_autoptr (GPtrArray) clients = g_ptr_array_new ();
  g_autofree char *ca_path = NULL;
  g_autoptr (PosternTlsCredentials) credentials = postern_test_server_make_credentials (&ca_path);
  Scene scene = { .on = server, .clients = clients };

  postern_test_client_run (use_swapped, &scene);
  postern_mail_server_set_credentials (server->server, credentials);
  postern_test_client_run (use_after_swap, &scene);
  g_assert_cmpuint (get_statistics (server).distrusted, ==, 1);
  g_assert_cmpuint (get_statistics (server).failed_handshakes, ==, 1);
  unlink (ca_path);
}

static void
stall_handshakes (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (GPtrArray) stalled =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_test_client_free);
  guint16 port = scene->on->ports[POSTERN_SERVICE_SMTP][POSTERN_SECURITY_IMPLICIT];
  gint64 began_us;

  for (guint i = 0; i < 60; i++)
    {
      PosternTestClient *client = postern_test_client_new (port);

      /* Every other one begins a record and never ends it. */
      if (i % 2 == 0)
        postern_test_client_send_octets (client, "\x16\x03\x01\x02\x00\x01", 6);
      g_ptr_array_add (stalled, client);
    }
  began_us = g_get_monotonic_time ();
  use_tls (scene);
  g_assert_cmpint (g_get_monotonic_time () - began_us, <, 2 * G_USEC_PER_SEC);
  for (guint i = 0; i < stalled->len; i++)
    g_assert_true (postern_test_client_has_ended (stalled->pdata[i]));
}

static void
test_stalled_handshakes (void)
{
  PosternServerLimits limits = { .handshake_timeout_ms = 3000 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);
  Scene scene = { .on = server,
                  .service = POSTERN_SERVICE_SMTP,
                  .security = POSTERN_SECURITY_IMPLICIT };

  postern_test_client_run (stall_handshakes, &scene);
  g_assert_cmpuint (get_statistics (server).failed_handshakes, ==, 60);
  g_assert_cmpuint (get_statistics (server).open[POSTERN_SERVICE_SMTP], ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/tls-channel/tls-works-in-every-mode", test_tls);
  g_test_add_func ("/net/tls-channel/commands-before-tls-are-dropped", test_injection);
  g_test_add_func ("/net/tls-channel/alpn-is-chosen-and-never-demanded", test_alpn);
  g_test_add_func ("/net/tls-channel/new-sessions-take-the-new-certificate", test_swap);
  g_test_add_func ("/net/tls-channel/stalled-handshakes-delay-nobody", test_stalled_handshakes);
  return g_test_run ();
}
