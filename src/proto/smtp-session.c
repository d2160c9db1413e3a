/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/smtp-session.h"

#include "mail/address.h"
#include "proto/command-line.h"
#include "proto/sasl.h"
#include "proto/session-output.h"
#include "proto/smtp-arguments.h"

#include <string.h>

/* How it works: feed() gathers a line, looks its verb up in the table, asks the verb's check whether
 * it may happen, and lets the verb's handler act. A handler writes to `out`, and may leave one
 * thing pending: a question, a body to receive, TLS, the end. While something is pending no line is
 * taken, so replies leave in the order of the commands however they were pipelined.
 *
 * A message is begun at the driver by ASK_BEGIN, and from then on ends in exactly one of ASK_COMMIT
 * and DISCARD. Its recipients are those of RCPT; the session never sees its octets. */

#define MAX_RECIPIENTS 1000 /* our own; section 4.5.3.1.8 wants 100 at least */
#define MAX_BAD        10   /* our own: senseless commands in a session */
#define MAX_WRONG      3    /* our own: wrong passwords in a session */

/* What the client hears: a line, in which what others said is made harmless. */
#define say(self, ...) postern_session_output_put_line (&(self)->out, __VA_ARGS__)

typedef enum
{
  NEW = 1 << 0,    /* no EHLO or HELO yet */
  IDLE = 1 << 1,   /* between messages */
  MAIL = 1 << 2,   /* the sender is known */
  RCPT = 1 << 3,   /* and at least one recipient */
  CHUNKS = 1 << 4, /* and at least one BDAT */
  ENDED = 1 << 5,
  GREETED = IDLE | MAIL | RCPT | CHUNKS,
  ANY = NEW | GREETED,
} State;

typedef enum
{
  NOTHING,
  LOGIN,
  SENDER,
  BEGIN_DATA,
  BEGIN_CHUNK,
  DATA,
  CHUNK,
  COMMIT,
  TLS,
  CLOSE,
} Pending;

struct _PosternSmtpSession
{
  PosternLoginPolicy policy;
  const char *host_name;
  guint64 max_size_before_login;
  guint64 max_size; /* octets; 0: no limit known */

  State state;
  Pending pending;
  gboolean handed_out; /* the driver has the pending action */
  guint ask;           /* serial of the last question */
  gboolean secure;
  gboolean began_talking; /* an octet has come */
  gboolean logged_in;
  gboolean closing; /* as soon as the commit is answered */
  guint bad;
  guint wrong;

  PosternCommandLine line;
  PosternSessionOutput out;

  char *hello; /* (nullable) */
  gboolean esmtp;
  PosternSasl *sasl; /* (nullable): the next line is a response */

  PosternEnvelope *envelope; /* (nullable) */
  gboolean begun;            /* the driver holds a message that is not committed */
  gboolean discard;          /* and is to forget it */
  guint64 received;          /* octets of it in earlier chunks */
  guint64 chunk_octets;      /* of the BDAT at hand */
  gboolean chunk_last;
  PosternSmtpReply *chunk_refusal; /* (nullable): what it will be answered once swallowed */
};

typedef struct
{
  char *arguments; /* what follows the verb */
  PosternSaslMechanism mechanism;
  const char *response;      /* (nullable): AUTH's initial response */
  PosternEnvelope *envelope; /* (nullable): MAIL's, until taken */
  PosternRecipient recipient;
  guint64 octets; /* BDAT */
  gboolean last;
} Command;

typedef struct
{
  const char *verb;
  guint states;
  gboolean needs_login;
  /* Returns (transfer full) (nullable): a refusal. It changes nothing in the session. */
  PosternSmtpReply *(*check) (const PosternSmtpSession *self, Command *command);
  void (*handle) (PosternSmtpSession *self, Command *command);
} Verb;

