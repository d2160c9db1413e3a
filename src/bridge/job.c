/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/job.h"

struct _PosternJob
{
  GObject parent_instance;

  char *id;
  char *kind;
  PosternJobState state;
  char *step;
  double progress;
  GVariant *result; /* (nullable) a{sv} */
  GError *error;    /* (nullable) */
  GCancellable *cancellable;
};

G_DEFINE_FINAL_TYPE (PosternJob, postern_job, G_TYPE_OBJECT)

static guint changed_signal;

/**
 * postern_job_new:
 * @id: what the one who asked for it calls it, so that they can watch it from the start
 * @kind: "add-account", "test-account"
 */
PosternJob *
postern_job_new (const char *id, const char *kind)
{
  PosternJob *self = g_object_new (POSTERN_TYPE_JOB, NULL);

  self->id = g_strdup (id);
  self->kind = g_strdup (kind);
  return self;
}

const char *
postern_job_get_id (PosternJob *self)
{
  return self->id;
}

const char *
postern_job_get_kind (PosternJob *self)
{
  return self->kind;
}

PosternJobState
postern_job_get_state (PosternJob *self)
{
  return self->state;
}

/**
 * postern_job_get_step:
 *
 * Returns: what it is doing, or did last: a name for the step, such as "sign-in".
 */
const char *
postern_job_get_step (PosternJob *self)
{
  return self->step;
}

/**
 * postern_job_get_progress:
 *
 * Returns: 0 to 1
 */
double
postern_job_get_progress (PosternJob *self)
{
  return self->progress;
}

/**
 * postern_job_get_result:
 *
 * Returns: (transfer none) (nullable): a{sv}, once done
 */
GVariant *
postern_job_get_result (PosternJob *self)
{
  return self->result;
}

const GError *
postern_job_get_error (PosternJob *self)
{
  return self->error;
}

GCancellable *
postern_job_get_cancellable (PosternJob *self)
{
  return self->cancellable;
}

void
postern_job_report (PosternJob *self, double progress, const char *step)
{
  if (self->state != POSTERN_JOB_RUNNING)
    return;

  self->progress = progress;
  g_free (self->step);
  self->step = g_strdup (step);
  g_signal_emit (self, changed_signal, 0);
}

static void
job_settle (PosternJob *self, PosternJobState state)
{
  self->state = state;
  g_signal_emit (self, changed_signal, 0);
}

/**
 * postern_job_end:
 * @result: (nullable): a{sv}; a floating reference is taken
 */
void
postern_job_end (PosternJob *self, GVariant *result)
{
  g_return_if_fail (self->state == POSTERN_JOB_RUNNING);

  if (result != NULL)
    self->result = g_variant_ref_sink (result);
  self->progress = 1;
  job_settle (self, POSTERN_JOB_DONE);
}

/**
 * postern_job_take_error:
 * @error: (transfer full): why it came to nothing; %G_IO_ERROR_CANCELLED when it was cancelled
 */
void
postern_job_take_error (PosternJob *self, GError *error)
{
  g_return_if_fail (self->state == POSTERN_JOB_RUNNING);

  self->error = error;
  job_settle (self,
              g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? POSTERN_JOB_CANCELLED
                                                                        : POSTERN_JOB_FAILED);
}

/**
 * postern_job_cancel:
 *
 * Asks whoever does the work to stop. The job ends when they have.
 */
void
postern_job_cancel (PosternJob *self)
{
  g_cancellable_cancel (self->cancellable);
}

static void
postern_job_finalize (GObject *object)
{
  PosternJob *self = POSTERN_JOB (object);

  g_free (self->id);
  g_free (self->kind);
  g_free (self->step);
  g_clear_pointer (&self->result, g_variant_unref);
  g_clear_error (&self->error);
  g_object_unref (self->cancellable);
  G_OBJECT_CLASS (postern_job_parent_class)->finalize (object);
}

static void
postern_job_init (PosternJob *self)
{
  self->step = g_strdup ("");
  self->cancellable = g_cancellable_new ();
}

static void
postern_job_class_init (PosternJobClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_job_finalize;

  changed_signal = g_signal_new ("changed",
                                 POSTERN_TYPE_JOB,
                                 G_SIGNAL_RUN_LAST,
                                 0,
                                 NULL,
                                 NULL,
                                 NULL,
                                 G_TYPE_NONE,
                                 0);
}
