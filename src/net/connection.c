/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/connection.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

/* One descriptor, TLS on it or not, and the octets on their way through it.
 *
 * Nothing is kept while nothing flows. All connections of a server read into the same scratch
 * memory, whose octets are lent for the length of one callback; only what was not consumed by its
 * end is copied. What is to be sent gathers in one buffer until flush(), so a batch of replies is
 * one write, and that buffer's memory goes when it is empty.
 *
 * A connection gets a bounded share of a turn: what is left over comes back behind all others. */

#define SCRATCH_OCTETS (32 * 1024)
#define READ_A_TURN    (64 * 1024)  /* octets */
#define WRITE_A_TURN   (256 * 1024) /* octets */
#define FLUSH_US       (30 * G_USEC_PER_SEC)
#define LINGER_US      (2 * G_USEC_PER_SEC)
#define TELL_AGAIN_US  ((gint64) 60 * 60 * G_USEC_PER_SEC)
#define LINGER_OCTETS  (256 * 1024) /* of what nobody asked for, before we hang up anyway */

typedef enum
{
  OPEN,
  BEFORE_HANDSHAKE, /* what was said in clear must leave first */
  HANDSHAKE,
  FLUSHING, /* the last octets */
  ENDING,   /* close_notify */
  LINGERING,
} State;

struct _PosternConnection
{
  PosternConnectionPool *pool;
  PosternConnectionHandler on_ready;
  gpointer owner;
  PosternSocket socket;
  PosternTimer timer; /* of the handshake, then of the good-bye */
  GList link;         /* in the pool's queue of those that end */

  PosternTlsChannel *tls;             /* (nullable) */
  PosternTlsCredentials *credentials; /* (nullable) until the handshake begins */
  const char *alpn;
  guint handshake_timeout_ms;

  const guint8 *lent; /* (nullable) in the scratch */
  gsize lent_octets;
  PosternBuffer input;
  PosternBuffer output;

  gsize read_left; /* octets, in this turn */
  gsize write_left;
  gsize lingered_octets;
  State state;
  gboolean is_lost;
  gboolean has_progress; /* octets were written since somebody asked */
};

static void advance (PosternConnection *self);

void
postern_connection_pool_init (PosternConnectionPool *self, PosternEpollSource *epoll)
{
  memset (self, 0, sizeof *self);
  self->epoll = epoll;
  self->scratch_octets = SCRATCH_OCTETS;
  self->scratch = g_malloc (self->scratch_octets);
  g_queue_init (&self->ending);
}

/**
 * postern_connection_pool_clear:
 *
 * Hangs up on those that are saying good-bye. All others must have been freed.
 */
void
postern_connection_pool_clear (PosternConnectionPool *self)
{
  while (self->ending.length > 0)
    postern_connection_free (g_queue_peek_head (&self->ending));
  g_clear_pointer (&self->scratch, g_free);
}

static gssize
read_some (PosternConnection *self, void *data, gsize length)
{
  return self->tls != NULL ? postern_tls_channel_read (self->tls, data, length)
                           : postern_socket_receive (&self->socket, data, length);
}

static gssize
write_some (PosternConnection *self, const void *data, gsize length)
{
  struct iovec piece = { .iov_base = (void *) data, .iov_len = length };

  return self->tls != NULL ? postern_tls_channel_write (self->tls, data, length)
                           : postern_socket_send (&self->socket, &piece, 1);
}

static void
lose (PosternConnection *self)
{
  self->is_lost = TRUE;
}

/* Input */

/**
 * postern_connection_fill:
 *
 * Reads once, when all earlier input was taken. The octets are valid until the callback ends; what
 * is left then must be kept with postern_connection_keep_input().
 */
PosternFill
postern_connection_fill (PosternConnection *self)
{
  gssize got;

  if (self->lent_octets > 0 || postern_buffer_length (&self->input) > 0)
    return POSTERN_FILL_SOME;
  if (self->state != OPEN || self->is_lost)
    return POSTERN_FILL_NONE;
  if (self->read_left == 0)
    {
      postern_epoll_source_tell_again (self->pool->epoll, &self->socket.watch);
      return POSTERN_FILL_NONE;
    }

  got = read_some (self, self->pool->scratch, MIN (self->pool->scratch_octets, self->read_left));
  if (got > 0)
    {
      self->read_left -= (gsize) got;
      self->lent = self->pool->scratch;
      self->lent_octets = (gsize) got;
      return POSTERN_FILL_SOME;
    }
  if (got == 0)
    return POSTERN_FILL_ENDED;
  if (errno != EAGAIN)
    lose (self);
  return POSTERN_FILL_NONE;
}

