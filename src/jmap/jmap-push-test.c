/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-push.h"

#include "base/error.h"
#include "tests/support/jmap-peer.h"

#define WEBSOCKET ",'urn:ietf:params:jmap:websocket':{'url':'/ws','supportsPush':true}"

static const PosternPushTiming quick = {
  .ping_s = 1000,
  .silence_ms = 60000,
  .proof_ms = 400,
  .poll_ms = 40,
  .retry_ms = 20,
  .max_retry_ms = 80,
  .refused_ms = 60000,
  .unsupported_ms = 60000,
};

typedef struct
{
  JmapPeer *peer;
  PosternJmapPush *push;
  guint n_changed;
  guint n_opened;        /* WebSockets and event streams */
  GPtrArray *websockets; /* (element-type SoupWebsocketConnection) */
  GString *received;
  guint events_status;
  const char *events_type;
  const char *events_body;
  GPtrArray *event_streams; /* (element-type SoupServerMessage) */
  char *last_event_id;
} Fixture;

static void
on_text (SoupWebsocketConnection *connection, int type, GBytes *text, Fixture *fixture)
{
  g_string_append_len (fixture->received,
                       g_bytes_get_data (text, NULL),
                       (gssize) g_bytes_get_size (text));
}

static void
on_websocket (SoupServer *server,
              SoupServerMessage *message,
              const char *path,
              SoupWebsocketConnection *connection,
              gpointer user_data)
{
  Fixture *fixture = user_data;

  g_assert_cmpstr (soup_websocket_connection_get_protocol (connection), ==, "jmap");
  fixture->n_opened++;
  g_ptr_array_add (fixture->websockets, g_object_ref (connection));
  g_signal_connect (connection, "message", G_CALLBACK (on_text), fixture);
}

static void
on_events (SoupServer *server,
           SoupServerMessage *message,
           const char *path,
           GHashTable *query,
           gpointer user_data)
{
  Fixture *fixture = user_data;
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  SoupMessageBody *body = soup_server_message_get_response_body (message);

  fixture->n_opened++;
  g_free (fixture->last_event_id);
  fixture->last_event_id =
      g_strdup (soup_message_headers_get_one (soup_server_message_get_request_headers (message),
                                              "Last-Event-ID"));
  soup_server_message_set_status (message, fixture->events_status, NULL);
  if (fixture->events_status != 200)
    return;
  soup_message_headers_set_content_type (headers, fixture->events_type, NULL);
  soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_body_append (body,
                            SOUP_MEMORY_COPY,
                            fixture->events_body,
                            strlen (fixture->events_body));
  g_ptr_array_add (fixture->event_streams, g_object_ref (message));
}

static void
on_changed (PosternJmapPush *push, Fixture *fixture)
{
  fixture->n_changed++;
}

static void
set_up_with (Fixture *fixture, const char *capabilities, const PosternPushTiming *timing)
{
  static char *protocols[] = { (char *) "jmap", NULL };

  fixture->peer = peer_new ("500", capabilities);
  fixture->websockets = g_ptr_array_new_with_free_func (g_object_unref);
  fixture->event_streams = g_ptr_array_new_with_free_func (g_object_unref);
  fixture->received = g_string_new (NULL);
  fixture->events_status = 204;
  soup_server_add_websocket_handler (fixture->peer->server,
                                     "/ws",
                                     NULL,
                                     protocols,
                                     on_websocket,
                                     fixture,
                                     NULL);
  soup_server_add_handler (fixture->peer->server, "/events", on_events, fixture, NULL);
  fixture->push = postern_jmap_push_new (fixture->peer->client, timing);
  g_signal_connect (fixture->push, "changed", G_CALLBACK (on_changed), fixture);
}

static void
tear_down (Fixture *fixture)
{
  guint changed;

  postern_jmap_push_stop (fixture->push);
  changed = fixture->n_changed;
  peer_wait_ms (30);
  g_assert_cmpuint (fixture->n_changed, ==, changed);
  g_object_unref (fixture->push);
  g_ptr_array_unref (fixture->websockets);
  g_ptr_array_unref (fixture->event_streams);
  g_string_free (fixture->received, TRUE);
  g_free (fixture->last_event_id);
  peer_free (fixture->peer);
}

static PosternConnection
get_connection (Fixture *fixture)
{
  return postern_jmap_push_get_connection (fixture->push, NULL);
}

/* Waits until it is so; a test that waits in vain ends by Meson's time limit. */
#define WAIT_UNTIL(condition)                                                                      \
  while (!(condition))                                                                             \
  g_main_context_iteration (NULL, TRUE)

