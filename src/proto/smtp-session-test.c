/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/smtp-session.h"

#include "mail/dot-unstuffer.h"
#include "tests/support/transcript.h"

/* The conversations are in smtp-session.transcripts; here is the driver that plays them, and what
 * cannot be told as a conversation. */

#define MAX_SIZE 1000 /* octets, before login; afterwards what the answer says */

/* "550 5.7.1 text" */
static PosternSmtpReply *
parse_reply (const char *answer)
{
  g_auto (GStrv) words = NULL;

  if (!g_ascii_isdigit (answer[0]))
    return NULL;
  words = g_strsplit (answer, " ", 3);
  return postern_smtp_reply_new ((guint) g_ascii_strtoull (words[0], NULL, 10), words[1], words[2]);
}

static void
note_envelope (Wire *wire, const char *question, const PosternEnvelope *envelope)
{
  g_autoptr (GString) text = g_string_new (question);

  g_string_append_printf (text, " <%s>", envelope->sender);
  if (envelope->declared_size_octets > 0)
    g_string_append_printf (text, " size=%" G_GUINT64_FORMAT, envelope->declared_size_octets);
  if (envelope->eight_bit)
    g_string_append (text, " 8bit");
  if (envelope->smtputf8)
    g_string_append (text, " utf8");
  if (envelope->ret != NULL)
    g_string_append_printf (text, " ret=%s", envelope->ret);
  if (envelope->envid != NULL)
    g_string_append_printf (text, " envid=%s", envelope->envid);
  for (guint i = 0; i < envelope->recipients->len; i++)
    {
      const PosternRecipient *recipient = g_ptr_array_index (envelope->recipients, i);

      g_string_append_printf (text, " to <%s>", recipient->address);
      if (recipient->notify != NULL)
        g_string_append_printf (text, " notify=%s", recipient->notify);
      if (recipient->orcpt != NULL)
        g_string_append_printf (text, " orcpt=%s", recipient->orcpt);
    }
  if (envelope->recipients->len > 20)
    {
      g_string_printf (text, "%s to %u", question, envelope->recipients->len);
    }
  wire_note (wire, "%s", text->str);
}

static void
note_octets (Wire *wire, const char *question, const GString *octets)
{
  g_autoptr (GString) escaped = g_string_new (NULL);

  if (octets->len > 500)
    {
      wire_note (wire, "%s of %" G_GSIZE_FORMAT, question, octets->len);
      return;
    }
  /* Escaped once here, where it may hold NUL; the note would cut it. */
  wire_note (wire, "%s ", question);
  g_string_truncate (wire->output, wire->output->len - 1);
  transcript_escape (wire->output, octets->str, octets->len);
  g_string_append_c (wire->output, '\n');
}

/* Takes the body off the wire as RECEIVE_DATA and RECEIVE_CHUNK say. Returns FALSE when the wire
 * ended before it did. */
static gboolean
receive (Wire *wire, PosternSmtpSession *session, const PosternSmtpAction *action)
{
  gboolean is_data = action->kind == POSTERN_SMTP_RECEIVE_DATA;
  PosternDotUnstuffer unstuffer = { 0 };
  g_autoptr (GString) kept = g_string_new (NULL);
  guint64 total = 0;

  while (is_data ? !unstuffer.ended : total < action->chunk_octets)
    {
      const guint8 *piece;
      gsize length, consumed;

      g_assert_false (postern_smtp_session_wants_input (session));
      if (wire->received->len == 0 && !wire_read (wire))
        {
          wire_note (wire, "cut off");
          return FALSE;
        }
      if (is_data)
        {
          consumed = postern_dot_unstuffer_next (&unstuffer,
                                                 (const guint8 *) wire->received->str,
                                                 wire->received->len,
                                                 &piece,
                                                 &length);
        }
      else
        {
          piece = (const guint8 *) wire->received->str;
          consumed = length = MIN (wire->received->len, action->chunk_octets - total);
        }
      if (total < action->room_octets)
        g_string_append_len (kept,
                             (const char *) piece,
                             (gssize) MIN (length, action->room_octets - total));
      total += length;
      g_string_erase (wire->received, 0, (gssize) consumed);
    }
  note_octets (wire, is_data ? "data" : "chunk", kept);
  postern_smtp_session_body_received (session, action->ask, total, NULL);
  return TRUE;
}

