/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/socket.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Events are edges, so what they said is remembered here until the kernel answers EAGAIN. That
 * saves the calls whose answer is known, which for a command and its reply is one in three. */

/**
 * postern_socket_open:
 * @fd: (transfer full): connected and non-blocking
 *
 * Returns: FALSE with errno set when the kernel refuses to watch @fd, which then is closed.
 */
gboolean
postern_socket_open (PosternSocket *self,
                     PosternEpollSource *epoll,
                     int fd,
                     PosternWatchFunc on_ready,
                     gpointer owner)
{
  *self = (PosternSocket){
    .watch = { .fd = fd, .on_ready = on_ready, .owner = owner },
    .can_write = TRUE,
  };
  if (postern_epoll_source_add (epoll, &self->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP))
    return TRUE;
  close (fd);
  return FALSE;
}

void
postern_socket_close (PosternSocket *self, PosternEpollSource *epoll)
{
  /* Closing alone would not do: a child that is just being started has the descriptor too. */
  postern_epoll_source_remove (epoll, &self->watch);
  close (self->watch.fd);
}

/**
 * postern_socket_note_events:
 *
 * To be called first with what the watch was told.
 */
void
postern_socket_note_events (PosternSocket *self, guint32 events)
{
  if (events & (EPOLLIN | EPOLLRDHUP))
    self->can_read = TRUE;
  if (events & EPOLLOUT)
    self->can_write = TRUE;
  if (events & EPOLLRDHUP)
    self->has_ended = TRUE;
  /* A reset, or both directions are down: there is nobody left to answer. */
  if (events & (EPOLLERR | EPOLLHUP))
    self->is_dead = TRUE;
}

/**
 * postern_socket_receive:
 *
 * Returns: octets; 0 at the end; -1 with errno, EAGAIN when nothing is there now.
 */
gssize
postern_socket_receive (PosternSocket *self, void *data, gsize length)
{
  gssize got;

  if (!self->can_read)
    {
      errno = EAGAIN;
      return -1;
    }
  do
    got = recv (self->watch.fd, data, length, 0);
  while (got < 0 && errno == EINTR);

  if (got < 0 && errno == EAGAIN)
    self->can_read = FALSE;
  /* Less than there was room for: the rest is not there yet, and will be an edge of its own. But
   * where the end came along already, that was its edge, so it must be asked for. */
  else if (got > 0 && (gsize) got < length && !self->has_ended)
    self->can_read = FALSE;
  return got;
}

/**
 * postern_socket_send:
 *
 * Returns: octets; -1 with errno, EAGAIN when the peer takes no more now.
 */
gssize
postern_socket_send (PosternSocket *self, const struct iovec *pieces, int n_pieces)
{
  struct msghdr message = { .msg_iov = (struct iovec *) pieces, .msg_iovlen = (gsize) n_pieces };
  gssize sent;

  if (!self->can_write)
    {
      errno = EAGAIN;
      return -1;
    }
  do
    sent = sendmsg (self->watch.fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);

  if (sent < 0 && errno == EAGAIN)
    self->can_write = FALSE;
  return sent;
}

/**
 * postern_socket_end:
 *
 * To be called when all is sent. Closing a socket that has unread input makes the kernel send a
 * reset, which may destroy what the peer has not read yet: our last reply. Then the peer is told
 * that we are through, and has to be heard out first.
 *
 * Returns: whether it has to; if not, the socket can be closed without harm.
 */
gboolean
postern_socket_end (PosternSocket *self)
{
  int unread = 0;

  if (self->is_dead || ioctl (self->watch.fd, FIONREAD, &unread) < 0 || unread == 0)
    return FALSE;
  self->can_read = TRUE;
  return shutdown (self->watch.fd, SHUT_WR) == 0;
}

static gssize
receive_for_tls (gpointer owner, void *data, gsize length)
{
  return postern_socket_receive (owner, data, length);
}

static gssize
send_for_tls (gpointer owner, const struct iovec *pieces, int n_pieces)
{
  return postern_socket_send (owner, pieces, n_pieces);
}

const PosternTransport postern_socket_transport = { receive_for_tls, send_for_tls };
