/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/epoll-source.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* GLib looks at every source and every descriptor in each turn of the loop, so thousands of
 * connections would make everything slow, also the bus and HTTP. Here they stand behind one epoll
 * descriptor, and their time-outs in one heap whose top decides how long the loop may sleep.
 *
 * What epoll reports is first moved into a queue, then told one by one. A watch that is removed by
 * another one's callback leaves the queue, so nothing is ever told to the dead; and one that used
 * up its share of a turn queues itself again behind all others. */

#define EVENTS_A_TURN 64

struct _PosternEpollSource
{
  GSource source;
  int fd;
  gpointer tag;
  GQueue queue; /* (element-type PosternWatch), by their own links */
  PosternTimerQueue timers;
};

static void
enqueue (PosternEpollSource *self, PosternWatch *watch)
{
  if (watch->is_queued)
    return;
  watch->is_queued = TRUE;
  watch->link.data = watch;
  g_queue_push_tail_link (&self->queue, &watch->link);
}

static gboolean
source_prepare (GSource *source, int *timeout_ms)
{
  PosternEpollSource *self = (PosternEpollSource *) source;
  gint64 next_us;

  *timeout_ms = -1;
  if (self->queue.length > 0)
    {
      *timeout_ms = 0;
      return TRUE;
    }

  next_us = postern_timer_queue_get_next_us (&self->timers);
  if (next_us >= 0)
    {
      gint64 left_us = next_us - postern_clock_monotonic_us ();

      /* Rounded up: to wake a little early would mean to turn in circles until it is time. */
      *timeout_ms = left_us <= 0 ? 0 : (int) MIN ((left_us + 999) / 1000, G_MAXINT);
      return left_us <= 0;
    }
  return FALSE;
}

static gboolean
source_check (GSource *source)
{
  PosternEpollSource *self = (PosternEpollSource *) source;
  gint64 next_us;

  if (self->queue.length > 0 || g_source_query_unix_fd (source, self->tag) != 0)
    return TRUE;
  next_us = postern_timer_queue_get_next_us (&self->timers);
  return next_us >= 0 && next_us <= postern_clock_monotonic_us ();
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  PosternEpollSource *self = (PosternEpollSource *) source;
  struct epoll_event events[EVENTS_A_TURN];
  gint64 now_us = postern_clock_monotonic_us ();
  PosternTimer *timer;
  int n_events = epoll_wait (self->fd, events, G_N_ELEMENTS (events), 0);

  for (int i = 0; i < n_events; i++)
    {
      PosternWatch *watch = events[i].data.ptr;

      watch->events |= events[i].events;
      enqueue (self, watch);
    }

  /* Only those that wait now: what they queue again has its turn after everybody else's. A
   * callback may also free this source with all that belongs to it. */
  g_source_ref (source);
  for (guint n = self->queue.length; n > 0 && self->queue.length > 0; n--)
    {
      PosternWatch *watch = g_queue_pop_head_link (&self->queue)->data;
      guint32 seen = watch->events;

      watch->is_queued = FALSE;
      watch->events = 0;
      watch->on_ready (watch, seen, watch->owner);
    }
  while (!g_source_is_destroyed (source) &&
         (timer = postern_timer_queue_take_due (&self->timers, now_us)) != NULL)
    timer->on_due (timer, timer->owner);
  g_source_unref (source);
  return G_SOURCE_CONTINUE;
}

static void
source_finalize (GSource *source)
{
  PosternEpollSource *self = (PosternEpollSource *) source;

  close (self->fd);
  postern_timer_queue_clear (&self->timers);
}

static GSourceFuncs source_funcs = {
  .prepare = source_prepare,
  .check = source_check,
  .dispatch = source_dispatch,
  .finalize = source_finalize,
};

/**
 * postern_epoll_source_new:
 * @context: (nullable): where callbacks run; NULL is the default one
 *
 * Returns: (transfer full) (nullable): attached; NULL with POSTERN_ERROR_FAILED when the system
 *   has no descriptor left for it.
 */
PosternEpollSource *
postern_epoll_source_new (GMainContext *context, GError **error)
{
  PosternEpollSource *self;
  int fd = epoll_create1 (EPOLL_CLOEXEC);

  if (fd < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_FAILED,
                   "Making an epoll descriptor: %s",
                   g_strerror (errno));
      return NULL;
    }

  self = (PosternEpollSource *) g_source_new (&source_funcs, sizeof *self);
  self->fd = fd;
  g_queue_init (&self->queue);
  self->tag = g_source_add_unix_fd (&self->source, fd, G_IO_IN);
  g_source_set_static_name (&self->source, "postern-epoll");
  g_source_attach (&self->source, context);
  return self;
}

/**
 * postern_epoll_source_free:
 *
 * Ends the source. Watches and timers that are still there are never told anything again; their
 * memory belongs to their owners. May be called from a callback.
 */
void
postern_epoll_source_free (PosternEpollSource *self)
{
  g_source_destroy (&self->source);
  while (self->queue.length > 0)
    {
      PosternWatch *watch = g_queue_pop_head_link (&self->queue)->data;

      watch->is_queued = FALSE;
    }
  postern_timer_queue_clear (&self->timers);
  g_source_unref (&self->source);
}

/**
 * postern_epoll_source_add:
 * @watch: its descriptor, callback and owner set; lent until it is removed
 * @events: EPOLLIN and so on; EPOLLET is added
 *
 * Returns: FALSE with errno set when the kernel refuses.
 */
gboolean
postern_epoll_source_add (PosternEpollSource *self, PosternWatch *watch, guint32 events)
{
  struct epoll_event event = { .events = events | EPOLLET, .data.ptr = watch };

  return epoll_ctl (self->fd, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

/**
 * postern_epoll_source_remove:
 *
 * Nothing more is told to @watch, not even what was already seen. The descriptor stays open.
 */
void
postern_epoll_source_remove (PosternEpollSource *self, PosternWatch *watch)
{
  epoll_ctl (self->fd, EPOLL_CTL_DEL, watch->fd, NULL);
  if (watch->is_queued)
    g_queue_unlink (&self->queue, &watch->link);
  watch->is_queued = FALSE;
  watch->events = 0;
}

/**
 * postern_epoll_source_tell_again:
 *
 * Calls @watch in the next turn of the loop, after all others that have something to do.
 */
void
postern_epoll_source_tell_again (PosternEpollSource *self, PosternWatch *watch)
{
  enqueue (self, watch);
}

/**
 * postern_epoll_source_start_timer:
 * @timer: its callback and owner set; one that runs already is restarted
 */
void
postern_epoll_source_start_timer (PosternEpollSource *self, PosternTimer *timer, gint64 delay_us)
{
  postern_timer_queue_start (&self->timers, timer, postern_clock_monotonic_us () + delay_us);
}

void
postern_epoll_source_stop_timer (PosternEpollSource *self, PosternTimer *timer)
{
  postern_timer_queue_stop (&self->timers, timer);
}