/* Carries out one action. Returns FALSE when the connection is closed. */
static gboolean
perform (Wire *wire, PosternSmtpSession *session, const PosternSmtpAction *action)
{
  g_autoptr (PosternSmtpReply) reply = NULL;
  const char *answer, *text;

  switch (action->kind)
    {
    case POSTERN_SMTP_WRITE:
      g_assert_cmpuint (action->length, >, 0);
      wire_put (wire, action->data, action->length);
      return TRUE;
    case POSTERN_SMTP_ASK_LOGIN:
      wire_note (wire, "login %s %s", action->login, postern_secret_get_text (action->password));
      answer = wire_answer (wire)->str;
      text = strchr (answer, ' ');
      postern_smtp_session_answer_login (
          session,
          action->ask,
          g_str_has_prefix (answer, "wrong")         ? POSTERN_SMTP_LOGIN_WRONG
          : g_str_has_prefix (answer, "unavailable") ? POSTERN_SMTP_LOGIN_UNAVAILABLE
                                                     : POSTERN_SMTP_LOGIN_ACCEPTED,
          text != NULL ? g_ascii_strtoull (text + 1, NULL, 10) : 0,
          text != NULL ? text + 1 : NULL);
      return TRUE;
    case POSTERN_SMTP_ASK_SENDER:
      note_envelope (wire, "sender", action->envelope);
      reply = parse_reply (wire_answer (wire)->str);
      postern_smtp_session_answer_sender (session, action->ask, reply);
      return TRUE;
    case POSTERN_SMTP_ASK_BEGIN:
      note_envelope (wire, "begin", action->envelope);
      reply = parse_reply (wire_answer (wire)->str);
      postern_smtp_session_answer_begin (session, action->ask, reply);
      return TRUE;
    case POSTERN_SMTP_RECEIVE_DATA:
    case POSTERN_SMTP_RECEIVE_CHUNK:
      return receive (wire, session, action);
    case POSTERN_SMTP_ASK_COMMIT:
      wire_note (wire, "commit");
      reply = parse_reply (wire_answer (wire)->str);
      postern_smtp_session_answer_commit (session, action->ask, reply);
      return TRUE;
    case POSTERN_SMTP_DISCARD:
      wire_note (wire, "discard");
      return TRUE;
    case POSTERN_SMTP_START_TLS:
      wire_note (wire, "tls");
      g_assert_cmpint (wire_end_segment (wire), ==, SEGMENT_TLS);
      postern_smtp_session_tls_started (session);
      return TRUE;
    case POSTERN_SMTP_CLOSE:
      wire_note (wire, "close");
      return FALSE;
    }
  g_assert_not_reached ();
}

static void
play (Wire *wire)
{
  const Transcript *transcript = wire->transcript;
  PosternSmtpOptions options = {
    .login = { .tls_available = !transcript_has_option (transcript, "no-tls"),
               .tls_on = transcript_has_option (transcript, "tls-on"),
               .plaintext_login = !transcript_has_option (transcript, "no-plaintext") },
    .host_name = "host.test",
    .max_size_octets = MAX_SIZE,
  };
  g_autoptr (PosternSmtpSession) session = postern_smtp_session_new (&options);
  PosternSmtpAction action;

  for (;;)
    {
      gsize consumed;

      while (postern_smtp_session_next (session, &action))
        if (!perform (wire, session, &action))
          return;
      g_assert_true (postern_smtp_session_wants_input (session));
      if (wire->received->len == 0 && !wire_read (wire))
        {
          switch (wire_end_segment (wire))
            {
            case SEGMENT_EXPIRE:
              postern_smtp_session_expire (session);
              continue;
            case SEGMENT_SHUT_DOWN:
              postern_smtp_session_shut_down (session);
              continue;
            case SEGMENT_TLS:
            case SEGMENT_END:
              return;
            }
        }
      consumed = postern_smtp_session_feed (session,
                                            (const guint8 *) wire->received->str,
                                            wire->received->len);
      g_assert_cmpuint (consumed, <=, wire->received->len);
      g_string_erase (wire->received, 0, (gssize) consumed);
    }
}

