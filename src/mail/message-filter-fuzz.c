/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/message-filter.h"

#include "mail/header-scan.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
filter (const guint8 *data, gsize size, gsize read, PosternBuffer *out)
{
  const PosternMessageFilterOptions options = { .date = "Sun, 22 Nov 2026 13:05:09 +0000",
                                                .message_id = "<1@host.test>" };
  g_autoptr (PosternMessageFilter) self = postern_message_filter_new (&options);

  for (gsize at = 0; at < size; at += read)
    {
      gsize length = MIN (read, size - at);
      g_autofree guint8 *copy = g_memdup2 (data + at, length);

      postern_message_filter_feed (self, copy, length, out);
    }
  postern_message_filter_finish (self, out);
  g_assert (postern_message_filter_saw_nul (self) ==
            (size > 0 && memchr (data, '\0', size) != NULL));
}

static gboolean
equal (const PosternBuffer *a, const PosternBuffer *b)
{
  gsize length = postern_buffer_length (a);

  return length == postern_buffer_length (b) &&
         memcmp (postern_buffer_peek (a), postern_buffer_peek (b), length) == 0;
}

static PosternHeaderScan *
scan (const guint8 *data, gsize size)
{
  PosternHeaderScan *self = postern_header_scan_new ();

  if (size > 0)
    postern_header_scan_feed (self, data, size);
  postern_header_scan_finish (self);
  return self;
}

static guint
count_kept (const PosternHeaderScan *self)
{
  return postern_header_scan_get_n_fields (self) - postern_header_scan_count (self, "Bcc") -
         postern_header_scan_count (self, "Resent-Bcc");
}

/* The first octet chooses how long reads are. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_auto (PosternBuffer) pieces = { 0 };
  g_auto (PosternBuffer) whole = { 0 };
  g_auto (PosternBuffer) again = { 0 };
  g_autoptr (PosternHeaderScan) before = NULL;
  g_autoptr (PosternHeaderScan) after = NULL;
  const guint8 *octets;
  guint added = 0;
  gsize length;

  if (size == 0)
    return 0;
  filter (data + 1, size - 1, 1 + data[0], &pieces);
  filter (data + 1, size - 1, size, &whole);
  g_assert (equal (&pieces, &whole));

  octets = postern_buffer_peek (&whole);
  length = postern_buffer_length (&whole);
  for (gsize i = 0; i < length; i++)
    {
      g_assert (octets[i] != '\n' || (i > 0 && octets[i - 1] == '\r'));
      g_assert (octets[i] != '\r' || (i + 1 < length && octets[i + 1] == '\n'));
    }
  g_assert (length >= 2 && octets[length - 1] == '\n');

  /* What was made fit is fit. */
  filter (octets, length, length, &again);
  g_assert (equal (&again, &whole));

  /* Scan and filter agree on what the header is. */
  before = scan (data + 1, size - 1);
  after = scan (octets, length);
  if (postern_header_scan_get_state (before) == POSTERN_HEADER_TOO_LARGE ||
      postern_header_scan_get_state (after) == POSTERN_HEADER_TOO_LARGE)
    return 0;
  g_assert (postern_header_scan_count (after, "Bcc") == 0);
  g_assert (postern_header_scan_count (after, "Resent-Bcc") == 0);
  g_assert (postern_header_scan_count (after, "Date") > 0);
  g_assert (postern_header_scan_count (after, "Message-ID") > 0);
  added += postern_header_scan_count (before, "Date") == 0 ? 1 : 0;
  added += postern_header_scan_count (before, "Message-ID") == 0 ? 1 : 0;
  g_assert (postern_header_scan_get_n_fields (after) == count_kept (before) + added);
  g_assert (postern_header_scan_get_from (after, NULL) ==
            postern_header_scan_get_from (before, NULL));
  return 0;
}
