/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/worker-sign-in.h"

#include "base/error.h"
#include "tests/support/await.h"

#include <json-glib/json-glib.h>
#include <string.h>

typedef struct
{
  guint status;
  const char *type; /* NULL: application/json */
  const char *body; /* with ' for " */
} Answer;

typedef struct
{
  SoupServer *server;
  PosternHttpClient *http;
  char *url;
  Answer found;     /* of /.well-known/postern */
  Answer signed_in; /* of /api/v1/sign-in */
  char *request;    /* what came there */
} Fixture;

static void
answer (SoupServerMessage *message, const Answer *answer)
{
  char *json = g_strdelimit (g_strdup (answer->body), "'", '"');

  soup_server_message_set_status (message, answer->status, NULL);
  soup_server_message_set_response (message,
                                    answer->type != NULL ? answer->type : "application/json",
                                    SOUP_MEMORY_TAKE,
                                    json,
                                    strlen (json));
}

static void
on_find (SoupServer *server,
         SoupServerMessage *message,
         const char *path,
         GHashTable *query,
         gpointer user_data)
{
  answer (message, &((Fixture *) user_data)->found);
}

static void
on_sign_in (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GBytes) body =
      soup_message_body_flatten (soup_server_message_get_request_body (message));

  g_free (fixture->request);
  fixture->request = g_strndup (g_bytes_get_data (body, NULL), g_bytes_get_size (body));
  answer (message, &fixture->signed_in);
}

static Fixture *
fixture_new (void)
{
  Fixture *self = g_new0 (Fixture, 1);
  g_autoptr (GError) error = NULL;
  GSList *uris;

  self->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (self->server, "/.well-known/postern", on_find, self, NULL);
  soup_server_add_handler (self->server, "/api/v1/sign-in", on_sign_in, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->url = g_uri_to_string (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  self->http = postern_http_client_new (POSTERN_HTTP_NO_PROXY, NULL, &error);
  g_assert_no_error (error);
  return self;
}

static void
fixture_free (Fixture *self)
{
  g_object_unref (self->http);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_free (self->url);
  g_free (self->request);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static PosternWorkerInfo *
probe (Fixture *fixture, GError **error)
{
  g_auto (Await) await = { 0 };

  postern_worker_probe_async (fixture->http, fixture->url, NULL, await_done, &await);
  return postern_worker_probe_finish (await_result (&await), error);
}

static void
test_probe (void)
{
  static const struct
  {
    Answer found;
    int code; /* -1: a Worker */
  } cases[] = {
    { { 200,
        NULL,
        "{'name':'Postern','version':'9.1','leastBridgeVersion':'0.1.0','apiUrl':'/api/v1/'}" },
      -1 },
    { { 200, NULL, "{'name':'Postern','version':'9.1','apiUrl':'/api/v1/'}" }, -1 },
    { { 200, NULL, "{'name':'Postern','leastBridgeVersion':'900.1','apiUrl':'/api/v1/'}" },
      POSTERN_ERROR_NEWER },
    { { 200,
        NULL,
        "{'name':'Postern','leastBridgeVersion':'0.1.0','apiUrl':'https://evil.test/'}" },
      POSTERN_ERROR_PROTOCOL },
    { { 200, NULL, "{'name':'Something','apiUrl':'/api/v1/'}" }, POSTERN_ERROR_NOT_FOUND },
    { { 200, "text/html", "<html>" }, POSTERN_ERROR_NOT_FOUND },
    { { 404, "text/html", "<html>" }, POSTERN_ERROR_NOT_FOUND },
    { { 302, "text/html", "<html>" }, POSTERN_ERROR_NOT_FOUND },
    { { 503, "text/html", "<html>" }, POSTERN_ERROR_TEMPORARY },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      g_autoptr (GError) error = NULL;
      g_autoptr (PosternWorkerInfo) info = NULL;

      g_test_message ("%s", cases[i].found.body);
      fixture->found = cases[i].found;
      info = probe (fixture, &error);
      if (cases[i].code < 0)
        {
          g_assert_no_error (error);
          g_assert_cmpstr (info->version, ==, "9.1");
        }
      else
        g_assert_error (error, POSTERN_ERROR, cases[i].code);
    }
}

static PosternSecret *
sign_in (Fixture *fixture, const char *text, GError **error)
{
  g_autoptr (PosternSecret) password = postern_secret_new (text, -1);
  g_autoptr (PosternWorkerInfo) info = NULL;
  g_auto (Await) await = { 0 };

  fixture->found = (Answer){ 200, NULL, "{'name':'Postern','version':'1','apiUrl':'/api/v1/'}" };
  info = probe (fixture, error);
  g_assert_nonnull (info);
  postern_worker_sign_in_async (fixture->http,
                                info,
                                "ada@x",
                                password,
                                "laptop",
                                NULL,
                                await_done,
                                &await);
  return postern_worker_sign_in_finish (await_result (&await), error);
}

static void
test_token (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) token = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *request;

  fixture->signed_in = (Answer){ 201, NULL, "{'token':'pt_x','tokenId':'1'}" };
  token = sign_in (fixture, "a \"quoted\" пароль", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (postern_secret_get_text (token), ==, "pt_x");
  g_assert_true (json_parser_load_from_data (parser, fixture->request, -1, NULL));
  request = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (request, "address"), ==, "ada@x");
  g_assert_cmpstr (json_object_get_string_member (request, "password"), ==, "a \"quoted\" пароль");
  g_assert_cmpstr (json_object_get_string_member (request, "name"), ==, "laptop");
}

static void
test_refusals (void)
{
  static const struct
  {
    Answer signed_in;
    PosternError code;
  } cases[] = {
    { { 403, "application/problem+json", "{'code':'wrong-credentials'}" },
      POSTERN_ERROR_CREDENTIALS },
    { { 403, "application/problem+json", "{'code':'account-disabled'}" }, POSTERN_ERROR_FORBIDDEN },
    { { 429, "application/problem+json", "{'code':'too-many-attempts'}" },
      POSTERN_ERROR_TEMPORARY },
    { { 200, NULL, "{'token':7}" }, POSTERN_ERROR_PROTOCOL },
    { { 201, NULL, "{}" }, POSTERN_ERROR_PROTOCOL },
    { { 500, "text/html", "<html>" }, POSTERN_ERROR_TEMPORARY },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      g_autoptr (GError) error = NULL;

      fixture->signed_in = cases[i].signed_in;
      g_assert_null (sign_in (fixture, "secret words", &error));
      g_assert_error (error, POSTERN_ERROR, (int) cases[i].code);
      g_assert_null (strstr (error->message, "secret words"));
    }
}

static void
test_not_text (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (sign_in (fixture, "\xff\xfe", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  g_assert_null (fixture->request);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/worker-sign-in/a-worker-is-known-by-what-it-says", test_probe);
  g_test_add_func ("/jmap/worker-sign-in/a-password-buys-a-token", test_token);
  g_test_add_func ("/jmap/worker-sign-in/each-refusal-has-its-error", test_refusals);
  g_test_add_func ("/jmap/worker-sign-in/a-password-that-is-no-text-is-not-sent", test_not_text);
  return g_test_run ();
}
