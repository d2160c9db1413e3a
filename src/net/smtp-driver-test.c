/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

#include <string.h>

typedef struct
{
  PosternTestServer *on;
  guint stage;
} Scene;

static void
play (PosternTestScenario scenario, PosternTestServer *server)
{
  Scene scene = { .on = server };

  postern_test_client_run (scenario, &scene);
}

static void
assert_received (PosternTestServer *server, guint index, const char *expected)
{
  GBytes *octets;

  g_assert_cmpuint (index, <, server->host->received->len);
  octets = server->host->received->pdata[index];
  g_assert_cmpmem (g_bytes_get_data (octets, NULL),
                   g_bytes_get_size (octets),
                   expected,
                   strlen (expected));
}

static void
submit (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);

  postern_test_client_talk (client, "MAIL FROM:<other@example.test>", "550 5.7.1 *");
  postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
  postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
  postern_test_client_talk (client, "DATA", "354 *");
  postern_test_client_send (client, "Subject: one\r\n\r\n..dot\r\n\n.\n\r.\r");
  g_usleep (20 * 1000);
  postern_test_client_talk (client, "\n.", "250 2.0.0 Queued");
  postern_test_client_send (client,
                            "MAIL FROM:<user@example.test>\r\nRCPT TO:<b@example.test>\r\n"
                            "BDAT 6\r\nab.\r\n.BDAT 0\r\nBDAT 2 LAST\r\n\r\nQUIT\r\n");
  for (guint i = 0; i < 4; i++)
    postern_test_client_expect (client, "250 *");
  postern_test_client_expect (client, "250 2.0.0 Queued");
  postern_test_client_expect (client, "221 *");
  g_assert_true (postern_test_client_has_ended (client));
}

static void
test_submit (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  PosternServerStatistics statistics;
  PosternLastLogin last;

  play (submit, server);
  g_assert_cmpuint (server->host->received->len, ==, 2);
  assert_received (server, 0, "Subject: one\r\n\r\n.dot\r\n\n.\n\r.\r\n");
  assert_received (server, 1, "ab.\r\n.\r\n");
  g_assert_cmpstr (server->host->last_peer, ==, "127.0.0.1 client.test esmtp clear");
  g_assert_cmpuint (server->host->n_alive, ==, 0);
  postern_mail_server_get_statistics (server->server, &statistics);
  g_assert_cmpuint (statistics.messages[POSTERN_SERVICE_SMTP], ==, 2);
  g_assert_cmpuint (statistics.octets[POSTERN_SERVICE_SMTP], ==, 37);
  postern_mail_server_get_last_login (server->server, POSTERN_SERVICE_SMTP, "user", &last);
  g_assert_cmpstr (last.client, ==, "client.test");
  g_assert_cmpint (last.at_us, >, 0);
  g_assert_false (last.secure);
}

static void
send_large (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);
  g_autofree char *line = g_strnfill (998, 'x');

  postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
  postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
  postern_test_client_talk (client, "DATA", "354 *");
  for (guint i = 0; i < 3000; i++)
    {
      postern_test_client_send (client, line);
      postern_test_client_send (client, "\r\n");
    }
  postern_test_client_talk (client, ".", scene->stage == 0 ? "250 *" : "552 5.3.4 *");
  postern_test_client_talk (client, "NOOP", "250 *");
}

static void
test_back_pressure (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  server->host->full_at = 100 * 1000;
  play (send_large, server);
  g_assert_cmpuint (server->host->n_overruns, ==, 0);
  g_assert_cmpuint (g_bytes_get_size (server->host->received->pdata[0]), ==, 3000 * 1000);
}

static void
test_too_large (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  Scene scene = { .on = server, .stage = 1 };

  server->host->max_size = 1000 * 1000;
  postern_test_client_run (send_large, &scene);
  g_assert_cmpuint (server->host->received->len, ==, 0);
  g_assert_cmpuint (server->host->n_discarded, ==, 1);
}

static void
be_refused (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);

  postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
  postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
  postern_test_client_talk (client, "DATA", "452 4.3.1 *");
  postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
  postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
  postern_test_client_talk (client, "BDAT 7 LAST\r\nabcde", "452 4.3.1 *");
  postern_test_client_talk (client, "NOOP", "250 *");
}

static void
test_refused_beginning (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  server->host->refusal = postern_smtp_reply_new (452, "4.3.1", "The disk is nearly full");
  play (be_refused, server);
}

static const char *const stages[] = {
  "",
  "EHLO client.test\r\n",
  "AUTH PLAIN AHVzZXIAcmlnaHQ=\r\n",
  "MAIL FROM:<user@example.test>\r\n",
  "RCPT TO:<a@example.test>\r\n",
  "DATA\r\n",
  "Subject: half\r\n\r\nof a",
  " message\r\n.\r\n",
  "NOOP\r\n",
};

