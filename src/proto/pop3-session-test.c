/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/pop3-session.h"

#include "mail/canonical-lines.h"
#include "tests/support/transcript.h"

/* The conversations are in pop3-session.transcripts; here is the driver that plays them, and what
 * cannot be told as a conversation. */

static PosternListing *
make_listing (const Transcript *transcript)
{
  PosternListing *listing = postern_listing_new (transcript->messages->len);

  for (guint i = 0; i < transcript->messages->len; i++)
    {
      g_auto (GStrv) words = g_strsplit (g_ptr_array_index (transcript->messages, i), " ", 2);

      /* Rows of a database are like this: neither dense nor in order. */
      postern_listing_add (listing, 9000 - i * 7, g_ascii_strtoull (words[0], NULL, 10), words[1]);
    }
  return listing;
}

static PosternPop3Outcome
parse_outcome (const char *answer)
{
  if (g_str_has_prefix (answer, "auth"))
    return POSTERN_POP3_AUTH;
  if (g_str_has_prefix (answer, "temp"))
    return POSTERN_POP3_SYS_TEMP;
  if (g_str_has_prefix (answer, "perm"))
    return POSTERN_POP3_SYS_PERM;
  return POSTERN_POP3_DONE;
}

static const char *
answer_text (const char *answer)
{
  const char *space = strchr (answer, ' ');

  return space == NULL ? NULL : space + 1;
}

static void
stream (Wire *wire, const GString *body, gint64 top_lines)
{
  PosternCanonicalLines lines;
  guint8 out[7]; /* small, so that every place where room can end is met */
  gsize used = 0;

  postern_canonical_lines_init (&lines, top_lines);
  while (used < body->len && !lines.done)
    {
      gsize written;

      used += postern_canonical_lines_convert (&lines,
                                               (const guint8 *) body->str + used,
                                               body->len - used,
                                               out,
                                               sizeof out,
                                               &written);
      wire_put (wire, out, written);
    }
  wire_put (wire, out, postern_canonical_lines_finish (&lines, out));
}

/* Carries out one action. Returns FALSE when the connection is closed. */
static gboolean
perform (Wire *wire,
         PosternPop3Session *session,
         const PosternPop3Action *action,
         PosternListing *listing,
         GString *body)
{
  const char *answer;

  switch (action->kind)
    {
    case POSTERN_POP3_WRITE:
      g_assert_cmpuint (action->length, >, 0);
      wire_put (wire, action->data, action->length);
      return TRUE;
    case POSTERN_POP3_ASK_LOGIN:
      wire_note (wire, "login %s %s", action->login, postern_secret_get_text (action->password));
      answer = wire_answer (wire)->str;
      postern_pop3_session_answer_login (session,
                                         action->ask,
                                         parse_outcome (answer),
                                         listing,
                                         answer_text (answer));
      return TRUE;
    case POSTERN_POP3_ASK_BODY:
      wire_note (wire, "body %u %" G_GINT64_FORMAT, action->index, action->top_lines);
      answer = wire_answer (wire)->str;
      /* "body octets", "broken octets"; octets may be NUL */
      g_string_truncate (body, 0);
      if (answer_text (answer) != NULL)
        {
          const GString *whole = g_ptr_array_index (wire->transcript->answers, wire->answer - 1);
          const char *text = answer_text (answer);

          g_string_append_len (body, text, whole->str + whole->len - text);
        }
      postern_pop3_session_answer_body (session,
                                        action->ask,
                                        parse_outcome (answer),
                                        answer_text (answer));
      return TRUE;
    case POSTERN_POP3_STREAM:
      answer = ((GString *) g_ptr_array_index (wire->transcript->answers, wire->answer - 1))->str;
      stream (wire, body, action->top_lines);
      postern_pop3_session_answer_stream (session,
                                          action->ask,
                                          !g_str_has_prefix (answer, "broken"));
      return TRUE;
    case POSTERN_POP3_ASK_DELETE:
      {
        g_autoptr (GString) text = g_string_new ("delete");

        for (gsize i = 0; i < action->n_indexes; i++)
          g_string_append_printf (text, " %u", action->indexes[i]);
        wire_note (wire, "%s", text->str);
        answer = wire_answer (wire)->str;
        postern_pop3_session_answer_delete (session,
                                            action->ask,
                                            parse_outcome (answer),
                                            answer_text (answer));
        return TRUE;
      }
    case POSTERN_POP3_START_TLS:
      wire_note (wire, "tls");
      g_assert_cmpint (wire_end_segment (wire), ==, SEGMENT_TLS);
      postern_pop3_session_tls_started (session);
      return TRUE;
    case POSTERN_POP3_CLOSE:
      wire_note (wire, "close");
      return FALSE;
    }
  g_assert_not_reached ();
}

