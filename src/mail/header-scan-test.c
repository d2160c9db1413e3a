/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/header-scan.h"

#include <string.h>

static PosternHeaderScan *
scan (const char *text, gsize length, gsize cut)
{
  PosternHeaderScan *self = postern_header_scan_new ();

  postern_header_scan_feed (self, (const guint8 *) text, cut);
  postern_header_scan_feed (self, (const guint8 *) text + cut, length - cut);
  postern_header_scan_finish (self);
  return self;
}

/* "name=value|name=value", so that one string tells all. */
static char *
describe (const PosternHeaderScan *self)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < postern_header_scan_get_n_fields (self); i++)
    {
      PosternHeaderField field = postern_header_scan_get_field (self, i);

      g_string_append_printf (text,
                              "%s%.*s=%.*s",
                              i == 0 ? "" : "|",
                              (int) field.name_length,
                              field.name,
                              (int) field.value_length,
                              field.value);
      g_assert_cmpuint (field.raw_length, >, field.name_length + field.value_length);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static const struct
{
  const char *name;
  const char *text;
  const char *fields;
  gsize length; /* octets before the body */
} cases[] = {
  { "crlf", "A: b\r\nC: d\r\n\r\nE: f\r\n", "A= b|C= d", 14 },
  { "lf", "A: b\nC: d\n\nE: f\n", "A= b|C= d", 11 },
  { "cr", "A: b\rC: d\r\rE: f\r", "A= b|C= d", 11 },
  { "mixed-line-ends", "A: b\rC: d\n\r\nE: f", "A= b|C= d", 12 },
  { "folds", "A: b\r\n c\n\td\r\nE: f\r\n\r\n", "A= b\r\n c\n\td|E= f", 21 },
  { "a-fold-of-blanks-goes-on", "A: b\r\n \r\nC: d\r\n\r\n", "A= b\r\n |C= d", 17 },
  { "blanks-before-the-colon", "A \t: b\r\n\r\n", "A= b", 10 },
  { "no-body-no-empty-line", "A: b\r\nC: d", "A= b|C= d", 10 },
  { "no-header", "\r\nA: b\r\n", "", 2 },
  { "nothing", "", "", 0 },
  { "a-cr-at-the-end", "A: b\r\n\r", "A= b", 7 },
  { "a-line-that-is-no-field-begins-the-body", "A: b\r\nhello\r\nC: d\r\n\r\n", "A= b", 6 },
  { "a-body-alone", "hello\r\nA: b\r\n", "", 0 },
  { "a-blank-first-line-begins-the-body", " x\r\nA: b\r\n", "", 0 },
  { "an-mbox-line-is-left-out", "From a@b Sun\r\nA: b\r\n\r\n", "A= b", 22 },
  { "a-second-mbox-line-is-not", "From a\r\nFrom b\r\nA: b\r\n", "", 8 },
  { "a-from-field-is-no-mbox-line", "From : a@b\r\n\r\n", "From= a@b", 14 },
  { "a-colon-needs-a-name", ": b\r\nA: b\r\n\r\n", "", 0 },
  { "names-have-no-octets-above-127", "\xc3\x84: b\r\n\r\n", "", 0 },
};

static void
test_case (gconstpointer data)
{
  const gsize i = GPOINTER_TO_SIZE (data);
  gsize length = strlen (cases[i].text);

  for (gsize cut = 0; cut <= length; cut++)
    {
      g_autoptr (PosternHeaderScan) self = scan (cases[i].text, length, cut);
      g_autofree char *fields = describe (self);

      g_assert_cmpint (postern_header_scan_get_state (self), ==, POSTERN_HEADER_COMPLETE);
      g_assert_cmpstr (fields, ==, cases[i].fields);
      g_assert_cmpuint (postern_header_scan_get_length (self), ==, cases[i].length);
    }
}

static void
test_from (void)
{
  static const struct
  {
    const char *header;
    PosternHeaderFrom from;
    const char *address;
  } from[] = {
    { "From: Alice <alice@x.test>\r\n", POSTERN_FROM_ONE, "alice@x.test" },
    { "FROM\t:\r\n alice@x.test\r\n", POSTERN_FROM_ONE, "alice@x.test" },
    { "Sender: alice@x.test\r\n", POSTERN_FROM_MISSING, NULL },
    { "", POSTERN_FROM_MISSING, NULL },
    { "From: a@x.test, b@x.test\r\n", POSTERN_FROM_SEVERAL, NULL },
    { "From: a@x.test\r\nfrom: b@x.test\r\n", POSTERN_FROM_SEVERAL, NULL },
    { "From: a@x.test\r\nFrom: a@x.test\r\n", POSTERN_FROM_SEVERAL, NULL },
    { "From: a@x.test\rFrom: b@x.test\r\n", POSTERN_FROM_SEVERAL, NULL },
    { "From: Nobody:;\r\n", POSTERN_FROM_SEVERAL, NULL },
    { "From: Team: a@x.test;\r\n", POSTERN_FROM_ONE, "a@x.test" },
    { "From:\r\n", POSTERN_FROM_MALFORMED, NULL },
    { "From: alice\r\n", POSTERN_FROM_MALFORMED, NULL },
    { "From: a@x.test b@x.test\r\n", POSTERN_FROM_MALFORMED, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (from); i++)
    {
      g_autoptr (PosternHeaderScan) self = scan (from[i].header, strlen (from[i].header), 0);
      g_autofree char *address = NULL;

      g_test_message ("%s", from[i].header);
      g_assert_cmpint (postern_header_scan_get_from (self, &address), ==, from[i].from);
      g_assert_cmpstr (address, ==, from[i].address);
    }
}

/* Octets behind a NUL count, or another reader would see another sender. */
static void
test_nul (void)
{
  static const char text[] = "From: a@x.test\0, b@x.test\r\n\r\n";
  g_autoptr (PosternHeaderScan) self = scan (text, sizeof text - 1, 0);

  g_assert_cmpint (postern_header_scan_get_from (self, NULL), ==, POSTERN_FROM_MALFORMED);
}

static void
test_values (void)
{
  static const char text[] = "Message-ID:\r\n <1@x.test>\r\nDATE: a\r\n b \r\ndate: c\r\n\r\n";
  g_autoptr (PosternHeaderScan) self = scan (text, sizeof text - 1, 0);
  g_autofree char *id = postern_header_scan_dup_message_id (self);
  g_autofree char *date = postern_header_scan_dup_value (self, "Date");
  static const char *const bad[] = { "1@x", "<1@x", "<1@x> <2@y>", "<1 @x>", "<1>", "<<1@x>", "" };

  g_assert_cmpstr (id, ==, "<1@x.test>");
  g_assert_cmpstr (date, ==, "a b");
  g_assert_cmpuint (postern_header_scan_count (self, "Date"), ==, 2);
  g_assert_cmpuint (postern_header_scan_count (self, "Dat"), ==, 0);
  g_assert_null (postern_header_scan_dup_value (self, "Subject"));

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *header = g_strdup_printf ("Message-ID: %s\r\n\r\n", bad[i]);
      g_autoptr (PosternHeaderScan) other = scan (header, strlen (header), 0);

      g_assert_null (postern_header_scan_dup_message_id (other));
    }
}

static void
test_too_large (void)
{
  g_autoptr (PosternHeaderScan) self = postern_header_scan_new ();
  static const char line[] = "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
  gsize fed = 0;

  while (postern_header_scan_feed (self, (const guint8 *) line, sizeof line - 1) ==
         POSTERN_HEADER_OPEN)
    fed += sizeof line - 1;
  g_assert_cmpint (postern_header_scan_get_state (self), ==, POSTERN_HEADER_TOO_LARGE);
  g_assert_cmpuint (fed, <=, 256 * 1024);
  g_assert_cmpuint (fed, >, 255 * 1024);
  g_assert_cmpint (postern_header_scan_finish (self), ==, POSTERN_HEADER_TOO_LARGE);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/mail/header-scan/%s", cases[i].name);

      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
    }
  g_test_add_func ("/mail/header-scan/exactly-one-mailbox-is-a-sender", test_from);
  g_test_add_func ("/mail/header-scan/a-nul-hides-nothing", test_nul);
  g_test_add_func ("/mail/header-scan/values-are-found-and-unfolded", test_values);
  g_test_add_func ("/mail/header-scan/a-header-without-end-is-given-up", test_too_large);
  return g_test_run ();
}