/* What was said before @stage is answered, then it is said and the line is cut. */
static void
hang_up (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_SMTP, POSTERN_SECURITY_STARTTLS);

  for (guint i = 0; i <= scene->stage / 2; i++)
    {
      postern_test_client_send (client, stages[i]);
      if (i < scene->stage / 2 && i != 6)
        postern_test_client_expect (client, "*");
    }
  if (scene->stage % 2 == 0)
    postern_test_client_reset (client);
}

static void
test_hang_up (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  Scene scene = { .on = server };
  PosternServerStatistics statistics;

  server->host->commit_delay_ms = 10;
  for (scene.stage = 0; scene.stage < 2 * G_N_ELEMENTS (stages); scene.stage++)
    postern_test_client_run (hang_up, &scene);
  while (server->host->n_alive > 0)
    g_main_context_iteration (NULL, TRUE);
  /* A whole message counts, whether or not its sender waited; half of one never does. */
  g_assert_cmpuint (server->host->received->len, >=, 3);
  for (guint i = 0; i < server->host->received->len; i++)
    assert_received (server, i, "Subject: half\r\n\r\nof a message\r\n");
  postern_mail_server_get_statistics (server->server, &statistics);
  g_assert_cmpuint (statistics.open[POSTERN_SERVICE_SMTP], ==, 0);
}

static void
drip (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) first =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);
  g_autoptr (PosternTestClient) second =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);
  g_autofree char *text = g_strnfill (8000, 'x');
  PosternTestClient *clients[] = { first, second };

  for (guint i = 0; i < 2; i++)
    {
      postern_test_client_talk (clients[i], "MAIL FROM:<user@example.test>", "250 *");
      postern_test_client_talk (clients[i], "RCPT TO:<a@example.test>", "250 *");
      postern_test_client_talk (clients[i], "DATA", "354 *");
      postern_test_client_send (clients[i], text);
    }
  g_usleep (50 * 1000);
  for (guint i = 0; i < 2; i++)
    postern_test_client_send (clients[i], text);
  /* Each is half here, and both together are above the limit: one of them must go on. */
  for (guint i = 0; i < 2; i++)
    postern_test_client_send (clients[i], "\r\n.\r\n");
  for (guint i = 0; i < 2; i++)
    postern_test_client_expect (clients[i], "250 2.0.0 *");
}

static void
test_budget (void)
{
  PosternServerLimits limits = { .max_receiving_octets = 10 * 1000 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);

  play (drip, server);
  g_assert_cmpuint (server->host->received->len, ==, 2);
}

static void
stay_silent (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);

  if (scene->stage == 1)
    {
      postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
      postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
      postern_test_client_talk (client, "DATA", "354 *");
      postern_test_client_send (client, "Subject: unfinished\r\n");
    }
  postern_test_client_expect (client, "421 4.4.2 *");
  g_assert_true (postern_test_client_has_ended (client));
}

static void
test_command_timeout (void)
{
  PosternServerLimits limits = { .command_timeout_ms = 100 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);
  Scene scene = { .on = server };

  for (scene.stage = 0; scene.stage < 2; scene.stage++)
    postern_test_client_run (stay_silent, &scene);
  g_assert_cmpuint (server->host->received->len, ==, 0);
  g_assert_cmpuint (server->host->n_alive, ==, 0);
}

static void
wait_long_for_commit (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_SMTP);

  postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
  postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
  postern_test_client_talk (client, "DATA", "354 *");
  postern_test_client_talk (client, "text\r\n.", "250 2.0.0 *");
}

static void
test_slow_commit (void)
{
  PosternServerLimits limits = { .command_timeout_ms = 50 };
  g_autoptr (PosternTestServer) server = postern_test_server_new (&limits);

  server->host->commit_delay_ms = 300;
  play (wait_long_for_commit, server);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/smtp-driver/messages-arrive-octet-by-octet", test_submit);
  g_test_add_func ("/net/smtp-driver/full-submission-stops-the-reading", test_back_pressure);
  g_test_add_func ("/net/smtp-driver/too-large-message-is-swallowed-and-refused", test_too_large);
  g_test_add_func ("/net/smtp-driver/refused-message-leaves-the-session", test_refused_beginning);
  g_test_add_func ("/net/smtp-driver/hanging-up-at-any-stage-loses-no-message", test_hang_up);
  g_test_add_func ("/net/smtp-driver/messages-above-the-budget-end-one-by-one", test_budget);
  g_test_add_func ("/net/smtp-driver/silent-client-hears-421", test_command_timeout);
  g_test_add_func ("/net/smtp-driver/slow-disk-is-not-the-clients-fault", test_slow_commit);
  return g_test_run ();
}
