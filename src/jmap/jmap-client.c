/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-client.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/http-error.h"
#include "jmap/jmap-session-read.h"
#include "jmap/json-read.h"

#include <string.h>

#define MAX_RESPONSE_OCTETS (16 * 1024 * 1024)
#define MAX_OBJECTS         500 /* what we ask for at most, whatever the server allows */

/* A server whose sessionState never settles must not make us read the session at every call. */
#define SESSION_LIFE_MIN_US (60 * G_USEC_PER_SEC)

struct _PosternJmapClient
{
  GObject parent_instance;
  PosternHttpClient *http; /* (owned) */
  char *url;
  PosternJmapCredentials *credentials; /* (owned) */

  PosternJmapSession *session; /* (owned) (nullable) */
  gint64 session_read_at_us;   /* monotonic */
  gboolean session_is_old;     /* read it again before the next call */
  guint generation;            /* of the credentials: an answer to older ones is not kept */
  GQueue session_waiters;      /* (element-type GTask); not empty while it is being read */
  char *folders[POSTERN_N_PLACES];
  GPtrArray *identities; /* (element-type PosternIdentity) (nullable) */

  guint max_objects; /* learnt from refusals; 0: none yet */
  guint in_flight;
  GQueue call_waiters; /* (element-type GTask) */
  gint64 not_before_us;
};

G_DEFINE_FINAL_TYPE (PosternJmapClient, postern_jmap_client, G_TYPE_OBJECT)

/**
 * postern_jmap_client_new:
 * @url: the server (`https://host`, whose well-known address is then asked), or its session resource
 */
PosternJmapClient *
postern_jmap_client_new (PosternHttpClient *http, const char *url, PosternJmapAuth auth)
{
  PosternJmapClient *self = g_object_new (POSTERN_TYPE_JMAP_CLIENT, NULL);

  self->http = g_object_ref (http);
  self->url = g_strdup (url);
  self->credentials = postern_jmap_credentials_new (auth, NULL, NULL);
  return self;
}

/**
 * postern_jmap_client_set_credentials:
 * @user: (nullable): needed for Basic
 * @secret: (nullable): NULL: every call ends with CREDENTIALS
 */
void
postern_jmap_client_set_credentials (PosternJmapClient *self,
                                     const char *user,
                                     PosternSecret *secret)
{
  g_autoptr (PosternJmapCredentials) old = self->credentials;

  self->credentials = postern_jmap_credentials_new (old->auth, user, secret);
  self->generation++;
  self->session_is_old = TRUE;
}

PosternHttpClient *
postern_jmap_client_get_http (PosternJmapClient *self)
{
  return self->http;
}

/**
 * postern_jmap_client_get_session:
 *
 * Returns: (nullable): the last one read, perhaps an old one. Lent until the main context runs.
 */
const PosternJmapSession *
postern_jmap_client_get_session (PosternJmapClient *self)
{
  return self->session;
}

/**
 * postern_jmap_client_has_session:
 *
 * Returns: whether the next call needs not read it first
 */
gboolean
postern_jmap_client_has_session (PosternJmapClient *self)
{
  return self->session != NULL && !self->session_is_old && self->credentials->secret != NULL;
}

/**
 * postern_jmap_client_forget_session:
 *
 * The next call reads it again first.
 */
void
postern_jmap_client_forget_session (PosternJmapClient *self)
{
  self->session_is_old = TRUE;
}

const char *
postern_jmap_client_get_folder (PosternJmapClient *self, PosternPlace place)
{
  return self->folders[place];
}

void
postern_jmap_client_set_folder (PosternJmapClient *self, PosternPlace place, const char *folder_id)
{
  g_free (self->folders[place]);
  self->folders[place] = g_strdup (folder_id);
}

/**
 * postern_jmap_client_ref_identities:
 *
 * Returns: (transfer full) (nullable) (element-type PosternIdentity): as they were last listed
 */
