/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

#include "base/error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MANY 1000

typedef struct
{
  PosternTestServer *on;
  PosternService service;
  PosternSecurity security;
  GPtrArray *clients; /* (nullable) (element-type PosternTestClient) */
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

/* TLS */

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

/* Logins */

static void
guess (gpointer user_data)
{
  Scene *scene = user_data;
  gint64 before_us = 0;
  gint64 took_us = 0;

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (PosternTestClient) client =
          postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);
      g_autofree char *pass = g_strdup_printf ("PASS wrong%u", i);
      gint64 began_us;

      postern_test_client_expect (client, "+OK*");
      postern_test_client_talk (client, "USER user", "+OK*");
      began_us = g_get_monotonic_time ();
      postern_test_client_talk (client, pass, "-ERR ?AUTH? *");
      took_us = g_get_monotonic_time () - began_us;
      g_assert_cmpint (took_us, >, before_us * 3 / 2);
      before_us = took_us;
    }
  g_assert_cmpint (took_us, >, 500 * 1000);
  /* Another login, and this one with the right password, are not slowed. */
  postern_test_client_free (postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3));
}

static void
test_throttle (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  play (guess, server);
  g_assert_cmpuint (get_statistics (server).failed_logins[POSTERN_SERVICE_POP3], ==, 3);
  g_assert_cmpuint (get_statistics (server).logins[POSTERN_SERVICE_POP3], ==, 1);
}

static void
hang_up_while_slowed (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);

  postern_test_client_send (client, "USER user\r\nPASS wrong\r\n");
  g_usleep (20 * 1000);
  postern_test_client_reset (client);
}

static void
test_hang_up_while_slowed (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  play (hang_up_while_slowed, server);
}

static void
fail_to_check (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) pop3 =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);
  g_autoptr (PosternTestClient) smtp =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_SMTP, POSTERN_SECURITY_STARTTLS);

  postern_test_client_expect (pop3, "+OK*");
  postern_test_client_talk (pop3, "USER user", "+OK*");
  postern_test_client_talk (pop3, "PASS right", "-ERR ?SYS/TEMP? The keyring is locked*");
  postern_test_client_expect (smtp, "220 *");
  postern_test_client_talk (smtp, "EHLO client.test", "250 *");
  postern_test_client_talk (smtp,
                            "AUTH PLAIN AHVzZXIAcmlnaHQ=",
                            "454 4.7.0 The keyring is locked*");
}

static void
test_unavailable (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  server->host->is_unavailable = TRUE;
  play (fail_to_check, server);
}

static void
dawdle (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) silent =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);
  g_autoptr (PosternTestClient) busy =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_SMTP, POSTERN_SECURITY_STARTTLS);

  postern_test_client_expect (silent, "+OK*");
  postern_test_client_expect (busy, "220 *");
  for (guint i = 0; i < 4; i++)
    {
      postern_test_client_talk (busy, "NOOP", "250 *");
      g_usleep (50 * 1000);
    }
  /* Saying something does not buy time: only the login does. */
  postern_test_client_expect (busy, "421 *");
  g_assert_true (postern_test_client_has_ended (busy));
  g_assert_true (postern_test_client_has_ended (silent));
}

static void
test_login_timeout (void)
{
  PosternServerLimits limits = { .login_timeout_ms = 300 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);

  play (dawdle, server);
}

static void
drive_by (gpointer user_data)
{
  Scene *scene = user_data;

  for (PosternService service = 0; service < POSTERN_N_SERVICES; service++)
    {
      g_autoptr (PosternTestClient) client =
          postern_test_server_connect (scene->on, service, POSTERN_SECURITY_STARTTLS);

      postern_test_client_send (client,
                                "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO web.page\r\n");
      while (postern_test_client_read_some (client, 100) > 0)
        ;
    }
}

static void
test_http (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  play (drive_by, server);
}

/* Limits */

