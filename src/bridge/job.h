/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  POSTERN_JOB_RUNNING,
  POSTERN_JOB_DONE,
  POSTERN_JOB_FAILED,
  POSTERN_JOB_CANCELLED,
} PosternJobState;

/**
 * PosternJob:
 *
 * Something that takes a while and that a person watches: what step it is at, how far it is, what
 * came of it. Whoever does the work reports here; whoever shows it listens to `changed`, which is
 * also emitted once when it has ended.
 */
#define POSTERN_TYPE_JOB (postern_job_get_type ())
G_DECLARE_FINAL_TYPE (PosternJob, postern_job, POSTERN, JOB, GObject)

PosternJob *postern_job_new (const char *id, const char *kind);

const char *postern_job_get_id (PosternJob *self);
const char *postern_job_get_kind (PosternJob *self);
PosternJobState postern_job_get_state (PosternJob *self);
const char *postern_job_get_step (PosternJob *self);
double postern_job_get_progress (PosternJob *self);
GVariant *postern_job_get_result (PosternJob *self);
const GError *postern_job_get_error (PosternJob *self);
GCancellable *postern_job_get_cancellable (PosternJob *self);

void postern_job_report (PosternJob *self, double progress, const char *step);
void postern_job_end (PosternJob *self, GVariant *result);
void postern_job_take_error (PosternJob *self, GError *error);
void postern_job_cancel (PosternJob *self);

G_END_DECLS
