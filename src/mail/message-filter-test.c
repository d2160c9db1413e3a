/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/message-filter.h"

#include <string.h>

/* What a filter without Received makes of @text, read in pieces of @piece octets. */
static char *
filter (const char *text, gsize length, gsize piece, const char *received, gboolean *saw_nul)
{
  const PosternMessageFilterOptions options = { .received = received,
                                                .date = "TODAY",
                                                .message_id = "<NEW>" };
  g_autoptr (PosternMessageFilter) self = postern_message_filter_new (&options);
  g_auto (PosternBuffer) out = { 0 };

  for (gsize at = 0; at < length; at += piece)
    postern_message_filter_feed (self, (const guint8 *) text + at, MIN (piece, length - at), &out);
  postern_message_filter_finish (self, &out);
  *saw_nul = postern_message_filter_saw_nul (self);
  return g_strndup ((const char *) postern_buffer_peek (&out), postern_buffer_length (&out));
}

#define ADDED "Date: TODAY\r\nMessage-ID: <NEW>\r\n"
#define HAS   "Date: x\r\nMessage-ID: <x>\r\n"

static const struct
{
  const char *name;
  const char *in;
  const char *out;
} cases[] = {
  { "what-is-complete-stays", HAS "A: b\r\n\r\nhello\r\n", HAS "A: b\r\n\r\nhello\r\n" },
  { "date-and-message-id-are-added", "A: b\r\n\r\nhello\r\n", "A: b\r\n" ADDED "\r\nhello\r\n" },
  { "only-what-is-missing-is-added", "dAtE : x\r\n\r\n", "dAtE : x\r\nMessage-ID: <NEW>\r\n\r\n" },
  { "a-date-in-the-body-is-none", "A: b\r\n\r\nDate: x\r\n", "A: b\r\n" ADDED "\r\nDate: x\r\n" },
  { "bcc-goes", HAS "Bcc: a@b\r\nC: d\r\n\r\n", HAS "C: d\r\n\r\n" },
  { "bcc-goes-folded-and-in-any-case",
    HAS "bCC :\r\n a@b,\r\n\tc@d\r\n \r\nE: f\r\n g\r\nBCC:x",
    HAS "E: f\r\n g\r\n\r\n" },
  { "resent-bcc-goes", "Resent-Bcc: a@b\r\n" HAS "\r\n", HAS "\r\n" },
  { "bcc-behind-a-lone-cr-or-lf-goes",
    HAS "A: b\rBcc: a@b\nC: d\n\rE\n",
    HAS "A: b\r\nC: d\r\n\r\nE\r\n" },
  { "what-only-looks-like-bcc-stays",
    HAS "Bccx: a\r\nXBcc: b\r\nSubject: Bcc: c\r\n Bcc: d\r\n\r\nBcc: e\r\n",
    HAS "Bccx: a\r\nXBcc: b\r\nSubject: Bcc: c\r\n Bcc: d\r\n\r\nBcc: e\r\n" },
  { "line-ends-become-crlf",
    HAS "\na\rb\nc\r\nd\r\r\ne\n\rf",
    HAS "\r\na\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf\r\n" },
  { "the-last-line-gets-its-end", HAS "\r\na", HAS "\r\na\r\n" },
  { "a-final-cr-is-a-line-end", HAS "\r\na\r", HAS "\r\na\r\n" },
  { "an-empty-message", "", ADDED "\r\n" },
  { "a-header-alone", "A: b", "A: b\r\n" ADDED "\r\n" },
  { "a-header-alone-that-ends", "A: b\r\n", "A: b\r\n" ADDED "\r\n" },
  { "a-body-alone", "\r\nhello", ADDED "\r\nhello\r\n" },
  { "no-empty-line-before-the-body",
    "A: b\r\nhello\r\nBcc: x\r\n",
    "A: b\r\n" ADDED "\r\nhello\r\nBcc: x\r\n" },
  { "no-header-at-all", "hello there\r\n", ADDED "\r\nhello there\r\n" },
  { "a-word-alone", "hello", ADDED "\r\nhello\r\n" },
  { "a-word-and-a-blank-alone", "hello ", ADDED "\r\nhello \r\n" },
  { "a-word-and-its-crlf-alone", "hello\r\n", ADDED "\r\nhello\r\n" },
  { "a-blank-first-line", " x\r\nA: b\r\n", ADDED "\r\n x\r\nA: b\r\n" },
  { "a-colon-first", ": x\r\n", ADDED "\r\n: x\r\n" },
  { "an-mbox-line-goes", "From a@b Sun Nov 22\r\n" HAS "\r\n", HAS "\r\n" },
  { "an-mbox-line-alone-goes", "From \r\n" HAS "\r\n", HAS "\r\n" },
  { "a-second-mbox-line-is-the-body", "From a\nFrom b\n", ADDED "\r\nFrom b\r\n" },
  { "a-from-field-is-no-mbox-line", "From : a@b\r\n" HAS "\r\n", "From : a@b\r\n" HAS "\r\n" },
  { "eight-bit-octets-stay", HAS "A: \xff\r\n\r\n\xe9\xc3", HAS "A: \xff\r\n\r\n\xe9\xc3\r\n" },
};

