/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/listener.h"

#include "net/mail-server-private.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define MAX_ADDRESSES  16
#define PORT_TRIES     16 /* to find one that is free on all addresses */
#define PAUSE_US       (250 * G_TIME_SPAN_MILLISECOND) /* when the system has nothing left for us */

typedef struct
{
  PosternListener *listener;
  PosternWatch watch;
  PosternTimer pause;
  gboolean is_starved; /* and that was told */
} Door;

struct _PosternListener
{
  GObject parent_instance;

  PosternMailServer *server; /* (nullable) NULL when closed */
  PosternListenerSpec spec;
  char **addresses;
  guint16 port;
  Door doors[MAX_ADDRESSES];
  guint n_doors;
  guint n_connections;
  guint64 n_accepted;
};

G_DEFINE_FINAL_TYPE (PosternListener, postern_listener, G_TYPE_OBJECT)

static guint connections_changed_signal;

static const char *const local_addresses[] = { "127.0.0.1", "::1", NULL };

/* Accepting */

static void
on_pause_over (PosternTimer *timer, gpointer owner)
{
  Door *door = owner;

  postern_epoll_source_tell_again (door->listener->server->epoll, &door->watch);
}

static void
on_door_ready (PosternWatch *watch, guint32 events, gpointer owner)
{
  Door *door = owner;
  g_autoptr (PosternListener) self = g_object_ref (door->listener);

  for (guint n = 0; n < ACCEPTS_A_TURN && self->server != NULL; n++)
    {
      struct sockaddr_storage address;
      socklen_t length = sizeof address;
      int fd =
          accept4 (watch->fd, (struct sockaddr *) &address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd >= 0)
        {
          self->n_accepted++;
          door->is_starved = FALSE;
          postern_mail_server_accept (self->server, self, fd, (struct sockaddr *) &address);
          continue;
        }
      if (errno == EAGAIN)
        return;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        {
          /* The peer waits in the kernel's queue, where it costs us nothing. */
          if (!door->is_starved)
            g_message ("Port %u: connections have to wait: %s", self->port, g_strerror (errno));
          door->is_starved = TRUE;
          postern_epoll_source_start_timer (self->server->epoll, &door->pause, PAUSE_US);
          return;
        }
      /* accept(2): all else is trouble of that one connection, which is gone. */
    }
  if (self->server != NULL)
    postern_epoll_source_tell_again (self->server->epoll, watch);
}

/* Opening */

static gboolean
parse_address (const char *text, guint16 port, struct sockaddr_storage *address, socklen_t *length)
{
  struct sockaddr_in *four = (struct sockaddr_in *) address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *) address;

  memset (address, 0, sizeof *address);
  if (inet_pton (AF_INET, text, &four->sin_addr) == 1)
    {
      four->sin_family = AF_INET;
      four->sin_port = htons (port);
      *length = sizeof *four;
      return TRUE;
    }
  if (inet_pton (AF_INET6, text, &six->sin6_addr) == 1)
    {
      six->sin6_family = AF_INET6;
      six->sin6_port = htons (port);
      *length = sizeof *six;
      return TRUE;
    }
  return FALSE;
}

static void
explain (GError **error, int code, const char *address, guint16 port)
{
  switch (code)
    {
    case EADDRINUSE:
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_BUSY,
                   "Port %u on %s is used by another program; close that program or choose "
                   "another port",
                   port,
                   address);
      break;
    case EACCES:
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_FORBIDDEN,
                   "Port %u on %s may not be opened by this user; choose one above 1023",
                   port,
                   address);
      break;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_NOT_FOUND,
                   "Port %u cannot be opened on %s: this machine does not have that address",
                   port,
                   address);
      break;
    default:
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_FAILED,
                   "Port %u on %s cannot be opened: %s",
                   port,
                   address,
                   g_strerror (code));
    }
}

/* Returns a listening socket, or -1 with errno. */
static int
listen_on (const struct sockaddr_storage *address, socklen_t length)
{
  const int on = 1;
  int fd = socket (address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int code;

  if (fd < 0)
    return -1;
  /* Connections that just ended must not keep a restarted bridge from its port. */
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ss_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  /* Accepted sockets inherit these: replies are whole when they are written, and a peer that
   * vanished is found out. */
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (bind (fd, (const struct sockaddr *) address, length) == 0 && listen (fd, SOMAXCONN) == 0)
    return fd;

  code = errno;
  close (fd);
  errno = code;
  return -1;
}

static guint16
get_bound_port (int fd)
{
  struct sockaddr_storage address = { 0 };
  socklen_t length = sizeof address;

  getsockname (fd, (struct sockaddr *) &address, &length);
  return ntohs (address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &address)->sin6_port
                                              : ((struct sockaddr_in *) &address)->sin_port);
}

static void
close_doors (PosternListener *self)
{
  for (guint i = 0; i < self->n_doors; i++)
    {
      Door *door = &self->doors[i];

      postern_epoll_source_stop_timer (self->server->epoll, &door->pause);
      postern_epoll_source_remove (self->server->epoll, &door->watch);
      close (door->watch.fd);
    }
  self->n_doors = 0;
}