static void
crowd (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) first =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);
  g_autoptr (PosternTestClient) second =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_SMTP, POSTERN_SECURITY_STARTTLS);
  g_autoptr (PosternTestClient) pop3 = NULL;
  g_autoptr (PosternTestClient) smtp = NULL;

  postern_test_client_expect (second, "220 *");
  pop3 = postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);
  postern_test_client_expect (pop3, "-ERR ?SYS/TEMP? *");
  g_assert_true (postern_test_client_has_ended (pop3));
  smtp = postern_test_server_connect (scene->on, POSTERN_SERVICE_SMTP, POSTERN_SECURITY_STARTTLS);
  postern_test_client_expect (smtp, "421 4.3.2 *");
  g_assert_true (postern_test_client_has_ended (smtp));
}

static void
test_max_connections (void)
{
  PosternServerLimits limits = { .max_connections = 2 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);

  play (crowd, server);
  g_assert_cmpuint (get_statistics (server).turned_away[POSTERN_SERVICE_SMTP], ==, 1);
}

static void
test_max_strangers (void)
{
  PosternServerLimits limits = { .max_strangers_local = 1 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);

  /* The one that has logged in does not count. */
  play (crowd, server);
}

static void
run_out_of_descriptors (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client = NULL;
  struct rusage before, after;
  struct rlimit limit, low;
  gint64 spent_us;
  int next = dup (0);

  close (next);
  client =
      postern_test_client_new (scene->on->ports[POSTERN_SERVICE_POP3][POSTERN_SECURITY_STARTTLS]);
  postern_test_client_expect (client, "+OK*");
  g_clear_pointer (&client, postern_test_client_free);
  g_usleep (50 * 1000);

  getrlimit (RLIMIT_NOFILE, &limit);
  low = limit;
  /* Room for the client's descriptor, none for the server's. */
  low.rlim_cur = (rlim_t) next + 1;
  setrlimit (RLIMIT_NOFILE, &low);
  getrusage (RUSAGE_SELF, &before);
  client =
      postern_test_client_new (scene->on->ports[POSTERN_SERVICE_POP3][POSTERN_SECURITY_STARTTLS]);
  g_usleep (600 * 1000);
  getrusage (RUSAGE_SELF, &after);
  setrlimit (RLIMIT_NOFILE, &limit);

  spent_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * G_USEC_PER_SEC +
             after.ru_utime.tv_usec - before.ru_utime.tv_usec;
  g_assert_cmpint (spent_us, <, 100 * 1000);
  postern_test_client_expect (client, "+OK*");
}

static void
test_no_descriptors (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  play (run_out_of_descriptors, server);
}

/* Memory */

static void
idle_in_crowds (gpointer user_data)
{
  Scene *scene = user_data;
  gboolean is_pop3 = scene->service == POSTERN_SERVICE_POP3;

  for (guint i = 0; i < MANY; i++)
    {
      PosternTestClient *client =
          postern_test_client_new (scene->on->ports[scene->service][scene->security]);

      if (scene->security == POSTERN_SECURITY_IMPLICIT)
        g_assert_true (postern_test_client_start_tls (client, NULL));
      postern_test_client_expect (client, is_pop3 ? "+OK*" : "220 *");
      if (is_pop3)
        {
          postern_test_client_talk (client, "USER user", "+OK*");
          postern_test_client_talk (client, "PASS right", "+OK*");
        }
      else
        {
          postern_test_client_talk (client, "EHLO client.test", "250 *");
          postern_test_client_talk (client, "AUTH PLAIN AHVzZXIAcmlnaHQ=", "235 *");
        }
      g_ptr_array_add (scene->clients, client);
    }
}

