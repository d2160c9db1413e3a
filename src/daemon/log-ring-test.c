/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "daemon/log-ring.h"

#include <string.h>

typedef struct
{
  guint count;
  guint64 first;
  guint64 last;
  gsize octets;
} Seen;

static gboolean
on_record (const PosternLogRecord *record, gpointer user_data)
{
  Seen *seen = user_data;

  if (seen->count++ == 0)
    seen->first = record->serial;
  else
    g_assert_cmpuint (record->serial, ==, seen->last + 1);
  seen->last = record->serial;
  seen->octets += strlen (record->message);
  g_assert_true (g_utf8_validate (record->message, -1, NULL));
  return TRUE;
}

static void
test_records (void)
{
  g_autoptr (PosternLogRing) ring = postern_log_ring_new (10, 100000);
  Seen seen = { 0 };

  for (guint i = 0; i < 25; i++)
    postern_log_ring_add (ring, G_LOG_LEVEL_MESSAGE, "postern-test", "hello");
  postern_log_ring_foreach (ring, 0, on_record, &seen);
  g_assert_cmpuint (seen.count, ==, 10);
  g_assert_cmpuint (seen.first, ==, 16);
  g_assert_cmpuint (seen.last, ==, 25);
  g_assert_cmpuint (postern_log_ring_get_last (ring), ==, 25);

  memset (&seen, 0, sizeof seen);
  postern_log_ring_foreach (ring, 23, on_record, &seen);
  g_assert_cmpuint (seen.count, ==, 2);
}

static void
test_octets (void)
{
  g_autoptr (PosternLogRing) ring = postern_log_ring_new (10000, 20000);
  g_autofree char *huge = g_strnfill (1000000, 'x');
  Seen seen = { 0 };

  for (guint i = 0; i < 50; i++)
    postern_log_ring_add (ring, G_LOG_LEVEL_WARNING, "postern-test", huge);
  postern_log_ring_add (ring, G_LOG_LEVEL_WARNING, "postern-test", "broken \xff octet");
  postern_log_ring_foreach (ring, 0, on_record, &seen);
  g_assert_cmpuint (seen.octets, <=, 20000);
  g_assert_cmpuint (seen.count, >=, 5);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon/log-ring/keeps-the-newest-records", test_records);
  g_test_add_func ("/daemon/log-ring/octets-are-bounded-and-text-is-utf-8", test_octets);
  return g_test_run ();
}
