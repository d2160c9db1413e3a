/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli/command.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* For people: aligned columns, times local, nothing that could move the cursor. */

typedef struct _PosternTable PosternTable;

PosternTable *postern_table_new (const char *const *headings);
void postern_table_free (PosternTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternTable, postern_table_free)
void postern_table_add (PosternTable *self, ...) G_GNUC_NULL_TERMINATED;
void postern_table_print (PosternTable *self, FILE *out);

void postern_output_line (PosternCli *cli, const char *format, ...) G_GNUC_PRINTF (2, 3);
void postern_output_pair (PosternCli *cli, const char *left, gsize columns, const char *right);
void postern_output_field (PosternCli *cli, const char *name, const char *value);
char *postern_output_dup_safe (const char *text);
char *postern_output_dup_time (gint64 time_us);
char *postern_output_dup_size (guint64 octets);

/* For programs: one object on one line. */

void postern_output_json (PosternCli *cli, JsonBuilder *builder);
void postern_json_add_string (JsonBuilder *builder, const char *name, const char *value);
void postern_json_add_int (JsonBuilder *builder, const char *name, gint64 value);
void postern_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value);
void postern_json_add_properties (JsonBuilder *builder, GVariant *properties);

G_END_DECLS