static PosternSmtpReply *check_any (const PosternSmtpSession *self, Command *command);
static PosternSmtpReply *check_none (const PosternSmtpSession *self, Command *command);
static PosternSmtpReply *check_hello (const PosternSmtpSession *self, Command *command);
static PosternSmtpReply *check_starttls (const PosternSmtpSession *self, Command *command);
static PosternSmtpReply *check_auth (const PosternSmtpSession *self, Command *command);
static PosternSmtpReply *check_mail (const PosternSmtpSession *self, Command *command);
static PosternSmtpReply *check_rcpt (const PosternSmtpSession *self, Command *command);
static void do_auth (PosternSmtpSession *self, Command *command);
static void do_bdat (PosternSmtpSession *self, Command *command);
static void do_data (PosternSmtpSession *self, Command *command);
static void do_ehlo (PosternSmtpSession *self, Command *command);
static void do_expn (PosternSmtpSession *self, Command *command);
static void do_helo (PosternSmtpSession *self, Command *command);
static void do_help (PosternSmtpSession *self, Command *command);
static void do_mail (PosternSmtpSession *self, Command *command);
static void do_noop (PosternSmtpSession *self, Command *command);
static void do_quit (PosternSmtpSession *self, Command *command);
static void do_rcpt (PosternSmtpSession *self, Command *command);
static void do_rset (PosternSmtpSession *self, Command *command);
static void do_starttls (PosternSmtpSession *self, Command *command);
static void do_vrfy (PosternSmtpSession *self, Command *command);

static const Verb verbs[] = {
  { "EHLO", ANY, FALSE, check_hello, do_ehlo },
  { "HELO", ANY, FALSE, check_hello, do_helo },
  { "STARTTLS", IDLE, FALSE, check_starttls, do_starttls },
  { "AUTH", IDLE, FALSE, check_auth, do_auth },
  { "MAIL", IDLE, TRUE, check_mail, do_mail },
  { "RCPT", MAIL | RCPT, TRUE, check_rcpt, do_rcpt },
  { "DATA", RCPT, TRUE, check_none, do_data },
  /* In any state: what it announces has to be swallowed before it can be refused. */
  { "BDAT", ANY, FALSE, check_any, do_bdat },
  { "RSET", ANY, FALSE, check_none, do_rset },
  { "NOOP", ANY, FALSE, check_any, do_noop },
  { "VRFY", ANY, FALSE, check_any, do_vrfy },
  { "EXPN", ANY, FALSE, check_any, do_expn },
  { "HELP", ANY, FALSE, check_any, do_help },
  { "QUIT", ANY, FALSE, check_none, do_quit },
};

/* Replies */

static void
put_reply (PosternSmtpSession *self, const PosternSmtpReply *reply)
{
  const char *space = reply->enhanced[0] != '\0' ? " " : "";

  say (self, "%u %s%s%s", reply->code, reply->enhanced, space, reply->text);
}

static void
set_pending (PosternSmtpSession *self, Pending pending)
{
  self->pending = pending;
  self->handed_out = FALSE;
  self->ask++;
}

static gboolean
is_answer_to (PosternSmtpSession *self, guint ask, Pending question)
{
  postern_session_output_take_back (&self->out);
  if (self->pending != question || !self->handed_out || self->ask != ask)
    return FALSE;
  self->pending = NOTHING;
  return TRUE;
}

/* Back to between messages. */
static void
reset (PosternSmtpSession *self)
{
  self->discard = self->discard || self->begun;
  self->begun = FALSE;
  self->received = 0;
  g_clear_pointer (&self->envelope, postern_envelope_free);
  g_clear_pointer (&self->chunk_refusal, postern_smtp_reply_free);
  if (self->state != NEW)
    self->state = IDLE;
}

static void
end (PosternSmtpSession *self)
{
  reset (self);
  self->state = ENDED;
  set_pending (self, CLOSE);
}

static void
note_bad (PosternSmtpSession *self)
{
  if (++self->bad < MAX_BAD || self->state == ENDED)
    return;
  say (self, "421 4.7.0 Too many commands that make no sense, closing");
  end (self);
}

/* Hello */

static PosternSmtpReply *
check_any (const PosternSmtpSession *self, Command *command)
{
  return NULL;
}

static PosternSmtpReply *
check_none (const PosternSmtpSession *self, Command *command)
{
  if (*command->arguments == '\0')
    return NULL;
  return postern_smtp_reply_new (501, "5.5.4", "This command takes no argument");
}

