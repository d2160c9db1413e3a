/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

#define MANY           1000
#define MESSAGE_OCTETS (40 * 1000)

typedef struct
{
  PosternTestServer *on;
  PosternService service;
  PosternSecurity security;
  GPtrArray *clients; /* (element-type PosternTestClient) */
} Scene;

static PosternServerStatistics
get_statistics (PosternTestServer *server)
{
  PosternServerStatistics statistics;

  postern_mail_server_get_statistics (server->server, &statistics);
  return statistics;
}

static void
idle_in_crowds (gpointer user_data)
{
  Scene *scene = user_data;
  gboolean is_pop3 = scene->service == POSTERN_SERVICE_POP3;
  g_autofree char *message = g_strnfill (MESSAGE_OCTETS, 'x');

  /* Not only idle, but idle after work: what a message took must have been given back. */
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
          postern_test_client_send (client, "RETR 1\r\n");
          g_bytes_unref (postern_test_client_read_until (client, "\r\n.\r\n"));
        }
      else
        {
          postern_test_client_talk (client, "EHLO client.test", "250 *");
          postern_test_client_talk (client, "AUTH PLAIN AHVzZXIAcmlnaHQ=", "235 *");
          postern_test_client_talk (client, "MAIL FROM:<user@example.test>", "250 *");
          postern_test_client_talk (client, "RCPT TO:<a@example.test>", "250 *");
          postern_test_client_talk (client, "DATA", "354 *");
          postern_test_client_send_octets (client, message, MESSAGE_OCTETS);
          postern_test_client_talk (client, "\r\n.", "250 *");
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
  g_ptr_array_set_size (server->host->received, 0);
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
  g_autofree char *message = g_strnfill (MESSAGE_OCTETS, 'x');

#if defined(__SANITIZE_ADDRESS__)
  g_test_skip ("The sanitizer's heap tells nothing about ours");
  return;
#endif
  postern_test_host_add (server->host, message, MESSAGE_OCTETS);
  for (PosternService service = 0; service < POSTERN_N_SERVICES; service++)
    {
      g_assert_cmpuint (measure_idle (server, service, POSTERN_SECURITY_STARTTLS), <=, 2048);
      g_assert_cmpuint (measure_idle (server, service, POSTERN_SECURITY_IMPLICIT), <=, 16 * 1024);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/connection/idle-sessions-are-small", test_idle_memory);
  return g_test_run ();
}
