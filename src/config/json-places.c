/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-config"

#include "config.h"

#include "config/json-places.h"

#include "base/error.h"

#include <string.h>

/* json-glib tells where the syntax is wrong, but not where a value stood, it takes comments (which
 * a rewrite would lose), and of two equal keys it drops one silently. So the text is first walked here,
 * by the grammar of RFC 8259 and nothing more. The walk recurses once a level; MAX_DEPTH
 * bounds it. A value's path is written as a person would: accounts[1].url. */

#define MAX_DEPTH 32

struct _PosternJsonPlaces
{
  char *name;
  GHashTable *lines; /* path -> line << 32 | column, both from 1 */
};

typedef struct
{
  PosternJsonPlaces *places;
  const char *text;
  const char *end;
  const char *at;
  GString *path;
  guint depth;
  const char *complaint; /* (nullable) what is wrong at `at` */
  const char *counted;   /* line and column are those of this place */
  guint64 line;
  guint64 column;
} Walk;

static gboolean walk_value (Walk *walk);

/* Places are asked for in the order of the text, so each octet is looked at once. */
static guint64
locate (Walk *walk, const char *at)
{
  for (; walk->counted < at; walk->counted = g_utf8_next_char (walk->counted))
    if (*walk->counted == '\n')
      {
        walk->line++;
        walk->column = 1;
      }
    else
      walk->column++;
  return walk->line << 32 | walk->column;
}

static gboolean
complain (Walk *walk, const char *complaint)
{
  walk->complaint = complaint;
  return FALSE;
}

static int
peek (Walk *walk)
{
  while (walk->at < walk->end && *walk->at != '\0' && strchr (" \t\r\n", *walk->at) != NULL)
    walk->at++;
  return walk->at < walk->end ? (guchar) *walk->at : -1;
}

static gboolean
take (Walk *walk, char wanted)
{
  if (peek (walk) != wanted)
    return FALSE;
  walk->at++;
  return TRUE;
}

static gboolean
walk_escape (Walk *walk)
{
  walk->at++;
  if (walk->at >= walk->end || *walk->at == '\0' || strchr ("\"\\/bfnrtu", *walk->at) == NULL)
    return complain (walk, "there is no such escape in JSON");
  if (*walk->at == 'u')
    for (guint i = 0; i < 4; i++)
      if (++walk->at >= walk->end || !g_ascii_isxdigit (*walk->at))
        return complain (walk, "\\u needs four hexadecimal digits");
  walk->at++;
  return TRUE;
}

static gboolean
walk_string (Walk *walk)
{
  if (!take (walk, '"'))
    return complain (walk, "a text in double quotes is expected here");
  while (walk->at < walk->end && *walk->at != '"')
    if ((guchar) *walk->at < 0x20)
      return complain (walk, "a text must end on its own line, with a double quote");
    else if (*walk->at != '\\')
      walk->at++;
    else if (!walk_escape (walk))
      return FALSE;
  return take (walk, '"') || complain (walk, "this text has no end");
}

static gboolean
walk_digits (Walk *walk)
{
  const char *start = walk->at;

  while (walk->at < walk->end && g_ascii_isdigit (*walk->at))
    walk->at++;
  return walk->at > start || complain (walk, "a digit is expected here");
}

static gboolean
walk_number (Walk *walk)
{
  const char *digits;

  if (*walk->at == '-')
    walk->at++;
  digits = walk->at;
  if (!walk_digits (walk))
    return FALSE;
  if (*digits == '0' && walk->at > digits + 1)
    return complain (walk, "a number does not start with 0");
  if (walk->at < walk->end && *walk->at == '.')
    {
      walk->at++;
      if (!walk_digits (walk))
        return FALSE;
    }
  if (walk->at < walk->end && (*walk->at == 'e' || *walk->at == 'E'))
    {
      walk->at++;
      if (walk->at < walk->end && (*walk->at == '+' || *walk->at == '-'))
        walk->at++;
      return walk_digits (walk);
    }
  return TRUE;
}

static gboolean
walk_word (Walk *walk)
{
  static const char *const words[] = { "true", "false", "null" };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    {
      gsize length = strlen (words[i]);

      if ((gsize) (walk->end - walk->at) >= length && memcmp (walk->at, words[i], length) == 0)
        {
          walk->at += length;
          return TRUE;
        }
    }
  return complain (walk, "a value is expected here");
}

static void
append_key (GString *path, const char *key, gsize length)
{
  gboolean plain = length > 0;

  for (gsize i = 0; i < length; i++)
    plain = plain && (g_ascii_isalnum (key[i]) || key[i] == '_' || key[i] == '-');
  if (plain)
    g_string_append_printf (path, "%s%.*s", path->len > 0 ? "." : "", (int) length, key);
  else
    g_string_append_printf (path, "[\"%.*s\"]", (int) length, key);
}