static PosternSmtpReply *
check_hello (const PosternSmtpSession *self, Command *command)
{
  if (postern_smtp_is_hello (command->arguments))
    return NULL;
  return postern_smtp_reply_new (501, "5.5.4", "Your name is missing, or is none");
}

static gboolean
may_log_in (const PosternSmtpSession *self)
{
  return self->secure || self->policy.plaintext_login;
}

/* RFC 5321 section 4.1.4: a hello is also a RSET. A login is kept. */
static void
greet (PosternSmtpSession *self, const Command *command, gboolean esmtp)
{
  reset (self);
  g_free (self->hello);
  self->hello = g_strdup (command->arguments);
  self->esmtp = esmtp;
  self->state = IDLE;
}

static void
do_ehlo (PosternSmtpSession *self, Command *command)
{
  greet (self, command, TRUE);
  say (self, "250-%s", self->host_name);
  say (self, "250-PIPELINING");
  say (self, "250-SIZE %" G_GUINT64_FORMAT, self->max_size);
  if (self->policy.tls_available && !self->secure)
    say (self, "250-STARTTLS");
  if (may_log_in (self) && !self->logged_in)
    say (self, "250-AUTH PLAIN LOGIN");
  say (self, "250-ENHANCEDSTATUSCODES");
  say (self, "250-8BITMIME");
  say (self, "250-SMTPUTF8");
  say (self, "250-CHUNKING");
  say (self, "250 DSN");
}

static void
do_helo (PosternSmtpSession *self, Command *command)
{
  greet (self, command, FALSE);
  say (self, "250 %s", self->host_name);
}

/* TLS */

static PosternSmtpReply *
check_starttls (const PosternSmtpSession *self, Command *command)
{
  if (self->secure)
    return postern_smtp_reply_new (503, "5.5.1", "TLS is on already");
  if (!self->policy.tls_available)
    return postern_smtp_reply_new (502, "5.5.1", "There is no TLS on this port");
  return check_none (self, command);
}

static void
do_starttls (PosternSmtpSession *self, Command *command)
{
  say (self, "220 2.0.0 Begin TLS");
  set_pending (self, TLS);
}

/**
 * postern_smtp_session_tls_started:
 *
 * The handshake that START_TLS asked for has succeeded. All that was said in clear is forgotten,
 * the login too (RFC 3207 section 4.2). When a handshake fails, the driver closes and frees the
 * session.
 */
void
postern_smtp_session_tls_started (PosternSmtpSession *self)
{
  if (!is_answer_to (self, self->ask, TLS))
    return;
  reset (self);
  g_clear_pointer (&self->hello, g_free);
  self->esmtp = FALSE;
  self->logged_in = FALSE;
  self->max_size = self->max_size_before_login;
  self->secure = TRUE;
  self->state = NEW;
}

/* Logging in */

static PosternSmtpReply *
check_auth (const PosternSmtpSession *self, Command *command)
{
  char *rest = command->arguments;
  const char *name;

  if (self->logged_in)
    return postern_smtp_reply_new (503, "5.5.1", "You are logged in already");
  if (!self->esmtp)
    return postern_smtp_reply_new (503, "5.5.1", "Send EHLO first");
  if (!may_log_in (self))
    return postern_smtp_reply_new (
        538,
        "5.7.11",
        self->policy.tls_available ? "A password may not cross in clear: use STARTTLS first"
                                   : "A password may not cross in clear: use the port with TLS");
  name = postern_command_line_take_word (&rest);
  if (name == NULL)
    return postern_smtp_reply_new (501, "5.5.4", "AUTH takes a mechanism");
  if (!postern_sasl_parse_mechanism (name, &command->mechanism))
    return postern_smtp_reply_new (504, "5.5.4", "Only AUTH PLAIN and AUTH LOGIN are known here");
  command->response = postern_command_line_take_word (&rest);
  if (*rest != '\0')
    return postern_smtp_reply_new (501, "5.5.4", "AUTH takes a mechanism and a response");
  return NULL;
}

