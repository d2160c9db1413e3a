/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/timer-queue.h"

/* Every command a client sends moves its time-out, nearly always to later. So a timer that moves
 * to later keeps its place in the heap and is put where it belongs only when that place comes up:
 * most restarts cost two assignments, and thousands of connections one heap operation each per
 * time-out instead of one per command. */

static void
put (PosternTimerQueue *self, guint place, PosternTimer *timer)
{
  self->timers[place - 1] = timer;
  timer->place = place;
}

static void
move_up (PosternTimerQueue *self, PosternTimer *timer)
{
  guint place = timer->place;

  while (place > 1 && self->timers[place / 2 - 1]->place_us > timer->place_us)
    {
      put (self, place, self->timers[place / 2 - 1]);
      place /= 2;
    }
  put (self, place, timer);
}

static void
move_down (PosternTimerQueue *self, PosternTimer *timer)
{
  guint place = timer->place;

  while (place * 2 <= self->count)
    {
      guint child = place * 2;

      if (child < self->count && self->timers[child]->place_us < self->timers[child - 1]->place_us)
        child++;
      if (self->timers[child - 1]->place_us >= timer->place_us)
        break;
      put (self, place, self->timers[child - 1]);
      place = child;
    }
  put (self, place, timer);
}

static void
take_out (PosternTimerQueue *self, PosternTimer *timer)
{
  guint place = timer->place;
  PosternTimer *last = self->timers[--self->count];

  timer->place = 0;
  if (last == timer)
    return;
  put (self, place, last);
  move_up (self, last);
  move_down (self, last);
}

/**
 * postern_timer_queue_start:
 * @timer: its callback and owner set; one that runs already is moved
 * @due_us: monotonic time, greater than 0
 */
void
postern_timer_queue_start (PosternTimerQueue *self, PosternTimer *timer, gint64 due_us)
{
  timer->due_us = due_us;
  if (timer->place == 0)
    {
      if (self->count == self->allocated)
        {
          self->allocated = MAX (16, self->allocated * 2);
          self->timers = g_renew (PosternTimer *, self->timers, self->allocated);
        }
      timer->place_us = due_us;
      put (self, ++self->count, timer);
      move_up (self, timer);
    }
  else if (due_us < timer->place_us)
    {
      timer->place_us = due_us;
      move_up (self, timer);
    }
}

void
postern_timer_queue_stop (PosternTimerQueue *self, PosternTimer *timer)
{
  timer->due_us = 0;
  if (timer->place != 0)
    take_out (self, timer);
}

/* Puts those that were moved to later where they belong, until the top is what it says. */
static PosternTimer *
settle_top (PosternTimerQueue *self)
{
  while (self->count > 0 && self->timers[0]->due_us > self->timers[0]->place_us)
    {
      self->timers[0]->place_us = self->timers[0]->due_us;
      move_down (self, self->timers[0]);
    }
  return self->count > 0 ? self->timers[0] : NULL;
}

/**
 * postern_timer_queue_get_next_us:
 *
 * Returns: the monotonic time at which the next timer is due, or -1 when none runs.
 */
gint64
postern_timer_queue_get_next_us (PosternTimerQueue *self)
{
  PosternTimer *top = settle_top (self);

  return top == NULL ? -1 : top->due_us;
}

/**
 * postern_timer_queue_take_due:
 *
 * Returns: (transfer none) (nullable): a timer that is due at @now_us, stopped; NULL when none is.
 */
PosternTimer *
postern_timer_queue_take_due (PosternTimerQueue *self, gint64 now_us)
{
  PosternTimer *top = settle_top (self);

  if (top == NULL || top->due_us > now_us)
    return NULL;
  postern_timer_queue_stop (self, top);
  return top;
}

void
postern_timer_queue_clear (PosternTimerQueue *self)
{
  while (self->count > 0)
    postern_timer_queue_stop (self, self->timers[self->count - 1]);
  g_clear_pointer (&self->timers, g_free);
  self->allocated = 0;
}
