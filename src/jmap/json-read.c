/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/json-read.h"

#include "base/error.h"

#define MAX_DEPTH 64 /* the parser recurses; JMAP answers need about ten */

static gboolean
is_too_deep (const char *text, gsize length)
{
  guint depth = 0;
  gboolean in_string = FALSE;

  for (gsize i = 0; i < length; i++)
    {
      if (in_string)
        {
          if (text[i] == '\\')
            i++;
          else if (text[i] == '"')
            in_string = FALSE;
        }
      else if (text[i] == '"')
        in_string = TRUE;
      else if (text[i] == '[' || text[i] == '{')
        {
          if (++depth > MAX_DEPTH)
            return TRUE;
        }
      else if ((text[i] == ']' || text[i] == '}') && depth > 0)
        depth--;
    }
  return FALSE;
}

/**
 * postern_json_parse:
 *
 * Returns: (transfer full): POSTERN_ERROR_PROTOCOL when it is not one JSON object
 */
JsonObject *
postern_json_parse (GBytes *text, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) cause = NULL;
  gsize length;
  const char *data = g_bytes_get_data (text, &length);
  JsonNode *root;

  if (length == 0 || is_too_deep (data, length) || !g_utf8_validate (data, (gssize) length, NULL) ||
      !json_parser_load_from_data (parser, data, (gssize) length, &cause))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "The server's answer is not JSON: %s",
                   cause != NULL ? cause->message
                   : length == 0 ? "empty"
                                 : "malformed");
      return NULL;
    }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "The server's answer is JSON, but no object");
      return NULL;
    }
  return json_object_ref (json_node_get_object (root));
}

static JsonNode *
get_value (JsonObject *object, const char *name, GType type)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != type)
    return NULL;
  return node;
}

/**
 * postern_json_get_string:
 * @object: (nullable):
 *
 * Returns: (nullable): lent
 */
const char *
postern_json_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = get_value (object, name, G_TYPE_STRING);

  return node != NULL ? json_node_get_string (node) : NULL;
}

gint64
postern_json_get_integer (JsonObject *object, const char *name, gint64 otherwise)
{
  JsonNode *node = get_value (object, name, G_TYPE_INT64);

  return node != NULL ? json_node_get_int (node) : otherwise;
}

gboolean
postern_json_get_boolean (JsonObject *object, const char *name, gboolean otherwise)
{
  JsonNode *node = get_value (object, name, G_TYPE_BOOLEAN);

  return node != NULL ? json_node_get_boolean (node) : otherwise;
}

/**
 * postern_json_get_object:
 * @object: (nullable):
 *
 * Returns: (nullable): lent
 */
JsonObject *
postern_json_get_object (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/**
 * postern_json_get_array:
 * @object: (nullable):
 *
 * Returns: (nullable): lent
 */
JsonArray *
postern_json_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

/**
 * postern_json_get_length:
 * @array: (nullable):
 */
guint
postern_json_get_length (JsonArray *array)
{
  return array != NULL ? json_array_get_length (array) : 0;
}

/**
 * postern_json_get_string_at:
 *
 * Returns: (nullable): lent; NULL when it is no string
 */
const char *
postern_json_get_string_at (JsonArray *array, guint index)
{
  JsonNode *node = json_array_get_element (array, index);

  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/**
 * postern_json_get_object_at:
 *
 * Returns: (nullable): lent; NULL when it is no object
 */
JsonObject *
postern_json_get_object_at (JsonArray *array, guint index)
{
  JsonNode *node = json_array_get_element (array, index);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}
