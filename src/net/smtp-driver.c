/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/smtp-driver.h"

#include "net/mail-server-private.h"

#include "mail/dot-unstuffer.h"
#include "proto/smtp-session.h"

/* A message goes from the connection to its submission as it is read, in no buffer of ours. Three
 * things stop the reading, and so the peer: the submission is full, too much is in memory in all
 * sessions together, or the peer had its share of this turn. */

typedef struct
{
  PosternDriver base;
  PosternSmtpSession *session; /* (nullable) NULL when the connection is gone */
  guint ask;                   /* the question under way */
  gboolean is_stopping;

  PosternSubmission *submission; /* (nullable) */
  gboolean is_blocked;           /* it takes no more now */
  gboolean is_committing;
  PosternBudgetClaim claim;

  gboolean is_receiving;
  gboolean is_chunk; /* BDAT */
  PosternDotUnstuffer unstuffer;
  guint64 chunk_left;     /* octets */
  guint64 room_left;      /* octets to keep */
  guint64 octets;         /* of this piece of the message */
  guint64 message_octets; /* of all its chunks */
} SmtpDriver;

static void
on_budget_ready (gpointer owner)
{
  SmtpDriver *self = owner;

  postern_connection_tell_again (self->base.connection);
}

static void
begin (PosternDriver *base, const PosternLoginPolicy *policy)
{
  SmtpDriver *self = (SmtpDriver *) base;
  PosternMailHost *host = base->server->host;
  PosternSmtpOptions options = {
    .login = *policy,
    .host_name = base->server->host_name,
    .max_size_octets = POSTERN_MAIL_HOST_GET_IFACE (host)->get_max_size (host),
  };

  self->session = postern_smtp_session_new (&options);
  self->claim = (PosternBudgetClaim){ .on_ready = on_budget_ready, .owner = self };
}

static gboolean
answer_login (PosternDriver *base, guint ask, PosternVerdict verdict, const char *reason)
{
  SmtpDriver *self = (SmtpDriver *) base;
  guint64 max_size = 0;
  PosternSmtpLogin answer = POSTERN_SMTP_LOGIN_UNAVAILABLE;

  if (verdict == POSTERN_VERDICT_WRONG)
    {
      answer = POSTERN_SMTP_LOGIN_WRONG;
    }
  else if (verdict == POSTERN_VERDICT_ACCEPTED)
    {
      answer = POSTERN_SMTP_LOGIN_ACCEPTED;
      max_size = POSTERN_MAIL_USER_GET_IFACE (base->user)->get_max_size (base->user);
    }
  postern_smtp_session_answer_login (self->session, ask, answer, max_size, reason);
  return verdict == POSTERN_VERDICT_ACCEPTED;
}

static const char *
get_client (PosternDriver *base)
{
  return postern_smtp_session_get_hello (((SmtpDriver *) base)->session);
}

/* MAIL */

static void
on_sender_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternDriver) base = user_data;
  SmtpDriver *self = (SmtpDriver *) base;
  PosternMailUser *user = POSTERN_MAIL_USER (source);
  g_autoptr (PosternSmtpReply) refusal =
      POSTERN_MAIL_USER_GET_IFACE (user)->check_sender_finish (user, result);

  if (postern_driver_is_over (base))
    return;
  postern_smtp_session_answer_sender (self->session, self->ask, refusal);
  postern_driver_pump (base);
}

static void
check_sender (SmtpDriver *self, const PosternSmtpAction *action)
{
  PosternMailUser *user = self->base.user;

  self->ask = action->ask;
  POSTERN_MAIL_USER_GET_IFACE (user)->check_sender_async (user,
                                                          action->envelope,
                                                          on_sender_checked,
                                                          postern_driver_ref (&self->base));
}

/* DATA and BDAT */

static void
forget_message (SmtpDriver *self)
{
  self->is_receiving = FALSE;
  self->is_blocked = FALSE;
  /* What is being committed is no longer ours to drop. */
  if (!self->is_committing)
    g_clear_object (&self->submission);
  postern_receive_budget_release (&self->base.server->budget, &self->claim);
}

static void
on_submission_ready (gpointer user_data)
{
  SmtpDriver *self = user_data;

  self->is_blocked = FALSE;
  if (!postern_driver_is_over (&self->base))
    postern_connection_tell_again (self->base.connection);
}

