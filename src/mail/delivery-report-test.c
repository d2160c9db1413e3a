/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/delivery-report.h"

#include <string.h>

static const PosternReportRecipient recipients[] = {
  { .address = "carol@example.org", .action = POSTERN_REPORT_RELAYED, .status = "2.0.0" },
  { .address = "bob@example.org",
    .orcpt = "rfc822;bob+2Bx@example.org",
    .action = POSTERN_REPORT_FAILED,
    .status = "5.1.1",
    .diagnostic = "550 5.1.1 No such\r\nSubject: evil\r\n\r\n--B--",
    .remote = "mx.example.org" },
};

static const PosternDeliveryReport report = {
  .reporter = "host.test",
  .from = "Mail Delivery <postmaster@host.test>",
  .to = "alice@example.test",
  .date = "Sun, 22 Nov 2026 13:05:09 +0000",
  .message_id = "<1@host.test>",
  .boundary = "BOUNDARY",
  .arrived = "Sun, 22 Nov 2026 13:00:00 +0000",
  .envid = "id+2B1",
  .recipients = recipients,
  .n_recipients = G_N_ELEMENTS (recipients),
};

static const char original[] = "From: alice@example.test\r\nSubject: x\r\n y\r\n\r\nbody\r\n";

static char *
write_report (const PosternDeliveryReport *self, gsize piece)
{
  g_auto (PosternBuffer) out = { 0 };
  PosternReportOriginal state = { 0 };
  gsize length = strlen (original);

  postern_delivery_report_begin (self, &out);
  for (gsize at = 0; at < length; at += piece)
    if (!postern_delivery_report_add (self,
                                      &state,
                                      (const guint8 *) original + at,
                                      MIN (piece, length - at),
                                      &out))
      break;
  postern_delivery_report_end (self, &out);
  return g_strndup ((const char *) postern_buffer_peek (&out), postern_buffer_length (&out));
}

static void
test_header_only (void)
{
  static const char expected[] =
      "From: Mail Delivery <postmaster@host.test>\r\n"
      "To: alice@example.test\r\n"
      "Subject: Your message could not be delivered\r\n"
      "Date: Sun, 22 Nov 2026 13:05:09 +0000\r\n"
      "Message-ID: <1@host.test>\r\n"
      "Auto-Submitted: auto-replied\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: multipart/report; report-type=delivery-status;\r\n"
      " boundary=\"BOUNDARY\"\r\n"
      "\r\n"
      "--BOUNDARY\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: 8bit\r\n"
      "\r\n"
      "This is the mail server at host.test.\r\n"
      "\r\n"
      "Your message was not delivered to the recipients below. It will not be tried again.\r\n"
      "\r\n"
      "  bob@example.org\r\n"
      "    mx.example.org said: 550 5.1.1 No such  Subject: evil    --B--\r\n"
      "\r\n"
      "Your message was handed on for the recipients below, to a server that will not report what "
      "becomes of it.\r\n"
      "\r\n"
      "  carol@example.org\r\n"
      "\r\n"
      "--BOUNDARY\r\n"
      "Content-Type: message/delivery-status\r\n"
      "\r\n"
      "Reporting-MTA: dns; host.test\r\n"
      "Original-Envelope-Id: id+1\r\n"
      "Arrival-Date: Sun, 22 Nov 2026 13:00:00 +0000\r\n"
      "\r\n"
      "Final-Recipient: rfc822; carol@example.org\r\n"
      "Action: relayed\r\n"
      "Status: 2.0.0\r\n"
      "\r\n"
      "Original-Recipient: rfc822;bob+x@example.org\r\n"
      "Final-Recipient: rfc822; bob@example.org\r\n"
      "Action: failed\r\n"
      "Status: 5.1.1\r\n"
      "Remote-MTA: dns; mx.example.org\r\n"
      "Diagnostic-Code: smtp; 550 5.1.1 No such  Subject: evil    --B--\r\n"
      "\r\n"
      "--BOUNDARY\r\n"
      "Content-Type: text/rfc822-headers\r\n"
      "\r\n"
      "From: alice@example.test\r\nSubject: x\r\n y\r\n"
      "\r\n"
      "--BOUNDARY--\r\n";

  for (gsize piece = 1; piece <= strlen (original); piece++)
    {
      g_autofree char *text = write_report (&report, piece);

      g_assert_cmpstr (text, ==, expected);
    }
}

static void
test_whole (void)
{
  PosternDeliveryReport whole = report;
  g_autofree char *text = NULL;

  whole.whole = TRUE;
  whole.eight_bit = TRUE;
  text = write_report (&whole, 5);
  g_assert_true (g_str_has_suffix (text,
                                   "Content-Type: message/rfc822\r\n"
                                   "Content-Transfer-Encoding: 8bit\r\n\r\n"
                                   "From: alice@example.test\r\nSubject: x\r\n y\r\n\r\nbody\r\n"
                                   "\r\n--BOUNDARY--\r\n"));
}

static void
test_international (void)
{
  const PosternReportRecipient recipient = { .address = "j\xc3\xb6rg@x.test",
                                             .orcpt = "utf-8;j\xc3\xb6rg@x.test",
                                             .action = POSTERN_REPORT_DELAYED,
                                             .status = "4.4.1" };
  PosternDeliveryReport international = report;
  g_autofree char *text = NULL;

  international.recipients = &recipient;
  international.n_recipients = 1;
  text = write_report (&international, 5);
  g_assert_nonnull (strstr (text, "Subject: Your message is delayed\r\n"));
  g_assert_nonnull (strstr (text, "Content-Type: message/global-delivery-status\r\n"));
  g_assert_nonnull (strstr (text, "Final-Recipient: utf-8; j\xc3\xb6rg@x.test\r\n"));
  g_assert_nonnull (strstr (text, "Content-Type: message/global-headers\r\n"));
}

static void
test_long_diagnostic (void)
{
  PosternReportRecipient recipient = recipients[0];
  PosternDeliveryReport wordy = report;
  g_autofree char *diagnostic = g_strnfill (5000, 'x');
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  recipient.diagnostic = diagnostic;
  wordy.recipients = &recipient;
  wordy.n_recipients = 1;
  text = write_report (&wordy, 5);
  lines = g_strsplit (text, "\r\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    g_assert_cmpuint (strlen (lines[i]), <=, 998);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mail/delivery-report/brings-the-header-and-what-happened", test_header_only);
  g_test_add_func ("/mail/delivery-report/brings-the-whole-message", test_whole);
  g_test_add_func ("/mail/delivery-report/uses-the-types-of-rfc-6533", test_international);
  g_test_add_func ("/mail/delivery-report/keeps-its-lines-short", test_long_diagnostic);
  return g_test_run ();
}
