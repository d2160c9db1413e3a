/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "http/http-client.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/http-error.h"
#include "tests/support/await.h"

#include <string.h>

typedef struct
{
  SoupServer *server;
  PosternHttpClient *http;
  GUri *uri; /* of the server's root */
  guint n_requests;
} Fixture;

static char *
get_data_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "..", "..", "tests", "data", "tls", name, NULL);
}

static void
on_request (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  Fixture *fixture = user_data;
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  SoupMessageBody *body = soup_server_message_get_response_body (message);

  fixture->n_requests++;
  soup_server_message_set_status (message, 200, NULL);
  if (strcmp (path, "/cut") == 0)
    {
      g_autoptr (GIOStream) stream = soup_server_message_steal_connection (message);

      g_io_stream_close (stream, NULL, NULL);
    }
  else if (strcmp (path, "/away") == 0)
    soup_server_message_set_redirect (message, 307, "http://127.0.0.1:9/");
  else if (strcmp (path, "/login") == 0)
    {
      soup_message_headers_replace (headers, "WWW-Authenticate", "Basic realm=\"x\"");
      soup_message_headers_replace (headers, "Set-Cookie", "a=b");
      soup_server_message_set_status (message, 401, NULL);
    }
  else if (strcmp (path, "/stall") == 0)
    {
      soup_message_headers_set_content_length (headers, 1000000);
      soup_message_body_append (body, SOUP_MEMORY_STATIC, "0123456789", 10);
    }
  else if (strcmp (path, "/long") == 0)
    soup_server_message_set_response (message,
                                      "text/plain",
                                      SOUP_MEMORY_TAKE,
                                      g_strnfill (100000, 'x'),
                                      100000);
  else
    soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_STATIC, "hello", 5);
}

static Fixture *
fixture_new (const char *certificate, const char *host, const char *authority)
{
  Fixture *self = g_new0 (Fixture, 1);
  g_autoptr (GError) error = NULL;
  g_autofree char *authority_path = authority != NULL ? get_data_path (authority) : NULL;
  GSList *uris;

  self->server = soup_server_new (NULL, NULL);
  if (certificate != NULL)
    {
      g_autofree char *path = get_data_path (certificate);
      g_autofree char *key_path = get_data_path ("localhost-key.pem");
      g_autoptr (GTlsCertificate) tls = g_tls_certificate_new_from_files (path, key_path, &error);

      g_assert_no_error (error);
      soup_server_set_tls_certificate (self->server, tls);
    }
  soup_server_add_handler (self->server, NULL, on_request, self, NULL);
  soup_server_listen_local (self->server,
                            0,
                            SOUP_SERVER_LISTEN_IPV4_ONLY |
                                (certificate != NULL ? SOUP_SERVER_LISTEN_HTTPS : 0),
                            &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->uri = g_uri_build (SOUP_HTTP_URI_FLAGS,
                           certificate != NULL ? "https" : "http",
                           NULL,
                           host,
                           g_uri_get_port (uris->data),
                           "/",
                           NULL,
                           NULL);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  self->http = postern_http_client_new (POSTERN_HTTP_NO_PROXY, authority_path, &error);
  g_assert_no_error (error);
  return self;
}

static void
fixture_free (Fixture *self)
{
  g_object_unref (self->http);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_uri_unref (self->uri);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static SoupMessage *
make_message (Fixture *fixture, const char *method, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = postern_http_uri_parse (fixture->uri, path, &error);

  g_assert_no_error (error);
  return postern_http_message_new (method, uri);
}

static GBytes *
fetch (Fixture *fixture, SoupMessage *message, gsize max_octets, GError **error)
{
  g_auto (Await) await = { 0 };

  postern_http_client_fetch_async (fixture->http, message, max_octets, NULL, await_done, &await);
  return postern_http_client_fetch_finish (fixture->http, await_result (&await), error);
}

static void
test_fetch (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "GET", "/");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = NULL;

  g_assert_false (postern_http_message_may_have_arrived (message));
  body = fetch (fixture, message, 5, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (body, NULL), g_bytes_get_size (body), "hello", 5);
  g_assert_true (postern_http_message_may_have_arrived (message));
  g_assert_true (postern_http_check_status (message, &error));
}

static void
test_limit (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "GET", "/long");
  g_autoptr (GError) error = NULL;

  g_assert_null (fetch (fixture, message, 99999, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
}

static void
test_no_redirect (void)
{
  static const char *const methods[] = { "GET", "POST" };

  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
      g_autoptr (SoupMessage) message = make_message (fixture, methods[i], "/away");
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) body = fetch (fixture, message, 1000, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (soup_message_get_status (message), ==, 307);
      g_assert_false (postern_http_check_status (message, &error));
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
      g_clear_error (&error);
      g_assert_null (postern_http_dup_redirect (message, &error));
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
      g_assert_cmpuint (fixture->n_requests, ==, 1);
    }
}

static void
test_no_login (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "GET", "/login");
  g_autoptr (SoupMessage) second = make_message (fixture, "GET", "/");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = fetch (fixture, message, 1000, &error);
  g_autoptr (GBytes) other = fetch (fixture, second, 1000, &error);

  g_assert_no_error (error);
  g_assert_false (postern_http_check_status (message, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS);
  g_assert_cmpuint (fixture->n_requests, ==, 2);
  g_assert_null (
      soup_message_headers_get_one (soup_message_get_request_headers (second), "Cookie"));
}

/* A connection kept from an earlier request, and the server cuts it at the next one: that is where
 * HTTP libraries like to repeat. */
static void
test_no_repeat (void)
{
  static const char *const methods[] = { "POST", "POST" };

  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
      g_autoptr (SoupMessage) first = make_message (fixture, "GET", "/");
      g_autoptr (SoupMessage) message = make_message (fixture, methods[i], "/cut");
      g_autoptr (GBytes) request = g_bytes_new_static ("x", 1);
      g_autoptr (GBytes) body = NULL;
      g_autoptr (GError) error = NULL;

      if (i == 1)
        body = fetch (fixture, first, 1000, NULL);
      soup_message_set_request_body_from_bytes (message, "text/plain", request);
      g_assert_null (fetch (fixture, message, 1000, &error));
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
      g_assert_true (postern_http_message_may_have_arrived (message));
      g_assert_cmpuint (fixture->n_requests, ==, i + 1);
    }
}