/**
 * postern_connection_peek:
 * @length: (out): octets
 *
 * Returns: what was read and not taken; valid until the next call of any function here but
 *   postern_connection_get_output() and postern_connection_flush().
 */
const guint8 *
postern_connection_peek (const PosternConnection *self, gsize *length)
{
  if (self->lent_octets > 0)
    {
      *length = self->lent_octets;
      return self->lent;
    }
  *length = postern_buffer_length (&self->input);
  return postern_buffer_peek (&self->input);
}

void
postern_connection_take (PosternConnection *self, gsize length)
{
  if (self->lent_octets > 0)
    {
      g_assert (length <= self->lent_octets);
      self->lent += length;
      self->lent_octets -= length;
    }
  else if (length > 0)
    {
      /* It may have been a password that came before its turn. */
      explicit_bzero (self->input.data + self->input.start, length);
      postern_buffer_take (&self->input, length);
    }
}

/**
 * postern_connection_keep_input:
 *
 * To be called at the end of a callback: the scratch goes to the next connection.
 */
void
postern_connection_keep_input (PosternConnection *self)
{
  if (self->lent_octets > 0)
    postern_buffer_append (&self->input, self->lent, self->lent_octets);
  self->lent = NULL;
  self->lent_octets = 0;
}

/**
 * postern_connection_wipe_input:
 *
 * Overwrites the scratch, in which a password may have stood; what was not taken must be kept
 * before.
 */
void
postern_connection_wipe_input (PosternConnection *self)
{
  gsize used = READ_A_TURN - self->read_left;

  explicit_bzero (self->pool->scratch, MIN (used, self->pool->scratch_octets));
}

/**
 * postern_connection_tell_again:
 *
 * Calls the handler in the next turn of the loop.
 */
void
postern_connection_tell_again (PosternConnection *self)
{
  postern_epoll_source_tell_again (self->pool->epoll, &self->socket.watch);
}

/* Output */

/**
 * postern_connection_get_output:
 *
 * Returns: (transfer none): append here, then postern_connection_flush().
 */
PosternBuffer *
postern_connection_get_output (PosternConnection *self)
{
  return &self->output;
}

/**
 * postern_connection_flush:
 *
 * Sends as much as the peer takes now; the handler is called when it takes more.
 * Returns: whether all is sent.
 */
gboolean
postern_connection_flush (PosternConnection *self)
{
  gsize left;

  while ((left = postern_buffer_length (&self->output)) > 0 && !self->is_lost)
    {
      gssize sent;

      if (self->state == HANDSHAKE)
        return FALSE;
      if (self->write_left == 0)
        {
          postern_epoll_source_tell_again (self->pool->epoll, &self->socket.watch);
          return FALSE;
        }
      sent = write_some (self, postern_buffer_peek (&self->output), left);
      if (sent > 0)
        {
          postern_buffer_take (&self->output, (gsize) sent);
          self->write_left -= MIN ((gsize) sent, self->write_left);
          self->has_progress = TRUE;
        }
      else if (sent < 0 && errno != EAGAIN)
        lose (self);
      else
        return FALSE;
    }
  return !self->is_lost;
}

/**
 * postern_connection_take_progress:
 *
 * Returns: whether octets were sent since the last call: the peer is there and reads.
 */
gboolean
postern_connection_take_progress (PosternConnection *self)
{
  gboolean has_progress = self->has_progress;

  self->has_progress = FALSE;
  return has_progress;
}

/* TLS */

/**
 * postern_connection_start_tls:
 * @credentials: kept until the session ends
 * @alpn: (nullable): static
 * @timeout_ms: after which the connection is lost
 *
 * Shakes hands as soon as what is to be said in clear has left. What was read in clear and not
 * taken is dropped (RFC 3207 section 4.2, RFC 2595 section 4): whoever put it there cannot speak
 * under cover of TLS. The handler is called when TLS is on.
 */
