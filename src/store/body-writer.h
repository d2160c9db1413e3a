/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBodyWriter:
 *
 * One body on its way into the cache. Freeing it discards what was written.
 */
typedef struct _PosternBodyWriter PosternBodyWriter;

typedef void (*PosternBodyReady) (gpointer user_data);

gboolean postern_body_writer_append (PosternBodyWriter *self, const void *data, gsize length);
void postern_body_writer_finish_async (PosternBodyWriter *self,
                                       gint64 canonical_octets,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean postern_body_writer_finish_finish (GAsyncResult *result, GError **error);
void postern_body_writer_free (PosternBodyWriter *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBodyWriter, postern_body_writer_free)

G_END_DECLS