static gboolean
wait_for_nothing (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

/* Both ends live in this process, so what the clients cost is found out by freeing them first: the
 * server does not notice until the main context runs again. */
static gsize
measure_idle (PosternTestServer *server, PosternService service, PosternSecurity security)
{
  g_autoptr (GPtrArray) clients = g_ptr_array_new ();
  Scene scene = { .on = server, .service = service, .security = security, .clients = clients };
  gsize with_server, without;

  postern_test_client_run (idle_in_crowds, &scene);
  for (guint i = 0; i < clients->len; i++)
    postern_test_client_free (clients->pdata[i]);
  with_server = postern_test_server_get_heap_octets ();
  g_assert_cmpuint (get_statistics (server).open[service], ==, MANY);
  while (get_statistics (server).open[service] > 0)
    {
      g_timeout_add (1, wait_for_nothing, NULL);
      g_main_context_iteration (NULL, TRUE);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
  without = postern_test_server_get_heap_octets ();
  g_test_message ("%s, %s: %" G_GSIZE_FORMAT " octets a session",
                  service == POSTERN_SERVICE_POP3 ? "POP3" : "SMTP",
                  security == POSTERN_SECURITY_STARTTLS ? "plain" : "TLS",
                  (with_server - without) / MANY);
  return (with_server - without) / MANY;
}

static void
test_idle_memory (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

#if defined(__SANITIZE_ADDRESS__)
  g_test_skip ("The sanitizer's heap tells nothing about ours");
  return;
#endif
  for (PosternService service = 0; service < POSTERN_N_SERVICES; service++)
    {
      g_assert_cmpuint (measure_idle (server, service, POSTERN_SECURITY_STARTTLS), <=, 2048);
      g_assert_cmpuint (measure_idle (server, service, POSTERN_SECURITY_IMPLICIT), <=, 16 * 1024);
    }
}

/* The end */

static void
leave_open (gpointer user_data)
{
  Scene *scene = user_data;

  g_ptr_array_add (scene->clients, postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3));
  g_ptr_array_add (scene->clients, postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP));
}

static void
find_closed (gpointer user_data)
{
  Scene *scene = user_data;

  for (guint i = 0; i < scene->clients->len; i++)
    g_assert_true (postern_test_client_has_ended (scene->clients->pdata[i]));
}

static void
test_disconnect_user (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  g_autoptr (GPtrArray) clients =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_test_client_free);
  Scene scene = { .on = server, .clients = clients };

  postern_test_client_run (leave_open, &scene);
  postern_mail_server_disconnect_user (server->server, "somebody else");
  g_assert_cmpuint (get_statistics (server).logged_in[POSTERN_SERVICE_POP3], ==, 1);
  postern_mail_server_disconnect_user (server->server, "user");
  g_assert_cmpuint (get_statistics (server).logged_in[POSTERN_SERVICE_POP3], ==, 0);
  postern_test_client_run (find_closed, &scene);
}

static void
on_drained (GObject *source, GAsyncResult *result, gpointer user_data)
{
  int *outcome = user_data;

  *outcome = postern_mail_server_drain_finish (POSTERN_MAIL_SERVER (source), result);
}

static gboolean
on_drain_wanted (gpointer user_data)
{
  gpointer *both = user_data;
  PosternTestServer *server = both[0];

  postern_mail_server_drain_async (server->server, 5000, on_drained, both[1]);
  return G_SOURCE_REMOVE;
}

static void
stop_in_the_middle (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) idle = postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);
  g_autoptr (PosternTestClient) sender =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);
  int outcome = -1;
  gpointer both[2] = { scene->on, &outcome };

  postern_test_client_talk (sender, "MAIL FROM:<user@example.test>", "250 *");
  postern_test_client_talk (sender, "RCPT TO:<a@example.test>", "250 *");
  postern_test_client_talk (sender, "DATA", "354 *");
  g_idle_add (on_drain_wanted, both);
  g_assert_true (postern_test_client_has_ended (idle));
  /* What was begun is taken to its end, and only then the client hears that we stop. */
  postern_test_client_talk (sender, "text\r\n.", "250 2.0.0 *");
  postern_test_client_expect (sender, "421 4.3.2 *");
  g_assert_true (postern_test_client_has_ended (sender));
  while (g_atomic_int_get (&outcome) == -1)
    g_usleep (1000);
  g_assert_cmpint (outcome, ==, TRUE);
}

static void
test_drain (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  server->host->commit_delay_ms = 50;
  play (stop_in_the_middle, server);
  g_assert_cmpuint (server->host->received->len, ==, 1);
}

