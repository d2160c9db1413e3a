/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/event-stream.h"

#include <string.h>

static void
on_event (const char *type, const char *data, gpointer user_data)
{
  g_string_append_printf (user_data, "[%s|%s]", type, data);
}

/* Fed whole, byte by byte, and cut at every place, the events must be the same. */
static void
assert_events (const char *bytes, const char *expected, const char *last_id)
{
  const guint8 *data = (const guint8 *) bytes;
  gsize length = strlen (bytes);

  for (gsize cut = 0; cut <= length + 1; cut++)
    {
      g_autoptr (GString) events = g_string_new (NULL);
      g_autoptr (PosternEventStream) stream = postern_event_stream_new (on_event, events);

      if (cut <= length)
        {
          g_assert_true (postern_event_stream_feed (stream, data, cut));
          g_assert_true (postern_event_stream_feed (stream, data + cut, length - cut));
        }
      else
        for (gsize i = 0; i < length; i++)
          g_assert_true (postern_event_stream_feed (stream, data + i, 1));
      g_assert_cmpstr (events->str, ==, expected);
      g_assert_cmpstr (postern_event_stream_get_last_id (stream), ==, last_id);
    }
}

static void
test_events (void)
{
  assert_events ("event: ping\ndata: {\"interval\":1}\n\nid: 55\nevent: state\ndata: {}\n\n",
                 "[ping|{\"interval\":1}][state|{}]",
                 "55");
}

static void
test_line_ends (void)
{
  assert_events ("data: a\r\rdata: b\r\n\r\ndata: c\n\n",
                 "[message|a][message|b][message|c]",
                 NULL);
}

static void
test_fields (void)
{
  assert_events ("\xef\xbb\xbf"
                 "data:a\ndata:  b\n: comment\nretry: 5\nnonsense\ndata\n\nevent: x\n\n",
                 "[message|a\n b\n]",
                 NULL);
}

static void
test_unfinished (void)
{
  assert_events ("data: a\n\ndata: never ended\n", "[message|a]", NULL);
}

static void
test_endless (void)
{
  g_autoptr (GString) events = g_string_new (NULL);
  g_autoptr (PosternEventStream) stream = postern_event_stream_new (on_event, events);
  guint8 block[4096];
  gboolean is_good = TRUE;
  guint blocks = 0;

  memset (block, 'x', sizeof block);
  while (is_good && blocks < 100)
    {
      is_good = postern_event_stream_feed (stream, block, sizeof block);
      blocks++;
    }
  g_assert_false (is_good);
  g_assert_cmpuint (blocks, <=, 17);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/event-stream/events-have-type-data-and-id", test_events);
  g_test_add_func ("/jmap/event-stream/lines-end-in-any-way", test_line_ends);
  g_test_add_func ("/jmap/event-stream/fields-are-read-as-the-standard-says", test_fields);
  g_test_add_func ("/jmap/event-stream/an-event-without-an-end-is-none", test_unfinished);
  g_test_add_func ("/jmap/event-stream/a-line-without-an-end-is-refused", test_endless);
  return g_test_run ();
}
