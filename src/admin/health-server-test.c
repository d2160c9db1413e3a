/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admin/health-server.h"

#include <libsoup/soup.h>

static const char *
health (gpointer user_data)
{
  return *(const char **) user_data;
}

static guint
ask (PosternHealthServer *server,
     const char *method,
     const char *path,
     const char *host,
     char **body)
{
  g_autoptr (SoupSession) session = soup_session_new ();
  g_autofree char *uri =
      g_strdup_printf ("http://127.0.0.1:%u%s", postern_health_server_get_port (server), path);
  g_autoptr (SoupMessage) message = soup_message_new (method, uri);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (host != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (message), "Host", host);
  bytes = soup_session_send_and_read (session, message, NULL, &error);
  g_assert_no_error (error);
  if (body != NULL)
    *body = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return soup_message_get_status (message);
}

typedef struct
{
  PosternHealthServer *server;
  const char *method;
  const char *path;
  const char *host;
  guint status;
  char *body;
  gboolean done;
} Question;

/* The server lives on this thread's main context, so the client asks from another. */
static gpointer
ask_in_thread (gpointer data)
{
  Question *question = data;

  question->status =
      ask (question->server, question->method, question->path, question->host, &question->body);
  g_atomic_int_set (&question->done, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

static void
expect (PosternHealthServer *server,
        const char *method,
        const char *path,
        const char *host,
        guint status,
        const char *body)
{
  Question question = { .server = server, .method = method, .path = path, .host = host };
  GThread *thread = g_thread_new ("client", ask_in_thread, &question);

  while (!g_atomic_int_get (&question.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_assert_cmpuint (question.status, ==, status);
  if (body != NULL)
    g_assert_cmpstr (question.body, ==, body);
  g_free (question.body);
}

static void
test_health (void)
{
  const char *state = "running";
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternHealthServer) server = postern_health_server_new (0, health, &state, &error);

  g_assert_no_error (error);
  expect (server, "GET", "/health", NULL, 200, "{\"state\":\"running\",\"version\":\"0.1.0\"}");
  expect (server, "GET", "/health", "localhost", 200, NULL);
  expect (server, "GET", "/health", "[::1]:80", 200, NULL);
  expect (server, "GET", "/", NULL, 404, NULL);
  expect (server, "POST", "/health", NULL, 405, NULL);
  state = "attention";
  expect (server, "GET", "/health", NULL, 503, NULL);
}

static void
test_rebinding (void)
{
  const char *state = "running";
  g_autoptr (PosternHealthServer) server = postern_health_server_new (0, health, &state, NULL);

  expect (server, "GET", "/health", "evil.example", 421, NULL);
  expect (server, "GET", "/health", "127.0.0.1.evil.example", 421, NULL);
  expect (server, "GET", "/health", "localhost.evil.example:8025", 421, NULL);
}

static void
test_taken (void)
{
  const char *state = "running";
  g_autoptr (PosternHealthServer) server = postern_health_server_new (0, health, &state, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (
      postern_health_server_new (postern_health_server_get_port (server), health, &state, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "127.0.0.1 port"));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/admin/health-server/tells-the-state", test_health);
  g_test_add_func ("/admin/health-server/a-foreign-host-name-is-refused", test_rebinding);
  g_test_add_func ("/admin/health-server/a-taken-port-is-named", test_taken);
  return g_test_run ();
}
