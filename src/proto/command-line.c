/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/command-line.h"

#include "base/secret.h"

#include <string.h>

#define LEAST_ALLOCATION 128 /* octets; nearly every command fits */

static void
gather (PosternCommandLine *self, const guint8 *data, gsize length)
{
  if (self->length + length + 1 > self->allocated)
    {
      guint32 allocated = (guint32) MAX (LEAST_ALLOCATION, (self->length + length + 1) * 3 / 2);
      char *text = g_malloc (allocated);

      if (self->text != NULL)
        {
          memcpy (text, self->text, self->length);
          postern_memory_wipe (self->text, self->length);
          g_free (self->text);
        }
      self->text = text;
      self->allocated = allocated;
    }
  memcpy (self->text + self->length, data, length);
  self->length += (guint32) length;
  self->text[self->length] = '\0';
}

/**
 * postern_command_line_feed:
 * @limit: asked once a line outgrows what was gathered; @limit_data is given to it
 * @consumed: (out): octets of @data that belong to this line
 *
 * Takes the line up to its end, which is LF with or without CR: people type commands by hand, and
 * no command carries a message. After a state other than PARTIAL the caller uses the text and then
 * calls postern_command_line_clear().
 */
PosternCommandLineState
postern_command_line_feed (PosternCommandLine *self,
                           const guint8 *data,
                           gsize length,
                           PosternCommandLineLimit limit,
                           gconstpointer limit_data,
                           gsize *consumed)
{
  const guint8 *newline = memchr (data, '\n', length);
  gsize taken = newline == NULL ? length : (gsize) (newline - data) + 1;
  const gsize start_octets = 16; /* what a limit can depend on: the verb */

  *consumed = taken;
  if (!self->too_long)
    {
      gsize start = MIN (taken, start_octets);
      gsize most;

      /* The verb first, since it decides how much of the rest is kept. */
      gather (self, data, start);
      most = limit (self->text, self->length, limit_data);
      if (self->length + (taken - start) > most)
        {
          postern_command_line_clear (self);
          self->too_long = TRUE;
        }
      else
        {
          gather (self, data + start, taken - start);
        }
    }

  if (newline == NULL)
    return POSTERN_COMMAND_LINE_PARTIAL;
  if (self->too_long)
    return POSTERN_COMMAND_LINE_TOO_LONG;

  self->length--;
  if (self->length > 0 && self->text[self->length - 1] == '\r')
    self->length--;
  self->text[self->length] = '\0';
  if (memchr (self->text, '\0', self->length) != NULL ||
      memchr (self->text, '\r', self->length) != NULL)
    return POSTERN_COMMAND_LINE_BINARY;
  return POSTERN_COMMAND_LINE_READY;
}

void
postern_command_line_clear (PosternCommandLine *self)
{
  if (self->text != NULL)
    postern_memory_wipe (self->text, self->length);
  g_free (self->text);
  memset (self, 0, sizeof *self);
}

/**
 * postern_command_line_take_word:
 * @rest: (inout): moved behind the word and the spaces after it
 *
 * Returns: (transfer none) (nullable): the next word, cut out of the text; NULL at its end.
 */
char *
postern_command_line_take_word (char **rest)
{
  char *word = *rest + strspn (*rest, " \t");
  gsize length = strcspn (word, " \t");

  if (length == 0)
    {
      *rest = word;
      return NULL;
    }
  *rest = word + length;
  if (**rest != '\0')
    *(*rest)++ = '\0';
  *rest += strspn (*rest, " \t");
  return word;
}

/**
 * postern_command_line_is_http:
 *
 * Returns: whether the line is the first of an HTTP request. A web page can make a browser send one
 *   to a port of this machine, its body full of mail commands; so the connection ends there.
 */
gboolean
postern_command_line_is_http (const char *text)
{
  static const char *const methods[] = { "GET ",     "POST ",  "HEAD ",  "PUT ",  "DELETE ",
                                         "OPTIONS ", "TRACE ", "PATCH ", "PRI *", "CONNECT " };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    if (strncmp (text, methods[i], strlen (methods[i])) == 0)
      return TRUE;
  return FALSE;
}
