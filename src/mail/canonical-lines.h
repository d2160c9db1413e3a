/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternCanonicalLines:
 *
 * Turns the raw octets of a message into the lines of a RETR or TOP answer: a bare LF goes out as
 * CRLF, a line that starts with a dot gets another one, a missing final CRLF is added, all other
 * octets stay as they are (a bare CR among them). So a mail can never speak for the server.
 * The line with the lone dot is not part of it. It is a value of a few octets.
 */
typedef struct
{
  gint64 body_lines_left; /* -1: all of them */
  guint8 line;
  gboolean in_header;
  gboolean any;  /* at least one octet came */
  gboolean done; /* TOP has all its lines: nothing more will come out */
} PosternCanonicalLines;

#define POSTERN_CANONICAL_LEAST_ROOM 4 /* octets */

void postern_canonical_lines_init (PosternCanonicalLines *self, gint64 top_lines);
gsize postern_canonical_lines_convert (PosternCanonicalLines *self,
                                       const guint8 *data,
                                       gsize length,
                                       guint8 *out,
                                       gsize room,
                                       gsize *written);
gsize postern_canonical_lines_finish (PosternCanonicalLines *self,
                                      guint8 out[POSTERN_CANONICAL_LEAST_ROOM]);

/**
 * PosternCanonicalCounter:
 *
 * The size LIST tells: that of the canonical lines, before stuffing. A value: zeroed is ready.
 */
typedef struct
{
  guint64 octets; /* so far, without the final CRLF that may be missing */
  guint8 last;    /* the last octet that came */
} PosternCanonicalCounter;

void
postern_canonical_counter_add (PosternCanonicalCounter *self, const guint8 *data, gsize length);
guint64 postern_canonical_counter_get_size (const PosternCanonicalCounter *self);

G_END_DECLS