static void
begin_message (SmtpDriver *self, const PosternSmtpAction *action)
{
  PosternMailUser *user = self->base.user;
  g_autoptr (PosternSmtpReply) refusal = NULL;
  PosternPeer peer = {
    .address = self->base.address,
    .hello = postern_smtp_session_get_hello (self->session),
    .esmtp = postern_smtp_session_is_esmtp (self->session),
    .secure = postern_smtp_session_is_secure (self->session),
  };

  forget_message (self);
  self->message_octets = 0;
  self->submission = POSTERN_MAIL_USER_GET_IFACE (user)->begin_submission (user,
                                                                           action->envelope,
                                                                           &peer,
                                                                           on_submission_ready,
                                                                           self,
                                                                           &refusal);
  postern_smtp_session_answer_begin (self->session, action->ask, refusal);
}

static void
begin_receiving (SmtpDriver *self, const PosternSmtpAction *action)
{
  self->ask = action->ask;
  self->is_receiving = TRUE;
  self->is_chunk = action->kind == POSTERN_SMTP_RECEIVE_CHUNK;
  self->unstuffer = (PosternDotUnstuffer){ 0 };
  self->chunk_left = action->chunk_octets;
  self->room_left = action->room_octets;
  self->octets = 0;
}

static void
keep (SmtpDriver *self, const guint8 *data, gsize length)
{
  gsize kept = (gsize) MIN (length, self->room_left);

  self->octets += length;
  self->room_left -= kept;
  if (kept == 0 || self->submission == NULL)
    return;

  postern_receive_budget_add (&self->base.server->budget, &self->claim, kept);
  /* Set before, since it may be ready again by the time that write() says it was not. */
  self->is_blocked = TRUE;
  if (POSTERN_SUBMISSION_GET_IFACE (self->submission)->write (self->submission, data, kept))
    self->is_blocked = FALSE;
}

/* Returns whether the message, or its chunk, is through. */
static gboolean
receive_octets (SmtpDriver *self, const guint8 *data, gsize length)
{
  const guint8 *piece = data;
  gsize piece_length, used;

  if (self->is_chunk)
    {
      used = piece_length = (gsize) MIN (length, self->chunk_left);
      self->chunk_left -= used;
    }
  else
    {
      used = postern_dot_unstuffer_next (&self->unstuffer, data, length, &piece, &piece_length);
    }
  keep (self, piece, piece_length);
  postern_connection_take (self->base.connection, used);
  postern_driver_restart_timer (&self->base);
  return self->is_chunk ? self->chunk_left == 0 : self->unstuffer.ended;
}

/* Returns FALSE when nothing can be done now. */
static gboolean
receive (SmtpDriver *self)
{
  gboolean is_through = self->is_chunk && self->chunk_left == 0;

  if (!is_through)
    {
      const guint8 *data;
      gsize length;

      if (self->is_blocked ||
          !postern_receive_budget_may_read (&self->base.server->budget, &self->claim))
        return FALSE;
      switch (postern_connection_fill (self->base.connection))
        {
        case POSTERN_FILL_ENDED:
          /* Half a message is none. */
          self->base.is_ending = TRUE;
          return FALSE;
        case POSTERN_FILL_NONE:
          return FALSE;
        case POSTERN_FILL_SOME:
        default:
          break;
        }
      data = postern_connection_peek (self->base.connection, &length);
      is_through = receive_octets (self, data, length);
    }
  if (is_through)
    {
      self->is_receiving = FALSE;
      self->message_octets += self->octets;
      postern_smtp_session_body_received (self->session, self->ask, self->octets, NULL);
    }
  return TRUE;
}

static void
on_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternDriver) base = user_data;
  SmtpDriver *self = (SmtpDriver *) base;
  PosternSubmission *submission = POSTERN_SUBMISSION (source);
  g_autoptr (PosternSmtpReply) reply =
      POSTERN_SUBMISSION_GET_IFACE (submission)->commit_finish (submission, result);

  self->is_committing = FALSE;
  if (postern_driver_is_over (base))
    {
      g_clear_object (&self->submission);
      return;
    }
  forget_message (self);
  if (reply->code == 250)
    {
      base->server->statistics.messages[POSTERN_SERVICE_SMTP]++;
      base->server->statistics.octets[POSTERN_SERVICE_SMTP] += self->message_octets;
    }
  postern_smtp_session_answer_commit (self->session, self->ask, reply);
  postern_driver_pump (base);
}

