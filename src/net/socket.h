/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/epoll-source.h"
#include "net/tls-channel.h"

G_BEGIN_DECLS

/**
 * PosternSocket:
 *
 * A connected descriptor and what is known about it. It is a value.
 */
typedef struct
{
  PosternWatch watch;
  gboolean can_read; /* until EAGAIN */
  gboolean can_write;
  gboolean has_ended; /* the peer sends nothing more, but may have before */
  gboolean is_dead;   /* and takes nothing either */
} PosternSocket;

gboolean postern_socket_open (PosternSocket *self,
                              PosternEpollSource *epoll,
                              int fd,
                              PosternWatchFunc on_ready,
                              gpointer owner);
void postern_socket_close (PosternSocket *self, PosternEpollSource *epoll);
void postern_socket_note_events (PosternSocket *self, guint32 events);
gssize postern_socket_receive (PosternSocket *self, void *data, gsize length);
gssize postern_socket_send (PosternSocket *self, const struct iovec *pieces, int n_pieces);
gboolean postern_socket_end (PosternSocket *self);

extern const PosternTransport postern_socket_transport; /* its owner is a #PosternSocket */

G_END_DECLS
