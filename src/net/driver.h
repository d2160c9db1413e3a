/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/connection.h"
#include "net/listener.h"
#include "net/mail-server.h"
#include "proto/login-policy.h"

#include <netinet/in.h>

G_BEGIN_DECLS

typedef struct _PosternDriver PosternDriver;

/**
 * PosternDriverClass:
 *
 * How one protocol's session is driven; what both have in common is in driver.c.
 */
typedef struct
{
  PosternService service;
  const char *alpn; /* (nullable) */
  const char *busy; /* what is said when there are too many connections */
  gsize size;       /* octets, of the whole driver */
  guint patience;   /* how many times the time for a command the client may be silent */

  void (*begin) (PosternDriver *self, const PosternLoginPolicy *policy);
  /* Carries out the session's next action, or goes on with a body. FALSE: there is nothing that
   * can be done now. */
  gboolean (*act) (PosternDriver *self);
  gboolean (*wants_input) (PosternDriver *self);
  gsize (*feed) (PosternDriver *self, const guint8 *data, gsize length);
  /* (nullable): TRUE while more is about to follow, so that what is written may wait for it. */
  gboolean (*is_corked) (PosternDriver *self);
  /* TRUE while the peer waits for us, and not we for it. */
  gboolean (*is_busy) (PosternDriver *self);
  /* With ACCEPTED, `user` is set; FALSE when nobody is logged in now all the same. */
  gboolean (*answer_login) (PosternDriver *self,
                            guint ask,
                            PosternVerdict verdict,
                            const char *reason);
  /* (nullable): what the client's program calls itself. */
  const char *(*get_client) (PosternDriver *self);
  void (*tls_started) (PosternDriver *self);
  void (*expire) (PosternDriver *self);
  void (*shut_down) (PosternDriver *self);
  /* The connection is gone: cancels what is under way, frees the session. */
  void (*abandon) (PosternDriver *self);
} PosternDriverClass;

/**
 * PosternDriver:
 *
 * Carries out what a protocol session wants done, for one connection. Whatever runs on its behalf
 * holds a reference, and looks at postern_driver_is_over() when it comes back.
 */
struct _PosternDriver
{
  const PosternDriverClass *class;
  PosternMailServer *server;     /* (nullable) NULL when it is over */
  PosternListener *listener;     /* (owned) (nullable) the same */
  PosternConnection *connection; /* (owned) (nullable) the same */
  GList link;                    /* in the server's queue */
  guint references;

  PosternTimer timer;       /* the client's, to say something */
  PosternTimer login_timer; /* holds back the answer to a wrong password */
  gint64 login_due_us;      /* monotonic */
  guint login_ask;
  char *login;           /* (nullable) that of `user` */
  PosternMailUser *user; /* (nullable) who has logged in */

  char address[INET6_ADDRSTRLEN];
  gboolean is_pumping;
  gboolean is_pumped_again;
  gboolean is_starting_tls;
  gboolean is_ending;  /* the session said CLOSE */
  gboolean is_dropped; /* somebody wants it gone, without a word */
  gboolean is_expired;
};

PosternDriver *postern_driver_new (const PosternDriverClass *class,
                                   PosternMailServer *server,
                                   PosternListener *listener,
                                   const char *address);
gboolean postern_driver_begin (PosternDriver *self, int fd);
PosternDriver *postern_driver_ref (PosternDriver *self);
void postern_driver_unref (PosternDriver *self);

gboolean postern_driver_is_over (const PosternDriver *self);
void postern_driver_pump (PosternDriver *self);
void postern_driver_write (PosternDriver *self, const guint8 *data, gsize length);
#define POSTERN_DRIVER_OUTPUT_LIMIT (64 * 1024) /* octets */
gboolean postern_driver_has_room (const PosternDriver *self);
void postern_driver_check_login (PosternDriver *self,
                                 guint ask,
                                 const char *login,
                                 PosternSecret *password);
void postern_driver_restart_timer (PosternDriver *self);
void postern_driver_start_tls (PosternDriver *self);
void postern_driver_shut_down (PosternDriver *self);
void postern_driver_hang_up (PosternDriver *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternDriver, postern_driver_unref)

G_END_DECLS
