/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-client.h"

#include "base/clock.h"
#include "base/error.h"
#include "jmap/jmap-blobs.h"
#include "tests/support/jmap-peer.h"

static const PosternJmapSession *
ensure (JmapPeer *peer, GError **error)
{
  g_auto (Await) await = { 0 };

  postern_jmap_client_ensure_session_async (peer->client, NULL, await_done, &await);
  return postern_jmap_client_ensure_session_finish (peer->client, await_result (&await), error);
}

static void
test_redirect (void)
{
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GError) error = NULL;

  peer->session_location = "/session";
  g_assert_nonnull (ensure (peer, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (peer->paths->len, ==, 2);
  g_assert_true (g_str_has_suffix (peer->paths->pdata[1], "/session"));
  g_assert_cmpstr (peer->authorization, ==, "Bearer token");
}

static void
test_redirect_elsewhere (void)
{
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (JmapPeer) thief = peer_new ("500", "");
  g_autofree char *location = g_strconcat (thief->url, "session", NULL);
  g_autoptr (GError) error = NULL;

  peer->session_location = location;
  g_assert_null (ensure (peer, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
  g_assert_cmpuint (thief->paths->len, ==, 0);
}

static void
test_bad_sessions (void)
{
  static const struct
  {
    guint status;
    const char *type;
    const char *body;
    PosternError code;
  } cases[] = {
    { 401, "text/html", "<html>", POSTERN_ERROR_CREDENTIALS },
    { 403, "text/html", "<html>", POSTERN_ERROR_FORBIDDEN },
    { 404, "text/html", "<html>", POSTERN_ERROR_PROTOCOL },
    { 200, "text/html", "<html>Welcome to our hotel</html>", POSTERN_ERROR_PROTOCOL },
    { 200, "application/json", "<html>", POSTERN_ERROR_PROTOCOL },
    { 200, "application/json", "{'capabilities':{},'accounts':{}}", POSTERN_ERROR_CREDENTIALS },
    { 500, "text/html", "<html>", POSTERN_ERROR_TEMPORARY },
    { 503, "text/plain", "busy", POSTERN_ERROR_TEMPORARY },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (JmapPeer) peer = peer_new ("500", "");
      g_autoptr (GError) error = NULL;

      g_test_message ("%u %s", cases[i].status, cases[i].body);
      g_free (peer->session);
      peer->session = g_strdup (cases[i].body);
      peer->session_status = cases[i].status;
      peer->session_type = cases[i].type;
      g_assert_null (ensure (peer, &error));
      g_assert_error (error, POSTERN_ERROR, (int) cases[i].code);
      /* A password or token shows nowhere. */
      g_assert_null (strstr (error->message, "token"));
    }
}

static void
test_read_once (void)
{
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_auto (Await) first = { 0 };
  g_auto (Await) second = { 0 };

  postern_jmap_client_ensure_session_async (peer->client, NULL, await_done, &first);
  postern_jmap_client_ensure_session_async (peer->client, NULL, await_done, &second);
  await_result (&first);
  await_result (&second);
  g_assert_nonnull (ensure (peer, NULL));
  g_assert_cmpuint (peer->n_sessions, ==, 1);
}

static void
test_no_secret (void)
{
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (PosternSecret) broken = postern_secret_new ("a\r\nX: y", -1);
  g_autoptr (GError) error = NULL;

  postern_jmap_client_set_credentials (peer->client, NULL, NULL);
  g_assert_null (ensure (peer, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS);
  g_clear_error (&error);
  postern_jmap_client_set_credentials (peer->client, NULL, broken);
  g_assert_null (ensure (peer, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS);
  g_assert_cmpuint (peer->paths->len, ==, 0);
}

static void
test_basic (void)
{
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (PosternSecret) secret = postern_secret_new ("pw", -1);

  g_object_unref (peer->client);
  peer->client = postern_jmap_client_new (peer->http, peer->url, POSTERN_JMAP_AUTH_BASIC);
  postern_jmap_client_set_credentials (peer->client, "ada@x", secret);
  g_assert_nonnull (ensure (peer, NULL));
  g_assert_cmpstr (peer->authorization, ==, "Basic YWRhQHg6cHc=");
}

static PosternJmapResponse *
echo (JmapPeer *peer, GError **error)
{
  PosternJmapRequest *request = postern_jmap_request_new ();
  g_auto (Await) await = { 0 };

  postern_jmap_request_add (request, "Core/echo", json_object_new ());
  postern_jmap_client_call_async (peer->client, request, NULL, await_done, &await);
  return postern_jmap_client_call_finish (peer->client, await_result (&await), NULL, error);
}

static void
test_session_state (void)
{
  static const Step steps[] = {
    { "Core/echo",
      "{'sessionState':'s1','methodResponses':[['Core/echo',{},'0']]}",
      200,
      "application/json" },
    { "Core/echo", "[['Core/echo',{},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (PosternJmapResponse) first = NULL;
  g_autoptr (PosternJmapResponse) second = NULL;

  PEER_PLAY (peer, steps);
  postern_clock_set (G_GINT64_CONSTANT (1800000000000000), 0);
  g_assert_nonnull (ensure (peer, NULL));
  postern_clock_advance (G_TIME_SPAN_HOUR);
  first = echo (peer, NULL);
  g_assert_cmpuint (peer->n_sessions, ==, 1);
  second = echo (peer, NULL);
  g_assert_cmpuint (peer->n_sessions, ==, 2);
  postern_clock_restore ();
}

static void
test_response_by_name_and_id (void)
{
  static const Step steps[] = {
    { "Core/echo",
      "[['Email/set',{'wrong':1},'0'],['Core/echo',{'wrong':1},'1'],7,[],['Core/echo','x','0'],"
      "['Core/echo',{'right':1},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (PosternJmapResponse) response = NULL;
  g_autoptr (GError) error = NULL;

  PEER_PLAY (peer, steps);
  response = echo (peer, &error);
  g_assert_no_error (error);
  g_assert_null (postern_jmap_response_get (response, 2, "Core/echo", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
}

static void
on_too_busy (SoupServer *server, SoupServerMessage *message, gpointer user_data)
{
  soup_message_headers_replace (soup_server_message_get_response_headers (message),
                                "Retry-After",
                                "120");
}

static void
test_retry_after (void)
{
  static const Step steps[] = { { "Core/echo", "busy", 429, "text/plain" } };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GError) error = NULL;

  PEER_PLAY (peer, steps);
  g_assert_nonnull (ensure (peer, NULL));
  g_signal_connect (peer->server, "request-read", G_CALLBACK (on_too_busy), NULL);
  g_assert_null (echo (peer, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_TEMPORARY);
  g_assert_cmpint (postern_jmap_client_get_not_before_us (peer->client) - g_get_real_time (),
                   >,
                   110 * G_USEC_PER_SEC);
}

/* Bytes up and down */

typedef struct
{
  const char *body;
  gsize declared; /* octets; 0: chunked */
  gboolean cut;
  guint status;
  GBytes *uploaded;
} Blob;

static void
on_chunk_written (SoupServerMessage *message, Blob *blob)
{
  if (blob->cut)
    peer_cut (message);
}

static void
on_blob (SoupServer *server,
         SoupServerMessage *message,
         const char *path,
         GHashTable *query,
         gpointer user_data)
{
  Blob *blob = user_data;
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  SoupMessageBody *body = soup_server_message_get_response_body (message);

  if (g_str_has_prefix (path, "/put/"))
    {
      blob->uploaded = soup_message_body_flatten (soup_server_message_get_request_body (message));
      peer_answer (message, blob->status, "application/json; charset=utf-8", blob->body);
      return;
    }
  g_assert_cmpstr (path, ==, "/get/a@x/B1/mail.eml");
  g_assert_cmpstr (g_hash_table_lookup (query, "t"), ==, "message/rfc822");
  soup_server_message_set_status (message, blob->status, NULL);
  if (blob->declared > 0)
    {
      soup_message_headers_set_content_length (headers, (goffset) blob->declared);
      if (blob->cut)
        {
          soup_message_headers_set_encoding (headers, SOUP_ENCODING_CONTENT_LENGTH);
          g_signal_connect (message, "wrote-chunk", G_CALLBACK (on_chunk_written), blob);
        }
    }
  else
    soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_body_append (body, SOUP_MEMORY_COPY, blob->body, strlen (blob->body));
  if (!blob->cut)
    soup_message_body_complete (body);
}

static GInputStream *
fetch (JmapPeer *peer, guint64 size_octets, GError **error)
{
  PosternJmapBlobs *blobs = postern_jmap_blobs_new (peer->client);
  g_auto (Await) await = { 0 };
  GInputStream *stream;

  postern_jmap_blobs_fetch_async (blobs, "B1", size_octets, NULL, await_done, &await);
  stream = postern_jmap_blobs_fetch_finish (await_result (&await), error);
  postern_jmap_blobs_free (blobs);
  return stream;
}

static gssize
read_all (GInputStream *stream, GError **error)
{
  char buffer[7];
  gssize octets;
  gssize total = 0;

  do
    {
      g_auto (Await) await = { 0 };

      g_input_stream_read_async (stream, buffer, sizeof buffer, 0, NULL, await_done, &await);
      octets = g_input_stream_read_finish (stream, await_result (&await), error);
      total += octets;
    }
  while (octets > 0);
  return octets < 0 ? -1 : total;
}

static void
test_fetch (void)
{
  static const struct
  {
    Blob blob;
    guint64 expected;
    int open_code;
    int read_code;
  } cases[] = {
    { { "0123456789", 10, FALSE, 200, NULL }, 10, -1, -1 },
    { { "0123456789", 0, FALSE, 200, NULL }, 10, -1, -1 },
    { { "0123456789", 0, FALSE, 200, NULL }, 11, -1, POSTERN_ERROR_TEMPORARY },
    { { "0123456789", 0, FALSE, 200, NULL }, 9, -1, POSTERN_ERROR_TEMPORARY },
    { { "0123456789", 10, FALSE, 200, NULL }, 12, POSTERN_ERROR_TEMPORARY, -1 },
    { { "01234", 10, TRUE, 200, NULL }, 10, -1, -2 /* any */ },
    { { "gone", 4, FALSE, 404, NULL }, 4, POSTERN_ERROR_NOT_FOUND, -1 },
    { { "no", 2, FALSE, 401, NULL }, 2, POSTERN_ERROR_CREDENTIALS, -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (JmapPeer) peer = peer_new ("500", "");
      Blob blob = cases[i].blob;
      g_autoptr (GError) error = NULL;
      g_autoptr (GInputStream) stream = NULL;
      gssize octets;

      g_test_message ("case %" G_GSIZE_FORMAT, i);
      soup_server_add_handler (peer->server, "/get/", on_blob, &blob, NULL);
      stream = fetch (peer, cases[i].expected, &error);
      if (cases[i].open_code >= 0)
        {
          g_assert_error (error, POSTERN_ERROR, cases[i].open_code);
          continue;
        }
      g_assert_no_error (error);
      octets = read_all (stream, &error);
      if (cases[i].read_code == -1)
        g_assert_cmpint (octets, ==, (gssize) cases[i].expected);
      else
        {
          g_assert_cmpint (octets, ==, -1);
          g_assert_true (error->domain == POSTERN_ERROR);
          g_assert_true (postern_error_is_temporary (error));
        }
    }
}

static void
test_upload (void)
{
  static const struct
  {
    guint status;
    const char *body;
    int code;
  } cases[] = {
    { 201, "{'blobId':'B9','size':5}", -1 },
    { 200, "{'blobId':'B9'}", -1 },
    { 201, "{'blobId':'B9','size':4}", POSTERN_ERROR_TEMPORARY },
    { 201, "{}", POSTERN_ERROR_PROTOCOL },
    { 413, "{}", POSTERN_ERROR_TOO_LARGE },
    { 400,
      "{'type':'urn:ietf:params:jmap:error:limit','limit':'maxSizeUpload'}",
      POSTERN_ERROR_TOO_LARGE },
    { 500, "{}", POSTERN_ERROR_TEMPORARY },
    { 404, "{}", POSTERN_ERROR_PROTOCOL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (JmapPeer) peer = peer_new ("500", "");
      Blob blob = { .body = cases[i].body, .status = cases[i].status };
      PosternJmapBlobs *blobs = postern_jmap_blobs_new (peer->client);
      g_autoptr (GInputStream) content = g_memory_input_stream_new_from_data ("hello", 5, NULL);
      g_autoptr (GError) error = NULL;
      g_autofree char *blob_id = NULL;
      g_auto (Await) await = { 0 };

      soup_server_add_handler (peer->server, "/put/", on_blob, &blob, NULL);
      postern_jmap_blobs_upload_async (blobs, content, 5, NULL, await_done, &await);
      blob_id = postern_jmap_blobs_upload_finish (await_result (&await), &error);
      g_assert_cmpmem (g_bytes_get_data (blob.uploaded, NULL),
                       g_bytes_get_size (blob.uploaded),
                       "hello",
                       5);
      if (cases[i].code < 0)
        g_assert_cmpstr (blob_id, ==, "B9");
      else
        g_assert_error (error, POSTERN_ERROR, cases[i].code);
      g_bytes_unref (blob.uploaded);
      postern_jmap_blobs_free (blobs);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/client/a-redirect-within-the-origin-is-followed", test_redirect);
  g_test_add_func ("/jmap/client/a-redirect-elsewhere-gets-no-credentials",
                   test_redirect_elsewhere);
  g_test_add_func ("/jmap/client/each-bad-session-has-its-error", test_bad_sessions);
  g_test_add_func ("/jmap/client/a-session-is-read-once-for-all", test_read_once);
  g_test_add_func ("/jmap/client/without-a-secret-nothing-is-asked", test_no_secret);
  g_test_add_func ("/jmap/client/basic-sends-user-and-secret", test_basic);
  g_test_add_func ("/jmap/client/a-new-session-state-reads-the-session", test_session_state);
  g_test_add_func ("/jmap/client/answers-are-matched-by-name-and-id", test_response_by_name_and_id);
  g_test_add_func ("/jmap/client/retry-after-is-kept", test_retry_after);
  g_test_add_func ("/jmap/client/a-body-of-another-length-is-an-error", test_fetch);
  g_test_add_func ("/jmap/client/an-upload-is-checked", test_upload);
  return g_test_run ();
}