/* One response of the SASL exchange. */
static void
step_sasl (PosternSmtpSession *self, const char *response, gboolean initial)
{
  switch (postern_sasl_step (self->sasl, response, initial))
    {
    case POSTERN_SASL_STEP_CONTINUE:
      say (self, "334 %s", postern_sasl_get_challenge (self->sasl));
      return;
    case POSTERN_SASL_STEP_DONE:
      set_pending (self, LOGIN);
      return;
    case POSTERN_SASL_STEP_CANCELLED:
      say (self, "501 5.7.0 Cancelled as you wished");
      break;
    case POSTERN_SASL_STEP_FOREIGN:
      say (self, "535 5.7.8 Nobody may log in here in the name of somebody else");
      note_bad (self);
      break;
    case POSTERN_SASL_STEP_MALFORMED:
      say (self, "501 5.5.2 The response is not base64 of what the mechanism asks for");
      note_bad (self);
      break;
    }
  g_clear_pointer (&self->sasl, postern_sasl_free);
}

static void
do_auth (PosternSmtpSession *self, Command *command)
{
  self->sasl = postern_sasl_new (command->mechanism);
  if (command->response != NULL)
    step_sasl (self, command->response, TRUE);
  else
    say (self, "334 %s", postern_sasl_get_challenge (self->sasl));
}

/**
 * postern_smtp_session_answer_login:
 * @max_size_octets: with ACCEPTED, what SIZE says from now on; 0: no limit known
 * @text: (nullable): a sentence for the client why not
 *
 * Answers ASK_LOGIN. WRONG is only for a wrong name or password; where nothing could be checked,
 * UNAVAILABLE, so that no client asks its user for another password.
 */
void
postern_smtp_session_answer_login (PosternSmtpSession *self,
                                   guint ask,
                                   PosternSmtpLogin answer,
                                   guint64 max_size_octets,
                                   const char *text)
{
  if (!is_answer_to (self, ask, LOGIN))
    return;
  g_clear_pointer (&self->sasl, postern_sasl_free);

  switch (answer)
    {
    case POSTERN_SMTP_LOGIN_ACCEPTED:
      self->logged_in = TRUE;
      self->max_size = max_size_octets;
      say (self, "235 2.7.0 Welcome");
      break;
    case POSTERN_SMTP_LOGIN_WRONG:
      say (self, "535 5.7.8 %s", text != NULL ? text : "The name or the password is wrong");
      if (++self->wrong >= MAX_WRONG)
        end (self);
      break;
    case POSTERN_SMTP_LOGIN_UNAVAILABLE:
      say (self,
           "454 4.7.0 %s",
           text != NULL ? text : "The password could not be checked now, try again later");
      break;
    }
}

/* The envelope */

static PosternSmtpReply *
check_mail (const PosternSmtpSession *self, Command *command)
{
  PosternSmtpReply *refusal = NULL;

  command->envelope = postern_smtp_parse_mail (command->arguments, self->max_size, &refusal);
  return refusal;
}

static void
do_mail (PosternSmtpSession *self, Command *command)
{
  self->envelope = g_steal_pointer (&command->envelope);
  set_pending (self, SENDER);
}

/**
 * postern_smtp_session_answer_sender:
 * @refusal: (nullable): NULL when the login may send so
 */
void
postern_smtp_session_answer_sender (PosternSmtpSession *self,
                                    guint ask,
                                    const PosternSmtpReply *refusal)
{
  if (!is_answer_to (self, ask, SENDER))
    return;
  if (refusal != NULL)
    {
      put_reply (self, refusal);
      reset (self);
      return;
    }
  self->state = MAIL;
  say (self, "250 2.1.0 Sender is fine");
}

static PosternSmtpReply *
check_rcpt (const PosternSmtpSession *self, Command *command)
{
  PosternSmtpReply *refusal = NULL;

  if (self->envelope->recipients->len >= MAX_RECIPIENTS)
    return postern_smtp_reply_new (452, "4.5.3", "Enough recipients: send the others a copy anew");
  postern_smtp_parse_rcpt (command->arguments,
                           self->envelope->smtputf8,
                           &command->recipient,
                           &refusal);
  return refusal;
}

static gboolean
has_recipient (const PosternEnvelope *envelope, const char *address)
{
  for (guint i = 0; i < envelope->recipients->len; i++)
    {
      const PosternRecipient *recipient = g_ptr_array_index (envelope->recipients, i);

      if (postern_address_same_recipient (recipient->address, address))
        return TRUE;
    }
  return FALSE;
}