static void
commit (SmtpDriver *self, const PosternSmtpAction *action)
{
  self->ask = action->ask;
  self->is_committing = TRUE;
  POSTERN_SUBMISSION_GET_IFACE (self->submission)
      ->commit_async (self->submission, on_committed, postern_driver_ref (&self->base));
}

/* The driver's class */

static gboolean
act (PosternDriver *base)
{
  SmtpDriver *self = (SmtpDriver *) base;
  PosternSmtpAction action;

  if (self->is_receiving)
    return receive (self);
  if (!postern_smtp_session_next (self->session, &action))
    {
      if (!self->is_stopping || !postern_smtp_session_wants_input (self->session))
        return FALSE;
      postern_smtp_session_shut_down (self->session);
      self->is_stopping = FALSE;
      return TRUE;
    }

  switch (action.kind)
    {
    case POSTERN_SMTP_WRITE:
      postern_driver_write (base, action.data, action.length);
      break;
    case POSTERN_SMTP_ASK_LOGIN:
      postern_driver_check_login (base, action.ask, action.login, action.password);
      break;
    case POSTERN_SMTP_ASK_SENDER:
      check_sender (self, &action);
      break;
    case POSTERN_SMTP_ASK_BEGIN:
      begin_message (self, &action);
      break;
    case POSTERN_SMTP_RECEIVE_DATA:
    case POSTERN_SMTP_RECEIVE_CHUNK:
      begin_receiving (self, &action);
      break;
    case POSTERN_SMTP_ASK_COMMIT:
      commit (self, &action);
      break;
    case POSTERN_SMTP_DISCARD:
      forget_message (self);
      break;
    case POSTERN_SMTP_START_TLS:
      postern_driver_start_tls (base);
      break;
    case POSTERN_SMTP_CLOSE:
      base->is_ending = TRUE;
      break;
    default:
      g_assert_not_reached ();
    }
  return TRUE;
}

static gboolean
wants_input (PosternDriver *base)
{
  SmtpDriver *self = (SmtpDriver *) base;

  return !self->is_receiving && postern_smtp_session_wants_input (self->session);
}

static gsize
feed (PosternDriver *base, const guint8 *data, gsize length)
{
  return postern_smtp_session_feed (((SmtpDriver *) base)->session, data, length);
}

static gboolean
is_busy (PosternDriver *base)
{
  SmtpDriver *self = (SmtpDriver *) base;

  if (self->is_receiving)
    return self->is_blocked || self->claim.is_waiting;
  return !postern_smtp_session_wants_input (self->session) && postern_driver_has_room (base);
}

static void
tls_started (PosternDriver *base)
{
  postern_smtp_session_tls_started (((SmtpDriver *) base)->session);
}

static void
expire (PosternDriver *base)
{
  SmtpDriver *self = (SmtpDriver *) base;

  forget_message (self);
  postern_smtp_session_expire (self->session);
}

/* A message that is being received or committed is brought to its end first. */
static void
shut_down (PosternDriver *base)
{
  ((SmtpDriver *) base)->is_stopping = TRUE;
}

static void
abandon (PosternDriver *base)
{
  SmtpDriver *self = (SmtpDriver *) base;

  forget_message (self);
  g_clear_pointer (&self->session, postern_smtp_session_free);
}

const PosternDriverClass postern_smtp_driver_class = {
  .service = POSTERN_SERVICE_SMTP,
  .alpn = "smtp",
  .busy = "421 4.3.2 Too many connections, try again later\r\n",
  .size = sizeof (SmtpDriver),
  .patience = 1, /* RFC 5321 section 4.5.3.2.7: at least five minutes */
  .begin = begin,
  .act = act,
  .wants_input = wants_input,
  .feed = feed,
  .is_busy = is_busy,
  .answer_login = answer_login,
  .get_client = get_client,
  .tls_started = tls_started,
  .expire = expire,
  .shut_down = shut_down,
  .abandon = abandon,
};
