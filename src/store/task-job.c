/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/task-job.h"

void
postern_task_job_init (PosternTaskJob *self,
                       gpointer source,
                       gpointer source_tag,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  self->task = g_task_new (source, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, source_tag);
}

static void
task_job_free (PosternTaskJob *self)
{
  if (self->clear != NULL)
    self->clear (self);
  if (self->result_free != NULL)
    g_clear_pointer (&self->result, self->result_free);
  g_clear_error (&self->job.error);
  g_object_unref (self->task);
  g_free (self);
}

/**
 * postern_task_job_return_number:
 *
 * A `done`: the task returns the number, or the error.
 */
void
postern_task_job_return_number (PosternStoreJob *job)
{
  PosternTaskJob *self = (PosternTaskJob *) job;

  if (job->error != NULL)
    g_task_return_error (self->task, g_steal_pointer (&job->error));
  else
    g_task_return_int (self->task, self->number);
  task_job_free (self);
}

/**
 * postern_task_job_return_result:
 *
 * A `done`: the task returns the result and owns it, or the error.
 */
void
postern_task_job_return_result (PosternStoreJob *job)
{
  PosternTaskJob *self = (PosternTaskJob *) job;

  if (job->error != NULL)
    g_task_return_error (self->task, g_steal_pointer (&job->error));
  else
    g_task_return_pointer (self->task, g_steal_pointer (&self->result), self->result_free);
  task_job_free (self);
}

/**
 * postern_task_job_is_cancelled:
 *
 * On any thread. Returns: whether there is nobody to work for; the job then has that error.
 */
gboolean
postern_task_job_is_cancelled (PosternTaskJob *self)
{
  GCancellable *cancellable = g_task_get_cancellable (self->task);

  if (cancellable == NULL || !g_cancellable_is_cancelled (cancellable))
    return FALSE;
  g_clear_error (&self->job.error);
  g_cancellable_set_error_if_cancelled (cancellable, &self->job.error);
  return TRUE;
}
