/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/smtp-session.h"

#include "mail/address.h"
#include "mail/dot-unstuffer.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define MAX_SIZE 64 /* octets of a message */

/* What the peer of the session did and may do; a session that breaks a promise aborts. */
typedef struct
{
  const guint8 *data; /* not consumed yet */
  gsize size;
  gsize read;
  guint8 choices; /* bits that decide how questions are answered */
  gboolean logged_in;
  gboolean begun; /* a message is begun, and must end in one commit or discard */
  gboolean closed;
} Driver;

static gboolean
choose (Driver *driver)
{
  gboolean yes = (driver->choices & 1) == 0;

  driver->choices = (guint8) (driver->choices >> 1 | driver->choices << 7);
  return yes;
}

static void
check_write (const PosternSmtpAction *action)
{
  g_assert (action->length > 0 && action->length < 16384);
  for (gsize i = 0; i < action->length; i++)
    g_assert (action->data[i] == '\r' || action->data[i] == '\n' ||
              (action->data[i] >= ' ' && action->data[i] < 0x7f));
}

static void
check_envelope (const PosternEnvelope *envelope, gboolean begin)
{
  g_assert (envelope->sender[0] == '\0' || postern_address_is_valid (envelope->sender));
  g_assert (begin == (envelope->recipients->len > 0));
  for (guint i = 0; i < envelope->recipients->len; i++)
    {
      const PosternRecipient *recipient = g_ptr_array_index (envelope->recipients, i);

      g_assert (postern_address_is_valid (recipient->address));
      g_assert (envelope->smtputf8 || postern_address_is_ascii (recipient->address));
    }
}

/* Returns FALSE when the input ends within the message. */
static gboolean
receive (Driver *driver, PosternSmtpSession *session, const PosternSmtpAction *action)
{
  PosternDotUnstuffer unstuffer = { 0 };
  guint64 total = 0;

  g_assert (!postern_smtp_session_wants_input (session));
  if (action->kind == POSTERN_SMTP_RECEIVE_CHUNK)
    {
      g_assert (action->chunk_octets > 0);
      if (driver->size < action->chunk_octets)
        return FALSE;
      total = action->chunk_octets;
      driver->data += total;
      driver->size -= total;
    }
  else
    {
      while (!unstuffer.ended)
        {
          const guint8 *piece;
          gsize length, used;

          if (driver->size == 0)
            return FALSE;
          used =
              postern_dot_unstuffer_next (&unstuffer, driver->data, driver->size, &piece, &length);
          driver->data += used;
          driver->size -= used;
          total += length;
        }
    }
  postern_smtp_session_body_received (session, action->ask, total, NULL);
  return TRUE;
}

static void
perform (Driver *driver, PosternSmtpSession *session, const PosternSmtpAction *action)
{
  g_autoptr (PosternSmtpReply) no = postern_smtp_reply_new (550, "5.7.1", "No\r\nnever");
  g_autoptr (PosternSmtpReply) yes = postern_smtp_reply_new (250, "2.0.0", "Yes");
  const PosternSmtpReply *refusal = choose (driver) ? NULL : no;
  guint ask = action->ask;

  g_assert (!driver->closed);
  switch (action->kind)
    {
    case POSTERN_SMTP_WRITE:
      check_write (action);
      return;
    case POSTERN_SMTP_ASK_LOGIN:
      g_assert (!driver->logged_in && action->login != NULL && action->password != NULL);
      driver->logged_in = refusal == NULL;
      postern_smtp_session_answer_login (session,
                                         ask,
                                         refusal == NULL   ? POSTERN_SMTP_LOGIN_ACCEPTED
                                         : choose (driver) ? POSTERN_SMTP_LOGIN_WRONG
                                                           : POSTERN_SMTP_LOGIN_UNAVAILABLE,
                                         MAX_SIZE,
                                         NULL);
      return;
    case POSTERN_SMTP_ASK_SENDER:
      g_assert (driver->logged_in && !driver->begun);
      check_envelope (action->envelope, FALSE);
      postern_smtp_session_answer_sender (session, ask, refusal);
      return;
    case POSTERN_SMTP_ASK_BEGIN:
      g_assert (driver->logged_in && !driver->begun);
      check_envelope (action->envelope, TRUE);
      driver->begun = refusal == NULL;
      postern_smtp_session_answer_begin (session, ask, refusal);
      return;
    case POSTERN_SMTP_RECEIVE_DATA:
    case POSTERN_SMTP_RECEIVE_CHUNK:
      g_assert (driver->begun || action->room_octets == 0);
      g_assert (action->room_octets <= MAX_SIZE);
      if (!receive (driver, session, action))
        driver->size = 0;
      return;
    case POSTERN_SMTP_ASK_COMMIT:
      g_assert (driver->begun);
      driver->begun = FALSE;
      postern_smtp_session_answer_commit (session, ask, refusal == NULL ? yes : refusal);
      return;
    case POSTERN_SMTP_DISCARD:
      g_assert (driver->begun);
      driver->begun = FALSE;
      return;
    case POSTERN_SMTP_START_TLS:
      driver->logged_in = FALSE;
      postern_smtp_session_tls_started (session);
      g_assert (!postern_smtp_session_is_logged_in (session));
      return;
    case POSTERN_SMTP_CLOSE:
      g_assert (!driver->begun);
      driver->closed = TRUE;
      return;
    }
  g_assert_not_reached ();
}

/* The first octets choose reads, answers and the listener. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  PosternSmtpOptions options = { .host_name = "host.test", .max_size_octets = MAX_SIZE };
  g_autoptr (PosternSmtpSession) session = NULL;
  Driver driver = { 0 };
  PosternSmtpAction action;

  if (size < 3)
    return 0;
  driver.read = 1 + data[0];
  driver.choices = data[1];
  options.login.tls_available = (data[2] & 1) != 0;
  options.login.tls_on = (data[2] & 2) != 0;
  options.login.plaintext_login = (data[2] & 4) == 0;
  driver.data = data + 3;
  driver.size = size - 3;
  session = postern_smtp_session_new (&options);

  for (;;)
    {
      gsize length, used;
      g_autofree guint8 *copy = NULL;

      while (postern_smtp_session_next (session, &action))
        perform (&driver, session, &action);
      if (driver.closed || driver.size == 0)
        break;
      /* With nothing left to do a session that is open reads, and each read brings it on. */
      g_assert (postern_smtp_session_wants_input (session));
      length = MIN (driver.read, driver.size);
      copy = g_memdup2 (driver.data, length);
      used = postern_smtp_session_feed (session, copy, length);
      g_assert (used <= length && used > 0);
      driver.data += used;
      driver.size -= used;
    }

  postern_smtp_session_expire (session);
  while (postern_smtp_session_next (session, &action))
    perform (&driver, session, &action);
  return 0;
}
