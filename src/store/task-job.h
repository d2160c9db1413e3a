/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/store-thread.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternTaskJob:
 *
 * A job whose end is the return of a GTask; the first member of what carries its particulars, which
 * is allocated by g_new0() as one.
 */
typedef struct
{
  PosternStoreJob job;
  GTask *task;                       /* (owned) */
  void (*clear) (gpointer task_job); /* (nullable) frees the particulars */
  gint64 number;                     /* what it found, or how many it changed */
  gpointer result;                   /* (owned) (nullable) */
  GDestroyNotify result_free;
} PosternTaskJob;

void postern_task_job_init (PosternTaskJob *self,
                            gpointer source,
                            gpointer source_tag,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data);
void postern_task_job_return_number (PosternStoreJob *job);
void postern_task_job_return_result (PosternStoreJob *job);
gboolean postern_task_job_is_cancelled (PosternTaskJob *self);

G_END_DECLS
