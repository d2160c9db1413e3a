/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

typedef struct
{
  PosternTestServer *on;
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
log_in_from_afar (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) pop3 =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);
  g_autoptr (PosternTestClient) smtp =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_SMTP, POSTERN_SECURITY_STARTTLS);

  postern_test_client_expect (pop3, "+OK*");
  postern_test_client_talk (pop3, "USER user", "-ERR*");
  postern_test_client_talk (pop3, "PASS right", "-ERR*");
  postern_test_client_talk (pop3, "STLS", "+OK*");
  g_assert_true (postern_test_client_start_tls (pop3, scene->on->ca_path));
  postern_test_client_talk (pop3, "USER user", "+OK*");
  postern_test_client_talk (pop3, "PASS right", "+OK*");
  postern_test_client_expect (smtp, "220 *");
  postern_test_client_talk (smtp, "EHLO client.test", "250 *");
  postern_test_client_talk (smtp, "AUTH PLAIN AHVzZXIAcmlnaHQ=", "5?? *");
}

/* Whatever the configuration says: only what is on this machine may do without TLS. */
static void
test_exposure (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  g_autoptr (PosternListener) pop3 = NULL;
  PosternListenerSpec spec = { .exposure = POSTERN_EXPOSURE_LAN };

  spec.service = POSTERN_SERVICE_SMTP;
  for (guint i = 0; i < POSTERN_N_SERVICES; i++)
    {
      g_clear_object (&pop3);
      pop3 = postern_mail_server_listen (server->server, &spec, NULL);
      server->ports[spec.service][POSTERN_SECURITY_STARTTLS] = postern_listener_get_port (pop3);
      spec.service = POSTERN_SERVICE_POP3;
    }
  play (log_in_from_afar, server);
  g_assert_cmpuint (server->host->n_checks, ==, 1);
  g_assert_cmpuint (postern_listener_get_n_accepted (pop3), ==, 1);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/mail-server/guessing-gets-slower", test_throttle);
  g_test_add_func ("/net/mail-server/hanging-up-while-slowed-is-harmless",
                   test_hang_up_while_slowed);
  g_test_add_func ("/net/mail-server/unchecked-password-is-no-wrong-one", test_unavailable);
  g_test_add_func ("/net/mail-server/talking-does-not-buy-time-to-log-in", test_login_timeout);
  g_test_add_func ("/net/mail-server/login-in-clear-is-for-this-machine-only", test_exposure);
  g_test_add_func ("/net/mail-server/web-page-is-cut-off", test_http);
  g_test_add_func ("/net/mail-server/connections-have-a-limit", test_max_connections);
  g_test_add_func ("/net/mail-server/strangers-have-a-limit", test_max_strangers);
  g_test_add_func ("/net/mail-server/user-can-be-disconnected", test_disconnect_user);
  g_test_add_func ("/net/mail-server/draining-ends-what-was-begun", test_drain);
  g_test_add_func ("/net/mail-server/stopping-cuts-everybody-off", test_stop);
  return g_test_run ();
}
