/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/driver.h"

#include "net/mail-server-private.h"

#include "base/clock.h"

/* The pump: actions out, input in, until one of them has to wait. It runs when the connection has
 * something (bytes, room, TLS, its end) and when something that was asked has been answered.
 *
 * Replies gather until the input is used up, then leave in one write. Nothing more is read while
 * that much waits to leave: a peer that does not read is not read either. */

static void on_timer_due (PosternTimer *timer, gpointer owner);
static void on_login_due (PosternTimer *timer, gpointer owner);

/**
 * postern_driver_new:
 *
 * Returns: (transfer full): counted by the server, its session not begun.
 */
PosternDriver *
postern_driver_new (const PosternDriverClass *class,
                    PosternMailServer *server,
                    PosternListener *listener,
                    const char *address)
{
  PosternDriver *self = g_malloc0 (class->size);

  self->class = class;
  self->server = server;
  self->listener = g_object_ref (listener);
  self->references = 1;
  self->link.data = self;
  self->timer = (PosternTimer){ .on_due = on_timer_due, .owner = self };
  self->login_timer = (PosternTimer){ .on_due = on_login_due, .owner = self };
  g_strlcpy (self->address, address, sizeof self->address);
  return self;
}

PosternDriver *
postern_driver_ref (PosternDriver *self)
{
  self->references++;
  return self;
}

void
postern_driver_unref (PosternDriver *self)
{
  if (--self->references > 0)
    return;

  g_assert (self->connection == NULL);
  g_clear_object (&self->user);
  g_free (self->login);
  g_free (self);
}

/**
 * postern_driver_is_over:
 *
 * Returns: whether the connection is gone: an answer that comes now has nobody to go to.
 */
gboolean
postern_driver_is_over (const PosternDriver *self)
{
  return self->server == NULL;
}

/* The end */

/* Leaves the server; what still runs keeps the rest alive until it comes back. */
static void
end (PosternDriver *self, gboolean politely)
{
  PosternMailServer *server = self->server;
  g_autoptr (PosternListener) listener = g_steal_pointer (&self->listener);
  PosternConnection *connection = g_steal_pointer (&self->connection);
  PosternService service = self->class->service;

  postern_epoll_source_stop_timer (server->epoll, &self->timer);
  postern_epoll_source_stop_timer (server->epoll, &self->login_timer);
  self->class->abandon (self);
  self->server = NULL;
  if (connection != NULL && politely)
    postern_connection_end (connection);
  else if (connection != NULL)
    postern_connection_free (connection);

  if (self->user == NULL)
    postern_mail_server_forget_stranger (server, self->address);
  else
    server->statistics.logged_in[service]--;
  server->statistics.open[service]--;
  postern_listener_count (listener, -1);
  g_queue_unlink (&server->drivers, &self->link);
  postern_driver_unref (self);
  postern_mail_server_note_ended (server);
}

/**
 * postern_driver_hang_up:
 *
 * Ends the connection at once, whatever is under way.
 */
void
postern_driver_hang_up (PosternDriver *self)
{
  if (postern_driver_is_over (self))
    return;
  self->is_ending = self->is_dropped = TRUE;
  if (!self->is_pumping)
    end (self, FALSE);
}

/**
 * postern_driver_shut_down:
 *
 * The server stops: ends the session as soon as what is in flight is through.
 */
void
postern_driver_shut_down (PosternDriver *self)
{
  if (postern_driver_is_over (self))
    return;
  if (postern_connection_is_shaking_hands (self->connection))
    {
      end (self, FALSE);
      return;
    }
  self->class->shut_down (self);
  postern_driver_pump (self);
}

/* Time */

static gint64
get_patience_us (const PosternDriver *self)
{
  return (gint64) self->class->patience * self->server->limits.command_timeout_ms *
         G_TIME_SPAN_MILLISECOND;
}

/**
 * postern_driver_restart_timer:
 *
 * The client did something. Before the login it has what is left of its time, behind it the time
 * for a command anew.
 */
void
postern_driver_restart_timer (PosternDriver *self)
{
  gint64 wait_us = get_patience_us (self);

  if (self->user == NULL)
    wait_us = MIN (wait_us, MAX (1, self->login_due_us - postern_clock_monotonic_us ()));
  postern_epoll_source_start_timer (self->server->epoll, &self->timer, wait_us);
}

