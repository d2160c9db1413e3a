/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/pop3-driver.h"

#include "net/mail-server-private.h"

#include "base/error.h"
#include "mail/canonical-lines.h"
#include "proto/pop3-session.h"

/* A body comes in pieces, one of them on its way out while the next one is read. So a message of
 * any size takes two pieces and the connection's output, and a slow client slows the reading. */

#define PIECE_OCTETS     (256 * 1024)
#define TOP_PIECE_OCTETS (16 * 1024) /* mostly the header is all that is wanted */
#define LEAST_PIECE      512
#define OUTPUT_OCTETS    (32 * 1024) /* converted in one go */

typedef struct
{
  PosternDriver base;
  PosternPop3Session *session; /* (nullable) NULL when the connection is gone */
  GCancellable *cancellable;   /* (nullable) of what was asked */
  guint ask;                   /* the question under way */
  gboolean is_stopping;

  GInputStream *body; /* (nullable) of ASK_BODY */
  guint64 octets;     /* that LIST tells */
  guint64 octets_read;
  gint64 top_lines;
  gboolean is_streaming;
  gboolean is_reading; /* a piece is on its way */
  gboolean has_ended;
  gboolean is_broken;
  PosternCanonicalLines lines;
  GBytes *piece; /* (nullable) */
  gsize piece_used;
  GBytes *next_piece; /* (nullable) */
} Pop3Driver;

static void
begin (PosternDriver *base, const PosternLoginPolicy *policy)
{
  Pop3Driver *self = (Pop3Driver *) base;
  PosternPop3Options options = { .login = *policy };

  self->session = postern_pop3_session_new (&options);
}

/* Login */

static gboolean
answer_login (PosternDriver *base, guint ask, PosternVerdict verdict, const char *reason)
{
  Pop3Driver *self = (Pop3Driver *) base;
  g_autoptr (PosternListing) listing = NULL;
  g_autoptr (GError) error = NULL;
  PosternPop3Outcome outcome = POSTERN_POP3_SYS_TEMP;

  if (verdict == POSTERN_VERDICT_WRONG)
    {
      postern_pop3_session_answer_login (self->session, ask, POSTERN_POP3_AUTH, NULL, reason);
      return FALSE;
    }
  if (verdict == POSTERN_VERDICT_UNAVAILABLE)
    {
      postern_pop3_session_answer_login (self->session, ask, outcome, NULL, reason);
      return FALSE;
    }

  listing = POSTERN_MAIL_USER_GET_IFACE (base->user)->ref_listing (base->user, &error);
  if (listing == NULL)
    {
      if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_REFUSED))
        outcome = POSTERN_POP3_SYS_PERM;
      postern_pop3_session_answer_login (self->session, ask, outcome, NULL, error->message);
      return FALSE;
    }
  postern_pop3_session_answer_login (self->session, ask, POSTERN_POP3_DONE, listing, NULL);
  return TRUE;
}

/* Bodies */

static void
forget_body (Pop3Driver *self)
{
  g_clear_object (&self->cancellable);
  g_clear_object (&self->body);
  g_clear_pointer (&self->piece, g_bytes_unref);
  g_clear_pointer (&self->next_piece, g_bytes_unref);
  self->is_streaming = FALSE;
}

static void
on_body_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternDriver) base = user_data;
  Pop3Driver *self = (Pop3Driver *) base;
  PosternMailUser *user = POSTERN_MAIL_USER (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) body =
      POSTERN_MAIL_USER_GET_IFACE (user)->open_body_finish (user, result, &error);

  if (postern_driver_is_over (base))
    return;
  if (body != NULL)
    {
      self->body = g_steal_pointer (&body);
      postern_pop3_session_answer_body (self->session, self->ask, POSTERN_POP3_DONE, NULL);
    }
  else if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
    postern_pop3_session_answer_body (self->session,
                                      self->ask,
                                      POSTERN_POP3_SYS_PERM,
                                      "This message was removed from the mailbox");
  else
    postern_pop3_session_answer_body (self->session,
                                      self->ask,
                                      POSTERN_POP3_SYS_TEMP,
                                      error->message);
  postern_driver_pump (base);
}

static void
open_body (Pop3Driver *self, const PosternPop3Action *action)
{
  PosternMailUser *user = self->base.user;

  self->ask = action->ask;
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  POSTERN_MAIL_USER_GET_IFACE (user)->open_body_async (
      user,
      postern_pop3_session_get_listing (self->session),
      action->index,
      self->cancellable,
      on_body_opened,
      postern_driver_ref (&self->base));
}

