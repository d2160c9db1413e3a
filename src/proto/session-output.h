/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/buffer.h"

G_BEGIN_DECLS

/**
 * PosternSessionOutput:
 *
 * What a session has said and its driver has not yet sent. A value: zeroed is ready.
 */
typedef struct
{
  PosternBuffer buffer;
  gsize lent; /* octets at its front that the driver is sending */
} PosternSessionOutput;

void postern_session_output_put (PosternSessionOutput *self, const char *text);
void postern_session_output_put_line (PosternSessionOutput *self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
gboolean
postern_session_output_lend (PosternSessionOutput *self, const guint8 **data, gsize *length);
void postern_session_output_take_back (PosternSessionOutput *self);
gboolean postern_session_output_is_full (const PosternSessionOutput *self);
void postern_session_output_clear (PosternSessionOutput *self);

G_END_DECLS
