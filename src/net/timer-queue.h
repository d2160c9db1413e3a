/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _PosternTimer PosternTimer;
typedef void (*PosternTimerFunc) (PosternTimer *timer, gpointer owner);

/**
 * PosternTimer:
 *
 * One time-out, embedded in whatever waits. Zeroed it is stopped; stop it before its memory goes.
 */
struct _PosternTimer
{
  PosternTimerFunc on_due;
  gpointer owner;
  gint64 due_us;   /* monotonic; 0 when stopped */
  gint64 place_us; /* what the queue has ordered it by; never later than due_us */
  guint place;     /* counted from 1; 0 when the queue does not have it */
};

/**
 * PosternTimerQueue:
 *
 * All time-outs in one heap, the next one on top. It is a value: zeroed is ready.
 */
typedef struct
{
  PosternTimer **timers; /* (owned) (nullable) */
  guint count;
  guint allocated;
} PosternTimerQueue;

void postern_timer_queue_start (PosternTimerQueue *self, PosternTimer *timer, gint64 due_us);
void postern_timer_queue_stop (PosternTimerQueue *self, PosternTimer *timer);
gint64 postern_timer_queue_get_next_us (PosternTimerQueue *self);
PosternTimer *postern_timer_queue_take_due (PosternTimerQueue *self, gint64 now_us);
void postern_timer_queue_clear (PosternTimerQueue *self);

G_END_DECLS
