/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/event-stream.h"

#include <string.h>

#define MAX_EVENT_OCTETS (64 * 1024)

struct _PosternEventStream
{
  PosternEventFunc func;
  gpointer user_data;
  GString *line;
  GString *data;
  char *type;    /* (nullable) of the event being read */
  char *last_id; /* (nullable) */
  gsize n_fed;   /* octets, until the byte order mark can no longer come */
  gboolean after_cr;
  gboolean has_data;
};

PosternEventStream *
postern_event_stream_new (PosternEventFunc func, gpointer user_data)
{
  PosternEventStream *self = g_new0 (PosternEventStream, 1);

  self->func = func;
  self->user_data = user_data;
  self->line = g_string_new (NULL);
  self->data = g_string_new (NULL);
  return self;
}

void
postern_event_stream_free (PosternEventStream *self)
{
  g_string_free (self->line, TRUE);
  g_string_free (self->data, TRUE);
  g_free (self->type);
  g_free (self->last_id);
  g_free (self);
}

/**
 * postern_event_stream_get_last_id:
 *
 * Returns: (nullable): what Last-Event-ID says when the stream is asked for again
 */
const char *
postern_event_stream_get_last_id (PosternEventStream *self)
{
  return self->last_id;
}

static void
end_event (PosternEventStream *self)
{
  g_autofree char *type = g_steal_pointer (&self->type);
  gboolean has_data = self->has_data;

  self->has_data = FALSE;
  if (has_data && g_utf8_validate (self->data->str, (gssize) self->data->len, NULL))
    self->func (type != NULL ? type : "message", self->data->str, self->user_data);
  g_string_truncate (self->data, 0);
}

static void
end_line (PosternEventStream *self)
{
  char *colon = strchr (self->line->str, ':');
  const char *value = "";

  if (self->line->len == 0)
    {
      end_event (self);
      return;
    }
  if (colon != NULL)
    {
      *colon = '\0';
      value = colon[1] == ' ' ? colon + 2 : colon + 1;
    }
  if (strcmp (self->line->str, "data") == 0)
    {
      if (self->has_data)
        g_string_append_c (self->data, '\n');
      g_string_append (self->data, value);
      self->has_data = TRUE;
    }
  else if (strcmp (self->line->str, "event") == 0)
    {
      g_free (self->type);
      self->type = g_strdup (value);
    }
  else if (strcmp (self->line->str, "id") == 0)
    {
      g_free (self->last_id);
      self->last_id = g_strdup (value);
    }
  /* A comment has no name before its colon; "retry" and what else may come is of no use here. */
  g_string_truncate (self->line, 0);
}

/**
 * postern_event_stream_feed:
 *
 * Calls the function for each event that is complete; lines end in LF, CR or both. Returns: FALSE
 * when an event or a line grows past 64 KiB: then the stream is of no use.
 */
gboolean
postern_event_stream_feed (PosternEventStream *self, const guint8 *data, gsize length)
{
  static const guint8 mark[] = { 0xef, 0xbb, 0xbf };

  for (gsize i = 0; i < length; i++)
    {
      gboolean is_mark = self->n_fed < sizeof mark && data[i] == mark[self->n_fed];

      self->n_fed += self->n_fed < sizeof mark ? 1 : 0;
      if (is_mark)
        continue;
      if (data[i] == '\n' && self->after_cr)
        self->after_cr = FALSE;
      else if (data[i] == '\n' || data[i] == '\r')
        {
          self->after_cr = data[i] == '\r';
          end_line (self);
        }
      else
        {
          self->after_cr = FALSE;
          if (data[i] != '\0')
            g_string_append_c (self->line, (char) data[i]);
        }
      if (self->line->len + self->data->len > MAX_EVENT_OCTETS)
        return FALSE;
    }
  return TRUE;
}
