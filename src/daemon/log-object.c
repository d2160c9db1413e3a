/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/log-object.h"

#include "base/error.h"
#include "daemon/bus-call.h"
#include "ipc/bus.h"
#include "ipc/names.h"

#include <string.h>

#define PAGE_MAX 200
#define TELL_MS  250 /* at most four signals a second */

struct _PosternLogObject
{
  PosternLogRing *ring; /* lent */
  PosternBusLog *skeleton;
  guint tell_id;
  guint64 told;
};

typedef struct
{
  GLogLevelFlags level; /* this and graver ones */
  char *search;         /* (nullable), case folded */
  guint limit;
  guint given;
  guint64 last;
  GVariantBuilder records;
} Reading;

static const struct
{
  const char *name;
  GLogLevelFlags level;
} levels[] = {
  { "warning", G_LOG_LEVEL_WARNING },
  { "message", G_LOG_LEVEL_MESSAGE },
  { "info", G_LOG_LEVEL_INFO },
  { "debug", G_LOG_LEVEL_DEBUG },
};

static const char *
level_name (GLogLevelFlags level)
{
  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    if ((level & G_LOG_LEVEL_MASK) <= levels[i].level)
      return levels[i].name;
  return "debug";
}

static gboolean
on_record (const PosternLogRecord *record, gpointer user_data)
{
  Reading *reading = user_data;

  if (reading->given >= reading->limit)
    return FALSE;
  reading->last = record->serial;
  if ((record->level & G_LOG_LEVEL_MASK) > reading->level)
    return TRUE;
  if (reading->search != NULL)
    {
      g_autofree char *folded = g_utf8_casefold (record->message, -1);

      if (strstr (folded, reading->search) == NULL)
        return TRUE;
    }
  g_variant_builder_add (&reading->records,
                         "(txsss)",
                         record->serial,
                         record->time_us,
                         level_name (record->level),
                         record->domain,
                         record->message);
  reading->given++;
  return TRUE;
}

static gboolean
read_filter (GVariant *filter, Reading *reading, GError **error)
{
  const char *level = NULL;
  const char *search = NULL;

  reading->level = G_LOG_LEVEL_DEBUG;
  if (g_variant_lookup (filter, "search", "&s", &search) && *search != '\0')
    reading->search = g_utf8_casefold (search, -1);
  if (!g_variant_lookup (filter, "level", "&s", &level))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    if (g_str_equal (levels[i].name, level))
      {
        reading->level = levels[i].level;
        return TRUE;
      }
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_INVALID,
               "A level is warning, message, info or debug, not “%s”",
               level);
  return FALSE;
}

static gboolean
on_read (PosternBusLog *skeleton,
         GDBusMethodInvocation *invocation,
         GVariant *filter,
         guint64 after,
         guint limit,
         gpointer user_data)
{
  PosternLogObject *self = user_data;
  Reading reading = { .limit = MIN (limit, PAGE_MAX), .last = after };
  GError *error = NULL;

  if (!read_filter (filter, &reading, &error))
    postern_bus_call_reply_error (invocation, error);
  else
    {
      g_variant_builder_init (&reading.records, G_VARIANT_TYPE ("a(txsss)"));
      if (limit == 0 && after == 0)
        reading.last = postern_log_ring_get_last (self->ring);
      else
        postern_log_ring_foreach (self->ring, after, on_record, &reading);
      postern_bus_log_complete_read (skeleton,
                                     invocation,
                                     g_variant_builder_end (&reading.records),
                                     reading.last);
    }
  g_free (reading.search);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_tell (gpointer user_data)
{
  PosternLogObject *self = user_data;

  self->tell_id = 0;
  self->told = postern_log_ring_get_last (self->ring);
  postern_bus_log_emit_changed (self->skeleton, self->told);
  return G_SOURCE_REMOVE;
}

static void
on_added (gpointer user_data)
{
  PosternLogObject *self = user_data;

  if (self->tell_id == 0)
    self->tell_id = g_timeout_add (TELL_MS, on_tell, self);
}

/**
 * postern_log_object_new:
 * @ring: outlives the object
 */
PosternLogObject *
postern_log_object_new (PosternLogRing *ring, PosternObjectTree *tree)
{
  PosternLogObject *self = g_new0 (PosternLogObject, 1);

  self->ring = ring;
  self->skeleton = postern_bus_log_skeleton_new ();
  g_signal_connect (self->skeleton, "handle-read", G_CALLBACK (on_read), self);
  postern_object_tree_add (tree, POSTERN_BUS_PATH, G_DBUS_INTERFACE_SKELETON (self->skeleton));
  postern_log_ring_set_listener (ring, on_added, self);
  return self;
}

void
postern_log_object_free (PosternLogObject *self)
{
  postern_log_ring_set_listener (self->ring, NULL, NULL);
  g_clear_handle_id (&self->tell_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->skeleton, self);
  g_object_unref (self->skeleton);
  g_free (self);
}
