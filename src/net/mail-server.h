/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/listener.h"
#include "net/mail-host.h"
#include "net/tls-credentials.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternServerLimits:
 *
 * What peers may cost. Zero in a member stands for the default beside it.
 */
typedef struct
{
  guint max_connections;        /* 6,000: of all listeners together */
  guint max_strangers_local;    /* 5,000: not logged in, from one address, at a LOCAL listener */
  guint max_strangers_other;    /* 100: the same at all others */
  guint handshake_timeout_ms;   /* 10,000 */
  guint login_timeout_ms;       /* 60,000: from the connection to the login */
  guint command_timeout_ms;     /* 300,000: of silence in SMTP; POP3 waits twice that */
  guint64 max_receiving_octets; /* 32 MiB: of messages on their way to the store, all together */
} PosternServerLimits;

#define POSTERN_N_SERVICES (POSTERN_SERVICE_SMTP + 1)

/**
 * PosternServerStatistics:
 *
 * Since the server was made.
 */
typedef struct
{
  guint open[POSTERN_N_SERVICES];          /* connections now */
  guint logged_in[POSTERN_N_SERVICES];     /* of those, with a login */
  guint64 accepted[POSTERN_N_SERVICES];    /* connections */
  guint64 turned_away[POSTERN_N_SERVICES]; /* connections above a limit */
  guint64 logins[POSTERN_N_SERVICES];
  guint64 failed_logins[POSTERN_N_SERVICES]; /* wrong passwords */
  guint64 messages[POSTERN_N_SERVICES];      /* retrieved whole; accepted with 250 */
  guint64 octets[POSTERN_N_SERVICES];        /* of those messages, on the wire */
  guint64 failed_handshakes;                 /* of both */
  guint64 distrusted; /* of those, peers that do not trust our certificate and said so */
} PosternServerStatistics;

/**
 * PosternLastLogin:
 *
 * The last time somebody logged in to a service.
 */
typedef struct
{
  gint64 at_us;       /* wall clock, microseconds since the epoch, UTC; 0 is never */
  const char *client; /* (nullable) what the program calls itself, where it does (EHLO) */
  gboolean secure;    /* TLS was on */
} PosternLastLogin;

/**
 * PosternMailServer:
 *
 * The POP3 and SMTP servers: their listeners, their connections, their limits. Everything happens
 * on the thread-default main context of the thread that made it, behind one source.
 *
 * Signals:
 * - `logged-in` (guint service: a #PosternService, const char *login): somebody has logged in.
 */
#define POSTERN_TYPE_MAIL_SERVER (postern_mail_server_get_type ())
G_DECLARE_FINAL_TYPE (PosternMailServer, postern_mail_server, POSTERN, MAIL_SERVER, GObject)

PosternMailServer *postern_mail_server_new (PosternMailHost *host,
                                            const PosternServerLimits *limits);
void postern_mail_server_set_credentials (PosternMailServer *self,
                                          PosternTlsCredentials *credentials);
PosternListener *postern_mail_server_listen (PosternMailServer *self,
                                             const PosternListenerSpec *spec,
                                             GError **error);
void postern_mail_server_get_statistics (PosternMailServer *self,
                                         PosternServerStatistics *statistics);
void postern_mail_server_get_last_login (PosternMailServer *self,
                                         PosternService service,
                                         const char *login,
                                         PosternLastLogin *last);
void postern_mail_server_disconnect_user (PosternMailServer *self, const char *login);
void postern_mail_server_drain_async (PosternMailServer *self,
                                      guint timeout_ms,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
gboolean postern_mail_server_drain_finish (PosternMailServer *self, GAsyncResult *result);
void postern_mail_server_stop (PosternMailServer *self);

G_END_DECLS
