/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/connection.h"
#include "net/login-throttle.h"
#include "net/mail-server.h"
#include "net/receive-budget.h"

#include <sys/socket.h>

G_BEGIN_DECLS

/* What listeners and drivers share with their server. */
struct _PosternMailServer
{
  GObject parent_instance;

  PosternMailHost *host;
  PosternServerLimits limits;
  PosternTlsCredentials *credentials; /* (nullable) until there are any */
  char *host_name;

  PosternEpollSource *epoll; /* (nullable) until the first listener */
  PosternConnectionPool pool;
  GPtrArray *listeners;  /* (element-type PosternListener) */
  GQueue drivers;        /* (element-type PosternDriver), by their own links */
  GHashTable *strangers; /* address → how many connections from there have not logged in */

  PosternLoginThrottle *throttle;
  PosternReceiveBudget budget;
  PosternServerStatistics statistics;
  GHashTable *last_logins[POSTERN_N_SERVICES]; /* login → PosternLastLogin, with its own client */
  GTask *drain;                                /* (nullable) */
  PosternTimer drain_timer;
};

void postern_mail_server_accept (PosternMailServer *self,
                                 PosternListener *listener,
                                 int fd,
                                 const struct sockaddr *address);
void postern_mail_server_note_login (PosternMailServer *self,
                                     PosternService service,
                                     const char *login,
                                     const char *client,
                                     gboolean secure);
void postern_mail_server_forget_stranger (PosternMailServer *self, const char *address);
void postern_mail_server_note_ended (PosternMailServer *self);

PosternListener *
postern_listener_open (PosternMailServer *server, const PosternListenerSpec *spec, GError **error);
const PosternListenerSpec *postern_listener_get_spec (PosternListener *self);
void postern_listener_count (PosternListener *self, int connections);

G_END_DECLS