static void
do_rcpt (PosternSmtpSession *self, Command *command)
{
  /* Named twice, a recipient still gets one copy. */
  if (!has_recipient (self->envelope, command->recipient.address))
    {
      PosternRecipient *added = postern_envelope_add (self->envelope, command->recipient.address);

      added->notify = g_steal_pointer (&command->recipient.notify);
      added->orcpt = g_steal_pointer (&command->recipient.orcpt);
    }
  self->state = RCPT;
  say (self, "250 2.1.5 Recipient is fine");
}

/* The message */

static guint64
room_left (const PosternSmtpSession *self)
{
  return self->max_size == 0 ? G_MAXUINT64 : self->max_size - self->received;
}

static PosternSmtpReply *
refuse_size (const PosternSmtpSession *self)
{
  return postern_smtp_reply_printf (552,
                                    "5.3.4",
                                    "A message may have %" G_GUINT64_FORMAT " octets",
                                    self->max_size);
}

static void
do_data (PosternSmtpSession *self, Command *command)
{
  set_pending (self, BEGIN_DATA);
}

/* The chunk at hand is whole: its answer. */
static void
end_chunk (PosternSmtpSession *self, const PosternSmtpReply *refusal)
{
  if (self->chunk_refusal != NULL || refusal != NULL)
    {
      /* RFC 3030 section 2: the message has failed; chunks still on their way find no MAIL. */
      put_reply (self, self->chunk_refusal != NULL ? self->chunk_refusal : refusal);
      reset (self);
      return;
    }

  self->received += self->chunk_octets;
  if (self->chunk_last)
    set_pending (self, COMMIT);
  else
    say (self, "250 2.0.0 %" G_GUINT64_FORMAT " octets received", self->chunk_octets);
}

static void
receive_chunk (PosternSmtpSession *self)
{
  if (self->chunk_octets == 0)
    end_chunk (self, NULL);
  else
    set_pending (self, CHUNK);
}

static void
do_bdat (PosternSmtpSession *self, Command *command)
{
  if (!postern_smtp_parse_bdat (command->arguments, &self->chunk_octets, &self->chunk_last))
    {
      /* Where the chunk ends is unknown, and it must never be read as commands. */
      say (self, "501 5.5.4 BDAT takes a number of octets, and LAST or nothing; closing");
      end (self);
      return;
    }
  if (!self->logged_in)
    {
      /* A stranger's octets are not worth swallowing. */
      say (self, "530 5.7.0 Log in first; closing");
      end (self);
      return;
    }

  if ((self->state & (RCPT | CHUNKS)) == 0)
    self->chunk_refusal = self->state == MAIL
                              ? postern_smtp_reply_new (554, "5.5.1", "There is no recipient")
                              : postern_smtp_reply_new (503, "5.5.1", "MAIL and RCPT come first");
  else if (self->chunk_octets > room_left (self))
    self->chunk_refusal = refuse_size (self);

  if (self->chunk_refusal == NULL && self->state == RCPT)
    {
      set_pending (self, BEGIN_CHUNK);
      return;
    }
  receive_chunk (self);
}

/**
 * postern_smtp_session_answer_begin:
 * @refusal: (nullable): NULL when the driver is ready to take the message
 *
 * Answers ASK_BEGIN. After NULL the session ends the message by ASK_COMMIT or DISCARD.
 */
void
postern_smtp_session_answer_begin (PosternSmtpSession *self,
                                   guint ask,
                                   const PosternSmtpReply *refusal)
{
  if (is_answer_to (self, ask, BEGIN_DATA))
    {
      if (refusal != NULL)
        {
          put_reply (self, refusal);
          reset (self);
          return;
        }
      self->begun = TRUE;
      say (self, "354 Send the message, a line with only a dot ends it");
      set_pending (self, DATA);
    }
  else if (is_answer_to (self, ask, BEGIN_CHUNK))
    {
      if (refusal != NULL)
        self->chunk_refusal =
            postern_smtp_reply_new (refusal->code, refusal->enhanced, refusal->text);
      else
        self->begun = TRUE;
      self->state = CHUNKS;
      receive_chunk (self);
    }
}

