/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-push.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "jmap/json-read.h"

#include <string.h>

/* One state machine: try WebSocket, then EventSource, and where the server has neither, ask by the
 * clock. Whatever ends is tried again after a time that doubles, with jitter, so that a server that
 * comes back is not met by all its clients at once. Nobody is told what happened while it was not
 * connected, so "changed" follows every connect.
 *
 * All signs of life come through on_heard(), and one timer looks whether they still do: neither TCP
 * nor libsoup notices a peer that is gone without a word. */

#define NETWORK_SETTLE_MS    2000 /* network changes come in bunches */
#define GOOD_CONNECTION_US   (60 * G_USEC_PER_SEC)
#define BETWEEN_TRIES_US     (10 * G_USEC_PER_SEC)
#define MAX_CHANNEL_FAILURES 3

const PosternPushTiming postern_push_timing = {
  .ping_s = 60, /* gateways drop what was silent for 100 seconds */
  .silence_ms = 150 * 1000,
  .proof_ms = 10 * 1000,
  .poll_ms = 60 * 1000,
  .retry_ms = 1000,
  .max_retry_ms = 5 * 60 * 1000,
  .refused_ms = 30 * 60 * 1000,
  .unsupported_ms = 6 * 60 * 60 * 1000,
};

struct _PosternJmapPush
{
  GObject parent_instance;
  PosternJmapClient *client; /* (owned) */
  const PosternPushTiming *timing;
  PosternConnection connection;
  GError *reason;                  /* (owned) (nullable) */
  GCancellable *session_ask;       /* (owned) (nullable) not NULL while the session is asked for */
  PosternJmapWebsocket *websocket; /* (owned) (nullable) */
  PosternJmapEventSource *event_source; /* (owned) (nullable) */
  char *last_event_id;                  /* (nullable) */
  char *known_state;                    /* (nullable) Email state that was already synced to */
  GNetworkMonitor *network;             /* (owned) (nullable) */

  gboolean no_websocket;    /* it was tried and is not there */
  gboolean no_event_source; /* likewise */
  gint64 unsupported_at_us; /* monotonic; when the first of both was found out */
  gint64 opened_at_us;      /* monotonic */
  gint64 heard_at_us;       /* monotonic */
  gint64 began_at_us;       /* monotonic */
  guint failures;           /* in a row */
  guint channel_failures;   /* in a row, of a channel while the server answered otherwise */
  gboolean session_is_new;  /* it was read for this very try, so the server is there */
  gboolean is_proving;      /* a sign of life was asked for */
  guint next_timer;         /* a source: the next try, or the next question */
  guint silence_timer;      /* a source */
  guint network_timer;      /* a source */
};

G_DEFINE_FINAL_TYPE (PosternJmapPush, postern_jmap_push, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  SIGNAL_CONNECTION_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void begin (PosternJmapPush *self);

static void
set_connection (PosternJmapPush *self, PosternConnection connection, const GError *reason)
{
  gboolean is_same = connection == self->connection && (reason == NULL) == (self->reason == NULL) &&
                     (reason == NULL || (reason->code == self->reason->code &&
                                         strcmp (reason->message, self->reason->message) == 0));
  GError *copy;

  if (is_same)
    return;
  copy = reason != NULL ? g_error_copy (reason) : NULL;
  g_clear_error (&self->reason);
  self->reason = copy;
  self->connection = connection;
  g_signal_emit (self, signals[SIGNAL_CONNECTION_CHANGED], 0);
}

static void
drop_channels (PosternJmapPush *self)
{
  if (self->websocket != NULL)
    postern_jmap_websocket_close (self->websocket);
  g_clear_object (&self->websocket);
  if (self->event_source != NULL)
    {
      const char *id = postern_jmap_event_source_get_last_id (self->event_source);

      if (id != self->last_event_id)
        {
          g_free (self->last_event_id);
          self->last_event_id = g_strdup (id);
        }
      postern_jmap_event_source_close (self->event_source);
    }
  g_clear_object (&self->event_source);
  if (self->session_ask != NULL)
    g_cancellable_cancel (self->session_ask);
  g_clear_object (&self->session_ask);
  g_clear_handle_id (&self->next_timer, g_source_remove);
  g_clear_handle_id (&self->silence_timer, g_source_remove);
}

/* Trying again */

static gboolean
on_next_try (gpointer user_data)
{
  PosternJmapPush *self = user_data;

  self->next_timer = 0;
  begin (self);
  return G_SOURCE_REMOVE;
}

static guint
jitter (guint delay_ms)
{
  return (guint) ((double) delay_ms * (0.5 + postern_random_fraction () / 2));
}

static guint
get_retry_ms (PosternJmapPush *self, const GError *error)
{
  gint64 not_before_us = postern_jmap_client_get_not_before_us (self->client);
  guint64 delay_ms = (guint64) self->timing->retry_ms << MIN (self->failures, 16);
  gint64 asked_ms = 0;

  delay_ms = MIN (delay_ms, self->timing->max_retry_ms);
  if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS) ||
      g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_FORBIDDEN))
    delay_ms = self->timing->refused_ms;
  if (not_before_us > 0)
    asked_ms = (not_before_us - postern_clock_now_us ()) / 1000;
  return (guint) (MAX (0, asked_ms) + jitter ((guint) delay_ms));
}