static void
send_state (Fixture *fixture, const char *account, const char *state)
{
  SoupWebsocketConnection *connection = fixture->websockets->pdata[fixture->websockets->len - 1];
  g_autofree char *text =
      g_strdup_printf ("{\"@type\":\"StateChange\",\"changed\":{\"%s\":{\"Email\":\"%s\"}}}",
                       account,
                       state);

  soup_websocket_connection_send_text (connection, text);
}

static void
test_websocket (void)
{
  Fixture fixture = { 0 };

  set_up_with (&fixture, WEBSOCKET, &quick);
  g_assert_cmpint (get_connection (&fixture), ==, POSTERN_CONNECTION_NONE);
  postern_jmap_push_start (fixture.push);
  g_assert_cmpint (get_connection (&fixture), ==, POSTERN_CONNECTION_CONNECTING);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_PUSH && fixture.received->len > 0);
  g_assert_cmpstr (fixture.received->str,
                   ==,
                   "{\"@type\":\"WebSocketPushEnable\",\"dataTypes\":[\"Email\"]}");
  g_assert_cmpstr (fixture.peer->authorization, ==, "Bearer token");
  g_assert_cmpuint (fixture.n_changed, ==, 1); /* whatever happened before */

  send_state (&fixture, "a@x", "5");
  WAIT_UNTIL (fixture.n_changed == 2);
  /* What is known already, other accounts and nonsense say nothing. */
  postern_jmap_push_note_state (fixture.push, "6");
  send_state (&fixture, "a@x", "6");
  send_state (&fixture, "b@x", "9");
  soup_websocket_connection_send_text (fixture.websockets->pdata[0], "{\"@type\":\"StateChange\"}");
  soup_websocket_connection_send_text (fixture.websockets->pdata[0], "nonsense");
  soup_websocket_connection_send_binary (fixture.websockets->pdata[0], "x", 1);
  peer_wait_ms (30);
  g_assert_cmpuint (fixture.n_changed, ==, 2);
  send_state (&fixture, "a@x", "7");
  WAIT_UNTIL (fixture.n_changed == 3);
  tear_down (&fixture);
}

static void
test_reconnect (void)
{
  Fixture fixture = { 0 };
  const GError *reason;

  set_up_with (&fixture, WEBSOCKET, &quick);
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  WAIT_UNTIL (fixture.n_opened == 1);
  soup_websocket_connection_close (fixture.websockets->pdata[0], 1012, "restart");
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_OFFLINE);
  postern_jmap_push_get_connection (fixture.push, &reason);
  g_assert_error (reason, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  WAIT_UNTIL (fixture.n_opened == 2 && get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  g_assert_cmpuint (fixture.n_changed, ==, 2);
  tear_down (&fixture);
}

static void
test_silence (void)
{
  PosternPushTiming timing = quick;
  Fixture fixture = { 0 };

  timing.silence_ms = 100;
  set_up_with (&fixture, WEBSOCKET, &timing);
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (fixture.n_opened == 3);
  tear_down (&fixture);
}

static void
test_pongs (void)
{
  PosternPushTiming timing = quick;
  Fixture fixture = { 0 };

  timing.ping_s = 1;
  timing.silence_ms = 3500; /* two pongs may come late on a busy machine */
  set_up_with (&fixture, WEBSOCKET, &timing);
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (fixture.n_opened == 1);
  peer_wait_ms (4500);
  g_assert_cmpuint (fixture.n_opened, ==, 1);
  tear_down (&fixture);
}

static void
test_proof (void)
{
  Fixture fixture = { 0 };

  set_up_with (&fixture, WEBSOCKET, &quick);
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (fixture.n_opened == 1 && get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  /* The peer answers: the connection stays. */
  postern_jmap_push_look_again (fixture.push);
  g_assert_cmpuint (fixture.n_changed, ==, 2);
  WAIT_UNTIL (strstr (fixture.received->str, "Core/echo") != NULL);
  soup_websocket_connection_send_text (fixture.websockets->pdata[0], "{\"@type\":\"Response\"}");
  peer_wait_ms (600);
  g_assert_cmpuint (fixture.n_opened, ==, 1);
  /* It does not: the connection is made anew. */
  postern_jmap_push_look_again (fixture.push);
  WAIT_UNTIL (fixture.n_opened == 2);
  tear_down (&fixture);
}

static void
test_no_websocket (void)
{
  Fixture fixture = { 0 };

  /* The session names one that is not there; the event source works. */
  set_up_with (&fixture,
               ",'urn:ietf:params:jmap:websocket':{'url':'/none','supportsPush':true}",
               &quick);
  fixture.events_status = 200;
  fixture.events_type = "text/event-stream; charset=utf-8";
  fixture.events_body = ": hello\n\n";
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  g_assert_cmpuint (fixture.n_opened, ==, 1);
  tear_down (&fixture);
}

static void
test_event_source (void)
{
  Fixture fixture = { 0 };
  SoupServerMessage *message;
  const char *event =
      "id: 55\nevent: state\n"
      "data: {\"@type\":\"StateChange\",\"changed\":{\"a@x\":{\"Email\":\"55\"}}}\n\n";

  set_up_with (&fixture, "", &quick);
  fixture.events_status = 200;
  fixture.events_type = "text/event-stream";
  fixture.events_body = "event: ping\ndata: {\"interval\":1}\n\n";
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  g_assert_cmpuint (fixture.n_changed, ==, 1);
  g_assert_null (fixture.last_event_id);

  message = fixture.event_streams->pdata[0];
  soup_message_body_append (soup_server_message_get_response_body (message),
                            SOUP_MEMORY_COPY,
                            event,
                            strlen (event));
  soup_server_message_unpause (message);
  WAIT_UNTIL (fixture.n_changed == 2);
  soup_message_body_complete (soup_server_message_get_response_body (message));
  soup_server_message_unpause (message);
  WAIT_UNTIL (fixture.n_opened == 2);
  g_assert_cmpstr (fixture.last_event_id, ==, "55");
  tear_down (&fixture);
}

static void
test_polling (gconstpointer data)
{
  Fixture fixture = { 0 };

  set_up_with (&fixture, "", &quick);
  fixture.events_status = GPOINTER_TO_UINT (data);
  fixture.events_type = "text/html";
  fixture.events_body = "<html>";
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_POLLING);
  WAIT_UNTIL (fixture.n_changed >= 4);
  /* It said no, so it is not asked again. */
  g_assert_cmpuint (fixture.n_opened, ==, 1);
  tear_down (&fixture);
}

static void
test_polling_offline (void)
{
  Fixture fixture = { 0 };
  g_autoptr (GError) error = g_error_new (POSTERN_ERROR, POSTERN_ERROR_OFFLINE, "no route");

  set_up_with (&fixture, "", &quick);
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_POLLING);
  postern_jmap_push_note_outcome (fixture.push, error);
  g_assert_cmpint (get_connection (&fixture), ==, POSTERN_CONNECTION_OFFLINE);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_POLLING);
  tear_down (&fixture);
}