static void
test_refused (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "POST", "/");
  g_autoptr (GError) error = NULL;

  soup_server_disconnect (fixture->server);
  g_assert_null (fetch (fixture, message, 1000, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  g_assert_false (postern_http_message_may_have_arrived (message));
}

static void
test_unknown_name (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message =
      make_message (fixture, "GET", "https://there-is-no-such-name.invalid/");
  g_autoptr (GError) error = NULL;

  g_assert_null (fetch (fixture, message, 1000, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
}

static void
test_cancel (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "GET", "/stall");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };

  postern_http_client_fetch_async (fixture->http,
                                   message,
                                   10000000,
                                   cancellable,
                                   await_done,
                                   &await);
  while (fixture->n_requests == 0)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (cancellable);
  g_assert_null (postern_http_client_fetch_finish (fixture->http, await_result (&await), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_drop (void)
{
  g_autoptr (Fixture) fixture = fixture_new (NULL, "127.0.0.1", NULL);
  g_autoptr (SoupMessage) message = make_message (fixture, "GET", "/stall");
  g_autoptr (SoupMessage) next = make_message (fixture, "GET", "/");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = NULL;
  g_auto (Await) opened = { 0 };
  g_auto (Await) read = { 0 };
  GInputStream *stream;
  char buffer[10];
  gint64 begin_us;

  postern_http_client_open_async (fixture->http,
                                  message,
                                  POSTERN_HTTP_REQUEST,
                                  NULL,
                                  await_done,
                                  &opened);
  stream = postern_http_client_open_finish (fixture->http, await_result (&opened), &error);
  g_assert_no_error (error);
  g_input_stream_read_async (stream, buffer, sizeof buffer, 0, NULL, await_done, &read);
  g_assert_cmpint (g_input_stream_read_finish (stream, await_result (&read), &error), >, 0);
  /* The rest never comes; dropping must not wait for it. */
  await_clear (&opened);
  await_clear (&read);
  begin_us = g_get_monotonic_time ();
  g_object_unref (stream);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, G_USEC_PER_SEC);
  body = fetch (fixture, next, 1000, &error);
  g_assert_no_error (error);
}

static void
test_tls (void)
{
  static const struct
  {
    const char *host;
    const char *authority;
    int code; /* -1: trusted */
  } cases[] = {
    { "localhost", "authority.pem", -1 },
    { "127.0.0.1", "authority.pem", POSTERN_ERROR_TRUST }, /* the certificate names another */
    { "localhost", "other-authority.pem", POSTERN_ERROR_TRUST },
    { "localhost", NULL, POSTERN_ERROR_TRUST },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Fixture) fixture =
          fixture_new ("localhost.pem", cases[i].host, cases[i].authority);
      g_autoptr (SoupMessage) message = make_message (fixture, "POST", "/");
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) body = fetch (fixture, message, 1000, &error);

      g_test_message ("%s, %s", cases[i].host, cases[i].authority);
      if (cases[i].code < 0)
        {
          g_assert_no_error (error);
          g_assert_nonnull (body);
          continue;
        }
      g_assert_error (error, POSTERN_ERROR, cases[i].code);
      g_assert_false (postern_http_message_may_have_arrived (message));
      g_assert_cmpuint (fixture->n_requests, ==, 0);
    }
}

static void
test_bad_authority (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (postern_http_client_new (POSTERN_HTTP_NO_PROXY, "/nonexistent.pem", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
}

static void
test_uris (void)
{
  static const struct
  {
    const char *base;
    const char *text;
    const char *expected; /* NULL: refused */
  } cases[] = {
    { NULL, "https://a.test", "https://a.test/" },
    { NULL, "https://user:pw@a.test/x?y#z", "https://a.test/x?y" },
    { NULL, "http://a.test/", NULL },
    { NULL, "http://localhost:8080/x", "http://localhost:8080/x" },
    { NULL, "http://127.0.0.2/", "http://127.0.0.2/" },
    { NULL, "http://[::1]:80/", "http://[::1]/" },
    { NULL, "http://localhost.evil.test/", NULL },
    { NULL, "http://127.0.0.1.evil.test/", NULL },
    { NULL, "file:///etc/passwd", NULL },
    { NULL, "a.test", NULL },
    { NULL, "", NULL },
    { "https://a.test/b/c", "/d?e", "https://a.test/d?e" },
    { "https://a.test/b/c", "d", "https://a.test/b/d" },
    { "https://a.test/b/c", "//b.test/", "https://b.test/" },
    { "https://a.test/b/c", "http://b.test/", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GUri) base =
          cases[i].base != NULL ? postern_http_uri_parse (NULL, cases[i].base, NULL) : NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GUri) uri = postern_http_uri_parse (base, cases[i].text, &error);
      g_autofree char *text = uri != NULL ? g_uri_to_string (uri) : NULL;

      g_assert_cmpstr (text, ==, cases[i].expected);
      if (cases[i].expected == NULL)
        g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
    }
}

static void
test_redirects (void)
{
  static const struct
  {
    const char *from;
    const char *to;
    const char *expected; /* NULL: not followed */
  } cases[] = {
    { "https://a.test/x", "/y", "https://a.test/y" },
    { "https://a.test/x", "https://A.test/y", "https://A.test/y" },
    { "https://a.test/x", "https://a.test:8443/y", "https://a.test:8443/y" },
    { "http://localhost/x", "https://localhost/y", "https://localhost/y" },
    { "https://localhost/x", "http://localhost/y", NULL },
    { "https://a.test/x", "https://b.test/y", NULL },
    { "https://a.test/x", "https://a.test.evil.test/", NULL },
    { "https://a.test/x", "//evil.test/", NULL },
    { "http://localhost:1/x", "http://localhost:2/", NULL },
    { "https://a.test/x", NULL, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GUri) uri = postern_http_uri_parse (NULL, cases[i].from, NULL);
      g_autoptr (SoupMessage) message = postern_http_message_new ("GET", uri);
      g_autoptr (GError) error = NULL;
      g_autoptr (GUri) to = NULL;
      g_autofree char *text = NULL;

      if (cases[i].to != NULL)
        soup_message_headers_replace (soup_message_get_response_headers (message),
                                      "Location",
                                      cases[i].to);
      to = postern_http_dup_redirect (message, &error);
      text = to != NULL ? g_uri_to_string (to) : NULL;
      g_assert_cmpstr (text, ==, cases[i].expected);
      if (to == NULL)
        g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    }
}

static void
test_retry_after (void)
{
  static const struct
  {
    const char *value;
    gint64 expected_s;
  } cases[] = {
    { "120", 120 },
    { "0", 0 },
    { "99999999999999999999", 0 },
    { "999999999", 86400 },
    { "-5", 0 },
    { "soon", 0 },
    { "Fri, 15 Jan 2027 08:01:00 GMT", 60 },
    { "Fri, 15 Jan 2027 07:00:00 GMT", 0 },
  };
  g_autoptr (GUri) uri = postern_http_uri_parse (NULL, "https://a.test", NULL);

  postern_clock_set (G_GINT64_CONSTANT (1800000000000000), 0); /* 15 January 2027, 08:00:00 UTC */
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (SoupMessage) message = postern_http_message_new ("GET", uri);

      soup_message_headers_replace (soup_message_get_response_headers (message),
                                    "Retry-After",
                                    cases[i].value);
      g_assert_cmpint (postern_http_get_retry_after_us (message),
                       ==,
                       cases[i].expected_s * G_USEC_PER_SEC);
    }
  postern_clock_restore ();
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/http-client/an-answer-is-read", test_fetch);
  g_test_add_func ("/http/http-client/an-answer-has-a-limit", test_limit);
  g_test_add_func ("/http/http-client/no-redirect-is-followed", test_no_redirect);
  g_test_add_func ("/http/http-client/no-login-and-no-cookie-is-tried", test_no_login);
  g_test_add_func ("/http/http-client/no-post-is-repeated", test_no_repeat);
  g_test_add_func ("/http/http-client/a-refused-connection-is-offline", test_refused);
  g_test_add_func ("/http/http-client/an-unknown-name-is-offline", test_unknown_name);
  g_test_add_func ("/http/http-client/cancelled-stays-cancelled", test_cancel);
  g_test_add_func ("/http/http-client/a-dropped-body-waits-for-nothing", test_drop);
  g_test_add_func ("/http/http-client/wrong-name-and-wrong-authority-are-refused", test_tls);
  g_test_add_func ("/http/http-client/an-authority-file-must-be-good", test_bad_authority);
  g_test_add_func ("/http/http-client/urls-are-secure-or-here", test_uris);
  g_test_add_func ("/http/http-client/redirects-stay-with-the-host", test_redirects);
  g_test_add_func ("/http/http-client/retry-after-is-understood", test_retry_after);
  return g_test_run ();
}
