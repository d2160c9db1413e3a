/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBodyStream:
 *
 * The body of an HTTP answer while it comes from the network. Errors of reading are POSTERN_ERROR.
 * One that is dropped or closed before its end ends its connection at once, waiting for nothing.
 */
#define POSTERN_TYPE_BODY_STREAM (postern_body_stream_get_type ())
G_DECLARE_FINAL_TYPE (PosternBodyStream,
                      postern_body_stream,
                      POSTERN,
                      BODY_STREAM,
                      GFilterInputStream)

GInputStream *postern_body_stream_new (GInputStream *body, GCancellable *abort);
void postern_body_stream_expect (PosternBodyStream *self, guint64 size_octets);

G_END_DECLS