void
postern_connection_start_tls (PosternConnection *self,
                              PosternTlsCredentials *credentials,
                              const char *alpn,
                              guint timeout_ms)
{
  g_return_if_fail (self->tls == NULL && self->state == OPEN);

  self->lent = NULL;
  self->lent_octets = 0;
  postern_buffer_clear (&self->input);
  self->credentials = postern_tls_credentials_ref (credentials);
  self->alpn = alpn;
  self->handshake_timeout_ms = timeout_ms;
  self->state = BEFORE_HANDSHAKE;
  postern_epoll_source_start_timer (self->pool->epoll,
                                    &self->timer,
                                    (gint64) timeout_ms * G_TIME_SPAN_MILLISECOND);
  postern_epoll_source_tell_again (self->pool->epoll, &self->socket.watch);
}

static void
begin_handshake (PosternConnection *self)
{
  g_autoptr (PosternTlsCredentials) credentials = g_steal_pointer (&self->credentials);

  if (!postern_connection_flush (self))
    return;
  self->tls =
      postern_tls_channel_new (credentials, self->alpn, &postern_socket_transport, &self->socket);
  if (self->tls == NULL)
    lose (self);
  else
    self->state = HANDSHAKE;
}

/* Such a program tries again every few minutes, and says nothing new then. */
static void
tell_distrust (PosternConnectionPool *pool)
{
  gint64 now_us = postern_clock_monotonic_us ();

  if (pool->distrust_told_us != 0 && now_us - pool->distrust_told_us < TELL_AGAIN_US)
    return;
  pool->distrust_told_us = now_us;
  g_message ("A mail program does not trust Postern's certificate and hung up. Let it trust the "
             "certificate authority, or confirm the certificate there.");
}

static void
shake_hands (PosternConnection *self)
{
  switch (postern_tls_channel_handshake (self->tls))
    {
    case POSTERN_TLS_OK:
      self->state = OPEN;
      postern_epoll_source_stop_timer (self->pool->epoll, &self->timer);
      break;
    case POSTERN_TLS_AGAIN:
      break;
    case POSTERN_TLS_DISTRUSTED:
      self->pool->n_distrusted++;
      self->pool->n_failed++;
      tell_distrust (self->pool);
      lose (self);
      break;
    case POSTERN_TLS_FAILED:
      self->pool->n_failed++;
      lose (self);
      break;
    default:
      g_assert_not_reached ();
    }
}

gboolean
postern_connection_is_shaking_hands (const PosternConnection *self)
{
  return self->state == BEFORE_HANDSHAKE || self->state == HANDSHAKE;
}

gboolean
postern_connection_is_secure (const PosternConnection *self)
{
  return self->tls != NULL && self->state != HANDSHAKE;
}

/**
 * postern_connection_is_lost:
 *
 * Returns: whether nothing can be sent any more. To be looked at by each handler; the owner then
 *   frees the connection.
 */
gboolean
postern_connection_is_lost (const PosternConnection *self)
{
  return self->is_lost;
}

/* The end */

/* Swallows what still comes, until the peer hangs up too. */
static void
linger (PosternConnection *self)
{
  while (self->lingered_octets < LINGER_OCTETS)
    {
      gssize got =
          postern_socket_receive (&self->socket, self->pool->scratch, self->pool->scratch_octets);

      if (got < 0 && errno == EAGAIN)
        return;
      if (got <= 0)
        break;
      self->lingered_octets += (gsize) got;
    }
  lose (self);
}

/* All that was to be said has been: whoever waits for that need not wait for the peer. */
static void
owe_nothing (PosternConnection *self)
{
  if (--self->pool->n_owing == 0 && self->pool->on_quiet != NULL)
    self->pool->on_quiet (self->pool->owner);
}