static void
test_credentials (void)
{
  Fixture fixture = { 0 };
  const GError *reason;
  guint asked;

  set_up_with (&fixture, WEBSOCKET, &quick);
  fixture.peer->session_status = 401;
  postern_jmap_push_start (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_OFFLINE);
  postern_jmap_push_get_connection (fixture.push, &reason);
  g_assert_error (reason, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS);
  /* The same credentials are not tried at every turn: it would lock the account. */
  asked = fixture.peer->n_sessions;
  peer_wait_ms (150);
  g_assert_cmpuint (fixture.peer->n_sessions, ==, asked);

  fixture.peer->session_status = 200;
  postern_jmap_push_begin_anew (fixture.push);
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  tear_down (&fixture);
}

static void
test_back_off (void)
{
  Fixture fixture = { 0 };
  guint asked;

  set_up_with (&fixture, WEBSOCKET, &quick);
  fixture.peer->session_status = 500;
  postern_jmap_push_start (fixture.push);
  peer_wait_ms (500);
  /* 20, 40, 80, 80, … ms, each halved at most */
  asked = fixture.peer->n_sessions;
  g_assert_cmpuint (asked, >=, 3);
  g_assert_cmpuint (asked, <=, 15);
  fixture.peer->session_status = 200;
  WAIT_UNTIL (get_connection (&fixture) == POSTERN_CONNECTION_PUSH);
  tear_down (&fixture);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/push/a-websocket-tells-of-changes", test_websocket);
  g_test_add_func ("/jmap/push/what-ends-is-opened-again", test_reconnect);
  g_test_add_func ("/jmap/push/silence-is-death", test_silence);
  g_test_add_func ("/jmap/push/pongs-are-signs-of-life", test_pongs);
  g_test_add_func ("/jmap/push/looking-again-asks-for-proof", test_proof);
  g_test_add_func ("/jmap/push/without-websocket-there-are-events", test_no_websocket);
  g_test_add_func ("/jmap/push/an-event-source-tells-and-resumes", test_event_source);
  g_test_add_data_func ("/jmap/push/204-means-ask-by-the-clock",
                        GUINT_TO_POINTER (204),
                        test_polling);
  g_test_add_data_func ("/jmap/push/html-is-no-event-stream", GUINT_TO_POINTER (200), test_polling);
  g_test_add_func ("/jmap/push/asking-in-vain-is-offline", test_polling_offline);
  g_test_add_func ("/jmap/push/refused-credentials-are-not-hammered", test_credentials);
  g_test_add_func ("/jmap/push/tries-back-off", test_back_off);
  return g_test_run ();
}
