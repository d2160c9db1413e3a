/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"

/* What the two ways of being told have in common. */

G_BEGIN_DECLS

/**
 * PosternPushEvents:
 *
 * What a channel calls, on the main context; nothing after it was closed.
 */
typedef struct
{
  void (*opened) (gpointer user_data);
  /* Something came that shows that the other end is alive. */
  void (*heard) (gpointer user_data);
  /* A StateChange object (RFC 8620 section 7.1); lent. */
  void (*state_change) (JsonObject *change, gpointer user_data);
  /* The channel is over. With POSTERN_ERROR_REFUSED the server does not have this way at all. */
  void (*ended) (const GError *error, gpointer user_data);
} PosternPushEvents;

typedef struct
{
  guint ping_s;     /* how often the other end is asked, or asks, for a sign of life */
  guint silence_ms; /* without a sign of life for this long the channel is dead */
  guint proof_ms;   /* the same when a sign was asked for just now */
  guint poll_ms;    /* between two questions where there is no push */
  guint retry_ms;   /* before the first try again; doubles up to max_retry_ms */
  guint max_retry_ms;
  guint refused_ms;     /* before the same credentials are tried again */
  guint unsupported_ms; /* before a push that is not there is looked for again */
} PosternPushTiming;

extern const PosternPushTiming postern_push_timing;

#define POSTERN_TYPE_JMAP_WEBSOCKET (postern_jmap_websocket_get_type ())
G_DECLARE_FINAL_TYPE (PosternJmapWebsocket,
                      postern_jmap_websocket,
                      POSTERN,
                      JMAP_WEBSOCKET,
                      GObject)

PosternJmapWebsocket *postern_jmap_websocket_open (PosternJmapClient *client,
                                                   const PosternPushTiming *timing,
                                                   const PosternPushEvents *events,
                                                   gpointer user_data);
void postern_jmap_websocket_ask_for_sign (PosternJmapWebsocket *self);
void postern_jmap_websocket_close (PosternJmapWebsocket *self);

#define POSTERN_TYPE_JMAP_EVENT_SOURCE (postern_jmap_event_source_get_type ())
G_DECLARE_FINAL_TYPE (PosternJmapEventSource,
                      postern_jmap_event_source,
                      POSTERN,
                      JMAP_EVENT_SOURCE,
                      GObject)

PosternJmapEventSource *postern_jmap_event_source_open (PosternJmapClient *client,
                                                        const PosternPushTiming *timing,
                                                        const char *last_event_id,
                                                        const PosternPushEvents *events,
                                                        gpointer user_data);
const char *postern_jmap_event_source_get_last_id (PosternJmapEventSource *self);
void postern_jmap_event_source_close (PosternJmapEventSource *self);

G_END_DECLS