static void
test_stop (void)
{
  PosternTestServer *server = postern_test_server_new (NULL);
  g_autoptr (GPtrArray) clients =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_test_client_free);
  Scene scene = { .on = server, .clients = clients };

  postern_test_client_run (leave_open, &scene);
  postern_test_server_free (server);
  postern_test_client_run (find_closed, &scene);
}

/* Ports */

static void
test_port_conflict (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  guint16 port = server->ports[POSTERN_SERVICE_POP3][POSTERN_SECURITY_STARTTLS];
  PosternListenerSpec spec = { .service = POSTERN_SERVICE_POP3, .port = port };
  g_autofree char *expected = g_strdup_printf ("Port %u on 127.0.0.1 is used by another*", port);
  g_autoptr (GError) error = NULL;

  g_assert_null (postern_mail_server_listen (server->server, &spec, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_BUSY);
  g_assert_true (g_pattern_match_simple (expected, error->message));
}

static void
test_bad_address (void)
{
  static const char *const addresses[] = { "localhost", NULL };
  static const char *const foreign[] = { "127.0.0.1", "192.0.2.1", NULL };
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  PosternListenerSpec spec = { .addresses = addresses };
  g_autoptr (GError) error = NULL;

  g_assert_null (postern_mail_server_listen (server->server, &spec, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  g_clear_error (&error);
  spec.addresses = foreign;
  g_assert_null (postern_mail_server_listen (server->server, &spec, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
test_reopen (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  PosternListenerSpec spec = { .service = POSTERN_SERVICE_SMTP };
  g_autoptr (PosternListener) first = postern_mail_server_listen (server->server, &spec, NULL);
  g_autoptr (PosternListener) second = NULL;

  g_assert_true (postern_listener_is_open (first));
  spec.port = postern_listener_get_port (first);
  postern_listener_close (first);
  g_assert_false (postern_listener_is_open (first));
  second = postern_mail_server_listen (server->server, &spec, NULL);
  g_assert_nonnull (second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/mail-server/tls-works-in-every-mode", test_tls);
  g_test_add_func ("/net/mail-server/commands-before-tls-are-dropped", test_injection);
  g_test_add_func ("/net/mail-server/alpn-is-chosen-and-never-demanded", test_alpn);
  g_test_add_func ("/net/mail-server/new-sessions-take-the-new-certificate", test_swap);
  g_test_add_func ("/net/mail-server/stalled-handshakes-delay-nobody", test_stalled_handshakes);
  g_test_add_func ("/net/mail-server/guessing-gets-slower", test_throttle);
  g_test_add_func ("/net/mail-server/hanging-up-while-slowed-is-harmless",
                   test_hang_up_while_slowed);
  g_test_add_func ("/net/mail-server/unchecked-password-is-no-wrong-one", test_unavailable);
  g_test_add_func ("/net/mail-server/talking-does-not-buy-time-to-log-in", test_login_timeout);
  g_test_add_func ("/net/mail-server/web-page-is-cut-off", test_http);
  g_test_add_func ("/net/mail-server/connections-have-a-limit", test_max_connections);
  g_test_add_func ("/net/mail-server/strangers-have-a-limit", test_max_strangers);
  g_test_add_func ("/net/mail-server/without-descriptors-nothing-spins", test_no_descriptors);
  g_test_add_func ("/net/mail-server/idle-sessions-are-small", test_idle_memory);
  g_test_add_func ("/net/mail-server/user-can-be-disconnected", test_disconnect_user);
  g_test_add_func ("/net/mail-server/draining-ends-what-was-begun", test_drain);
  g_test_add_func ("/net/mail-server/stopping-cuts-everybody-off", test_stop);
  g_test_add_func ("/net/mail-server/taken-port-is-named", test_port_conflict);
  g_test_add_func ("/net/mail-server/bad-address-is-named", test_bad_address);
  g_test_add_func ("/net/mail-server/closed-port-can-be-opened-again", test_reopen);
  return g_test_run ();
}
