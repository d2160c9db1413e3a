/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternLogRecord:
 *
 * One line of the log, lent by the ring for the length of a call.
 */
typedef struct
{
  guint64 serial; /* from 1, without gaps */
  gint64 time_us; /* wall clock, UTC */
  GLogLevelFlags level;
  const char *domain;
  const char *message;
} PosternLogRecord;

typedef struct _PosternLogRing PosternLogRing;

PosternLogRing *postern_log_ring_new (guint max_records, gsize max_octets);
void postern_log_ring_free (PosternLogRing *self);
void postern_log_ring_add (PosternLogRing *self,
                           GLogLevelFlags level,
                           const char *domain,
                           const char *message);
guint64 postern_log_ring_get_last (PosternLogRing *self);

typedef gboolean (*PosternLogRingFunc) (const PosternLogRecord *record, gpointer user_data);
void postern_log_ring_foreach (PosternLogRing *self,
                               guint64 after,
                               PosternLogRingFunc func,
                               gpointer user_data);

typedef void (*PosternLogRingListener) (gpointer user_data);
void postern_log_ring_set_listener (PosternLogRing *self,
                                    PosternLogRingListener listener,
                                    gpointer user_data);

void postern_log_ring_install (PosternLogRing *self, gboolean verbose);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternLogRing, postern_log_ring_free)

G_END_DECLS
