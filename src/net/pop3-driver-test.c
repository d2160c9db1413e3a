/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

#include <string.h>

typedef struct
{
  PosternTestServer *on;
  gboolean flag;
} Scene;

static void
play (PosternTestScenario scenario, PosternTestServer *server)
{
  Scene scene = { .on = server };

  postern_test_client_run (scenario, &scene);
}

static char *
make_message (gsize octets)
{
  GString *text = g_string_sized_new (octets + 100);

  g_string_append (text, "Subject: large\r\n\r\n");
  while (text->len < octets)
    g_string_append_printf (text,
                            ".%06" G_GSIZE_FORMAT " a line as long as the lines of mail are\r\n",
                            text->len);
  return g_string_free (text, FALSE);
}

static void
assert_octets (GBytes *octets, const char *expected)
{
  g_assert_cmpmem (g_bytes_get_data (octets, NULL),
                   g_bytes_get_size (octets),
                   expected,
                   strlen (expected));
}

static void
retrieve (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GBytes) top = NULL;

  postern_test_client_talk (client, "STAT", "+OK 2 *");
  postern_test_client_send (client, "RETR 1\r\n");
  body = postern_test_client_read_until (client, "\r\n.\r\n");
  assert_octets (body, "+OK 35 octets\r\nSubject: one\r\n\r\n..dots\r\nbare\r\nlast\r\n.\r\n");
  postern_test_client_send (client, "TOP 1 1\r\n");
  top = postern_test_client_read_until (client, "\r\n.\r\n");
  assert_octets (top, "+OK\r\nSubject: one\r\n\r\n..dots\r\n.\r\n");
  postern_test_client_talk (client, "DELE 2", "+OK*");
  postern_test_client_talk (client, "QUIT", "+OK*");
  g_assert_true (postern_test_client_has_ended (client));
}

static void
test_retrieve (gconstpointer data)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  PosternServerStatistics statistics;

  postern_test_host_add (server->host, "Subject: one\r\n\r\n.dots\r\nbare\nlast", -1);
  postern_test_host_add (server->host, "Subject: two\r\n\r\nmore\r\n", -1);
  server->host->is_in_memory = GPOINTER_TO_INT (data);
  play (retrieve, server);
  g_assert_cmpuint (server->host->deleted->len, ==, 1);
  g_assert_cmpuint (g_array_index (server->host->deleted, guint, 0), ==, 1);
  postern_mail_server_get_statistics (server->server, &statistics);
  g_assert_cmpuint (statistics.open[POSTERN_SERVICE_POP3], ==, 0);
  g_assert_cmpuint (statistics.logged_in[POSTERN_SERVICE_POP3], ==, 0);
  g_assert_cmpuint (statistics.logins[POSTERN_SERVICE_POP3], ==, 1);
  g_assert_cmpuint (statistics.messages[POSTERN_SERVICE_POP3], ==, 1);
}

static void
pipeline (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);

  postern_test_client_expect (client, "+OK*");
  postern_test_client_send (
      client,
      "USER user\r\nPASS right\r\nRETR 1\r\nNOOP\r\nRETR 1\r\nSTAT\r\nQUIT\r\n");
  postern_test_client_expect (client, "+OK*");
  postern_test_client_expect (client, "+OK*");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GBytes) body = postern_test_client_read_until (client, "\r\n.\r\n");

      g_assert_cmpuint (g_bytes_get_size (body), >, 20);
      postern_test_client_expect (client, i == 0 ? "+OK" : "+OK 1 *");
    }
  postern_test_client_expect (client, "+OK*");
  g_assert_true (postern_test_client_has_ended (client));
}

static void
test_pipeline (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  server->host->body_delay_ms = 20;
  postern_test_host_add (server->host, "Subject: one\r\n\r\ntext\r\n", -1);
  play (pipeline, server);
}

static void
half_close (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);
  g_autoptr (GBytes) body = NULL;

  postern_test_client_send (client, "USER user\r\nPASS right\r\nRETR 1\r\n");
  postern_test_client_half_close (client);
  body = postern_test_client_read_until (client, "\r\n.\r\n");
  g_assert_nonnull (body);
  g_assert_true (postern_test_client_has_ended (client));
}

static void
test_half_close (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  server->host->body_delay_ms = 50;
  postern_test_host_add (server->host, "Subject: one\r\n\r\ntext\r\n", -1);
  play (half_close, server);
}

static void
count_writes (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);

  postern_test_client_send (client, "RETR 1\r\n");
  g_assert_cmpuint (postern_test_client_read_some (client, 65536),
                    ==,
                    strlen ("+OK 22 octets\r\nSubject: one\r\n\r\ntext\r\n.\r\n"));
}

static void
test_one_write (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  postern_test_host_add (server->host, "Subject: one\r\n\r\ntext\r\n", -1);
  play (count_writes, server);
}

