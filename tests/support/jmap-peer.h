/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"
#include "tests/support/await.h"

#include <libsoup/soup.h>
#include <string.h>

/* A JMAP server that plays a script: each call of the API takes the next step, which names the
 * methods that must come and what they are answered with. Mailboxes are answered by themselves, so
 * that a script shows only what it is about. */

typedef struct
{
  const char *methods; /* "Email/query Email/get" */
  const char *answers; /* the methodResponses, with ' for "; NULL: the connection is cut instead */
  guint status;        /* 0: 200 */
  const char *type;    /* NULL: application/json */
} Step;

typedef struct
{
  SoupServer *server;
  char *url;
  char *session; /* what the session resource says, with ' for " */
  guint session_status;
  const char *session_type;
  const char *session_location;
  guint n_sessions;
  const Step *steps;
  guint n_steps;
  guint played;
  GPtrArray *requests; /* (element-type JsonObject) of the API, Mailbox/get left out */
  GPtrArray *paths;    /* (element-type utf8) of every request */
  char *authorization; /* of the last request */
  PosternHttpClient *http;
  PosternJmapClient *client;
} JmapPeer;

#define PEER_SESSION                                                                               \
  "{'capabilities':{'urn:ietf:params:jmap:core':{'maxObjectsInGet':%s,'maxObjectsInSet':500},"     \
  "'urn:ietf:params:jmap:mail':{},'urn:ietf:params:jmap:submission':{}%s},"                        \
  "'accounts':{'a@x':{'accountCapabilities':{'urn:ietf:params:jmap:mail':{},"                      \
  "'urn:ietf:params:jmap:submission':{'submissionExtensions':{'DSN':[]}}}}},"                      \
  "'primaryAccounts':{'urn:ietf:params:jmap:mail':'a@x','urn:ietf:params:jmap:submission':'a@x'}," \
  "'username':'a@x','apiUrl':'/api/','downloadUrl':'/get/{accountId}/{blobId}/{name}?t={type}',"   \
  "'uploadUrl':'/put/{accountId}/','eventSourceUrl':'/events?p={ping}','state':'s0'}"

static inline char *
peer_json (const char *text)
{
  return g_strdelimit (g_strdup (text), "'", '"');
}

static inline void
peer_answer (SoupServerMessage *message, guint status, const char *type, const char *text)
{
  g_autofree char *json = peer_json (text);

  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, type, SOUP_MEMORY_COPY, json, strlen (json));
}

static inline void
peer_cut (SoupServerMessage *message)
{
  g_autoptr (GIOStream) stream = soup_server_message_steal_connection (message);

  g_io_stream_close (stream, NULL, NULL);
}

static inline char *
peer_get_methods (JsonObject *request)
{
  JsonArray *calls = json_object_get_array_member (request, "methodCalls");
  g_autoptr (GString) methods = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (calls); i++)
    g_string_append_printf (
        methods,
        "%s%s",
        i > 0 ? " " : "",
        json_array_get_string_element (json_array_get_array_element (calls, i), 0));
  return g_strdup (methods->str);
}

/* The arguments of one call of a request that came. */
static inline JsonObject *
peer_get_arguments (JmapPeer *self, guint request, guint call)
{
  g_assert_cmpuint (request, <, self->requests->len);
  return json_array_get_object_element (
      json_array_get_array_element (
          json_object_get_array_member (self->requests->pdata[request], "methodCalls"),
          call),
      1);
}

