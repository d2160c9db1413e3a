/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/header-scan.h"

#include "mail/address.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static PosternHeaderScan *
scan (const guint8 *data, gsize size, gsize read)
{
  PosternHeaderScan *self = postern_header_scan_new ();

  for (gsize at = 0; at < size; at += read)
    postern_header_scan_feed (self, data + at, MIN (read, size - at));
  postern_header_scan_finish (self);
  return self;
}

/* The first octet chooses how long reads are. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (PosternHeaderScan) pieces = NULL;
  g_autoptr (PosternHeaderScan) whole = NULL;
  g_autofree char *address = NULL;
  g_autofree char *id = NULL;
  guint n_fields;

  if (size == 0)
    return 0;
  pieces = scan (data + 1, size - 1, 1 + data[0]);
  whole = scan (data + 1, size - 1, size);
  n_fields = postern_header_scan_get_n_fields (whole);
  g_assert (postern_header_scan_get_state (pieces) == postern_header_scan_get_state (whole));
  g_assert (postern_header_scan_get_length (pieces) == postern_header_scan_get_length (whole));
  g_assert (postern_header_scan_get_length (whole) <= size - 1);
  g_assert (postern_header_scan_get_n_fields (pieces) == n_fields);

  for (guint i = 0; i < n_fields; i++)
    {
      PosternHeaderField a = postern_header_scan_get_field (whole, i);
      PosternHeaderField b = postern_header_scan_get_field (pieces, i);

      g_assert (a.raw_length == b.raw_length && memcmp (a.raw, b.raw, a.raw_length) == 0);
      g_assert (a.name_length > 0 && a.name_length + a.value_length < a.raw_length);
      g_assert (memchr (a.name, ':', a.name_length) == NULL);
    }

  if (postern_header_scan_get_from (whole, &address) == POSTERN_FROM_ONE)
    {
      g_autofree char *normal = postern_address_normalise (address);
      g_autofree char *again = NULL;

      /* A normal form is its own normal form. */
      again = normal != NULL ? postern_address_normalise (normal) : NULL;
      g_assert (g_strcmp0 (normal, again) == 0);
    }
  id = postern_header_scan_dup_message_id (whole);
  return 0;
}
