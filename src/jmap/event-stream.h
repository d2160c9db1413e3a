/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternEventStream:
 *
 * Takes text/event-stream apart (HTML standard, section 9.2), bytes in, events out. No I/O.
 */
typedef struct _PosternEventStream PosternEventStream;

typedef void (*PosternEventFunc) (const char *type, const char *data, gpointer user_data);

PosternEventStream *postern_event_stream_new (PosternEventFunc func, gpointer user_data);
void postern_event_stream_free (PosternEventStream *self);
gboolean postern_event_stream_feed (PosternEventStream *self, const guint8 *data, gsize length);
const char *postern_event_stream_get_last_id (PosternEventStream *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternEventStream, postern_event_stream_free)

G_END_DECLS