static void read_ahead (Pop3Driver *self);

static void
take_piece (Pop3Driver *self, GBytes *piece, const GError *error)
{
  if (piece == NULL)
    {
      g_message ("A message broke off while it was sent: %s", error->message);
      self->is_broken = TRUE;
    }
  else if (g_bytes_get_size (piece) == 0)
    {
      self->has_ended = TRUE;
    }
  else
    {
      self->octets_read += g_bytes_get_size (piece);
      if (self->piece == NULL)
        self->piece = g_bytes_ref (piece);
      else
        self->next_piece = g_bytes_ref (piece);
    }
}

static void
on_piece_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternDriver) base = user_data;
  Pop3Driver *self = (Pop3Driver *) base;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) piece =
      g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  self->is_reading = FALSE;
  if (postern_driver_is_over (base))
    return;
  take_piece (self, piece, error);
  read_ahead (self);
  postern_driver_pump (base);
}

static void
read_ahead (Pop3Driver *self)
{
  gsize most = self->top_lines < 0 ? PIECE_OCTETS : TOP_PIECE_OCTETS;
  guint64 left = self->octets > self->octets_read ? self->octets - self->octets_read : 0;
  gsize wanted = (gsize) CLAMP (left, LEAST_PIECE, most);

  if (self->is_reading || self->has_ended || self->is_broken || self->next_piece != NULL)
    return;
  if (self->top_lines >= 0 && self->piece != NULL)
    return;

  /* What is in memory already need not go round the main loop. */
  if (G_IS_MEMORY_INPUT_STREAM (self->body))
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) piece = g_input_stream_read_bytes (self->body, wanted, NULL, &error);

      take_piece (self, piece, error);
      return;
    }
  self->is_reading = TRUE;
  g_input_stream_read_bytes_async (self->body,
                                   wanted,
                                   G_PRIORITY_DEFAULT,
                                   self->cancellable,
                                   on_piece_read,
                                   postern_driver_ref (&self->base));
}

static void
begin_stream (Pop3Driver *self, const PosternPop3Action *action)
{
  PosternListing *listing = postern_pop3_session_get_listing (self->session);

  self->ask = action->ask;
  self->top_lines = action->top_lines;
  self->octets = postern_listing_get_size (listing, action->index);
  self->octets_read = 0;
  self->piece_used = 0;
  self->has_ended = FALSE;
  self->is_broken = FALSE;
  self->is_streaming = TRUE;
  postern_canonical_lines_init (&self->lines, action->top_lines);
  read_ahead (self);
}

static void
end_stream (Pop3Driver *self)
{
  PosternServerStatistics *statistics = &self->base.server->statistics;
  guint8 rest[POSTERN_CANONICAL_LEAST_ROOM];

  if (!self->is_broken)
    postern_driver_write (&self->base, rest, postern_canonical_lines_finish (&self->lines, rest));
  if (!self->is_broken && self->top_lines < 0)
    {
      statistics->messages[POSTERN_SERVICE_POP3]++;
      statistics->octets[POSTERN_SERVICE_POP3] += self->octets;
    }
  forget_body (self);
  postern_pop3_session_answer_stream (self->session, self->ask, !self->is_broken);
}

static void
convert_piece (Pop3Driver *self)
{
  PosternBuffer *output = postern_connection_get_output (self->base.connection);
  gsize length, written;
  const guint8 *data = g_bytes_get_data (self->piece, &length);
  gsize left = length - self->piece_used;
  /* Rarely does a line need more: no room is asked for that a small message does not fill. */
  gsize room = CLAMP (left + left / 16, LEAST_PIECE, OUTPUT_OCTETS);

  self->piece_used += postern_canonical_lines_convert (&self->lines,
                                                       data + self->piece_used,
                                                       left,
                                                       postern_buffer_reserve (output, room),
                                                       room,
                                                       &written);
  postern_buffer_commit (output, written);
  if (self->piece_used < length)
    return;

  g_bytes_unref (self->piece);
  self->piece = g_steal_pointer (&self->next_piece);
  self->piece_used = 0;
  if (!self->lines.done)
    read_ahead (self);
}

/* Returns FALSE when the next piece is not there yet. */
static gboolean
stream (Pop3Driver *self)
{
  if (self->is_broken || self->lines.done || (self->piece == NULL && self->has_ended))
    end_stream (self);
  else if (self->piece != NULL)
    convert_piece (self);
  else
    return FALSE;
  return TRUE;
}