static void
test_case (gconstpointer data)
{
  const gsize i = GPOINTER_TO_SIZE (data);
  gsize length = strlen (cases[i].in);

  for (gsize piece = 1; piece <= length + 1; piece++)
    {
      gboolean saw_nul;
      g_autofree char *out = filter (cases[i].in, length, piece, NULL, &saw_nul);

      g_assert_cmpstr (out, ==, cases[i].out);
      g_assert_false (saw_nul);
    }
}

static void
test_received (void)
{
  gboolean saw_nul;
  g_autofree char *out =
      filter ("From x\r\n" HAS "\r\n", strlen (HAS) + 10, 1, "Received: by x;\r\n now", &saw_nul);
  g_autofree char *empty = filter ("", 0, 1, "Received: by x", &saw_nul);

  g_assert_cmpstr (out, ==, "Received: by x;\r\n now\r\n" HAS "\r\n");
  g_assert_cmpstr (empty, ==, "Received: by x\r\n" ADDED "\r\n");
}

static void
test_nul (void)
{
  static const char header[] = "A: \0\r\n\r\n";
  static const char body[] = "A: b\r\n\r\n\0";
  static const char dropped[] = "Bcc: \0\r\n\r\n";
  gboolean saw_nul;

  g_free (filter (header, sizeof header - 1, 1, NULL, &saw_nul));
  g_assert_true (saw_nul);
  g_free (filter (body, sizeof body - 1, 100, NULL, &saw_nul));
  g_assert_true (saw_nul);
  g_free (filter (dropped, sizeof dropped - 1, 3, NULL, &saw_nul));
  g_assert_true (saw_nul);
}

static void
test_endless_name (void)
{
  const PosternMessageFilterOptions options = { 0 };
  g_autoptr (PosternMessageFilter) self = postern_message_filter_new (&options);
  g_auto (PosternBuffer) out = { 0 };
  g_autofree char *name = g_strnfill (100000, 'B');

  postern_message_filter_feed (self, (const guint8 *) name, 100000, &out);
  postern_message_filter_finish (self, &out);
  g_assert_cmpuint (postern_buffer_length (&out), ==, 100004);
}

static void
test_speed (void)
{
  const PosternMessageFilterOptions options = { 0 };
  g_autoptr (PosternMessageFilter) self = postern_message_filter_new (&options);
  g_auto (PosternBuffer) out = { 0 };
  const gsize length = 64 * 1024;
  g_autofree guint8 *data = g_malloc (length);
  gint64 start, took;
  double rate;
  guint64 total = 0;

  for (gsize i = 0; i < length; i++)
    data[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
  postern_message_filter_feed (self, (const guint8 *) "\r\n", 2, &out);
  start = g_get_monotonic_time ();
  while (total < (guint64) 4 << 30)
    {
      postern_message_filter_feed (self, data, length, &out);
      out.start = out.end = 0; /* as a driver that has sent all, and keeps its memory */
      total += length;
    }
  took = g_get_monotonic_time () - start;
  rate = (double) total / (double) took / 1000;
  g_test_maximized_result (rate, "%.1f GB/s of base64", rate);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/mail/message-filter/%s", cases[i].name);

      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
    }
  g_test_add_func ("/mail/message-filter/received-comes-first", test_received);
  g_test_add_func ("/mail/message-filter/a-nul-is-told-wherever-it-is", test_nul);
  g_test_add_func ("/mail/message-filter/a-name-without-end-is-no-field", test_endless_name);
  if (g_test_perf ())
    g_test_add_func ("/mail/message-filter/speed", test_speed);
  return g_test_run ();
}
