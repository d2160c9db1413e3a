/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternHeaderScan:
 *
 * Reads the header of a message that arrives in pieces, whatever its line ends. It keeps the header
 * and nothing of the body.
 */
typedef struct _PosternHeaderScan PosternHeaderScan;

typedef enum
{
  POSTERN_HEADER_OPEN,      /* more is to come */
  POSTERN_HEADER_COMPLETE,  /* all fields are known */
  POSTERN_HEADER_TOO_LARGE, /* it was given up; the fields so far are known */
} PosternHeaderState;

/**
 * PosternHeaderField:
 *
 * Lent by the scan, not NUL-terminated.
 */
typedef struct
{
  const char *name; /* as written */
  gsize name_length;
  const char *value; /* behind the colon, folded, up to its last line end */
  gsize value_length;
  const char *raw; /* the whole field with its line ends */
  gsize raw_length;
} PosternHeaderField;

typedef enum
{
  POSTERN_FROM_ONE,
  POSTERN_FROM_MISSING,   /* no From field */
  POSTERN_FROM_SEVERAL,   /* several fields, or several mailboxes, or a group without any */
  POSTERN_FROM_MALFORMED, /* not an address list */
} PosternHeaderFrom;

PosternHeaderScan *postern_header_scan_new (void);
void postern_header_scan_free (PosternHeaderScan *self);

PosternHeaderState
postern_header_scan_feed (PosternHeaderScan *self, const guint8 *data, gsize length);
PosternHeaderState postern_header_scan_finish (PosternHeaderScan *self);
PosternHeaderState postern_header_scan_get_state (const PosternHeaderScan *self);
guint64 postern_header_scan_get_length (const PosternHeaderScan *self);

guint postern_header_scan_get_n_fields (const PosternHeaderScan *self);
PosternHeaderField postern_header_scan_get_field (const PosternHeaderScan *self, guint index);
guint postern_header_scan_count (const PosternHeaderScan *self, const char *name);
char *postern_header_scan_dup_value (const PosternHeaderScan *self, const char *name);
char *postern_header_scan_dup_message_id (const PosternHeaderScan *self);
PosternHeaderFrom postern_header_scan_get_from (const PosternHeaderScan *self, char **address);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternHeaderScan, postern_header_scan_free)

G_END_DECLS