/* QUIT */

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternDriver) base = user_data;
  Pop3Driver *self = (Pop3Driver *) base;
  PosternMailUser *user = POSTERN_MAIL_USER (source);
  g_autoptr (GError) error = NULL;
  PosternPop3Outcome outcome = POSTERN_POP3_DONE;

  if (!POSTERN_MAIL_USER_GET_IFACE (user)->delete_finish (user, result, &error))
    outcome = postern_error_is_temporary (error) ? POSTERN_POP3_SYS_TEMP : POSTERN_POP3_SYS_PERM;
  if (postern_driver_is_over (base))
    return;
  postern_pop3_session_answer_delete (self->session,
                                      self->ask,
                                      outcome,
                                      error != NULL ? error->message : NULL);
  postern_driver_pump (base);
}

/* QUIT was said: the messages go, whether or not the client waits to hear it. */
static void
delete_messages (Pop3Driver *self, const PosternPop3Action *action)
{
  PosternMailUser *user = self->base.user;

  self->ask = action->ask;
  POSTERN_MAIL_USER_GET_IFACE (user)->delete_async (
      user,
      postern_pop3_session_get_listing (self->session),
      action->indexes,
      action->n_indexes,
      on_deleted,
      postern_driver_ref (&self->base));
}

/* The driver's class */

static gboolean
act (PosternDriver *base)
{
  Pop3Driver *self = (Pop3Driver *) base;
  PosternPop3Action action;

  if (self->is_streaming)
    return stream (self);
  if (!postern_pop3_session_next (self->session, &action))
    {
      if (!self->is_stopping || !postern_pop3_session_wants_input (self->session))
        return FALSE;
      postern_pop3_session_expire (self->session);
      self->is_stopping = FALSE;
      return TRUE;
    }

  switch (action.kind)
    {
    case POSTERN_POP3_WRITE:
      postern_driver_write (base, action.data, action.length);
      break;
    case POSTERN_POP3_ASK_LOGIN:
      postern_driver_check_login (base, action.ask, action.login, action.password);
      break;
    case POSTERN_POP3_ASK_BODY:
      open_body (self, &action);
      break;
    case POSTERN_POP3_STREAM:
      begin_stream (self, &action);
      break;
    case POSTERN_POP3_ASK_DELETE:
      delete_messages (self, &action);
      break;
    case POSTERN_POP3_START_TLS:
      postern_driver_start_tls (base);
      break;
    case POSTERN_POP3_CLOSE:
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
  return postern_pop3_session_wants_input (((Pop3Driver *) base)->session);
}

static gsize
feed (PosternDriver *base, const guint8 *data, gsize length)
{
  return postern_pop3_session_feed (((Pop3Driver *) base)->session, data, length);
}

/* A small message goes out in one write, with what comes before and behind it. */
static gboolean
is_corked (PosternDriver *base)
{
  Pop3Driver *self = (Pop3Driver *) base;

  return self->is_streaming && self->octets < POSTERN_DRIVER_OUTPUT_LIMIT;
}

static gboolean
is_busy (PosternDriver *base)
{
  Pop3Driver *self = (Pop3Driver *) base;

  /* A body that could go out and does not is the client's doing. */
  if (self->is_streaming)
    return self->piece == NULL;
  return !postern_pop3_session_wants_input (self->session) && postern_driver_has_room (base);
}

static void
tls_started (PosternDriver *base)
{
  postern_pop3_session_tls_started (((Pop3Driver *) base)->session);
}

static void
expire (PosternDriver *base)
{
  postern_pop3_session_expire (((Pop3Driver *) base)->session);
}

/* What is being sent or removed is brought to its end first. */
static void
shut_down (PosternDriver *base)
{
  ((Pop3Driver *) base)->is_stopping = TRUE;
}

static void
abandon (PosternDriver *base)
{
  Pop3Driver *self = (Pop3Driver *) base;

  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  forget_body (self);
  g_clear_pointer (&self->session, postern_pop3_session_free);
}

const PosternDriverClass postern_pop3_driver_class = {
  .service = POSTERN_SERVICE_POP3,
  .alpn = "pop3",
  .busy = "-ERR [SYS/TEMP] Too many connections, try again later\r\n",
  .size = sizeof (Pop3Driver),
  .patience = 2, /* RFC 1939 section 3: at least ten minutes */
  .begin = begin,
  .act = act,
  .wants_input = wants_input,
  .feed = feed,
  .is_corked = is_corked,
  .is_busy = is_busy,
  .answer_login = answer_login,
  .tls_started = tls_started,
  .expire = expire,
  .shut_down = shut_down,
  .abandon = abandon,
};
