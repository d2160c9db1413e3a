/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/mail-server.h"

#include "net/mail-server-private.h"
#include "net/pop3-driver.h"
#include "net/smtp-driver.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <unistd.h>

#define RESERVED_DESCRIPTORS 128 /* for databases, the bus, HTTP */

enum
{
  LOGGED_IN,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (PosternMailServer, postern_mail_server, G_TYPE_OBJECT)

static const PosternServerLimits default_limits = {
  .max_connections = 6000,
  .max_strangers_local = 5000,
  .max_strangers_other = 100,
  .handshake_timeout_ms = 10 * 1000,
  .login_timeout_ms = 60 * 1000,
  .command_timeout_ms = 300 * 1000,
  .max_receiving_octets = 32 * 1024 * 1024,
};

/* New connections */

static void
turn_away (const PosternDriverClass *class, PosternListener *listener, int fd)
{
  /* Under TLS there is no way to say it without a handshake, which is what costs. */
  if (postern_listener_get_security (listener) == POSTERN_SECURITY_STARTTLS)
    send (fd, class->busy, strlen (class->busy), MSG_NOSIGNAL | MSG_DONTWAIT);
  close (fd);
}

static void
format_address (const struct sockaddr *address, char text[INET6_ADDRSTRLEN])
{
  const void *octets = address->sa_family == AF_INET6
                           ? (const void *) &((const struct sockaddr_in6 *) address)->sin6_addr
                           : (const void *) &((const struct sockaddr_in *) address)->sin_addr;

  if (inet_ntop (address->sa_family, octets, text, INET6_ADDRSTRLEN) == NULL)
    g_strlcpy (text, "unknown", INET6_ADDRSTRLEN);
}

/* Counts one more connection that has not logged in. FALSE when there are too many from there. */
static gboolean
admit_stranger (PosternMailServer *self, PosternListener *listener, const char *address)
{
  guint limit = postern_listener_get_exposure (listener) == POSTERN_EXPOSURE_LOCAL
                    ? self->limits.max_strangers_local
                    : self->limits.max_strangers_other;
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->strangers, address));

  if (count >= limit)
    return FALSE;
  g_hash_table_insert (self->strangers, g_strdup (address), GUINT_TO_POINTER (count + 1));
  return TRUE;
}

/* One of them has logged in, or gone. */
void
postern_mail_server_forget_stranger (PosternMailServer *self, const char *address)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->strangers, address));

  if (count <= 1)
    g_hash_table_remove (self->strangers, address);
  else
    g_hash_table_insert (self->strangers, g_strdup (address), GUINT_TO_POINTER (count - 1));
}

void
postern_mail_server_accept (PosternMailServer *self,
                            PosternListener *listener,
                            int fd,
                            const struct sockaddr *address)
{
  PosternService service = postern_listener_get_service (listener);
  const PosternDriverClass *class =
      service == POSTERN_SERVICE_POP3 ? &postern_pop3_driver_class : &postern_smtp_driver_class;
  char text[INET6_ADDRSTRLEN];

  format_address (address, text);
  self->statistics.accepted[service]++;
  if (self->drivers.length + self->pool.ending.length >= self->limits.max_connections ||
      !admit_stranger (self, listener, text))
    {
      self->statistics.turned_away[service]++;
      turn_away (class, listener, fd);
      return;
    }

  self->statistics.open[service]++;
  postern_listener_count (listener, 1);
  postern_driver_begin (postern_driver_new (class, self, listener, text), fd);
}

/* Who logged in */

typedef struct
{
  PosternLastLogin last;
  char *client;
} Login;

static void
login_free (gpointer data)
{
  Login *login = data;

  g_free (login->client);
  g_free (login);
}

void
postern_mail_server_note_login (PosternMailServer *self,
                                PosternService service,
                                const char *login,
                                const char *client,
                                gboolean secure)
{
  Login *noted = g_new0 (Login, 1);

  noted->client = g_strdup (client);
  noted->last = (PosternLastLogin){
    .at_us = postern_clock_now_us (),
    .client = noted->client,
    .secure = secure,
  };
  g_hash_table_insert (self->last_logins[service], g_strdup (login), noted);
  self->statistics.logins[service]++;
  g_signal_emit (self, signals[LOGGED_IN], 0, (guint) service, login);
}

/**
 * postern_mail_server_get_last_login:
 * @login: as it was given by the client
 * @last: (out caller-allocates): all zero when there was none since the server was made; what it
 *   points to is lent until the next login
 */
void
postern_mail_server_get_last_login (PosternMailServer *self,
                                    PosternService service,
                                    const char *login,
                                    PosternLastLogin *last)
{
  const Login *noted = g_hash_table_lookup (self->last_logins[service], login);

  *last = noted != NULL ? noted->last : (PosternLastLogin){ 0 };
}

/**
 * postern_mail_server_get_statistics:
 * @statistics: (out caller-allocates)
 */
