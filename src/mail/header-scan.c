/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/header-scan.h"

#include "mail/mailbox-list.h"

#include <string.h>

/* The octets are gathered up to the end of the header, line by line; each line is looked at once,
 * when it ends. What a line is, is decided as mail/message-filter decides it, so that no Bcc or
 * From can be seen by one and not by the other:
 *   nothing                        the header ends behind it
 *   blank, then anything           goes on with the field before; without one, the body begins
 *   name, blanks, colon            a field
 *   "From ", as the first line     is left out: of an mbox file
 *   anything else                  the body begins with it
 */

/* No standard has a limit. Exchange's receive connectors stop at 256 KiB, Gmail at 500 kB. */
#define MAX_HEADER (256 * 1024)
#define MAX_NAME   998 /* RFC 5322 section 2.1.1: no line is longer, so no name is */

typedef struct
{
  guint32 start;       /* in `octets` */
  guint32 name_length; /* octets */
  guint32 value;       /* in `octets` */
  guint32 end;         /* in `octets`, behind its line end */
} Field;

struct _PosternHeaderScan
{
  PosternHeaderState state;
  GString *octets;
  GArray *fields;   /* (element-type Field) */
  gsize line_start; /* in `octets` */
  gboolean after_cr;
  guint64 length; /* of the header with its empty line, once complete */
};

PosternHeaderScan *
postern_header_scan_new (void)
{
  PosternHeaderScan *self = g_new0 (PosternHeaderScan, 1);

  self->octets = g_string_new (NULL);
  self->fields = g_array_new (FALSE, FALSE, sizeof (Field));
  return self;
}

void
postern_header_scan_free (PosternHeaderScan *self)
{
  g_string_free (self->octets, TRUE);
  g_array_unref (self->fields);
  g_free (self);
}

static void
complete (PosternHeaderScan *self, gsize length)
{
  self->state = POSTERN_HEADER_COMPLETE;
  self->length = length;
}

