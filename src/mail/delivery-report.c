/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/delivery-report.h"

#include "mail/address.h"

#include <string.h>

#define MAX_VALUE 900 /* octets; RFC 5322 section 2.1.1 ends a line at 998 */

static const struct
{
  const char *word; /* RFC 3464 section 2.3.3 */
  const char *subject;
  const char *opening;
} actions[] = {
  [POSTERN_REPORT_FAILED] = { "failed",
                              "Your message could not be delivered",
                              "Your message was not delivered to the recipients below. It will "
                              "not be tried again." },
  [POSTERN_REPORT_DELAYED] = { "delayed",
                               "Your message is delayed",
                               "Your message has not been delivered to the recipients below yet. "
                               "It is still being tried; there is nothing you need to do." },
  [POSTERN_REPORT_DELIVERED] = { "delivered",
                                 "Your message was delivered",
                                 "Your message was delivered to the recipients below." },
  [POSTERN_REPORT_RELAYED] = { "relayed",
                               "Your message was handed on",
                               "Your message was handed on for the recipients below, to a server "
                               "that will not report what becomes of it." },
};

static void
put (PosternBuffer *out, const char *text)
{
  postern_buffer_append (out, text, strlen (text));
}

/* What others said becomes part of a line: nothing may end it, nor may it grow without end. */
static void
put_safely (PosternBuffer *out, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  gsize length = strlen (valid);

  if (length > MAX_VALUE)
    {
      length = MAX_VALUE;
      while (length > 0 && ((guchar) valid[length] & 0xc0) == 0x80)
        length--;
    }
  for (gsize i = 0; i < length; i++)
    if ((guchar) valid[i] < ' ' || valid[i] == 0x7f)
      valid[i] = ' ';
  postern_buffer_append (out, valid, length);
}

static void
put_field (PosternBuffer *out, const char *name, const char *value)
{
  put (out, name);
  put (out, ": ");
  put_safely (out, value);
  put (out, "\r\n");
}

/* RFC 3461 section 4: "+" and two hex digits stand for an octet. */
static char *
decode_xtext (const char *text)
{
  g_autoptr (GString) decoded = g_string_new (NULL);

  for (const char *c = text; *c != '\0'; c++)
    {
      if (*c == '+' && g_ascii_isxdigit (c[1]) && g_ascii_isxdigit (c[2]))
        {
          char octet = (char) (g_ascii_xdigit_value (c[1]) << 4 | g_ascii_xdigit_value (c[2]));

          g_string_append_c (decoded, octet == '\0' ? '?' : octet);
          c += 2;
        }
      else
        {
          g_string_append_c (decoded, *c);
        }
    }
  return g_string_free (g_steal_pointer (&decoded), FALSE);
}

/* Whether addresses need the types of RFC 6533. */
static gboolean
is_international (const PosternDeliveryReport *self)
{
  for (gsize i = 0; i < self->n_recipients; i++)
    if (!postern_address_is_ascii (self->recipients[i].address))
      return TRUE;
  return FALSE;
}

static void
put_person (const PosternReportRecipient *recipient, PosternBuffer *out)
{
  put (out, "  ");
  put_safely (out, recipient->address);
  if (recipient->diagnostic != NULL)
    {
      put (out, "\r\n    ");
      if (recipient->remote != NULL)
        {
          put_safely (out, recipient->remote);
          put (out, " said: ");
        }
      put_safely (out, recipient->diagnostic);
    }
  put (out, "\r\n");
}

static gboolean
has_action (const PosternDeliveryReport *self, PosternReportAction action)
{
  for (gsize i = 0; i < self->n_recipients; i++)
    if (self->recipients[i].action == action)
      return TRUE;
  return FALSE;
}