static void
on_timer_due (PosternTimer *timer, gpointer owner)
{
  PosternDriver *self = owner;

  if (postern_connection_is_shaking_hands (self->connection))
    {
      /* The handshake has a time of its own, and then the login still has to come. */
      self->login_due_us = postern_clock_monotonic_us () + G_USEC_PER_SEC;
      postern_driver_restart_timer (self);
      return;
    }
  if (self->class->is_busy (self))
    {
      postern_epoll_source_start_timer (self->server->epoll,
                                        &self->timer,
                                        (gint64) self->server->limits.command_timeout_ms *
                                            G_TIME_SPAN_MILLISECOND);
      return;
    }
  self->is_expired = TRUE;
  self->class->expire (self);
  postern_driver_pump (self);
}

/* Logins */

static void
accept_login (PosternDriver *self, guint ask, const char *login, PosternMailUser *user)
{
  PosternMailServer *server = self->server;
  const PosternDriverClass *class = self->class;

  /* A copy: the session's own goes with the answer. */
  self->login = g_strdup (login);
  self->user = g_object_ref (user);
  if (!class->answer_login (self, ask, POSTERN_VERDICT_ACCEPTED, NULL))
    {
      g_clear_object (&self->user);
      g_clear_pointer (&self->login, g_free);
      return;
    }
  server->statistics.logged_in[class->service]++;
  postern_mail_server_forget_stranger (server, self->address);
  postern_mail_server_note_login (server,
                                  class->service,
                                  self->login,
                                  class->get_client != NULL ? class->get_client (self) : NULL,
                                  postern_connection_is_secure (self->connection));
}

/**
 * postern_driver_check_login:
 * @ask: the session's serial, which answer_login gets back
 *
 * Checks a password. The answer comes at once, but to a wrong one, which is held back the longer
 * the more of them came (without a thread or anything else waiting for it).
 */
void
postern_driver_check_login (PosternDriver *self,
                            guint ask,
                            const char *login,
                            PosternSecret *password)
{
  PosternMailServer *server = self->server;
  PosternExposure exposure = postern_listener_get_exposure (self->listener);
  PosternService service = self->class->service;
  PosternVerdict verdict;
  g_autoptr (PosternMailUser) user = NULL;
  g_autofree char *reason = NULL;
  guint lock_s = postern_login_throttle_get_lock_s (server->throttle, login, exposure, NULL);

  if (lock_s > 0)
    {
      reason =
          g_strdup_printf ("Too many wrong passwords; try again in %u minutes", (lock_s + 59) / 60);
      self->class->answer_login (self, ask, POSTERN_VERDICT_UNAVAILABLE, reason);
      return;
    }

  verdict = POSTERN_MAIL_HOST_GET_IFACE (server->host)
                ->check_login (server->host, service, login, password, &user, &reason);
  switch (verdict)
    {
    case POSTERN_VERDICT_ACCEPTED:
      postern_login_throttle_forget (server->throttle, login, exposure, NULL);
      accept_login (self, ask, login, user);
      return;

    case POSTERN_VERDICT_WRONG:
      {
        guint delay_ms =
            postern_login_throttle_add_failure (server->throttle, login, exposure, NULL, password);

        server->statistics.failed_logins[service]++;
        self->login_ask = ask;
        postern_epoll_source_start_timer (server->epoll,
                                          &self->login_timer,
                                          (gint64) delay_ms * G_TIME_SPAN_MILLISECOND);
        return;
      }

    case POSTERN_VERDICT_UNAVAILABLE:
    default:
      self->class->answer_login (self, ask, POSTERN_VERDICT_UNAVAILABLE, reason);
      return;
    }
}

static void
on_login_due (PosternTimer *timer, gpointer owner)
{
  PosternDriver *self = owner;

  self->class->answer_login (self, self->login_ask, POSTERN_VERDICT_WRONG, NULL);
  postern_driver_pump (self);
}

/* The pump */

void
postern_driver_write (PosternDriver *self, const guint8 *data, gsize length)
{
  postern_buffer_append (postern_connection_get_output (self->connection), data, length);
}

/**
 * postern_driver_has_room:
 *
 * Returns: whether more may be written, having sent what could be sent.
 */
gboolean
postern_driver_has_room (const PosternDriver *self)
{
  PosternBuffer *output = postern_connection_get_output (self->connection);

  if (postern_buffer_length (output) >= POSTERN_DRIVER_OUTPUT_LIMIT)
    postern_connection_flush (self->connection);
  return postern_buffer_length (output) < POSTERN_DRIVER_OUTPUT_LIMIT;
}

/**
 * postern_driver_start_tls:
 *
 * Carries out START_TLS. The session hears of it when TLS is on.
 */
void
postern_driver_start_tls (PosternDriver *self)
{
  self->is_starting_tls = TRUE;
  postern_connection_start_tls (self->connection,
                                self->server->credentials,
                                self->class->alpn,
                                self->server->limits.handshake_timeout_ms);
}