/* Fills @field when the line is the first of one. */
static gboolean
parse_name (const char *line, gsize length, Field *field)
{
  gsize name = 0;
  gsize colon;

  /* RFC 5322 section 2.2; section 4.5 has the blanks before the colon. */
  while (name < length && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
    name++;
  for (colon = name; colon < length && (line[colon] == ' ' || line[colon] == '\t'); colon++)
    ;
  if (name == 0 || colon == length || line[colon] != ':' || colon > MAX_NAME)
    return FALSE;
  field->name_length = (guint32) name;
  field->value = (guint32) colon + 1;
  return TRUE;
}

/* A line has ended: @length octets of text, its line end included from there to @end. */
static void
take_line (PosternHeaderScan *self, gsize length, gsize end)
{
  const char *line = self->octets->str + self->line_start;
  Field field = { .start = (guint32) self->line_start, .end = (guint32) end };

  if (length == 0)
    {
      complete (self, end);
    }
  else if (line[0] == ' ' || line[0] == '\t')
    {
      if (self->fields->len == 0)
        complete (self, self->line_start);
      else
        g_array_index (self->fields, Field, self->fields->len - 1).end = (guint32) end;
    }
  else if (parse_name (line, length, &field))
    {
      field.value += field.start;
      g_array_append_val (self->fields, field);
    }
  else if (self->line_start > 0 || length < 5 || strncmp (line, "From ", 5) != 0)
    {
      complete (self, self->line_start);
    }
  self->line_start = end;
}

/**
 * postern_header_scan_feed:
 *
 * Takes the next piece of the message. Pieces behind the header do no harm.
 */
PosternHeaderState
postern_header_scan_feed (PosternHeaderScan *self, const guint8 *data, gsize length)
{
  for (gsize i = 0; i < length && self->state == POSTERN_HEADER_OPEN; i++)
    {
      gboolean ends_crlf = self->after_cr && data[i] == '\n';
      gsize at = self->octets->len;

      /* A lone CR ends a line too, which shows only with the octet behind it. */
      if (self->after_cr && !ends_crlf)
        take_line (self, at - 1 - self->line_start, at);
      self->after_cr = FALSE;
      if (self->state != POSTERN_HEADER_OPEN)
        break;
      if (at == MAX_HEADER)
        {
          self->state = POSTERN_HEADER_TOO_LARGE;
          break;
        }

      g_string_append_c (self->octets, (char) data[i]);
      if (ends_crlf)
        take_line (self, at - 1 - self->line_start, at + 1);
      else if (data[i] == '\n')
        take_line (self, at - self->line_start, at + 1);
      else
        self->after_cr = data[i] == '\r';
    }
  return self->state;
}

/**
 * postern_header_scan_finish:
 *
 * The message has ended, perhaps within its header.
 */
PosternHeaderState
postern_header_scan_finish (PosternHeaderScan *self)
{
  gsize end = self->octets->len;

  if (self->state != POSTERN_HEADER_OPEN)
    return self->state;
  if (end > self->line_start)
    take_line (self, end - (self->after_cr ? 1 : 0) - self->line_start, end);
  if (self->state == POSTERN_HEADER_OPEN)
    complete (self, end);
  return self->state;
}

PosternHeaderState
postern_header_scan_get_state (const PosternHeaderScan *self)
{
  return self->state;
}

/**
 * postern_header_scan_get_length:
 *
 * Returns: octets before the body, once the header is complete.
 */
guint64
postern_header_scan_get_length (const PosternHeaderScan *self)
{
  return self->length;
}

guint
postern_header_scan_get_n_fields (const PosternHeaderScan *self)
{
  return self->fields->len;
}

PosternHeaderField
postern_header_scan_get_field (const PosternHeaderScan *self, guint index)
{
  const Field *field = &g_array_index (self->fields, Field, index);
  const char *octets = self->octets->str;
  gsize value_end = field->end;

  while (value_end > field->value && strchr ("\r\n", octets[value_end - 1]) != NULL &&
         octets[value_end - 1] != '\0')
    value_end--;
  return (PosternHeaderField){
    .name = octets + field->start,
    .name_length = field->name_length,
    .value = octets + field->value,
    .value_length = value_end - field->value,
    .raw = octets + field->start,
    .raw_length = field->end - field->start,
  };
}

static gboolean
is_named (const PosternHeaderField *field, const char *name)
{
  return strlen (name) == field->name_length &&
         g_ascii_strncasecmp (field->name, name, field->name_length) == 0;
}

/**
 * postern_header_scan_count:
 * @name: case does not matter
 *
 * Returns: how many fields are called so.
 */
guint
postern_header_scan_count (const PosternHeaderScan *self, const char *name)
{
  guint count = 0;

  for (guint i = 0; i < self->fields->len; i++)
    {
      PosternHeaderField field = postern_header_scan_get_field (self, i);

      count += is_named (&field, name) ? 1 : 0;
    }
  return count;
}

/* Returns the value without folds (RFC 5322 section 2.2.3) and outer blanks. A NUL would hide what
 * follows it, and becomes '?'. */
static char *
unfold (const PosternHeaderField *field)
{
  g_autoptr (GString) value = g_string_sized_new (field->value_length);

  for (gsize i = 0; i < field->value_length; i++)
    {
      char c = field->value[i];

      if (c != '\r' && c != '\n')
        g_string_append_c (value, c == '\0' ? '?' : c);
    }
  return g_strstrip (g_string_free (g_steal_pointer (&value), FALSE));
}

/**
 * postern_header_scan_dup_value:
 * @name: case does not matter
 *
 * Returns: (transfer full) (nullable): the value of the first field called so, unfolded, otherwise
 *   as it came: not decoded, perhaps not UTF-8. NULL when there is none.
 */
char *
postern_header_scan_dup_value (const PosternHeaderScan *self, const char *name)
{
  for (guint i = 0; i < self->fields->len; i++)
    {
      PosternHeaderField field = postern_header_scan_get_field (self, i);

      if (is_named (&field, name))
        return unfold (&field);
    }
  return NULL;
}

/**
 * postern_header_scan_dup_message_id:
 *
 * Returns: (transfer full) (nullable): "<left@right>" of the first Message-ID; NULL when there is
 *   none or it has not that form.
 */
char *
postern_header_scan_dup_message_id (const PosternHeaderScan *self)
{
  g_autofree char *value = postern_header_scan_dup_value (self, "Message-ID");
  gsize length;

  if (value == NULL || value[0] != '<')
    return NULL;
  length = strcspn (value, ">");
  for (gsize i = 0; i < length; i++)
    if ((guchar) value[i] <= ' ' || value[i] == 0x7f || (i > 0 && value[i] == '<'))
      return NULL;
  if (value[length] != '>' || value[length + 1] != '\0' || strchr (value, '@') == NULL ||
      !g_utf8_validate (value, -1, NULL))
    return NULL;
  return g_steal_pointer (&value);
}

/**
 * postern_header_scan_get_from:
 * @address: (out) (transfer full) (nullable): the mailbox, with POSTERN_FROM_ONE; may be NULL
 *
 * Tells who the message says it is from. A submission needs exactly one mailbox in exactly one
 * field: what shows several names can be read as any of them.
 */
PosternHeaderFrom
postern_header_scan_get_from (const PosternHeaderScan *self, char **address)
{
  guint count = postern_header_scan_count (self, "From");
  g_autofree char *value = postern_header_scan_dup_value (self, "From");
  g_autoptr (GPtrArray) found = NULL;

  if (address != NULL)
    *address = NULL;
  if (value == NULL)
    return POSTERN_FROM_MISSING;
  if (count > 1)
    return POSTERN_FROM_SEVERAL;
  found = postern_mailbox_list_parse (value);
  if (found == NULL)
    return POSTERN_FROM_MALFORMED;
  if (found->len != 1)
    return POSTERN_FROM_SEVERAL;
  if (address != NULL)
    *address = g_strdup (g_ptr_array_index (found, 0));
  return POSTERN_FROM_ONE;
}