void
postern_mail_server_get_statistics (PosternMailServer *self, PosternServerStatistics *statistics)
{
  self->statistics.failed_handshakes = self->pool.n_failed;
  self->statistics.distrusted = self->pool.n_distrusted;
  *statistics = self->statistics;
}

/**
 * postern_mail_server_disconnect_user:
 *
 * Hangs up on all sessions of @login, whatever they are doing: its password was revoked, or its
 * account is gone.
 */
void
postern_mail_server_disconnect_user (PosternMailServer *self, const char *login)
{
  for (GList *link = self->drivers.head; link != NULL;)
    {
      PosternDriver *driver = link->data;

      link = link->next;
      if (driver->login != NULL && g_ascii_strcasecmp (driver->login, login) == 0)
        postern_driver_hang_up (driver);
    }
}

/* Stopping */

static void
close_listeners (PosternMailServer *self)
{
  while (self->listeners->len > 0)
    postern_listener_close (g_ptr_array_index (self->listeners, 0));
}

static gboolean
is_quiet (PosternMailServer *self)
{
  return self->drivers.length == 0 && self->pool.n_owing == 0;
}

/* Not at once: whoever told us is still in the middle of it. */
void
postern_mail_server_note_ended (PosternMailServer *self)
{
  if (self->drain != NULL && is_quiet (self))
    postern_epoll_source_start_timer (self->epoll, &self->drain_timer, 0);
}

static void
on_pool_quiet (gpointer owner)
{
  postern_mail_server_note_ended (owner);
}

static void
on_drain_due (PosternTimer *timer, gpointer owner)
{
  PosternMailServer *self = owner;
  g_autoptr (GTask) task = g_steal_pointer (&self->drain);
  gboolean all = is_quiet (self);

  postern_mail_server_stop (self);
  g_task_return_boolean (task, all);
}

/**
 * postern_mail_server_drain_async:
 * @timeout_ms: after which what is left is cut off
 *
 * Stops politely: takes no new connections, tells the clients, lets the messages that are being
 * sent, received or made durable come to their end. To be called once.
 */
void
postern_mail_server_drain_async (PosternMailServer *self,
                                 guint timeout_ms,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, postern_mail_server_drain_async);
  g_return_if_fail (self->drain == NULL);
  close_listeners (self);
  if (self->epoll == NULL || is_quiet (self))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }

  self->drain = g_steal_pointer (&task);
  postern_epoll_source_start_timer (self->epoll,
                                    &self->drain_timer,
                                    (gint64) timeout_ms * G_TIME_SPAN_MILLISECOND);
  for (GList *link = self->drivers.head; link != NULL;)
    {
      PosternDriver *driver = link->data;

      link = link->next;
      postern_driver_shut_down (driver);
    }
}

/**
 * postern_mail_server_drain_finish:
 *
 * Returns: whether all ended by themselves. There are no errors.
 */
gboolean
postern_mail_server_drain_finish (PosternMailServer *self, GAsyncResult *result)
{
  return g_task_propagate_boolean (G_TASK (result), NULL);
}

/**
 * postern_mail_server_stop:
 *
 * Closes all listeners and hangs up on everybody at once. What is being committed still is, but
 * nobody hears of it. Not to be called from a method of the #PosternMailHost.
 */
void
postern_mail_server_stop (PosternMailServer *self)
{
  close_listeners (self);
  while (self->drivers.length > 0)
    postern_driver_hang_up (g_queue_peek_head (&self->drivers));
  while (self->pool.ending.length > 0)
    postern_connection_free (g_queue_peek_head (&self->pool.ending));
}

/* Starting */

/**
 * postern_mail_server_set_credentials:
 * @credentials: (nullable): what is shown from now on; sessions that have begun keep theirs. NULL:
 *   TLS is not offered
 */
void
postern_mail_server_set_credentials (PosternMailServer *self, PosternTlsCredentials *credentials)
{
  PosternTlsCredentials *old = self->credentials;

  self->credentials = credentials != NULL ? postern_tls_credentials_ref (credentials) : NULL;
  g_clear_pointer (&old, postern_tls_credentials_unref);
}

/**
 * postern_mail_server_listen:
 *
 * Opens a port on all its addresses, or on none.
 *
 * Returns: (transfer full) (nullable): it listens until postern_listener_close() or the server's
 *   end, whoever has references. NULL with POSTERN_ERROR_BUSY when another program has the port,
 *   FORBIDDEN when this user may not open it, NOT_FOUND when the machine lacks the address, INVALID
 *   when it is none. The message names port, address and cure.
 */
PosternListener *
postern_mail_server_listen (PosternMailServer *self,
                            const PosternListenerSpec *spec,
                            GError **error)
{
  PosternListener *listener;

  if (self->epoll == NULL)
    {
      self->epoll = postern_epoll_source_new (g_main_context_get_thread_default (), error);
      if (self->epoll == NULL)
        return NULL;
      postern_connection_pool_init (&self->pool, self->epoll);
      self->pool.on_quiet = on_pool_quiet;
      self->pool.owner = self;
    }

  listener = postern_listener_open (self, spec, error);
  if (listener != NULL)
    g_ptr_array_add (self->listeners, g_object_ref (listener));
  return listener;
}