static void
try_again_later (PosternJmapPush *self, const GError *error)
{
  guint delay_ms = get_retry_ms (self, error);

  drop_channels (self);
  self->failures++;
  g_debug ("Push: %s; next try in %u ms", error->message, delay_ms);
  self->next_timer = g_timeout_add (delay_ms, on_next_try, self);
  set_connection (self, POSTERN_CONNECTION_OFFLINE, error);
}

/* Asking by the clock */

static gboolean
on_poll (gpointer user_data)
{
  PosternJmapPush *self = user_data;
  gint64 tried_us = postern_clock_monotonic_us () - self->unsupported_at_us;

  self->next_timer = 0;
  if (tried_us > (gint64) self->timing->unsupported_ms * 1000)
    {
      self->no_websocket = FALSE;
      self->no_event_source = FALSE;
      begin (self);
      return G_SOURCE_REMOVE;
    }
  self->next_timer =
      g_timeout_add (self->timing->poll_ms / 2 + jitter (self->timing->poll_ms), on_poll, self);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
  return G_SOURCE_REMOVE;
}

static void
start_polling (PosternJmapPush *self)
{
  drop_channels (self);
  self->failures = 0;
  self->next_timer = g_timeout_add (jitter (self->timing->poll_ms), on_poll, self);
  set_connection (self, POSTERN_CONNECTION_POLLING, NULL);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

/* Being told */

static gboolean
on_silence (gpointer user_data)
{
  PosternJmapPush *self = user_data;
  gint64 silent_us = postern_clock_monotonic_us () - self->heard_at_us;
  gint64 limit_us = (gint64) self->timing->silence_ms * 1000;
  g_autoptr (GError) error = NULL;

  self->silence_timer = 0;
  if (silent_us < limit_us)
    {
      self->silence_timer =
          g_timeout_add ((guint) ((limit_us - silent_us) / 1000) + 1, on_silence, self);
      return G_SOURCE_REMOVE;
    }
  g_set_error (&error,
               POSTERN_ERROR,
               POSTERN_ERROR_OFFLINE,
               "The server gave no sign of life for %" G_GINT64_FORMAT " seconds",
               silent_us / G_USEC_PER_SEC);
  try_again_later (self, error);
  return G_SOURCE_REMOVE;
}

static gboolean
on_no_proof (gpointer user_data)
{
  PosternJmapPush *self = user_data;

  self->silence_timer = 0;
  drop_channels (self);
  begin (self);
  return G_SOURCE_REMOVE;
}

static void
watch_silence (PosternJmapPush *self)
{
  self->is_proving = FALSE;
  g_clear_handle_id (&self->silence_timer, g_source_remove);
  self->silence_timer = g_timeout_add (self->timing->silence_ms, on_silence, self);
}

static void
on_heard (gpointer user_data)
{
  PosternJmapPush *self = user_data;

  self->heard_at_us = postern_clock_monotonic_us ();
  if (self->is_proving)
    watch_silence (self);
}

static void
on_channel_opened (gpointer user_data)
{
  PosternJmapPush *self = user_data;

  self->opened_at_us = self->heard_at_us = postern_clock_monotonic_us ();
  watch_silence (self);
  set_connection (self, POSTERN_CONNECTION_PUSH, NULL);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

static void
on_state_change (JsonObject *change, gpointer user_data)
{
  PosternJmapPush *self = user_data;
  const PosternJmapSession *session = postern_jmap_client_get_session (self->client);
  JsonObject *states =
      postern_json_get_object (postern_json_get_object (change, "changed"), session->mail_account);
  const char *state = postern_json_get_string (states, "Email");

  if (state != NULL && g_strcmp0 (state, self->known_state) != 0)
    g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

/* The server does not have this channel, or something on the way lets it never open: the next best. */
static void
give_up_channel (PosternJmapPush *self)
{
  if (!self->no_websocket && !self->no_event_source)
    self->unsupported_at_us = postern_clock_monotonic_us ();
  if (self->websocket != NULL)
    self->no_websocket = TRUE;
  else
    self->no_event_source = TRUE;
  self->channel_failures = 0;
  begin (self);
}

static void
on_channel_ended (const GError *error, gpointer user_data)
{
  PosternJmapPush *self = user_data;
  gboolean was_open = self->opened_at_us != 0;
  gint64 open_us = was_open ? postern_clock_monotonic_us () - self->opened_at_us : 0;

  if (was_open)
    self->channel_failures = 0;
  else if (self->session_is_new)
    self->channel_failures++;
  if (!was_open && (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_REFUSED) ||
                    self->channel_failures >= MAX_CHANNEL_FAILURES))
    {
      g_info ("Push: %s; doing without this way", error->message);
      give_up_channel (self);
      return;
    }
  if (open_us > GOOD_CONNECTION_US)
    self->failures = 0;
  /* Reading the session again tells whether it is the channel or the server. */
  postern_jmap_client_forget_session (self->client);
  try_again_later (self, error);
}

static const PosternPushEvents channel_events = {
  .opened = on_channel_opened,
  .heard = on_heard,
  .state_change = on_state_change,
  .ended = on_channel_ended,
};

static void
on_session (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternJmapPush) self = user_data;
  g_autoptr (GError) error = NULL;
  const PosternJmapSession *session =
      postern_jmap_client_ensure_session_finish (POSTERN_JMAP_CLIENT (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->session_ask);
  if (session == NULL)
    try_again_later (self, error);
  else if (session->websocket_url != NULL && !self->no_websocket)
    self->websocket =
        postern_jmap_websocket_open (self->client, self->timing, &channel_events, self);
  else if (session->event_source_template != NULL && !self->no_event_source)
    self->event_source = postern_jmap_event_source_open (self->client,
                                                         self->timing,
                                                         self->last_event_id,
                                                         &channel_events,
                                                         self);
  else
    {
      if (!self->no_websocket && !self->no_event_source)
        self->unsupported_at_us = postern_clock_monotonic_us ();
      start_polling (self);
    }
}

static void
begin (PosternJmapPush *self)
{
  drop_channels (self);
  if (self->connection == POSTERN_CONNECTION_NONE)
    set_connection (self, POSTERN_CONNECTION_CONNECTING, NULL);
  self->opened_at_us = 0;
  self->began_at_us = postern_clock_monotonic_us ();
  self->session_is_new = !postern_jmap_client_has_session (self->client);
  self->session_ask = g_cancellable_new ();
  postern_jmap_client_ensure_session_async (self->client,
                                            self->session_ask,
                                            on_session,
                                            g_object_ref (self));
}

/**
 * postern_jmap_push_begin_anew:
 *
 * The credentials changed: whatever was opened with the old ones is dropped.
 */
void
postern_jmap_push_begin_anew (PosternJmapPush *self)
{
  if (self->connection == POSTERN_CONNECTION_NONE)
    return;
  self->failures = 0;
  begin (self);
}

/* Looking again */

static gboolean
on_network_settled (gpointer user_data)
{
  PosternJmapPush *self = user_data;

  self->network_timer = 0;
  postern_jmap_push_look_again (self);
  return G_SOURCE_REMOVE;
}

static void
on_network_changed (GNetworkMonitor *network, gboolean is_available, PosternJmapPush *self)
{
  if (self->connection == POSTERN_CONNECTION_NONE || self->network_timer != 0)
    return;
  self->network_timer = g_timeout_add (NETWORK_SETTLE_MS, on_network_settled, self);
}

/**
 * postern_jmap_push_look_again:
 *
 * See postern_backend_look_again().
 */
void
postern_jmap_push_look_again (PosternJmapPush *self)
{
  if (self->connection == POSTERN_CONNECTION_NONE)
    return;
  self->failures = 0;
  if (self->connection != POSTERN_CONNECTION_PUSH || self->websocket == NULL)
    {
      begin (self);
      return;
    }
  /* One that still works is kept: a hundred accounts must not shake hands anew for a blink. */
  self->is_proving = TRUE;
  postern_jmap_websocket_ask_for_sign (self->websocket);
  g_clear_handle_id (&self->silence_timer, g_source_remove);
  self->silence_timer = g_timeout_add (self->timing->proof_ms, on_no_proof, self);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

/**
 * postern_jmap_push_new:
 * @timing: &postern_push_timing, or a test's own; must outlive the object
 */
PosternJmapPush *
postern_jmap_push_new (PosternJmapClient *client, const PosternPushTiming *timing)
{
  PosternJmapPush *self = g_object_new (POSTERN_TYPE_JMAP_PUSH, NULL);

  self->client = g_object_ref (client);
  self->timing = timing;
  return self;
}

void
postern_jmap_push_start (PosternJmapPush *self)
{
  if (self->connection != POSTERN_CONNECTION_NONE)
    return;
  self->network = g_object_ref (g_network_monitor_get_default ());
  g_signal_connect_object (self->network,
                           "network-changed",
                           G_CALLBACK (on_network_changed),
                           self,
                           0);
  self->failures = 0;
  begin (self);
}

void
postern_jmap_push_stop (PosternJmapPush *self)
{
  drop_channels (self);
  g_clear_handle_id (&self->network_timer, g_source_remove);
  if (self->network != NULL)
    g_signal_handlers_disconnect_by_data (self->network, self);
  g_clear_object (&self->network);
  g_clear_error (&self->reason);
  self->connection = POSTERN_CONNECTION_NONE;
}

/**
 * postern_jmap_push_note_state:
 * @email_state: what the last sync came to; being told of it again means nothing new
 */
void
postern_jmap_push_note_state (PosternJmapPush *self, const char *email_state)
{
  if (g_strcmp0 (self->known_state, email_state) == 0)
    return;
  g_free (self->known_state);
  self->known_state = g_strdup (email_state);
}

/**
 * postern_jmap_push_note_outcome:
 * @error: (nullable): what a request just ended with
 *
 * Without push this is how one learns whether the server is there.
 */
void
postern_jmap_push_note_outcome (PosternJmapPush *self, const GError *error)
{
  gboolean is_away =
      error != NULL && (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE) ||
                        g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TRUST) ||
                        g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS));

  if (self->connection == POSTERN_CONNECTION_POLLING && is_away)
    {
      self->failures = 0;
      try_again_later (self, error);
    }
  else if (self->connection == POSTERN_CONNECTION_OFFLINE && error == NULL &&
           self->next_timer != 0 &&
           postern_clock_monotonic_us () - self->began_at_us > BETWEEN_TRIES_US)
    begin (self); /* it answers again: no need to wait for the next try */
}

