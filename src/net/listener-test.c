/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/test-server.h"

#include "base/error.h"

#include <sys/resource.h>
#include <unistd.h>

typedef struct
{
  PosternTestServer *on;
} Scene;

static void
play (PosternTestScenario scenario, PosternTestServer *server)
{
  Scene scene = { .on = server };

  postern_test_client_run (scenario, &scene);
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
  g_test_add_func ("/net/listener/without-descriptors-nothing-spins", test_no_descriptors);
  g_test_add_func ("/net/listener/taken-port-is-named", test_port_conflict);
  g_test_add_func ("/net/listener/bad-address-is-named", test_bad_address);
  g_test_add_func ("/net/listener/closed-port-can-be-opened-again", test_reopen);
  return g_test_run ();
}