static gboolean
walk_member (Walk *walk)
{
  gsize outer = walk->path->len;
  const char *key;
  gsize key_length;

  if (peek (walk) != '"')
    return complain (walk, "a key in double quotes is expected here");
  key = walk->at + 1;
  if (!walk_string (walk))
    return FALSE;
  key_length = (gsize) (walk->at - 1 - key);

  append_key (walk->path, key, key_length);
  if (g_hash_table_contains (walk->places->lines, walk->path->str))
    {
      walk->at = key - 1;
      return complain (walk, "this key was there already");
    }
  if (!take (walk, ':'))
    return complain (walk, "a colon is expected here");
  if (!walk_value (walk))
    return FALSE;
  g_string_truncate (walk->path, outer);
  return TRUE;
}

static gboolean
walk_object (Walk *walk)
{
  if (take (walk, '}'))
    return TRUE;
  do
    if (!walk_member (walk))
      return FALSE;
  while (take (walk, ','));
  return take (walk, '}') || complain (walk, "a comma or } is expected here");
}

static gboolean
walk_array (Walk *walk)
{
  gsize outer = walk->path->len;
  guint index = 0;

  if (take (walk, ']'))
    return TRUE;
  do
    {
      g_string_append_printf (walk->path, "[%u]", index++);
      if (!walk_value (walk))
        return FALSE;
      g_string_truncate (walk->path, outer);
    }
  while (take (walk, ','));
  return take (walk, ']') || complain (walk, "a comma or ] is expected here");
}

static gboolean
walk_value (Walk *walk)
{
  gboolean ok;
  int first = peek (walk);
  guint64 *place;

  if (walk->depth == MAX_DEPTH)
    return complain (walk, "this is nested too deeply");

  place = g_new (guint64, 1);
  *place = locate (walk, walk->at);
  g_hash_table_insert (walk->places->lines, g_strdup (walk->path->str), place);

  walk->depth++;
  if (first == '{')
    ok = (walk->at++, walk_object (walk));
  else if (first == '[')
    ok = (walk->at++, walk_array (walk));
  else if (first == '"')
    ok = walk_string (walk);
  else if (first == '-' || g_ascii_isdigit (first))
    ok = walk_number (walk);
  else
    ok = walk_word (walk);
  walk->depth--;
  return ok;
}

/**
 * postern_json_places_new:
 * @text: need not end with NUL
 * @name: what to call the text in complaints, like "config.json"
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_INVALID when it is not JSON, is not
 *   UTF-8, has a key twice in one object, or is nested deeper than 32; the message names the place.
 */
PosternJsonPlaces *
postern_json_places_new (const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (PosternJsonPlaces) self = g_new0 (PosternJsonPlaces, 1);
  g_autoptr (GString) path = g_string_new (NULL);
  Walk walk = { self, text, text + length, text, path, 0, NULL, text, 1, 1 };
  const char *bad;
  guint64 place;

  self->name = g_strdup (name);
  self->lines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (!g_utf8_validate_len (text, length, &bad))
    {
      walk.at = bad;
      complain (&walk, "this is not UTF-8 text");
    }
  else if (walk_value (&walk) && peek (&walk) >= 0)
    complain (&walk, "nothing more is expected here");
  if (walk.complaint == NULL)
    return g_steal_pointer (&self);

  place = locate (&walk, walk.at);
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_INVALID,
               "%s:%u:%u: %s",
               name,
               (guint) (place >> 32),
               (guint) place,
               walk.complaint);
  return NULL;
}

void
postern_json_places_free (PosternJsonPlaces *self)
{
  g_free (self->name);
  g_clear_pointer (&self->lines, g_hash_table_unref);
  g_free (self);
}

/**
 * postern_json_places_describe:
 * @path: of a value; for one that is missing the place of the next outer one that is there is told
 *
 * Returns: (transfer full): "config.json:12:5"
 */
char *
postern_json_places_describe (const PosternJsonPlaces *self, const char *path)
{
  g_autofree char *outer = g_strdup (path);
  const guint64 *place;

  while ((place = g_hash_table_lookup (self->lines, outer)) == NULL && *outer != '\0')
    {
      gsize length = strlen (outer);

      do
        length--;
      while (length > 0 && outer[length] != '.' && outer[length] != '[');
      outer[length] = '\0';
    }
  if (place == NULL)
    return g_strdup (self->name);
  return g_strdup_printf ("%s:%u:%u", self->name, (guint) (*place >> 32), (guint) *place);
}
