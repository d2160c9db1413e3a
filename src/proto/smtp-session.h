/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"
#include "mail/envelope.h"
#include "proto/login-policy.h"
#include "proto/smtp-reply.h"

G_BEGIN_DECLS

/**
 * PosternSmtpSession:
 *
 * The server's side of one submission conversation (RFC 6409, 5321 and their extensions), without
 * I/O. It is driven like #PosternPop3Session.
 *
 * The octets of a message never enter the session: at RECEIVE_DATA and RECEIVE_CHUNK the driver
 * takes them from the connection itself, beginning with what feed() did not consume, and reports
 * with postern_smtp_session_body_received().
 */
typedef struct _PosternSmtpSession PosternSmtpSession;

typedef struct
{
  PosternLoginPolicy login;
  const char *host_name;   /* our name in greeting and EHLO; lent, outlives the session */
  guint64 max_size_octets; /* SIZE before login, RFC 1870; 0: no limit known */
} PosternSmtpOptions;

typedef enum
{
  POSTERN_SMTP_WRITE,         /* send `data` */
  POSTERN_SMTP_ASK_LOGIN,     /* answer_login: are `login` and `password` right? */
  POSTERN_SMTP_ASK_SENDER,    /* answer_sender: may the login send as `envelope->sender`? */
  POSTERN_SMTP_ASK_BEGIN,     /* answer_begin: make ready for a message of this `envelope` */
  POSTERN_SMTP_RECEIVE_DATA,  /* body_received: take octets through mail/dot-unstuffer to its end;
                               * keep the first `room_octets` of them, swallow the rest */
  POSTERN_SMTP_RECEIVE_CHUNK, /* body_received: take exactly `chunk_octets`; keep the first
                               * `room_octets`, swallow the rest */
  POSTERN_SMTP_ASK_COMMIT,    /* answer_commit: the message is whole, make it durable */
  POSTERN_SMTP_DISCARD,       /* forget the message begun; no answer */
  POSTERN_SMTP_START_TLS,     /* drop what was read and not consumed, shake hands, tls_started */
  POSTERN_SMTP_CLOSE,         /* send what is still to be sent, then close */
} PosternSmtpActionKind;

/**
 * PosternSmtpAction:
 *
 * Everything here is lent until the next call of a function of the session.
 */
typedef struct
{
  PosternSmtpActionKind kind;
  guint ask;

  const guint8 *data; /* WRITE */
  gsize length;       /* octets */

  const char *login; /* ASK_LOGIN; UTF-8 as the client gave it */
  PosternSecret *password;

  const PosternEnvelope *envelope; /* ASK_SENDER (no recipients yet), ASK_BEGIN */

  guint64 chunk_octets; /* RECEIVE_CHUNK; never 0 */
  guint64 room_octets;  /* RECEIVE_DATA, RECEIVE_CHUNK; 0 when nothing is to be kept */
} PosternSmtpAction;

typedef enum
{
  POSTERN_SMTP_LOGIN_ACCEPTED,
  POSTERN_SMTP_LOGIN_WRONG,       /* 535 5.7.8: only ever for a wrong name or password */
  POSTERN_SMTP_LOGIN_UNAVAILABLE, /* 454 4.7.0: nothing could be checked */
} PosternSmtpLogin;

PosternSmtpSession *postern_smtp_session_new (const PosternSmtpOptions *options);
void postern_smtp_session_free (PosternSmtpSession *self);

gsize postern_smtp_session_feed (PosternSmtpSession *self, const guint8 *data, gsize length);
gboolean postern_smtp_session_next (PosternSmtpSession *self, PosternSmtpAction *action);
gboolean postern_smtp_session_wants_input (PosternSmtpSession *self);

void postern_smtp_session_answer_login (PosternSmtpSession *self,
                                        guint ask,
                                        PosternSmtpLogin answer,
                                        guint64 max_size_octets,
                                        const char *text);
void postern_smtp_session_answer_sender (PosternSmtpSession *self,
                                         guint ask,
                                         const PosternSmtpReply *refusal);
void postern_smtp_session_answer_begin (PosternSmtpSession *self,
                                        guint ask,
                                        const PosternSmtpReply *refusal);
void postern_smtp_session_body_received (PosternSmtpSession *self,
                                         guint ask,
                                         guint64 octets,
                                         const PosternSmtpReply *refusal);
void postern_smtp_session_answer_commit (PosternSmtpSession *self,
                                         guint ask,
                                         const PosternSmtpReply *reply);
void postern_smtp_session_tls_started (PosternSmtpSession *self);
void postern_smtp_session_expire (PosternSmtpSession *self);
void postern_smtp_session_shut_down (PosternSmtpSession *self);

const char *postern_smtp_session_get_hello (const PosternSmtpSession *self);
gboolean postern_smtp_session_is_esmtp (const PosternSmtpSession *self);
gboolean postern_smtp_session_is_secure (const PosternSmtpSession *self);
gboolean postern_smtp_session_is_logged_in (const PosternSmtpSession *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSmtpSession, postern_smtp_session_free)

G_END_DECLS
