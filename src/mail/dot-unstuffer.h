/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternDotUnstuffer:
 *
 * Takes the message out of what follows DATA (RFC 5321 section 4.5.2): ends at CRLF "." CRLF and
 * at nothing else, drops the first dot of each line. It is a value: zeroed is ready.
 */
typedef struct
{
  guint8 state;
  gboolean ended; /* the line with the lone dot was consumed */
} PosternDotUnstuffer;

gsize postern_dot_unstuffer_next (PosternDotUnstuffer *self,
                                  const guint8 *data,
                                  gsize length,
                                  const guint8 **piece,
                                  gsize *piece_length);

G_END_DECLS