/* The usual limit of 1,024 descriptors is for programs that use select(), which we do not. */
static void
fit_to_descriptors (PosternMailServer *self)
{
  rlim_t wanted = (rlim_t) self->limits.max_connections + RESERVED_DESCRIPTORS;
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  if (limit.rlim_cur < wanted)
    {
      limit.rlim_cur = MIN (wanted, limit.rlim_max);
      setrlimit (RLIMIT_NOFILE, &limit);
      getrlimit (RLIMIT_NOFILE, &limit);
    }
  if (limit.rlim_cur >= wanted)
    return;
  self->limits.max_connections = limit.rlim_cur > RESERVED_DESCRIPTORS * 2
                                     ? (guint) limit.rlim_cur - RESERVED_DESCRIPTORS
                                     : (guint) limit.rlim_cur / 2;
  g_message ("At most %u connections at once: the system allows no more descriptors",
             self->limits.max_connections);
}

static void
set_limits (PosternMailServer *self, const PosternServerLimits *limits)
{
#define SET(member)                                                                                \
  self->limits.member =                                                                            \
      limits != NULL && limits->member != 0 ? limits->member : default_limits.member

  SET (max_connections);
  SET (max_strangers_local);
  SET (max_strangers_other);
  SET (handshake_timeout_ms);
  SET (login_timeout_ms);
  SET (command_timeout_ms);
  SET (max_receiving_octets);
#undef SET
  self->budget.limit = self->limits.max_receiving_octets;
}

/* RFC 5321 section 4.1.1.1 wants a domain; what a machine calls itself may be anything. */
static char *
make_host_name (void)
{
  const char *name = g_get_host_name ();

  for (const char *c = name; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && *c != '-' && *c != '.')
      return g_strdup ("localhost");
  return g_strdup (*name != '\0' && strlen (name) <= 255 ? name : "localhost");
}

/**
 * postern_mail_server_new:
 * @limits: (nullable): NULL for the defaults
 *
 * Raises the process's limit of descriptors to what @limits need, where that is allowed.
 *
 * Returns: (transfer full): it serves once postern_mail_server_listen() was called. The last
 *   reference going stops it.
 */
PosternMailServer *
postern_mail_server_new (PosternMailHost *host, const PosternServerLimits *limits)
{
  PosternMailServer *self = g_object_new (POSTERN_TYPE_MAIL_SERVER, NULL);

  self->host = g_object_ref (host);
  set_limits (self, limits);
  fit_to_descriptors (self);
  return self;
}

static void
postern_mail_server_dispose (GObject *object)
{
  PosternMailServer *self = POSTERN_MAIL_SERVER (object);

  postern_mail_server_stop (self);
  g_clear_object (&self->host);
  G_OBJECT_CLASS (postern_mail_server_parent_class)->dispose (object);
}

static void
postern_mail_server_finalize (GObject *object)
{
  PosternMailServer *self = POSTERN_MAIL_SERVER (object);

  if (self->epoll != NULL)
    {
      postern_connection_pool_clear (&self->pool);
      postern_epoll_source_free (self->epoll);
    }
  g_clear_pointer (&self->credentials, postern_tls_credentials_unref);
  g_ptr_array_unref (self->listeners);
  g_hash_table_unref (self->strangers);
  for (guint i = 0; i < POSTERN_N_SERVICES; i++)
    g_hash_table_unref (self->last_logins[i]);
  postern_login_throttle_free (self->throttle);
  g_free (self->host_name);
  G_OBJECT_CLASS (postern_mail_server_parent_class)->finalize (object);
}

static void
postern_mail_server_class_init (PosternMailServerClass *class)
{
  G_OBJECT_CLASS (class)->dispose = postern_mail_server_dispose;
  G_OBJECT_CLASS (class)->finalize = postern_mail_server_finalize;

  signals[LOGGED_IN] = g_signal_new ("logged-in",
                                     POSTERN_TYPE_MAIL_SERVER,
                                     G_SIGNAL_RUN_LAST,
                                     0,
                                     NULL,
                                     NULL,
                                     NULL,
                                     G_TYPE_NONE,
                                     2,
                                     G_TYPE_UINT,
                                     G_TYPE_STRING);
}

static void
postern_mail_server_init (PosternMailServer *self)
{
  self->host_name = make_host_name ();
  self->listeners = g_ptr_array_new_with_free_func (g_object_unref);
  self->strangers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < POSTERN_N_SERVICES; i++)
    self->last_logins[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, login_free);
  self->throttle = postern_login_throttle_new ();
  self->drain_timer = (PosternTimer){ .on_due = on_drain_due, .owner = self };
  g_queue_init (&self->drivers);
}
