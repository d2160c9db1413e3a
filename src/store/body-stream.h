/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/store-thread.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBodyFile:
 *
 * A file opened on the reader's thread together with its first block, so that a small message needs
 * one way there and back.
 */
typedef struct
{
  int fd; /* -1 when the first block is all there is */
  guint64 size_octets;
  GBytes *first;
} PosternBodyFile;

PosternBodyFile *postern_body_file_open (const char *path, GError **error);
void postern_body_file_free (PosternBodyFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBodyFile, postern_body_file_free)

/**
 * PosternBodyStream:
 *
 * Reads such a file 256 KiB ahead of its reader, on the reader's thread. Reading it synchronously
 * works and blocks.
 */
#define POSTERN_TYPE_BODY_STREAM (postern_body_stream_get_type ())
G_DECLARE_FINAL_TYPE (PosternBodyStream, postern_body_stream, POSTERN, BODY_STREAM, GInputStream)

GInputStream *postern_body_stream_new (PosternStoreThread *reader, PosternBodyFile *file);

G_END_DECLS
