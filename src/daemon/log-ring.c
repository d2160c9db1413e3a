/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/log-ring.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* The last things that happened, for the window and `posternctl log`. Both the number of records and
 * their octets are bounded, so that a chatty hour costs no memory. Records come from any thread. */

#define LONGEST_MESSAGE 2000 /* octets; a longer one is cut, so that it cannot empty the ring */

typedef struct
{
  guint64 serial;
  gint64 time_us;
  GLogLevelFlags level;
  char *domain;
  char *message;
} Record;

struct _PosternLogRing
{
  GMutex lock;
  GQueue records; /* (element-type Record) */
  guint max_records;
  gsize max_octets;
  gsize octets;
  guint64 last;
  PosternLogRingListener listener; /* (nullable) */
  gpointer listener_data;
};

static gsize
record_octets (const Record *record)
{
  return sizeof *record + strlen (record->message) + strlen (record->domain) + 2;
}

static void
record_free (gpointer data)
{
  Record *record = data;

  g_free (record->domain);
  g_free (record->message);
  g_free (record);
}

PosternLogRing *
postern_log_ring_new (guint max_records, gsize max_octets)
{
  PosternLogRing *self = g_new0 (PosternLogRing, 1);

  g_mutex_init (&self->lock);
  g_queue_init (&self->records);
  self->max_records = max_records;
  self->max_octets = max_octets;
  return self;
}

void
postern_log_ring_free (PosternLogRing *self)
{
  g_queue_clear_full (&self->records, record_free);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/**
 * postern_log_ring_add:
 *
 * Keeps a record, dropping the oldest ones when there are too many. Any thread.
 */
void
postern_log_ring_add (PosternLogRing *self,
                      GLogLevelFlags level,
                      const char *domain,
                      const char *message)
{
  g_autofree char *cut = g_strndup (message, LONGEST_MESSAGE);
  Record *record = g_new0 (Record, 1);

  record->time_us = postern_clock_now_us ();
  record->level = level;
  record->domain = g_strdup (domain);
  record->message = g_utf8_make_valid (cut, -1);

  g_mutex_lock (&self->lock);
  record->serial = ++self->last;
  self->octets += record_octets (record);
  g_queue_push_tail (&self->records, record);
  while (self->records.length > self->max_records || self->octets > self->max_octets)
    {
      Record *oldest = g_queue_pop_head (&self->records);

      self->octets -= record_octets (oldest);
      record_free (oldest);
    }
  g_mutex_unlock (&self->lock);

  if (self->listener != NULL && g_main_context_is_owner (NULL))
    self->listener (self->listener_data);
}

/**
 * postern_log_ring_get_last:
 *
 * Returns: the serial of the newest record, 0 when there was none yet.
 */
guint64
postern_log_ring_get_last (PosternLogRing *self)
{
  guint64 last;

  g_mutex_lock (&self->lock);
  last = self->last;
  g_mutex_unlock (&self->lock);
  return last;
}

/**
 * postern_log_ring_foreach:
 * @after: only records with a larger serial
 * @func: called in order; FALSE ends it. It must not log.
 */
void
postern_log_ring_foreach (PosternLogRing *self,
                          guint64 after,
                          PosternLogRingFunc func,
                          gpointer user_data)
{
  g_mutex_lock (&self->lock);
  for (GList *link = self->records.head; link != NULL; link = link->next)
    {
      const Record *record = link->data;
      PosternLogRecord lent = { record->serial,
                                record->time_us,
                                record->level,
                                record->domain,
                                record->message };

      if (record->serial > after && !func (&lent, user_data))
        break;
    }
  g_mutex_unlock (&self->lock);
}

/**
 * postern_log_ring_set_listener:
 * @listener: (nullable): called on the main thread, for records that came from there; what store
 *   threads say is told with the next of those
 */
void
postern_log_ring_set_listener (PosternLogRing *self,
                               PosternLogRingListener listener,
                               gpointer user_data)
{
  self->listener = listener;
  self->listener_data = user_data;
}

typedef struct
{
  PosternLogRing *ring;
  gboolean verbose;
} Writer;

static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const Writer *writer = user_data;
  const char *domain = "";
  const char *message = NULL;

  for (gsize i = 0; i < n_fields; i++)
    {
      if (strcmp (fields[i].key, "MESSAGE") == 0)
        message = fields[i].value;
      else if (strcmp (fields[i].key, "GLIB_DOMAIN") == 0)
        domain = fields[i].value;
    }

  /* Debug is for developers, who have G_MESSAGES_DEBUG; the ring is for the person. Only our own
   * rooms write into it: a library's debug output might show what we promised not to. */
  if (message != NULL && (level & G_LOG_LEVEL_DEBUG) == 0 &&
      (g_str_has_prefix (domain, "postern") || (level & G_LOG_LEVEL_INFO) == 0))
    postern_log_ring_add (writer->ring, level, domain, message);

  if (!writer->verbose && g_log_writer_default_would_drop (level, domain))
    return G_LOG_WRITER_HANDLED;
  if ((level & G_LOG_LEVEL_DEBUG) != 0 && g_log_writer_default_would_drop (level, domain))
    return G_LOG_WRITER_HANDLED;
  if (g_log_writer_is_journald (fileno (stderr)) &&
      g_log_writer_journald (level, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_standard_streams (level, fields, n_fields, NULL);
}

/**
 * postern_log_ring_install:
 * @self: lives as long as the process
 * @verbose: also write `g_info` to standard error or the journal
 *
 * From now on all that is logged in the process is kept here too.
 */
void
postern_log_ring_install (PosternLogRing *self, gboolean verbose)
{
  Writer *writer = g_new0 (Writer, 1);

  writer->ring = self;
  writer->verbose = verbose;
  g_log_writer_default_set_use_stderr (TRUE);
  g_log_set_writer_func (write_log, writer, g_free);
}
