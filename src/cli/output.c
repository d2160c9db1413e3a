/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/output.h"

#include <string.h>

#define GAP 2 /* columns between columns */

struct _PosternTable
{
  GPtrArray *rows; /* of GStrv, the headings first */
  guint n_columns;
};

/**
 * postern_output_dup_safe:
 * @text: maybe from a stranger's mail
 *
 * Returns: (transfer full): the text on one line, valid, without anything a terminal would obey
 */
char *
postern_output_dup_safe (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *safe = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      GUnicodeType type = g_unichar_type (c);

      /* FORMAT holds the marks that turn the direction of writing. */
      if (c == '\n' || c == '\r' || c == '\t')
        g_string_append_c (safe, ' ');
      else if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT)
        g_string_append_unichar (safe, 0xFFFD);
      else
        g_string_append_unichar (safe, c);
    }
  return g_string_free (safe, FALSE);
}

static gsize
count_columns (const char *text)
{
  gsize columns = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      columns += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
    }
  return columns;
}

/**
 * postern_table_new:
 * @headings: of its columns, ended by NULL
 */
PosternTable *
postern_table_new (const char *const *headings)
{
  PosternTable *self = g_new0 (PosternTable, 1);

  self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  self->n_columns = g_strv_length ((char **) headings);
  g_ptr_array_add (self->rows, g_strdupv ((char **) headings));
  return self;
}

void
postern_table_free (PosternTable *self)
{
  g_ptr_array_unref (self->rows);
  g_free (self);
}

/**
 * postern_table_add:
 * @...: as many texts as there are headings, then NULL
 */
void
postern_table_add (PosternTable *self, ...)
{
  GStrv row = g_new0 (char *, self->n_columns + 1);
  va_list arguments;

  va_start (arguments, self);
  for (guint i = 0; i < self->n_columns; i++)
    {
      const char *text = va_arg (arguments, const char *);

      row[i] = postern_output_dup_safe (text == NULL ? "" : text);
    }
  va_end (arguments);
  g_ptr_array_add (self->rows, row);
}

/**
 * postern_table_print:
 *
 * Prints it with columns as wide as they look on a terminal, where a Han character takes two. A column
 * that says nothing in any row is left out.
 */
void
postern_table_print (PosternTable *self, FILE *out)
{
  g_autofree gsize *widths = g_new0 (gsize, self->n_columns);
  g_autofree gboolean *are_shown = g_new0 (gboolean, self->n_columns);

  for (guint r = 0; r < self->rows->len; r++)
    for (guint c = 0; c < self->n_columns; c++)
      {
        GStrv row = g_ptr_array_index (self->rows, r);

        widths[c] = MAX (widths[c], count_columns (row[c]));
        are_shown[c] = are_shown[c] || self->rows->len == 1 || (r > 0 && *row[c] != '\0');
      }
  for (guint r = 0; r < self->rows->len; r++)
    {
      GStrv row = g_ptr_array_index (self->rows, r);
      gsize owed = 0; /* spaces, put only when something follows */

      for (guint c = 0; c < self->n_columns; c++)
        {
          if (!are_shown[c])
            continue;
          if (*row[c] != '\0')
            {
              fprintf (out, "%*s%s", (int) owed, "", row[c]);
              owed = 0;
            }
          owed += widths[c] - count_columns (row[c]) + GAP;
        }
      fputc ('\n', out);
    }
}

/**
 * postern_output_line:
 *
 * Prints one line, made safe as a whole.
 */
void
postern_output_line (PosternCli *cli, const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *safe = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  safe = postern_output_dup_safe (text);
  fprintf (cli->out, "%s\n", safe);
}

/**
 * postern_output_pair:
 * @columns: where @right begins, unless @left is longer
 *
 * Prints two texts of ours on one indented line, the right ones of several below each other.
 */
void
postern_output_pair (PosternCli *cli, const char *left, gsize columns, const char *right)
{
  gsize taken = count_columns (left);

  fprintf (cli->out, "  %s%*s%s\n", left, taken < columns ? (int) (columns - taken) : 1, "", right);
}

/**
 * postern_output_field:
 *
 * Prints a name and its value, the values of several below each other.
 */
void
postern_output_field (PosternCli *cli, const char *name, const char *value)
{
  g_autofree char *safe = postern_output_dup_safe (value);

  postern_output_pair (cli, name, 22, safe);
}

/**
 * postern_output_dup_time:
 * @time_us: microseconds since 1970 in UTC, 0 for never
 *
 * Returns: (transfer full): the time here, like "2026-11-22 13:05"
 */
char *
postern_output_dup_time (gint64 time_us)
{
  g_autoptr (GDateTime) time = NULL;

  if (time_us <= 0)
    return g_strdup (_ ("never"));
  time = g_date_time_new_from_unix_local (time_us / G_USEC_PER_SEC);
  return time == NULL ? g_strdup ("?") : g_date_time_format (time, "%Y-%m-%d %H:%M");
}

char *
postern_output_dup_size (guint64 octets)
{
  return g_format_size_full (octets, G_FORMAT_SIZE_IEC_UNITS);
}

/**
 * postern_output_json:
 *
 * Prints what was built, on one line.
 */
void
postern_output_json (PosternCli *cli, JsonBuilder *builder)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = NULL;

  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  fprintf (cli->out, "%s\n", text);
  fflush (cli->out);
}

void
postern_json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

void
postern_json_add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

void
postern_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

/* LastSync -> last_sync */
static char *
dup_snake_case (const char *name)
{
  GString *snake = g_string_new (NULL);

  for (const char *p = name; *p != '\0'; p++)
    {
      if (g_ascii_isupper (*p) && p > name)
        g_string_append_c (snake, '_');
      g_string_append_c (snake, g_ascii_tolower (*p));
    }
  return g_string_free (snake, FALSE);
}

/**
 * postern_json_add_properties:
 * @properties: a{sv}: properties of an object, or an entry of the queue
 *
 * Adds each as a member of the object that is being built.
 */
void
postern_json_add_properties (JsonBuilder *builder, GVariant *properties)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *snake = dup_snake_case (name);

      json_builder_set_member_name (builder, snake);
      json_builder_add_value (builder, json_gvariant_serialize (value));
    }
}
