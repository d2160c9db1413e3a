/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/output.h"

#include <stdlib.h>

static void
test_table (void)
{
  static const char *const headings[] = { "NAME", "SIZE", "WHY", NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream (&text, &length);

  postern_table_add (table, "李明", "10", "wide", NULL);
  postern_table_add (table, "e\xcc\x81t\xc3\xa9", "", "none", NULL);
  postern_table_add (table, "a", "1", NULL, NULL);
  postern_table_print (table, out);
  fclose (out);
  g_assert_cmpstr (text,
                   ==,
                   "NAME  SIZE  WHY\n"
                   "李明  10    wide\n"
                   "e\xcc\x81t\xc3\xa9         none\n"
                   "a     1\n");
  free (text);
}

static void
test_empty_column (void)
{
  static const char *const headings[] = { "地址", "WHY", "端口", NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream (&text, &length);

  postern_table_print (table, out);
  postern_table_add (table, "::1", "", "1995", NULL);
  postern_table_add (table, "a", NULL, "", NULL);
  postern_table_print (table, out);
  fclose (out);
  g_assert_cmpstr (text,
                   ==,
                   "地址  WHY  端口\n"
                   "地址  端口\n"
                   "::1   1995\n"
                   "a\n");
  free (text);
}

static void
test_safe (void)
{
  static const struct
  {
    const char *text;
    const char *safe;
  } cases[] = {
    { "plain ü 李", "plain ü 李" },
    { "two\r\nlines\tand more", "two  lines and more" },
    { "\x1b]0;title\x07", "\xef\xbf\xbd]0;title\xef\xbf\xbd" },
    { "turn\xe2\x80\xae back", "turn\xef\xbf\xbd back" },
    { "C1 \xc2\x9b 2J", "C1 \xef\xbf\xbd 2J" },
    { "broken \xff octet", "broken \xef\xbf\xbd octet" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *safe = postern_output_dup_safe (cases[i].text);

      g_assert_cmpstr (safe, ==, cases[i].safe);
    }
}

static void
test_json (void)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GVariant) properties = g_variant_ref_sink (g_variant_new_parsed (
      "{'LastSync': <@x 5>, 'Aliases': <['a', 'b']>, 'Progress': <(@u 1, @u 2)>, 'id': <'\x1b'>}"));
  char *text = NULL;
  size_t length;
  PosternCli cli = { .out = open_memstream (&text, &length) };

  json_builder_begin_object (builder);
  postern_json_add_properties (builder, properties);
  json_builder_end_object (builder);
  postern_output_json (&cli, builder);
  fclose (cli.out);
  g_assert_cmpstr (
      text,
      ==,
      "{\"last_sync\":5,\"aliases\":[\"a\",\"b\"],\"progress\":[1,2],\"id\":\"\\u001b\"}\n");
  free (text);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/output/columns-are-as-wide-as-they-look", test_table);
  g_test_add_func ("/cli/output/an-empty-column-is-left-out", test_empty_column);
  g_test_add_func ("/cli/output/a-terminal-finds-nothing-to-obey", test_safe);
  g_test_add_func ("/cli/output/properties-become-members", test_json);
  return g_test_run ();
}