static void
say_too_much (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);
  g_autofree char *rest = g_strnfill (200 * 1000, 'x');

  postern_test_client_send (client, "QUIT\r\n");
  postern_test_client_send (client, rest);
  g_usleep (50 * 1000);
  postern_test_client_expect (client, "+OK Bye");
  g_assert_true (postern_test_client_has_ended (client));
  g_assert_false (postern_test_client_was_reset (client));
}

static void
test_last_reply (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);

  play (say_too_much, server);
}

static void
break_off (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);

  postern_test_client_send (client, "RETR 1\r\n");
  g_assert_null (postern_test_client_read_until (client, "\r\n.\r\n"));
}

static void
test_broken_body (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  g_autofree char *message = make_message (1000 * 1000);

  postern_test_host_add (server->host, message, -1);
  server->host->breaks_bodies = TRUE;
  play (break_off, server);
}

static void
read_slowly (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);
  g_autoptr (PosternTestClient) other =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);
  gsize before = postern_test_server_get_heap_octets ();
  gsize opened, after;

  postern_test_client_send (client, "RETR 1\r\n");
  g_usleep (300 * 1000);
  /* It does not read: what left is in the kernel, and little of the rest is in memory. */
  opened = (gsize) g_atomic_pointer_get ((gpointer *) &scene->on->host->octets_opened);
  g_assert_cmpuint (opened, <, 16 * 1000 * 1000);
  after = postern_test_server_get_heap_octets ();
  g_test_message ("%" G_GSIZE_FORMAT " octets while 25 MB wait", after - before);
  g_assert_cmpuint (after - before, <, 1024 * 1024);
  postern_test_client_talk (other, "NOOP", "+OK*");
  for (gsize left = 25 * 1000 * 1000; left > 0;)
    {
      gsize got = postern_test_client_read_some (client, 65536);

      g_assert_cmpuint (got, >, 0);
      left -= MIN (got, left);
    }
}

static void
test_slow_reader (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  g_autofree char *message = make_message (25 * 1000 * 1000);

  postern_test_host_add (server->host, message, -1);
  play (read_slowly, server);
}

static void
hang_up_while_sent (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_log_in (scene->on, POSTERN_SERVICE_POP3);

  postern_test_client_send (client, "RETR 1\r\n");
  if (scene->flag)
    postern_test_client_read_some (client, 1000);
  postern_test_client_reset (client);
}

static void
test_hang_up (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  g_autofree char *message = make_message (5 * 1000 * 1000);
  Scene scene = { .on = server };

  postern_test_host_add (server->host, message, -1);
  for (guint delay_ms = 0; delay_ms <= 20; delay_ms += 20)
    for (scene.flag = FALSE; scene.flag <= TRUE; scene.flag++)
      {
        server->host->body_delay_ms = delay_ms;
        postern_test_client_run (hang_up_while_sent, &scene);
      }
}

static void
meet_no_listing (gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (PosternTestClient) client =
      postern_test_server_connect (scene->on, POSTERN_SERVICE_POP3, POSTERN_SECURITY_STARTTLS);

  postern_test_client_expect (client, "+OK*");
  postern_test_client_talk (client, "USER user", "+OK*");
  postern_test_client_talk (client, "PASS right", "-ERR ?SYS/TEMP? The mailbox is still*");
}

static void
test_no_listing (void)
{
  g_autoptr (PosternTestServer) server = postern_test_server_new (NULL);
  PosternServerStatistics statistics;

  server->host->has_no_listing = TRUE;
  play (meet_no_listing, server);
  postern_mail_server_get_statistics (server->server, &statistics);
  g_assert_cmpuint (statistics.logins[POSTERN_SERVICE_POP3], ==, 0);
  g_assert_cmpuint (statistics.open[POSTERN_SERVICE_POP3], ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/net/pop3-driver/bodies-go-out-as-canonical-lines",
                        GINT_TO_POINTER (FALSE),
                        test_retrieve);
  g_test_add_data_func ("/net/pop3-driver/bodies-in-memory-go-out-the-same",
                        GINT_TO_POINTER (TRUE),
                        test_retrieve);
  g_test_add_func ("/net/pop3-driver/small-message-is-one-write", test_one_write);
  g_test_add_func ("/net/pop3-driver/pipelined-commands-are-answered-in-order", test_pipeline);
  g_test_add_func ("/net/pop3-driver/half-closed-client-gets-all-answers", test_half_close);
  g_test_add_func ("/net/pop3-driver/last-reply-survives-what-follows-quit", test_last_reply);
  g_test_add_func ("/net/pop3-driver/broken-body-ends-without-the-dot", test_broken_body);
  g_test_add_func ("/net/pop3-driver/slow-reader-costs-under-a-megabyte", test_slow_reader);
  g_test_add_func ("/net/pop3-driver/hanging-up-while-a-body-flows-is-harmless", test_hang_up);
  g_test_add_func ("/net/pop3-driver/no-listing-yet-is-no-wrong-password", test_no_listing);
  return g_test_run ();
}