/**
 * postern_smtp_session_body_received:
 * @octets: how many the message had; at DATA without stuffing and the line with the dot
 * @refusal: (nullable): why the message cannot be taken after all
 *
 * Answers RECEIVE_DATA and RECEIVE_CHUNK once everything has been taken from the connection, also
 * what there was no room for.
 */
void
postern_smtp_session_body_received (PosternSmtpSession *self,
                                    guint ask,
                                    guint64 octets,
                                    const PosternSmtpReply *refusal)
{
  if (is_answer_to (self, ask, CHUNK))
    {
      end_chunk (self, refusal);
    }
  else if (is_answer_to (self, ask, DATA))
    {
      g_autoptr (PosternSmtpReply) too_large = NULL;

      if (octets > room_left (self))
        refusal = too_large = refuse_size (self);
      if (refusal == NULL)
        {
          set_pending (self, COMMIT);
          return;
        }
      put_reply (self, refusal);
      reset (self);
    }
}

/**
 * postern_smtp_session_answer_commit:
 * @reply: 250 only when the message is durable
 */
void
postern_smtp_session_answer_commit (PosternSmtpSession *self,
                                    guint ask,
                                    const PosternSmtpReply *reply)
{
  if (!is_answer_to (self, ask, COMMIT))
    return;
  put_reply (self, reply);
  self->begun = FALSE;
  reset (self);
  if (self->closing)
    postern_smtp_session_shut_down (self);
}

/* In any state */

static void
do_rset (PosternSmtpSession *self, Command *command)
{
  reset (self);
  say (self, "250 2.0.0 Forgotten");
}

static void
do_noop (PosternSmtpSession *self, Command *command)
{
  say (self, "250 2.0.0 Nothing done");
}

static void
do_vrfy (PosternSmtpSession *self, Command *command)
{
  say (self, "252 2.5.0 Send it, and it will be tried");
}

static void
do_expn (PosternSmtpSession *self, Command *command)
{
  say (self, "502 5.5.1 Lists are not shown here");
}

static void
do_help (PosternSmtpSession *self, Command *command)
{
  say (self, "214 2.0.0 This is Postern: log in with a bridge password, then send");
}

static void
do_quit (PosternSmtpSession *self, Command *command)
{
  say (self, "221 2.0.0 Bye");
  end (self);
}

static void
close_because (PosternSmtpSession *self, const char *enhanced, const char *reason)
{
  if (self->pending != TLS) /* nobody reads clear text amid a handshake */
    say (self, "421 %s %s %s", enhanced, self->host_name, reason);
  end (self);
}

/**
 * postern_smtp_session_expire:
 *
 * The driver's timer ran out. Once ASK_COMMIT was reached this does nothing: the client has done
 * its part, and hanging up now would make it send the message again.
 */
void
postern_smtp_session_expire (PosternSmtpSession *self)
{
  postern_session_output_take_back (&self->out);
  if (self->state != ENDED && self->pending != COMMIT)
    close_because (self, "4.4.2", "has waited long enough, closing");
}

/**
 * postern_smtp_session_shut_down:
 *
 * The server stops: the client hears 421, after the reply to a message that is being committed.
 */
void
postern_smtp_session_shut_down (PosternSmtpSession *self)
{
  postern_session_output_take_back (&self->out);
  if (self->pending == COMMIT)
    self->closing = TRUE;
  else if (self->state != ENDED)
    close_because (self, "4.3.2", "is stopping, try again later");
}

/* Lines */

static const Verb *
find_verb (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_ascii_strcasecmp (word, verbs[i].verb) == 0)
      return &verbs[i];
  return NULL;
}

static PosternSmtpReply *
refuse_state (const PosternSmtpSession *self, const Verb *verb)
{
  if (self->state == NEW)
    return postern_smtp_reply_new (503, "5.5.1", "Send EHLO first");
  if (verb->needs_login && !self->logged_in)
    return postern_smtp_reply_new (530,
                                   "5.7.0",
                                   may_log_in (self) || !self->policy.tls_available
                                       ? "Log in first"
                                       : "Use STARTTLS, then log in first");
  if ((verb->states & self->state) != 0)
    return NULL;
  if (self->state == CHUNKS)
    return postern_smtp_reply_new (503, "5.5.1", "After BDAT comes BDAT, or RSET");
  if (self->state == IDLE)
    return postern_smtp_reply_new (503, "5.5.1", "MAIL comes first");
  if (verb->handle == do_data)
    return postern_smtp_reply_new (554, "5.5.1", "There is no recipient");
  return postern_smtp_reply_new (503, "5.5.1", "A message is under way: end it, or send RSET");
}