GPtrArray *
postern_jmap_client_ref_identities (PosternJmapClient *self)
{
  return self->identities != NULL ? g_ptr_array_ref (self->identities) : NULL;
}

void
postern_jmap_client_set_identities (PosternJmapClient *self, GPtrArray *identities)
{
  g_clear_pointer (&self->identities, g_ptr_array_unref);
  self->identities = identities != NULL ? g_ptr_array_ref (identities) : NULL;
}

/**
 * postern_jmap_client_get_max_objects:
 *
 * Returns: how many objects one method call may name or return, as far as is known
 */
guint
postern_jmap_client_get_max_objects (PosternJmapClient *self)
{
  guint most = MAX_OBJECTS;

  if (self->session != NULL)
    most = MIN (most, MIN (self->session->max_objects_in_get, self->session->max_objects_in_set));
  if (self->max_objects > 0)
    most = MIN (most, self->max_objects);
  return most;
}

/**
 * postern_jmap_client_halve:
 * @asked: how many objects were too many
 *
 * Returns: whether fewer make sense; then get_max_objects() says how many
 */
gboolean
postern_jmap_client_halve (PosternJmapClient *self, guint asked)
{
  if (asked <= 1)
    return FALSE;
  self->max_objects = asked / 2;
  return TRUE;
}

/**
 * postern_jmap_client_get_not_before_us:
 *
 * Returns: wall clock before which the server wants no request; 0 when it did not ask for that
 */
gint64
postern_jmap_client_get_not_before_us (PosternJmapClient *self)
{
  return self->not_before_us > postern_clock_now_us () ? self->not_before_us : 0;
}

/**
 * postern_jmap_client_new_message:
 * @uri: one that the session gave
 *
 * Returns: (transfer full): a request with our credentials; CREDENTIALS when there are none
 */
SoupMessage *
postern_jmap_client_new_message (PosternJmapClient *self,
                                 const char *method,
                                 GUri *uri,
                                 GError **error)
{
  return postern_jmap_credentials_new_message (self->credentials, method, uri, error);
}

/**
 * postern_jmap_client_note_answer:
 *
 * Remembers how long the server wants to be left alone, if it says so.
 */
void
postern_jmap_client_note_answer (PosternJmapClient *self, SoupMessage *message)
{
  gint64 wait_us = postern_http_get_retry_after_us (message);

  if (wait_us > 0 && !SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (message)))
    self->not_before_us = postern_clock_now_us () + wait_us;
}

/* The session: read once for all who wait for it. */

static void read_session (PosternJmapClient *self);

static void
end_reading (PosternJmapClient *self, GError *error)
{
  g_autoptr (GError) cause = error;
  GQueue waiters = self->session_waiters;
  GTask *task;

  g_queue_init (&self->session_waiters);
  while ((task = g_queue_pop_head (&waiters)) != NULL)
    {
      if (cause != NULL)
        g_task_return_error (task, g_error_copy (cause));
      else
        g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

static void
adopt_session (PosternJmapClient *self, PosternJmapSession *session)
{
  /* Folders rarely change, but a session is read when something did. */
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    g_clear_pointer (&self->folders[place], g_free);
  self->max_objects = 0;
  g_clear_pointer (&self->identities, g_ptr_array_unref);
  g_clear_pointer (&self->session, postern_jmap_session_free);
  self->session = session;
  self->session_is_old = FALSE;
  self->session_read_at_us = postern_clock_monotonic_us ();
}

typedef struct
{
  PosternJmapClient *client; /* (owned) */
  guint generation;
} Reading;

static void
on_session_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Reading *reading = user_data;
  g_autoptr (PosternJmapClient) self = reading->client;
  GError *error = NULL;
  gint64 wait_us = 0;
  PosternJmapSession *session = postern_jmap_session_read_finish (result, &wait_us, &error);

  if (wait_us > 0)
    self->not_before_us = postern_clock_now_us () + wait_us;
  if (session != NULL && reading->generation != self->generation)
    {
      /* The credentials changed meanwhile: what the old ones showed is of no use. */
      postern_jmap_session_free (session);
      read_session (self);
      return;
    }
  if (session != NULL)
    adopt_session (self, session);
  end_reading (self, error);
}

static void
read_session (PosternJmapClient *self)
{
  Reading *reading = g_new0 (Reading, 1);

  reading->client = g_object_ref (self);
  reading->generation = self->generation;
  postern_jmap_session_read_async (self->http,
                                   self->url,
                                   self->credentials,
                                   on_session_read,
                                   reading);
}

/**
 * postern_jmap_client_ensure_session_async:
 *
 * Reads the session unless a good one is there.
 */
void
postern_jmap_client_ensure_session_async (PosternJmapClient *self,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, postern_jmap_client_ensure_session_async);
  if (postern_jmap_client_has_session (self))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_queue_push_tail (&self->session_waiters, g_steal_pointer (&task));
  if (self->session_waiters.length == 1)
    {
      read_session (self);
    }
}

