/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternSecret:
 *
 * A password or token in memory. It wipes itself when the last reference goes, and no property,
 * log or error ever shows one.
 */
typedef struct _PosternSecret PosternSecret;

PosternSecret *postern_secret_new (const char *text, gssize length);
PosternSecret *postern_secret_new_random (const char *prefix);
PosternSecret *postern_secret_ref (PosternSecret *self);
void postern_secret_unref (PosternSecret *self);
const char *postern_secret_get_text (const PosternSecret *self);
gsize postern_secret_get_length (const PosternSecret *self);

#define POSTERN_SECRET_HASH_LENGTH 32
void postern_secret_hash (const PosternSecret *self, guint8 hash[POSTERN_SECRET_HASH_LENGTH]);

gboolean postern_memory_equal (const void *a, const void *b, gsize length);
void postern_memory_wipe (void *data, gsize length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSecret, postern_secret_unref)

G_END_DECLS