/* One round of input. Returns FALSE when there is none to be had or none wanted. */
static gboolean
feed (PosternDriver *self, gboolean *has_ended)
{
  const guint8 *data;
  gsize length, used;

  if (!self->class->wants_input (self))
    return FALSE;

  switch (postern_connection_fill (self->connection))
    {
    case POSTERN_FILL_ENDED:
      *has_ended = TRUE;
      return FALSE;
    case POSTERN_FILL_NONE:
      return FALSE;
    case POSTERN_FILL_SOME:
    default:
      break;
    }
  data = postern_connection_peek (self->connection, &length);
  used = self->class->feed (self, data, length);
  postern_connection_take (self->connection, used);
  postern_driver_restart_timer (self);
  return TRUE;
}

static gboolean
is_corked (PosternDriver *self)
{
  return !self->is_ending && self->class->is_corked != NULL && self->class->is_corked (self);
}

static void
pump_once (PosternDriver *self)
{
  gboolean has_ended = FALSE;

  if (postern_connection_is_lost (self->connection))
    {
      end (self, FALSE);
      return;
    }
  if (postern_connection_is_shaking_hands (self->connection))
    return;
  if (self->is_starting_tls)
    {
      self->is_starting_tls = FALSE;
      self->class->tls_started (self);
    }

  do
    while (!self->is_ending && !self->is_starting_tls && postern_driver_has_room (self) &&
           self->class->act (self))
      ;
  while (!self->is_ending && !self->is_starting_tls && postern_driver_has_room (self) &&
         feed (self, &has_ended));

  postern_connection_keep_input (self->connection);
  if (self->user == NULL)
    postern_connection_wipe_input (self->connection);
  if (!self->is_starting_tls && !is_corked (self))
    postern_connection_flush (self->connection);

  if (postern_connection_is_lost (self->connection) || self->is_dropped)
    end (self, FALSE);
  else if (self->is_ending || has_ended)
    end (self, TRUE);
  else if (self->is_expired)
    end (self, FALSE);
  else if (postern_connection_take_progress (self->connection))
    postern_driver_restart_timer (self);
}

/**
 * postern_driver_pump:
 *
 * Does all that can be done now. May end the driver: the caller keeps a reference, or touches it
 * no more.
 */
void
postern_driver_pump (PosternDriver *self)
{
  g_autoptr (PosternDriver) held = NULL;

  /* An answer that is there at once comes back while its question is being asked. */
  self->is_pumped_again = TRUE;
  if (self->is_pumping)
    return;

  held = postern_driver_ref (self);
  self->is_pumping = TRUE;
  while (self->is_pumped_again && !postern_driver_is_over (self))
    {
      self->is_pumped_again = FALSE;
      pump_once (self);
    }
  self->is_pumping = FALSE;
}

static void
on_connection_ready (gpointer owner)
{
  postern_driver_pump (owner);
}

/**
 * postern_driver_begin:
 * @fd: (transfer full): the connected socket
 *
 * Begins the session, under TLS where the listener says so. It belongs to the server now, which has
 * the first reference.
 *
 * Returns: FALSE when it ended at once.
 */
gboolean
postern_driver_begin (PosternDriver *self, int fd)
{
  g_autoptr (PosternDriver) held = postern_driver_ref (self);
  PosternMailServer *server = self->server;
  const PosternListenerSpec *spec = postern_listener_get_spec (self->listener);
  PosternLoginPolicy policy = {
    .tls_available = server->credentials != NULL,
    .tls_on = spec->security == POSTERN_SECURITY_IMPLICIT,
    .plaintext_login = spec->exposure == POSTERN_EXPOSURE_LOCAL && !spec->requires_tls,
  };

  g_queue_push_tail_link (&server->drivers, &self->link);
  self->login_due_us = postern_clock_monotonic_us () +
                       (gint64) server->limits.login_timeout_ms * G_TIME_SPAN_MILLISECOND;
  self->class->begin (self, &policy);
  self->connection = postern_connection_new (&server->pool, fd, on_connection_ready, self);
  if (self->connection == NULL || (policy.tls_on && server->credentials == NULL))
    {
      end (self, FALSE);
      return FALSE;
    }

  if (policy.tls_on)
    postern_connection_start_tls (self->connection,
                                  server->credentials,
                                  self->class->alpn,
                                  server->limits.handshake_timeout_ms);
  postern_driver_restart_timer (self);
  postern_driver_pump (self);
  return !postern_driver_is_over (self);
}
