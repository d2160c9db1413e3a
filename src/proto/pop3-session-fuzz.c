/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/pop3-session.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* What the peer of the session did and may do; a session that breaks a promise aborts. */
typedef struct
{
  guint8 choices; /* bits that decide how questions are answered */
  gboolean answered_login;
  gboolean deleted;
  gboolean closed;
  guint steps;
} Driver;

static gboolean
choose (Driver *driver)
{
  gboolean yes = (driver->choices & 1) == 0;

  driver->choices = (guint8) (driver->choices >> 1 | driver->choices << 7);
  return yes;
}

static void
check_write (const PosternPop3Action *action)
{
  g_assert (action->length > 0 && action->length < 8192);
  for (gsize i = 0; i < action->length; i++)
    g_assert (action->data[i] == '\r' || action->data[i] == '\n' ||
              (action->data[i] >= ' ' && action->data[i] < 0x7f));
}

static void
perform (Driver *driver,
         PosternPop3Session *session,
         const PosternPop3Action *action,
         PosternListing *listing)
{
  PosternPop3Outcome outcome = choose (driver) ? POSTERN_POP3_DONE : POSTERN_POP3_SYS_TEMP;
  guint ask = action->ask;

  g_assert (!driver->closed);
  switch (action->kind)
    {
    case POSTERN_POP3_WRITE:
      check_write (action);
      return;
    case POSTERN_POP3_ASK_LOGIN:
      g_assert (!driver->answered_login && action->login != NULL && action->password != NULL);
      g_assert (g_utf8_validate (action->login, -1, NULL));
      postern_pop3_session_answer_login (session,
                                         ask,
                                         choose (driver) ? outcome : POSTERN_POP3_AUTH,
                                         listing,
                                         "\r\nno");
      driver->answered_login = postern_pop3_session_is_logged_in (session);
      return;
    case POSTERN_POP3_ASK_BODY:
      g_assert (driver->answered_login && action->index < postern_listing_get_count (listing));
      postern_pop3_session_answer_body (session, ask, outcome, NULL);
      return;
    case POSTERN_POP3_STREAM:
      g_assert (action->index < postern_listing_get_count (listing));
      postern_pop3_session_answer_stream (session, ask, outcome == POSTERN_POP3_DONE);
      return;
    case POSTERN_POP3_ASK_DELETE:
      g_assert (!driver->deleted && action->n_indexes > 0);
      for (gsize i = 0; i < action->n_indexes; i++)
        g_assert (action->indexes[i] < postern_listing_get_count (listing) &&
                  (i == 0 || action->indexes[i] > action->indexes[i - 1]));
      driver->deleted = TRUE;
      postern_pop3_session_answer_delete (session, ask, outcome, NULL);
      return;
    case POSTERN_POP3_START_TLS:
      g_assert (!driver->answered_login);
      postern_pop3_session_tls_started (session);
      return;
    case POSTERN_POP3_CLOSE:
      driver->closed = TRUE;
      return;
    }
  g_assert_not_reached ();
}

/* The first octets choose reads, answers and the listener. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  PosternPop3Options options = { 0 };
  g_autoptr (PosternPop3Session) session = NULL;
  g_autoptr (PosternListing) listing = postern_listing_new (3);
  Driver driver = { 0 };
  gsize read;
  gsize at = 0;

  if (size < 3)
    return 0;
  read = 1 + data[0];
  driver.choices = data[1];
  options.login.tls_available = (data[2] & 1) != 0;
  options.login.tls_on = (data[2] & 2) != 0;
  options.login.plaintext_login = (data[2] & 4) == 0;
  data += 3;
  size -= 3;
  postern_listing_add (listing, 7, 10, "a");
  postern_listing_add (listing, 3, G_MAXUINT64 / 2, "b");
  postern_listing_add (listing, 9, 0, "c");
  session = postern_pop3_session_new (&options);

  for (;;)
    {
      PosternPop3Action action;
      gsize length, used;
      g_autofree guint8 *copy = NULL;

      while (postern_pop3_session_next (session, &action))
        perform (&driver, session, &action, listing);
      if (driver.closed || at == size)
        break;
      /* With nothing left to do a session that is open reads, and each read brings it on. */
      g_assert (postern_pop3_session_wants_input (session));
      length = MIN (read, size - at);
      copy = g_memdup2 (data + at, length);
      used = postern_pop3_session_feed (session, copy, length);
      g_assert (used <= length && used > 0);
      at += used;
    }
  g_assert (!driver.closed || !postern_pop3_session_wants_input (session));
  postern_pop3_session_expire (session);
  return 0;
}