/**
 * postern_jmap_client_ensure_session_finish:
 *
 * Returns: lent until the main context runs again
 */
const PosternJmapSession *
postern_jmap_client_ensure_session_finish (PosternJmapClient *self,
                                           GAsyncResult *result,
                                           GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error) ? self->session : NULL;
}

/* One request: session, a free place among those at once, the answer. */

typedef struct
{
  PosternJmapRequest *request; /* (owned) */
  SoupMessage *message;        /* (owned) (nullable) */
  gboolean may_have_arrived;
} Call;

static void
call_free (Call *call)
{
  postern_jmap_request_free (call->request);
  g_clear_object (&call->message);
  g_free (call);
}

static void send_waiting (PosternJmapClient *self);

static PosternJmapResponse *
parse_answer (Call *call, GBytes *body, GError **error)
{
  guint status = soup_message_get_status (call->message);
  gboolean is_json = postern_http_message_is_json (call->message);
  g_autoptr (JsonObject) json = NULL;
  GError *problem = NULL;

  if (!SOUP_STATUS_IS_SUCCESSFUL (status))
    {
      /* A gateway may say 5xx for a request that went through behind it. */
      call->may_have_arrived = SOUP_STATUS_IS_SERVER_ERROR (status) || status == 408;
      if (is_json && (json = postern_json_parse (body, NULL)) != NULL &&
          (problem = postern_jmap_problem_to_error (json, status)) != NULL &&
          (status == SOUP_STATUS_BAD_REQUEST || problem->code == POSTERN_ERROR_TOO_LARGE))
        {
          g_propagate_error (error, problem);
          return NULL;
        }
      g_clear_error (&problem);
      postern_http_check_status (call->message, error);
      return NULL;
    }
  if (!is_json)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "%s did not answer in JSON",
                   g_uri_get_host (soup_message_get_uri (call->message)));
      return NULL;
    }
  json = postern_json_parse (body, error);
  return json != NULL ? postern_jmap_response_new (json, error) : NULL;
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body =
      postern_http_client_fetch_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  PosternJmapResponse *response = NULL;

  self->in_flight--;
  call->may_have_arrived = postern_http_message_may_have_arrived (call->message);
  if (body != NULL)
    {
      postern_jmap_client_note_answer (self, call->message);
      response = parse_answer (call, body, &error);
    }
  if (error != NULL && g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
    {
      error->code = POSTERN_ERROR_PROTOCOL;
      self->session_is_old = TRUE;
    }
  else if (error != NULL && g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL))
    self->session_is_old = TRUE;

  if (response != NULL && response->session_state != NULL && self->session != NULL &&
      strcmp (response->session_state, self->session->state) != 0 &&
      postern_clock_monotonic_us () - self->session_read_at_us > SESSION_LIFE_MIN_US)
    self->session_is_old = TRUE;

  if (response != NULL)
    g_task_return_pointer (task, response, (GDestroyNotify) postern_jmap_response_free);
  else
    g_task_return_error (task, g_steal_pointer (&error));
  send_waiting (self);
}