PosternConnection
postern_jmap_push_get_connection (PosternJmapPush *self, const GError **reason)
{
  if (reason != NULL)
    *reason = self->reason;
  return self->connection;
}

static void
postern_jmap_push_dispose (GObject *object)
{
  PosternJmapPush *self = POSTERN_JMAP_PUSH (object);

  if (self->client != NULL)
    postern_jmap_push_stop (self);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (postern_jmap_push_parent_class)->dispose (object);
}

static void
postern_jmap_push_finalize (GObject *object)
{
  PosternJmapPush *self = POSTERN_JMAP_PUSH (object);

  g_free (self->last_event_id);
  g_free (self->known_state);
  G_OBJECT_CLASS (postern_jmap_push_parent_class)->finalize (object);
}

static void
postern_jmap_push_class_init (PosternJmapPushClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_jmap_push_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_jmap_push_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed",
                                          POSTERN_TYPE_JMAP_PUSH,
                                          G_SIGNAL_RUN_LAST,
                                          0,
                                          NULL,
                                          NULL,
                                          NULL,
                                          G_TYPE_NONE,
                                          0);
  signals[SIGNAL_CONNECTION_CHANGED] = g_signal_new ("connection-changed",
                                                     POSTERN_TYPE_JMAP_PUSH,
                                                     G_SIGNAL_RUN_LAST,
                                                     0,
                                                     NULL,
                                                     NULL,
                                                     NULL,
                                                     G_TYPE_NONE,
                                                     0);
}

static void
postern_jmap_push_init (PosternJmapPush *self)
{
}