static void
advance_to_end (PosternConnection *self)
{
  if (self->state == FLUSHING && postern_connection_flush (self))
    self->state = ENDING;
  if (self->state == ENDING && !self->is_lost)
    {
      PosternTlsStatus status =
          self->tls == NULL ? POSTERN_TLS_OK : postern_tls_channel_end (self->tls);

      if (status == POSTERN_TLS_AGAIN)
        return;
      g_clear_pointer (&self->tls, postern_tls_channel_free);
      self->state = LINGERING;
      postern_epoll_source_start_timer (self->pool->epoll, &self->timer, LINGER_US);
      owe_nothing (self);
      if (!postern_socket_end (&self->socket))
        lose (self);
    }
  if (self->state == LINGERING && !self->is_lost)
    linger (self);
  if (self->is_lost)
    postern_connection_free (self);
}

/**
 * postern_connection_end:
 * @self: (transfer full)
 *
 * Sends what is still to be sent, says good-bye, and hangs up; the owner hears nothing more.
 */
void
postern_connection_end (PosternConnection *self)
{
  self->owner = NULL;
  self->on_ready = NULL;
  self->lent = NULL;
  self->lent_octets = 0;
  postern_buffer_clear (&self->input);
  g_queue_push_tail_link (&self->pool->ending, &self->link);
  self->pool->n_owing++;
  if (postern_connection_is_shaking_hands (self))
    lose (self);
  self->state = FLUSHING;
  postern_epoll_source_start_timer (self->pool->epoll, &self->timer, FLUSH_US);
  advance_to_end (self);
}

/* Callbacks */

static void
advance (PosternConnection *self)
{
  if (self->state >= FLUSHING)
    {
      advance_to_end (self);
      return;
    }

  if (self->state == BEFORE_HANDSHAKE && !self->is_lost)
    begin_handshake (self);
  if (self->state == HANDSHAKE && !self->is_lost)
    shake_hands (self);
  if (self->is_lost || self->state == OPEN)
    self->on_ready (self->owner);
}

static void
on_watch_ready (PosternWatch *watch, guint32 events, gpointer owner)
{
  PosternConnection *self = owner;

  postern_socket_note_events (&self->socket, events);
  if (self->socket.is_dead)
    lose (self);
  self->read_left = READ_A_TURN;
  self->write_left = WRITE_A_TURN;
  advance (self);
}

static void
on_timer_due (PosternTimer *timer, gpointer owner)
{
  PosternConnection *self = owner;

  if (postern_connection_is_shaking_hands (self))
    self->pool->n_failed++;
  lose (self);
  advance (self);
}

/**
 * postern_connection_new:
 * @pool: outlives the connection
 * @fd: (transfer full): a connected socket, non-blocking
 * @on_ready: called on the main context when the peer sent something, takes more, or is gone, and
 *   when TLS is on; never from within a function of the connection
 *
 * Returns: (transfer full) (nullable): NULL with errno set when the kernel refuses to watch @fd,
 *   which then is closed.
 */
PosternConnection *
postern_connection_new (PosternConnectionPool *pool,
                        int fd,
                        PosternConnectionHandler on_ready,
                        gpointer owner)
{
  PosternConnection *self = g_new0 (PosternConnection, 1);

  if (!postern_socket_open (&self->socket, pool->epoll, fd, on_watch_ready, self))
    {
      g_free (self);
      return NULL;
    }
  self->pool = pool;
  self->on_ready = on_ready;
  self->owner = owner;
  self->link.data = self;
  self->timer = (PosternTimer){ .on_due = on_timer_due, .owner = self };
  self->read_left = READ_A_TURN;
  self->write_left = WRITE_A_TURN;
  return self;
}

/**
 * postern_connection_free:
 *
 * Hangs up at once; postern_connection_end() is the polite way.
 */
void
postern_connection_free (PosternConnection *self)
{
  PosternConnectionPool *pool = self->pool;

  if (self->state >= FLUSHING)
    g_queue_unlink (&pool->ending, &self->link);
  if (self->state == FLUSHING || self->state == ENDING)
    owe_nothing (self);
  postern_epoll_source_stop_timer (pool->epoll, &self->timer);
  postern_socket_close (&self->socket, pool->epoll);
  g_clear_pointer (&self->tls, postern_tls_channel_free);
  g_clear_pointer (&self->credentials, postern_tls_credentials_unref);
  postern_buffer_clear (&self->input);
  postern_buffer_clear (&self->output);
  g_free (self);
}