/* Returns 0, or the errno of the address that could not be had, which is told in @error. */
static int
open_doors (PosternListener *self, GError **error)
{
  gboolean by_default = self->spec.addresses == NULL;
  int code = 0;

  self->port = self->spec.port;
  for (guint i = 0; self->addresses[i] != NULL; i++)
    {
      Door *door = &self->doors[self->n_doors];
      struct sockaddr_storage address;
      socklen_t length;
      int fd;

      if (!parse_address (self->addresses[i], self->port, &address, &length))
        {
          g_set_error (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_INVALID,
                       "“%s” is not an IP address",
                       self->addresses[i]);
          code = EINVAL;
          break;
        }
      fd = listen_on (&address, length);
      if (fd < 0)
        {
          code = errno;
          /* A machine without IPv6 is no reason to do without mail. */
          if (by_default && self->n_doors > 0 && (code == EADDRNOTAVAIL || code == EAFNOSUPPORT))
            {
              code = 0;
              continue;
            }
          explain (error, code, self->addresses[i], self->port);
          break;
        }
      self->port = get_bound_port (fd);
      *door = (Door){
        .listener = self,
        .watch = { .fd = fd, .on_ready = on_door_ready, .owner = door },
        .pause = { .on_due = on_pause_over, .owner = door },
      };
      self->n_doors++;
      if (!postern_epoll_source_add (self->server->epoll, &door->watch, EPOLLIN))
        {
          code = errno;
          explain (error, code, self->addresses[i], self->port);
          break;
        }
    }
  if (code != 0)
    close_doors (self);
  return code;
}

/* Opens all addresses of @spec or none. Returns: (transfer full) (nullable) */
PosternListener *
postern_listener_open (PosternMailServer *server, const PosternListenerSpec *spec, GError **error)
{
  g_autoptr (PosternListener) self = g_object_new (POSTERN_TYPE_LISTENER, NULL);
  const char *const *addresses = spec->addresses != NULL ? spec->addresses : local_addresses;
  guint tries = spec->port == 0 ? PORT_TRIES : 1;
  int code = EADDRINUSE;

  if (addresses[0] == NULL || g_strv_length ((char **) addresses) > MAX_ADDRESSES)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "A listener has between 1 and %d addresses",
                   MAX_ADDRESSES);
      return NULL;
    }

  self->server = server;
  self->spec = *spec;
  self->addresses = g_strdupv ((char **) addresses);
  while (code == EADDRINUSE && tries-- > 0)
    {
      g_clear_error (error);
      code = open_doors (self, error);
    }
  if (code != 0)
    {
      self->server = NULL;
      return NULL;
    }
  self->spec.addresses = (const char *const *) self->addresses;
  return g_steal_pointer (&self);
}

/* Reading */

const PosternListenerSpec *
postern_listener_get_spec (PosternListener *self)
{
  return &self->spec;
}

void
postern_listener_count (PosternListener *self, int connections)
{
  self->n_connections = (guint) ((int) self->n_connections + connections);
  g_signal_emit (self, connections_changed_signal, 0);
}

/**
 * postern_listener_get_port:
 *
 * Returns: the port; where 0 was asked for, the one that was found.
 */
guint16
postern_listener_get_port (PosternListener *self)
{
  return self->port;
}

PosternService
postern_listener_get_service (PosternListener *self)
{
  return self->spec.service;
}

PosternSecurity
postern_listener_get_security (PosternListener *self)
{
  return self->spec.security;
}

PosternExposure
postern_listener_get_exposure (PosternListener *self)
{
  return self->spec.exposure;
}

/**
 * postern_listener_get_addresses:
 *
 * Returns: the IP addresses it was to listen on; without IPv6, "::1" is silently left out.
 */
const char *const *
postern_listener_get_addresses (PosternListener *self)
{
  return (const char *const *) self->addresses;
}

gboolean
postern_listener_is_open (PosternListener *self)
{
  return self->server != NULL;
}

/**
 * postern_listener_get_n_connections:
 *
 * Returns: how many connections that came in here are there now.
 */
guint
postern_listener_get_n_connections (PosternListener *self)
{
  return self->n_connections;
}

guint64
postern_listener_get_n_accepted (PosternListener *self)
{
  return self->n_accepted;
}

/**
 * postern_listener_close:
 *
 * Gives the port back. Connections that came in here go on.
 */
void
postern_listener_close (PosternListener *self)
{
  PosternMailServer *server = self->server;

  if (server == NULL)
    return;
  close_doors (self);
  self->server = NULL;
  g_ptr_array_remove (server->listeners, self);
}

static void
postern_listener_finalize (GObject *object)
{
  PosternListener *self = POSTERN_LISTENER (object);

  g_strfreev (self->addresses);
  G_OBJECT_CLASS (postern_listener_parent_class)->finalize (object);
}

static void
postern_listener_class_init (PosternListenerClass *class)
{
  G_OBJECT_CLASS (class)->finalize = postern_listener_finalize;
  connections_changed_signal = g_signal_new ("connections-changed",
                                             POSTERN_TYPE_LISTENER,
                                             G_SIGNAL_RUN_LAST,
                                             0,
                                             NULL,
                                             NULL,
                                             NULL,
                                             G_TYPE_NONE,
                                             0);
}

static void
postern_listener_init (PosternListener *self)
{
}
