/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternAnswerStream:
 *
 * The body of an HTTP answer while it comes from the network. Errors of reading are POSTERN_ERROR.
 * One that is dropped or closed before its end ends its connection at once, waiting for nothing.
 */
#define POSTERN_TYPE_ANSWER_STREAM (postern_answer_stream_get_type ())
G_DECLARE_FINAL_TYPE (PosternAnswerStream,
                      postern_answer_stream,
                      POSTERN,
                      ANSWER_STREAM,
                      GFilterInputStream)

GInputStream *postern_answer_stream_new (GInputStream *body, GCancellable *abort);
void postern_answer_stream_expect (PosternAnswerStream *self, guint64 size_octets);

G_END_DECLS
