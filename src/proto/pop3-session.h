/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"
#include "mail/listing.h"
#include "proto/login-policy.h"

G_BEGIN_DECLS

/**
 * PosternPop3Session:
 *
 * The server's side of one POP3 conversation (RFC 1939, 2449, 2595, 3206, 5034, 6856), without I/O.
 *
 * The driver does, until the connection ends:
 *   1. while postern_pop3_session_next() gives an action, carry it out;
 *   2. while postern_pop3_session_wants_input(), read, and hand what was read to
 *      postern_pop3_session_feed(); keep what it did not consume and feed that again later.
 * An action with a serial (`ask`) waits for its answer. Nothing else is handed out meanwhile and no
 * input is wanted, so that answers leave in the order of the commands.
 *
 * To abandon a session at any time: cancel what was asked, free it. Nothing is deleted then.
 */
typedef struct _PosternPop3Session PosternPop3Session;

typedef struct
{
  PosternLoginPolicy login;
  guint login_delay_s; /* announced by CAPA; 0: not at all */
} PosternPop3Options;

typedef enum
{
  POSTERN_POP3_WRITE,      /* send `data` */
  POSTERN_POP3_ASK_LOGIN,  /* answer_login: are `login` and `password` right? */
  POSTERN_POP3_ASK_BODY,   /* answer_body: open message `index`; nothing is sent yet */
  POSTERN_POP3_STREAM,     /* answer_stream: send the opened body through mail/canonical-lines with
                            * `top_lines`; the line with the dot is the session's */
  POSTERN_POP3_ASK_DELETE, /* answer_delete: remove `indexes` for good */
  POSTERN_POP3_START_TLS,  /* drop what was read and not consumed, shake hands, then tls_started */
  POSTERN_POP3_CLOSE,      /* send what is still to be sent, then close */
} PosternPop3ActionKind;

/**
 * PosternPop3Action:
 *
 * Everything here is lent until the next call of a function of the session.
 */
typedef struct
{
  PosternPop3ActionKind kind;
  guint ask;

  const guint8 *data; /* WRITE */
  gsize length;       /* octets */

  const char *login; /* ASK_LOGIN; UTF-8 as the client gave it */
  PosternSecret *password;

  guint index;      /* ASK_BODY, STREAM: position in the listing */
  gint64 top_lines; /* lines of the body; -1 for all of them */

  const guint *indexes; /* ASK_DELETE, ascending */
  gsize n_indexes;
} PosternPop3Action;

/* How a question was answered, and so the response code of a refusal (RFC 2449 section 8, RFC 3206). */
typedef enum
{
  POSTERN_POP3_DONE,     /* yes */
  POSTERN_POP3_AUTH,     /* [AUTH]: only ever for a wrong name or password */
  POSTERN_POP3_SYS_TEMP, /* [SYS/TEMP]: may work later */
  POSTERN_POP3_SYS_PERM, /* [SYS/PERM]: will not work until somebody does something */
} PosternPop3Outcome;

PosternPop3Session *postern_pop3_session_new (const PosternPop3Options *options);
void postern_pop3_session_free (PosternPop3Session *self);

gsize postern_pop3_session_feed (PosternPop3Session *self, const guint8 *data, gsize length);
gboolean postern_pop3_session_next (PosternPop3Session *self, PosternPop3Action *action);
gboolean postern_pop3_session_wants_input (PosternPop3Session *self);

void postern_pop3_session_answer_login (PosternPop3Session *self,
                                        guint ask,
                                        PosternPop3Outcome outcome,
                                        PosternListing *listing,
                                        const char *text);
void postern_pop3_session_answer_body (PosternPop3Session *self,
                                       guint ask,
                                       PosternPop3Outcome outcome,
                                       const char *text);
void postern_pop3_session_answer_stream (PosternPop3Session *self, guint ask, gboolean complete);
void postern_pop3_session_answer_delete (PosternPop3Session *self,
                                         guint ask,
                                         PosternPop3Outcome outcome,
                                         const char *text);
void postern_pop3_session_tls_started (PosternPop3Session *self);
void postern_pop3_session_expire (PosternPop3Session *self);

gboolean postern_pop3_session_is_logged_in (const PosternPop3Session *self);
PosternListing *postern_pop3_session_get_listing (const PosternPop3Session *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternPop3Session, postern_pop3_session_free)

G_END_DECLS