static void
send_call (PosternJmapClient *self, GTask *task)
{
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = postern_jmap_request_to_bytes (call->request);

  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  if (g_bytes_get_size (body) > self->session->max_request_octets)
    g_set_error (&error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_TOO_LARGE,
                 "The request is larger than the server takes");
  else
    call->message =
        postern_jmap_client_new_message (self, SOUP_METHOD_POST, self->session->api_url, &error);
  if (call->message == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      g_object_unref (task);
      return;
    }
  soup_message_set_request_body_from_bytes (call->message, "application/json", body);
  soup_message_headers_replace (soup_message_get_request_headers (call->message),
                                "Accept",
                                "application/json");
  self->in_flight++;
  postern_http_client_fetch_async (self->http,
                                   call->message,
                                   MAX_RESPONSE_OCTETS,
                                   g_task_get_cancellable (task),
                                   on_answered,
                                   task);
}

static void
send_waiting (PosternJmapClient *self)
{
  while (self->call_waiters.length > 0 && self->session != NULL &&
         self->in_flight < self->session->max_requests)
    send_call (self, g_queue_pop_head (&self->call_waiters));
}

static void
on_session_for_call (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *self = POSTERN_JMAP_CLIENT (source);
  g_autoptr (GError) error = NULL;

  if (postern_jmap_client_ensure_session_finish (self, result, &error) == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_queue_push_tail (&self->call_waiters, g_steal_pointer (&task));
  send_waiting (self);
}

/**
 * postern_jmap_client_call_async:
 * @request: (transfer full): made for the session of this moment: whoever builds one calls
 *   postern_jmap_client_ensure_session_async() first
 *
 * Sends it, once.
 */
void
postern_jmap_client_call_async (PosternJmapClient *self,
                                PosternJmapRequest *request,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Call *call = g_new0 (Call, 1);

  call->request = request;
  g_task_set_source_tag (task, postern_jmap_client_call_async);
  g_task_set_task_data (task, call, (GDestroyNotify) call_free);
  /* An answer that is there counts, even when cancelled a moment before. */
  g_task_set_check_cancellable (task, FALSE);
  postern_jmap_client_ensure_session_async (self, cancellable, on_session_for_call, task);
}

/**
 * postern_jmap_client_call_finish:
 * @may_have_arrived: (out) (optional): on an error, whether the server may have done it all the same
 *
 * Returns: (transfer full): POSTERN_ERROR_TOO_LARGE: fewer objects may pass; then nothing was done
 */
PosternJmapResponse *
postern_jmap_client_call_finish (PosternJmapClient *self,
                                 GAsyncResult *result,
                                 gboolean *may_have_arrived,
                                 GError **error)
{
  Call *call = g_task_get_task_data (G_TASK (result));

  if (may_have_arrived != NULL)
    *may_have_arrived = call->may_have_arrived;
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
postern_jmap_client_finalize (GObject *object)
{
  PosternJmapClient *self = POSTERN_JMAP_CLIENT (object);

  g_clear_object (&self->http);
  g_free (self->url);
  g_clear_pointer (&self->credentials, postern_jmap_credentials_unref);
  g_clear_pointer (&self->session, postern_jmap_session_free);
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    g_free (self->folders[place]);
  g_clear_pointer (&self->identities, g_ptr_array_unref);
  G_OBJECT_CLASS (postern_jmap_client_parent_class)->finalize (object);
}

static void
postern_jmap_client_class_init (PosternJmapClientClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_jmap_client_finalize;
}

static void
postern_jmap_client_init (PosternJmapClient *self)
{
  g_queue_init (&self->session_waiters);
  g_queue_init (&self->call_waiters);
}
