/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternJsonPlaces:
 *
 * Where in a text each value stands, so that a complaint can name the line.
 */
typedef struct _PosternJsonPlaces PosternJsonPlaces;

PosternJsonPlaces *
postern_json_places_new (const char *text, gsize length, const char *name, GError **error);
void postern_json_places_free (PosternJsonPlaces *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJsonPlaces, postern_json_places_free)

char *postern_json_places_describe (const PosternJsonPlaces *self, const char *path);

G_END_DECLS