/* What the session says until it waits. */
static char *
drain (PosternSmtpSession *session, PosternSmtpAction *last)
{
  g_autoptr (GString) text = g_string_new (NULL);
  PosternSmtpAction action;

  memset (last, 0, sizeof *last);
  while (postern_smtp_session_next (session, &action))
    {
      if (action.kind == POSTERN_SMTP_WRITE)
        g_string_append_len (text, (const char *) action.data, (gssize) action.length);
      else
        *last = action;
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
feed (PosternSmtpSession *session, const char *text)
{
  g_assert_cmpuint (postern_smtp_session_feed (session, (const guint8 *) text, strlen (text)),
                    ==,
                    strlen (text));
}

/* A session that waits for the answer to ASK_COMMIT. */
static PosternSmtpSession *
reach_commit (PosternSmtpAction *asked)
{
  const PosternSmtpOptions options = { .login = { .plaintext_login = TRUE },
                                       .host_name = "host.test" };
  PosternSmtpSession *session = postern_smtp_session_new (&options);

  g_free (drain (session, asked));
  feed (session, "EHLO me\r\nAUTH PLAIN AGFsaWNlAHJpZ2h0\r\n");
  g_free (drain (session, asked));
  g_assert_cmpint (asked->kind, ==, POSTERN_SMTP_ASK_LOGIN);
  postern_smtp_session_answer_login (session, asked->ask, POSTERN_SMTP_LOGIN_ACCEPTED, 0, NULL);
  feed (session, "MAIL FROM:<a@b>\r\n");
  g_free (drain (session, asked));
  g_assert_cmpint (asked->kind, ==, POSTERN_SMTP_ASK_SENDER);
  postern_smtp_session_answer_sender (session, asked->ask, NULL);
  feed (session, "RCPT TO:<c@d>\r\nDATA\r\n");
  g_free (drain (session, asked));
  g_assert_cmpint (asked->kind, ==, POSTERN_SMTP_ASK_BEGIN);
  postern_smtp_session_answer_begin (session, asked->ask, NULL);
  g_free (drain (session, asked));
  g_assert_cmpint (asked->kind, ==, POSTERN_SMTP_RECEIVE_DATA);
  g_assert_cmpuint (asked->room_octets, ==, G_MAXUINT64);
  postern_smtp_session_body_received (session, asked->ask, 3, NULL);
  g_free (drain (session, asked));
  g_assert_cmpint (asked->kind, ==, POSTERN_SMTP_ASK_COMMIT);
  return session;
}

static void
test_expire_while_committing (void)
{
  g_autoptr (PosternSmtpReply) reply = postern_smtp_reply_new (250, "2.0.0", "Queued");
  PosternSmtpAction asked, action;
  g_autoptr (PosternSmtpSession) session = reach_commit (&asked);
  g_autofree char *text = NULL;

  postern_smtp_session_expire (session);
  postern_smtp_session_shut_down (session);
  g_assert_false (postern_smtp_session_next (session, &action));
  postern_smtp_session_answer_commit (session, asked.ask, reply);
  text = drain (session, &action);
  g_assert_cmpstr (text,
                   ==,
                   "250 2.0.0 Queued\r\n421 4.3.2 host.test is stopping, try again later\r\n");
  g_assert_cmpint (action.kind, ==, POSTERN_SMTP_CLOSE);
}

static void
test_old_answers (void)
{
  g_autoptr (PosternSmtpReply) reply = postern_smtp_reply_new (250, "2.0.0", "Queued");
  PosternSmtpAction asked, action;
  g_autoptr (PosternSmtpSession) session = reach_commit (&asked);

  g_assert_false (postern_smtp_session_wants_input (session));
  g_assert_cmpuint (postern_smtp_session_feed (session, (const guint8 *) "NOOP\r\n", 6), ==, 0);
  postern_smtp_session_answer_commit (session, asked.ask - 1, reply);
  postern_smtp_session_answer_commit (session, asked.ask + 1, reply);
  postern_smtp_session_answer_begin (session, asked.ask, NULL);
  postern_smtp_session_answer_sender (session, asked.ask, NULL);
  postern_smtp_session_body_received (session, asked.ask, 1, NULL);
  postern_smtp_session_tls_started (session);
  g_assert_false (postern_smtp_session_next (session, &action));

  postern_smtp_session_answer_commit (session, asked.ask, reply);
  g_free (drain (session, &action));
  postern_smtp_session_answer_commit (session, asked.ask, reply);
  g_assert_false (postern_smtp_session_next (session, &action));
}

/* The driver found something: the message is refused and forgotten, not committed. */
static void
test_refused_body (void)
{
  g_autoptr (PosternSmtpReply) refusal =
      postern_smtp_reply_new (554, "5.6.0", "A message may not hold NUL");
  PosternSmtpAction asked, action;
  g_autoptr (PosternSmtpSession) session = reach_commit (&asked);
  g_autofree char *text = NULL;

  postern_smtp_session_answer_commit (session, asked.ask, refusal);
  feed (session, "MAIL FROM:<a@b>\r\n");
  g_free (drain (session, &action));
  postern_smtp_session_answer_sender (session, action.ask, NULL);
  feed (session, "RCPT TO:<c@d>\r\nBDAT 3 LAST\r\n");
  g_free (drain (session, &action));
  postern_smtp_session_answer_begin (session, action.ask, NULL);
  g_free (drain (session, &action));
  g_assert_cmpint (action.kind, ==, POSTERN_SMTP_RECEIVE_CHUNK);
  postern_smtp_session_body_received (session, action.ask, 3, refusal);
  g_assert_true (postern_smtp_session_next (session, &action));
  g_assert_cmpint (action.kind, ==, POSTERN_SMTP_DISCARD);
  text = drain (session, &action);
  g_assert_cmpstr (text, ==, "554 5.6.0 A message may not hold NUL\r\n");
  g_assert_true (postern_smtp_session_wants_input (session));
}

static void
test_hello_in_clear (void)
{
  const PosternSmtpOptions options = { .login = { .tls_available = TRUE },
                                       .host_name = "host.test" };
  g_autoptr (PosternSmtpSession) session = postern_smtp_session_new (&options);
  PosternSmtpAction action;

  g_assert_cmpstr (postern_smtp_session_get_hello (session), ==, "");
  g_free (drain (session, &action));
  feed (session, "EHLO me\r\nSTARTTLS\r\n");
  g_free (drain (session, &action));
  g_assert_cmpint (action.kind, ==, POSTERN_SMTP_START_TLS);
  g_assert_cmpstr (postern_smtp_session_get_hello (session), ==, "me");
  g_assert_true (postern_smtp_session_is_esmtp (session));
  g_assert_false (postern_smtp_session_is_secure (session));

  postern_smtp_session_tls_started (session);
  g_assert_cmpstr (postern_smtp_session_get_hello (session), ==, "");
  g_assert_false (postern_smtp_session_is_esmtp (session));
  g_assert_true (postern_smtp_session_is_secure (session));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  transcript_add_tests ("smtp-session.transcripts", "/proto/smtp-session", play);
  g_test_add_func ("/proto/smtp-session/a-commit-under-way-is-always-answered",
                   test_expire_while_committing);
  g_test_add_func ("/proto/smtp-session/old-answers-are-ignored", test_old_answers);
  g_test_add_func ("/proto/smtp-session/a-hello-in-clear-is-forgotten", test_hello_in_clear);
  g_test_add_func ("/proto/smtp-session/a-refused-body-is-discarded", test_refused_body);
  return g_test_run ();
}