static void
play (Wire *wire)
{
  const Transcript *transcript = wire->transcript;
  PosternPop3Options options = {
    .login = { .tls_available = !transcript_has_option (transcript, "no-tls"),
               .tls_on = transcript_has_option (transcript, "tls-on"),
               .plaintext_login = !transcript_has_option (transcript, "no-plaintext") },
    .login_delay_s = transcript_has_option (transcript, "delay") ? 60 : 0,
  };
  g_autoptr (PosternPop3Session) session = postern_pop3_session_new (&options);
  g_autoptr (PosternListing) listing = make_listing (transcript);
  g_autoptr (GString) body = g_string_new (NULL);
  PosternPop3Action action;

  for (;;)
    {
      gsize consumed;

      while (postern_pop3_session_next (session, &action))
        if (!perform (wire, session, &action, listing, body))
          return;
      g_assert_true (postern_pop3_session_wants_input (session));
      if (wire->received->len == 0 && !wire_read (wire))
        {
          if (wire_end_segment (wire) != SEGMENT_EXPIRE)
            return;
          postern_pop3_session_expire (session);
          continue;
        }
      consumed = postern_pop3_session_feed (session,
                                            (const guint8 *) wire->received->str,
                                            wire->received->len);
      g_assert_cmpuint (consumed, <=, wire->received->len);
      g_string_erase (wire->received, 0, (gssize) consumed);
    }
}