static inline void
peer_on_api (SoupServer *server,
             SoupServerMessage *message,
             const char *path,
             GHashTable *query,
             gpointer user_data)
{
  JmapPeer *self = user_data;
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autoptr (GBytes) bytes = soup_message_body_flatten (body);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *methods = NULL;
  g_autofree char *text = NULL;
  const Step *step;
  JsonObject *request;

  g_assert_true (json_parser_load_from_data (parser,
                                             g_bytes_get_data (bytes, NULL),
                                             (gssize) g_bytes_get_size (bytes),
                                             NULL));
  request = json_node_get_object (json_parser_get_root (parser));
  methods = peer_get_methods (request);
  if (strcmp (methods, "Mailbox/get") == 0)
    {
      peer_answer (message,
                   200,
                   "application/json",
                   "{'sessionState':'s0','methodResponses':[['Mailbox/get',{'list':["
                   "{'id':'IN','role':'inbox','name':'Inbox'},"
                   "{'id':'DR','role':'drafts','name':'Drafts'},"
                   "{'id':'SE','role':'sent','name':'Sent'},"
                   "{'id':'TR','role':null,'parentId':null,'name':'Trash'}]},'0']]}");
      return;
    }

  g_ptr_array_add (self->requests, json_object_ref (request));
  if (self->played >= self->n_steps)
    g_error ("Nobody expected %s", methods);
  step = &self->steps[self->played++];
  g_assert_cmpstr (methods, ==, step->methods);
  if (step->answers == NULL)
    {
      peer_cut (message);
      return;
    }
  if (step->status == 0 && step->type == NULL)
    text = g_strdup_printf ("{'sessionState':'s0','methodResponses':%s}", step->answers);
  else
    text = g_strdup (step->answers);
  peer_answer (message,
               step->status != 0 ? step->status : 200,
               step->type != NULL ? step->type : "application/json",
               text);
}

static inline void
peer_on_session (SoupServer *server,
                 SoupServerMessage *message,
                 const char *path,
                 GHashTable *query,
                 gpointer user_data)
{
  JmapPeer *self = user_data;

  self->n_sessions++;
  if (self->session_location != NULL)
    {
      soup_message_headers_replace (soup_server_message_get_response_headers (message),
                                    "Location",
                                    self->session_location);
      self->session_location = NULL;
      soup_server_message_set_status (message, 302, NULL);
      return;
    }
  peer_answer (message, self->session_status, self->session_type, self->session);
}

static inline void
peer_on_read (SoupServer *server, SoupServerMessage *message, JmapPeer *self)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);

  g_ptr_array_add (self->paths, g_uri_to_string (soup_server_message_get_uri (message)));
  g_free (self->authorization);
  self->authorization = g_strdup (soup_message_headers_get_one (headers, "Authorization"));
}

static inline JmapPeer *
peer_new (const char *max_objects, const char *capabilities)
{
  JmapPeer *self = g_new0 (JmapPeer, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) secret = postern_secret_new ("token", -1);
  GSList *uris;

  self->server = soup_server_new (NULL, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->url = g_uri_to_string (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  self->session = g_strdup_printf (PEER_SESSION, max_objects, capabilities);
  self->session_status = 200;
  self->session_type = "application/json";
  self->requests = g_ptr_array_new_with_free_func ((GDestroyNotify) json_object_unref);
  self->paths = g_ptr_array_new_with_free_func (g_free);
  soup_server_add_handler (self->server, "/.well-known/jmap", peer_on_session, self, NULL);
  soup_server_add_handler (self->server, "/session", peer_on_session, self, NULL);
  soup_server_add_handler (self->server, "/api/", peer_on_api, self, NULL);
  g_signal_connect (self->server, "request-read", G_CALLBACK (peer_on_read), self);

  self->http = postern_http_client_new (POSTERN_HTTP_NO_PROXY, NULL, &error);
  g_assert_no_error (error);
  self->client = postern_jmap_client_new (self->http, self->url, POSTERN_JMAP_AUTH_BEARER);
  postern_jmap_client_set_credentials (self->client, NULL, secret);
  return self;
}

static inline void
peer_play (JmapPeer *self, const Step *steps, guint n_steps)
{
  self->steps = steps;
  self->n_steps = n_steps;
  self->played = 0;
  g_ptr_array_set_size (self->requests, 0);
}

#define PEER_PLAY(self, steps) peer_play (self, steps, G_N_ELEMENTS (steps))

static inline void
peer_free (JmapPeer *self)
{
  g_assert_cmpuint (self->played, ==, self->n_steps);
  g_clear_object (&self->client);
  g_clear_object (&self->http);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_ptr_array_unref (self->requests);
  g_ptr_array_unref (self->paths);
  g_free (self->authorization);
  g_free (self->session);
  g_free (self->url);
  g_free (self);
}

/* Turns the main context for a while: for what must not happen. */
static inline void
peer_wait_ms (guint wait_ms)
{
  gint64 end_us = g_get_monotonic_time () + wait_ms * 1000;

  while (g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (JmapPeer, peer_free)
