/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/timer-queue.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct _PosternWatch PosternWatch;
typedef void (*PosternWatchFunc) (PosternWatch *watch, guint32 events, gpointer owner);

/**
 * PosternWatch:
 *
 * One descriptor, embedded in whatever reads and writes it. Events are edges (EPOLLET): each is
 * told once, and holds until a read or write answered EAGAIN.
 */
struct _PosternWatch
{
  int fd;
  guint32 events; /* seen, not yet told */
  gboolean is_queued;
  PosternWatchFunc on_ready;
  gpointer owner;
  GList link; /* in the queue of those that are to be told */
};

/**
 * PosternEpollSource:
 *
 * Any number of descriptors and timers as one source of a main context. An idle one costs a
 * turn of the main loop nothing, however many there are.
 */
typedef struct _PosternEpollSource PosternEpollSource;

PosternEpollSource *postern_epoll_source_new (GMainContext *context, GError **error);
void postern_epoll_source_free (PosternEpollSource *self);

gboolean postern_epoll_source_add (PosternEpollSource *self, PosternWatch *watch, guint32 events);
void postern_epoll_source_remove (PosternEpollSource *self, PosternWatch *watch);
void postern_epoll_source_tell_again (PosternEpollSource *self, PosternWatch *watch);

void
postern_epoll_source_start_timer (PosternEpollSource *self, PosternTimer *timer, gint64 delay_us);
void postern_epoll_source_stop_timer (PosternEpollSource *self, PosternTimer *timer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternEpollSource, postern_epoll_source_free)

G_END_DECLS