/* What a person reads: a paragraph for each thing that happened, and whom it happened to. */
static void
put_text (const PosternDeliveryReport *self, PosternBuffer *out)
{
  put (out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
  put (out, "This is the mail server at ");
  put_safely (out, self->reporter);
  put (out, ".\r\n");
  for (guint action = 0; action < G_N_ELEMENTS (actions); action++)
    {
      if (!has_action (self, action))
        continue;
      put (out, "\r\n");
      put (out, actions[action].opening);
      put (out, "\r\n\r\n");
      for (gsize i = 0; i < self->n_recipients; i++)
        if (self->recipients[i].action == action)
          put_person (&self->recipients[i], out);
    }
}

static void
put_recipient (const PosternReportRecipient *recipient, gboolean international, PosternBuffer *out)
{
  put (out, "\r\n");
  if (recipient->orcpt != NULL)
    {
      /* RFC 3464 section 2.3.1: as it was before it became xtext. */
      g_autofree char *original = decode_xtext (recipient->orcpt);

      put_field (out, "Original-Recipient", original);
    }
  put (out, "Final-Recipient: ");
  put (out, international ? "utf-8; " : "rfc822; ");
  put_safely (out, recipient->address);
  put (out, "\r\n");
  put_field (out, "Action", actions[recipient->action].word);
  put_field (out, "Status", recipient->status);
  if (recipient->remote != NULL)
    {
      put (out, "Remote-MTA: dns; ");
      put_safely (out, recipient->remote);
      put (out, "\r\n");
    }
  if (recipient->diagnostic != NULL)
    {
      put (out, "Diagnostic-Code: smtp; ");
      put_safely (out, recipient->diagnostic);
      put (out, "\r\n");
    }
}

/**
 * postern_delivery_report_begin:
 *
 * Appends a report (RFC 3464 in a multipart/report of RFC 6522) up to where the original follows.
 * The caller then gives the original to postern_delivery_report_add(), piece by piece, and ends
 * with postern_delivery_report_end(). Reports are sent with the null sender, and never about a
 * message that had it: that is the caller's to see to.
 */
void
postern_delivery_report_begin (const PosternDeliveryReport *self, PosternBuffer *out)
{
  gboolean international = is_international (self);
  PosternReportAction worst = POSTERN_REPORT_RELAYED;

  /* The title tells the worst that happened. */
  for (gsize i = 0; i < self->n_recipients; i++)
    worst = MIN (worst, self->recipients[i].action);

  put_field (out, "From", self->from);
  put_field (out, "To", self->to);
  put_field (out, "Subject", actions[worst].subject);
  put_field (out, "Date", self->date);
  put_field (out, "Message-ID", self->message_id);
  put (out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"); /* RFC 3834 section 5 */
  put (out, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"");
  put (out, self->boundary);
  put (out, "\"\r\n\r\n--");
  put (out, self->boundary);
  put (out, "\r\n");
  put_text (self, out);

  put (out, "\r\n--");
  put (out, self->boundary);
  put (out, "\r\nContent-Type: message/");
  put (out, international ? "global-delivery-status\r\n" : "delivery-status\r\n");
  if (international)
    put (out, "Content-Transfer-Encoding: 8bit\r\n");
  put (out, "\r\nReporting-MTA: dns; ");
  put_safely (out, self->reporter);
  put (out, "\r\n");
  if (self->envid != NULL)
    {
      g_autofree char *envid = decode_xtext (self->envid);

      put_field (out, "Original-Envelope-Id", envid);
    }
  if (self->arrived != NULL)
    put_field (out, "Arrival-Date", self->arrived);
  for (gsize i = 0; i < self->n_recipients; i++)
    put_recipient (&self->recipients[i], international, out);

  put (out, "\r\n--");
  put (out, self->boundary);
  put (out, "\r\nContent-Type: ");
  if (international)
    put (out, self->whole ? "message/global" : "message/global-headers");
  else
    put (out, self->whole ? "message/rfc822" : "text/rfc822-headers");
  put (out,
       self->eight_bit || international ? "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                                        : "\r\n\r\n");
}

/**
 * postern_delivery_report_add:
 * @data: the next octets of the message reported on, which has CRLF line ends
 *
 * Returns: FALSE when no more of it is needed, since only the header comes along.
 */
gboolean
postern_delivery_report_add (const PosternDeliveryReport *self,
                             PosternReportOriginal *original,
                             const guint8 *data,
                             gsize length,
                             PosternBuffer *out)
{
  gsize start = 0;

  if (self->whole)
    {
      postern_buffer_append (out, data, length);
      return TRUE;
    }

  /* Line by line; a line goes out once it is known not to be the empty one. */
  for (gsize i = 0; i < length && !original->header_ended; i++)
    {
      if (data[i] == '\n')
        {
          original->header_ended = !original->line_has_text;
          if (original->line_has_text)
            postern_buffer_append (out, data + start, i + 1 - start);
          original->line_has_text = FALSE;
          start = i + 1;
        }
      else if (data[i] != '\r')
        {
          original->line_has_text = TRUE;
        }
    }
  if (!original->header_ended && original->line_has_text)
    postern_buffer_append (out, data + start, length - start);
  return !original->header_ended;
}

/**
 * postern_delivery_report_end:
 *
 * Appends what follows the original.
 */
void
postern_delivery_report_end (const PosternDeliveryReport *self, PosternBuffer *out)
{
  put (out, "\r\n--");
  put (out, self->boundary);
  put (out, "--\r\n");
}