static void
handle_command (PosternSmtpSession *self, char *text)
{
  g_autoptr (PosternSmtpReply) refusal = NULL;
  Command command = { 0 };
  const Verb *verb;
  gsize word = strcspn (text, " ");

  command.arguments = text + word;
  if (*command.arguments == ' ')
    *command.arguments++ = '\0';
  g_strchomp (command.arguments); /* trailing blanks: RFC 5321 section 4.1.1 */
  verb = find_verb (text);
  if (verb == NULL)
    {
      say (self, "500 5.5.1 This command is not known here");
      note_bad (self);
      return;
    }

  if (verb->states != ANY || verb->needs_login)
    refusal = refuse_state (self, verb);
  if (refusal == NULL)
    refusal = verb->check (self, &command);
  if (refusal == NULL)
    {
      verb->handle (self, &command);
    }
  else
    {
      put_reply (self, refusal);
      /* Behind a login these are the pipelined followers of a refused MAIL, or addresses with a
       * slip in them: no reason to hang up. */
      if (!self->logged_in)
        note_bad (self);
    }
  g_clear_pointer (&command.envelope, postern_envelope_free);
  g_free (command.recipient.address);
  g_free (command.recipient.notify);
  g_free (command.recipient.orcpt);
}

static void
handle_line (PosternSmtpSession *self, char *text)
{
  if (!self->logged_in && postern_command_line_is_http (text))
    end (self);
  else if (self->sasl != NULL)
    step_sasl (self, text, FALSE);
  else
    handle_command (self, text);
}

static gsize
line_limit (const char *start, gsize length, gconstpointer data)
{
  const PosternSmtpSession *self = data;

  return postern_smtp_get_line_limit (start,
                                      length,
                                      self->logged_in,
                                      may_log_in (self),
                                      self->sasl != NULL);
}

static void
refuse_line (PosternSmtpSession *self, const char *text)
{
  /* RFC 4954 section 4 has a code of its own for a response. */
  say (self, "500 %s %s", self->sasl != NULL ? "5.5.6" : "5.5.2", text);
  g_clear_pointer (&self->sasl, postern_sasl_free);
  note_bad (self);
}

/**
 * postern_smtp_session_feed:
 * @data: what came from the client
 *
 * Takes lines as long as none of them has something to wait for. At least one octet is consumed
 * when postern_smtp_session_wants_input().
 *
 * Returns: how many octets were consumed. The driver keeps the rest: it belongs to the message at
 *   RECEIVE_DATA and RECEIVE_CHUNK, is dropped at START_TLS, and else is fed again.
 */
gsize
postern_smtp_session_feed (PosternSmtpSession *self, const guint8 *data, gsize length)
{
  gsize consumed = 0;

  postern_session_output_take_back (&self->out);
  if (!self->began_talking && length > 0)
    {
      self->began_talking = TRUE;
      /* A TLS record where plain text is due: the client has the wrong port. */
      if (data[0] == 0x16)
        {
          end (self);
          return length;
        }
    }
  while (consumed < length && postern_smtp_session_wants_input (self))
    {
      gsize used;
      PosternCommandLineState state = postern_command_line_feed (&self->line,
                                                                 data + consumed,
                                                                 length - consumed,
                                                                 line_limit,
                                                                 self,
                                                                 &used);

      consumed += used;
      switch (state)
        {
        case POSTERN_COMMAND_LINE_PARTIAL:
          return consumed;
        case POSTERN_COMMAND_LINE_READY:
          handle_line (self, self->line.text);
          break;
        case POSTERN_COMMAND_LINE_TOO_LONG:
          refuse_line (self, "This line is too long");
          break;
        case POSTERN_COMMAND_LINE_BINARY:
          refuse_line (self, "A command holds neither NUL nor a lone CR");
          break;
        }
      postern_command_line_clear (&self->line);
    }
  return consumed;
}