/* What the session says until it waits. */
static char *
drain (PosternPop3Session *session, PosternPop3Action *last)
{
  g_autoptr (GString) text = g_string_new (NULL);
  PosternPop3Action action;

  memset (last, 0, sizeof *last);
  while (postern_pop3_session_next (session, &action))
    {
      if (action.kind == POSTERN_POP3_WRITE)
        g_string_append_len (text, (const char *) action.data, (gssize) action.length);
      else
        *last = action;
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
feed (PosternPop3Session *session, const char *text)
{
  g_assert_cmpuint (postern_pop3_session_feed (session, (const guint8 *) text, strlen (text)),
                    ==,
                    strlen (text));
}

static PosternPop3Session *
log_in (PosternListing *listing)
{
  const PosternPop3Options options = { .login = { .plaintext_login = TRUE } };
  PosternPop3Session *session = postern_pop3_session_new (&options);
  PosternPop3Action action;

  g_free (drain (session, &action));
  feed (session, "USER alice\r\nPASS right\r\n");
  g_free (drain (session, &action));
  g_assert_cmpint (action.kind, ==, POSTERN_POP3_ASK_LOGIN);
  postern_pop3_session_answer_login (session, action.ask, POSTERN_POP3_DONE, listing, NULL);
  g_free (drain (session, &action));
  return session;
}

static PosternListing *
make_large_listing (guint count)
{
  PosternListing *listing = postern_listing_new (count);

  for (guint i = 0; i < count; i++)
    {
      char uidl[33];

      g_snprintf (uidl, sizeof uidl, "M%031u", i);
      postern_listing_add (listing, i, 10, uidl);
    }
  return listing;
}

static void
test_long_lists (void)
{
  const guint count = 100000;
  g_autoptr (PosternListing) listing = make_large_listing (count);
  g_autoptr (PosternPop3Session) session = log_in (listing);
  const char *const commands[] = { "LIST\r\n", "UIDL\r\n" };

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      PosternPop3Action action;
      guint lines = 0;

      feed (session, commands[i]);
      g_assert_false (postern_pop3_session_wants_input (session));
      while (postern_pop3_session_next (session, &action))
        {
          g_assert_cmpint (action.kind, ==, POSTERN_POP3_WRITE);
          g_assert_cmpuint (action.length, <, 8192);
          for (gsize at = 0; at < action.length; at++)
            lines += action.data[at] == '\n';
        }
      g_assert_cmpuint (lines, ==, count + 2);
      g_assert_true (postern_pop3_session_wants_input (session));
    }
}

static void
test_old_answers (void)
{
  g_autoptr (PosternListing) listing = make_large_listing (2);
  g_autoptr (PosternPop3Session) session = log_in (listing);
  PosternPop3Action first, second;
  g_autofree char *text = NULL;

  feed (session, "RETR 1\r\n");
  g_free (drain (session, &first));
  g_assert_cmpint (first.kind, ==, POSTERN_POP3_ASK_BODY);
  g_assert_false (postern_pop3_session_wants_input (session));
  g_assert_cmpuint (postern_pop3_session_feed (session, (const guint8 *) "NOOP\r\n", 6), ==, 0);
  postern_pop3_session_answer_body (session, first.ask - 1, POSTERN_POP3_DONE, NULL);
  postern_pop3_session_answer_delete (session, first.ask, POSTERN_POP3_DONE, NULL);
  postern_pop3_session_answer_stream (session, first.ask, TRUE);
  g_assert_false (postern_pop3_session_next (session, &second));

  postern_pop3_session_answer_body (session, first.ask, POSTERN_POP3_SYS_TEMP, "Later");
  text = drain (session, &second);
  g_assert_cmpstr (text, ==, "-ERR [SYS/TEMP] Later\r\n");

  feed (session, "RETR 2\r\n");
  g_free (drain (session, &second));
  postern_pop3_session_answer_body (session, first.ask, POSTERN_POP3_DONE, NULL);
  g_assert_false (postern_pop3_session_next (session, &second));
}

static void
test_answers_after_the_end (void)
{
  g_autoptr (PosternListing) listing = make_large_listing (2);
  g_autoptr (PosternPop3Session) session = log_in (listing);
  PosternPop3Action asked, action;

  feed (session, "RETR 1\r\n");
  g_free (drain (session, &asked));
  postern_pop3_session_expire (session);
  g_assert_true (postern_pop3_session_next (session, &action));
  g_assert_cmpint (action.kind, ==, POSTERN_POP3_CLOSE);
  postern_pop3_session_answer_body (session, asked.ask, POSTERN_POP3_DONE, NULL);
  g_assert_false (postern_pop3_session_next (session, &action));
  g_assert_false (postern_pop3_session_wants_input (session));
}

/* QUIT has been said: the deletions count, however long the disk takes. */
static void
test_expire_while_deleting (void)
{
  g_autoptr (PosternListing) listing = make_large_listing (2);
  g_autoptr (PosternPop3Session) session = log_in (listing);
  PosternPop3Action asked, action;
  g_autofree char *text = NULL;

  feed (session, "DELE 2\r\nQUIT\r\n");
  g_free (drain (session, &asked));
  g_assert_cmpint (asked.kind, ==, POSTERN_POP3_ASK_DELETE);
  postern_pop3_session_expire (session);
  g_assert_false (postern_pop3_session_next (session, &action));
  postern_pop3_session_answer_delete (session, asked.ask, POSTERN_POP3_DONE, NULL);
  text = drain (session, &action);
  g_assert_cmpstr (text, ==, "+OK Bye\r\n");
  g_assert_cmpint (action.kind, ==, POSTERN_POP3_CLOSE);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  transcript_add_tests ("pop3-session.transcripts", "/proto/pop3-session", play);
  g_test_add_func ("/proto/pop3-session/a-list-of-100000-is-never-one-buffer", test_long_lists);
  g_test_add_func ("/proto/pop3-session/old-answers-are-ignored", test_old_answers);
  g_test_add_func ("/proto/pop3-session/answers-after-the-end-are-ignored",
                   test_answers_after_the_end);
  g_test_add_func ("/proto/pop3-session/quit-is-finished-once-it-was-said",
                   test_expire_while_deleting);
  return g_test_run ();
}
