/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternCommandLine:
 *
 * Gathers one line of a client from however many reads, within a limit. Lines may hold passwords,
 * so what was gathered is wiped. A value: zeroed is ready; it holds no memory between lines.
 */
typedef struct
{
  char *text;
  guint32 length;    /* octets gathered */
  guint32 allocated; /* octets */
  gboolean too_long; /* the rest of this line is only skipped */
} PosternCommandLine;

typedef enum
{
  POSTERN_COMMAND_LINE_PARTIAL,  /* all was consumed, the end is yet to come */
  POSTERN_COMMAND_LINE_READY,    /* text: without its line end, NUL-terminated */
  POSTERN_COMMAND_LINE_TOO_LONG, /* it ended now; nothing of it was kept */
  POSTERN_COMMAND_LINE_BINARY,   /* it ended now; it holds a NUL or a lone CR */
} PosternCommandLineState;

/* Tells the limit for a line that begins so, in octets with its line end. */
typedef gsize (*PosternCommandLineLimit) (const char *start, gsize length, gconstpointer data);

PosternCommandLineState postern_command_line_feed (PosternCommandLine *self,
                                                   const guint8 *data,
                                                   gsize length,
                                                   PosternCommandLineLimit limit,
                                                   gconstpointer limit_data,
                                                   gsize *consumed);
void postern_command_line_clear (PosternCommandLine *self);

char *postern_command_line_take_word (char **rest);
gboolean postern_command_line_is_http (const char *text);

G_END_DECLS