gboolean
postern_smtp_session_wants_input (PosternSmtpSession *self)
{
  return self->pending == NOTHING && self->state != ENDED &&
         !postern_session_output_is_full (&self->out);
}

/**
 * postern_smtp_session_next:
 * @action: (out): what to do now, in the order of the wire
 *
 * Returns: FALSE when there is nothing to do but to wait: for an answer, or for input.
 */
gboolean
postern_smtp_session_next (PosternSmtpSession *self, PosternSmtpAction *action)
{
  postern_session_output_take_back (&self->out);
  memset (action, 0, sizeof *action);
  action->ask = self->ask;

  if (self->discard)
    {
      self->discard = FALSE;
      action->kind = POSTERN_SMTP_DISCARD;
      return TRUE;
    }
  if (postern_session_output_lend (&self->out, &action->data, &action->length))
    {
      action->kind = POSTERN_SMTP_WRITE;
      return TRUE;
    }
  if (self->pending == NOTHING || self->handed_out)
    return FALSE;

  self->handed_out = TRUE;
  switch (self->pending)
    {
    case LOGIN:
      action->kind = POSTERN_SMTP_ASK_LOGIN;
      action->login = self->sasl->login;
      action->password = self->sasl->password;
      break;
    case SENDER:
      action->kind = POSTERN_SMTP_ASK_SENDER;
      action->envelope = self->envelope;
      break;
    case BEGIN_DATA:
    case BEGIN_CHUNK:
      action->kind = POSTERN_SMTP_ASK_BEGIN;
      action->envelope = self->envelope;
      break;
    case DATA:
      action->kind = POSTERN_SMTP_RECEIVE_DATA;
      action->room_octets = room_left (self);
      break;
    case CHUNK:
      action->kind = POSTERN_SMTP_RECEIVE_CHUNK;
      action->chunk_octets = self->chunk_octets;
      action->room_octets = self->chunk_refusal != NULL ? 0 : self->chunk_octets;
      break;
    case COMMIT:
      action->kind = POSTERN_SMTP_ASK_COMMIT;
      break;
    case TLS:
      action->kind = POSTERN_SMTP_START_TLS;
      break;
    case CLOSE:
      action->kind = POSTERN_SMTP_CLOSE;
      break;
    case NOTHING:
      return FALSE;
    }
  return TRUE;
}

/**
 * postern_smtp_session_get_hello:
 *
 * Returns: (transfer none): the name the client gave last, as it gave it, in UTF-8 without spaces;
 *   "" before.
 */
const char *
postern_smtp_session_get_hello (const PosternSmtpSession *self)
{
  return self->hello != NULL ? self->hello : "";
}

gboolean
postern_smtp_session_is_esmtp (const PosternSmtpSession *self)
{
  return self->esmtp;
}

gboolean
postern_smtp_session_is_secure (const PosternSmtpSession *self)
{
  return self->secure;
}

gboolean
postern_smtp_session_is_logged_in (const PosternSmtpSession *self)
{
  return self->logged_in;
}

/**
 * postern_smtp_session_new:
 *
 * Returns: (transfer full): a session that has a greeting to send.
 */
PosternSmtpSession *
postern_smtp_session_new (const PosternSmtpOptions *options)
{
  PosternSmtpSession *self = g_new0 (PosternSmtpSession, 1);

  self->policy = options->login;
  self->host_name = options->host_name;
  self->max_size = options->max_size_octets;
  self->max_size_before_login = options->max_size_octets;
  self->secure = options->login.tls_on;
  self->state = NEW;
  say (self, "220 %s ESMTP Postern", self->host_name);
  return self;
}

void
postern_smtp_session_free (PosternSmtpSession *self)
{
  g_clear_pointer (&self->sasl, postern_sasl_free);
  g_clear_pointer (&self->envelope, postern_envelope_free);
  g_clear_pointer (&self->chunk_refusal, postern_smtp_reply_free);
  g_free (self->hello);
  postern_command_line_clear (&self->line);
  postern_session_output_clear (&self->out);
  g_free (self);
}
