/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Reading JSON of a stranger: what is missing or of another type is simply not there. */

G_BEGIN_DECLS

JsonObject *postern_json_parse (GBytes *text, GError **error);

const char *postern_json_get_string (JsonObject *object, const char *name);
gint64 postern_json_get_integer (JsonObject *object, const char *name, gint64 otherwise);
gboolean postern_json_get_boolean (JsonObject *object, const char *name, gboolean otherwise);
JsonObject *postern_json_get_object (JsonObject *object, const char *name);
JsonArray *postern_json_get_array (JsonObject *object, const char *name);
guint postern_json_get_length (JsonArray *array);
const char *postern_json_get_string_at (JsonArray *array, guint index);
JsonObject *postern_json_get_object_at (JsonArray *array, guint index);

G_END_DECLS
