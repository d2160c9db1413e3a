/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-private.h"

#include "base/clock.h"
#include "base/random.h"

/* What an action makes of a status; -1: nothing. */
static int
status_after (PosternQueueAction action, int status, int before)
{
  switch (action)
    {
    case POSTERN_QUEUE_ACTION_RETRY:
      return status != POSTERN_QUEUE_STATUS_DISCARDED ? POSTERN_QUEUE_STATUS_WAITING : -1;
    case POSTERN_QUEUE_ACTION_HOLD:
      return status == POSTERN_QUEUE_STATUS_WAITING || status == POSTERN_QUEUE_STATUS_FAILED
                 ? POSTERN_QUEUE_STATUS_HELD
                 : -1;
    case POSTERN_QUEUE_ACTION_DISCARD:
      return status != POSTERN_QUEUE_STATUS_DISCARDED ? POSTERN_QUEUE_STATUS_DISCARDED : -1;
    case POSTERN_QUEUE_ACTION_RESTORE:
      return status == POSTERN_QUEUE_STATUS_DISCARDED ? before : -1;
    default:
      return -1;
    }
}

/* Does it take somebody who names that very message? What is held is so by a person's wish, and what
 * has failed waits for nothing. */
static gboolean
needs_name (PosternQueueAction action, int status)
{
  return (action == POSTERN_QUEUE_ACTION_RETRY && status == POSTERN_QUEUE_STATUS_HELD) ||
         (action == POSTERN_QUEUE_ACTION_HOLD && status == POSTERN_QUEUE_STATUS_FAILED);
}

/* A message that was given up is tried anew from its beginning, under a new creation id: a backend
 * that remembers the old one would answer with the old refusal. But one whose submission may have
 * arrived is settled first, and only what was given up for want of time goes with it. */
static gboolean
start_over (PosternDatabase *database, gint64 row, GError **error)
{
  g_autofree char *creation_id = postern_random_id ();

  return postern_database_do (database,
                              error,
                              "UPDATE recipients SET delivery = 0, status = NULL, reason = NULL"
                              " WHERE entry = ?1 AND delivery = 2 AND (status = ?2"
                              " OR (SELECT step FROM entries WHERE row = ?1) <> 3)",
                              "is",
                              row,
                              POSTERN_QUEUE_EXPIRED) &&
         postern_database_do (database,
                              error,
                              "UPDATE entries SET step = 0, creation_id = ?1, blob_id = NULL,"
                              " email_id = NULL, submission_id = NULL WHERE row = ?2 AND step <> 3",
                              "si",
                              creation_id,
                              row);
}

/* Whoever has no recipient left to send to was given up, even if it was held since. */
static gboolean
retry (PosternDatabase *database, gint64 row, gint64 now_us, GError **error)
{
  gint64 pending =
      postern_database_number (database,
                               error,
                               "SELECT count (*) FROM recipients WHERE entry = ? AND delivery = 0",
                               "i",
                               row);

  return pending >= 0 && (pending > 0 || start_over (database, row, error)) &&
         postern_database_do (database,
                              error,
                              "UPDATE entries SET attempts = 0, next_attempt_us = ? WHERE row = ?",
                              "ii",
                              now_us,
                              row);
}

/* @is_leased: whether it is being delivered right now; then its draft is dealt with afterwards */
static gboolean
act_on_row (PosternDatabase *database,
            PosternQueueAction action,
            gint64 row,
            gboolean is_leased,
            int to,
            gint64 now_us,
            GError **error)
{
  if (action == POSTERN_QUEUE_ACTION_RETRY && !retry (database, row, now_us, error))
    return FALSE;
  if (to == POSTERN_QUEUE_STATUS_DISCARDED && !is_leased &&
      !postern_queue_rows_abandon_draft (database, row, error))
    return FALSE;
  return postern_database_do (database,
                              error,
                              "UPDATE entries SET status_since_us = CASE WHEN status = ?1 THEN"
                              " status_since_us ELSE ?2 END, status_before = status, status = ?1"
                              " WHERE row = ?3",
                              "iii",
                              (gint64) to,
                              now_us,
                              row);
}

typedef struct
{
  gint64 row;
  int status;
  int before;
  gboolean is_leased;
} Target;

/*
 * @ids: (nullable): these; or, when NULL, all of
 * @account_id: (nullable): NULL for all accounts
 * @leased: (element-type utf8)
 *
 * Ids that are unknown, and entries to which the action does not apply, are passed over.
 * Returns: how many entries it did something to; -1 with an error.
 */
static gint64
act_on_all (PosternDatabase *database,
            PosternQueueAction action,
            const char *const *ids,
            const char *account_id,
            GHashTable *leased,
            gint64 now_us,
            PosternQueueEffect *effect,
            GError **error)
{
  g_autoptr (GArray) targets = g_array_new (FALSE, FALSE, sizeof (Target));
  gint64 changed = 0;

  for (guint i = 0; ids == NULL ? i < 1 : ids[i] != NULL; i++)
    {
      sqlite3_stmt *query =
          postern_database_query (database,
                                  error,
                                  ids != NULL ? "SELECT row, status, status_before, id FROM entries"
                                                " WHERE id = ?1"
                                              : "SELECT row, status, status_before, id FROM entries"
                                                " WHERE ?1 IS NULL OR account = ?1",
                                  "s",
                                  ids != NULL ? ids[i] : account_id);
      int step;

      if (query == NULL)
        return -1;
      while ((step = postern_database_step (database, query, error)) > 0)
        {
          Target target = { sqlite3_column_int64 (query, 0),
                            sqlite3_column_int (query, 1),
                            sqlite3_column_int (query, 2),
                            g_hash_table_contains (leased, sqlite3_column_text (query, 3)) };

          g_array_append_val (targets, target);
        }
      if (step < 0)
        return -1;
    }

  for (guint i = 0; i < targets->len; i++)
    {
      const Target *target = &g_array_index (targets, Target, i);
      int to = status_after (action, target->status, target->before);

      if (to < 0 || (ids == NULL && needs_name (action, target->status)))
        continue;
      if (!act_on_row (database, action, target->row, target->is_leased, to, now_us, error))
        return -1;
      postern_queue_effect_note_status (effect, target->status, to);
      changed++;
    }
  return changed;
}

/*
 * @before_us: what was discarded before that goes for good
 *
 * Returns: how many went; -1 with an error.
 */
static gint64
sweep_discarded (PosternDatabase *database,
                 gint64 before_us,
                 PosternQueueEffect *effect,
                 GError **error)
{
  gint64 count = 0;
  sqlite3_stmt *query = postern_database_query (
      database,
      error,
      "SELECT row, id, spooled FROM entries WHERE status = 3 AND status_since_us < ?",
      "i",
      before_us);
  int step;

  if (query == NULL)
    return -1;
  /* SQLite allows the current row of a query to be deleted under it. */
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      if (!postern_queue_rows_remove_row (database,
                                          sqlite3_column_int64 (query, 0),
                                          (const char *) sqlite3_column_text (query, 1),
                                          POSTERN_QUEUE_STATUS_DISCARDED,
                                          sqlite3_column_int (query, 2),
                                          effect,
                                          error))
        {
          postern_database_end_query (query);
          return -1;
        }
      count++;
    }
  return step == 0 ? count : -1;
}

static void
on_changed_done (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  if (job->error == NULL && self->base.number > 0)
    postern_queue_store_take_effect (self->store, &self->effect);
  postern_task_job_return_number (job);
}

static void
do_orphans_committed (PosternStoreJob *job)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  postern_queue_store_remove_orphans (self->store, &self->effect);
}

static gboolean
do_act (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  self->base.number = act_on_all (database,
                                  self->action,
                                  (const char *const *) self->ids,
                                  self->id,
                                  self->store->leased,
                                  self->now_us,
                                  &self->effect,
                                  error);
  return self->base.number >= 0;
}

static PosternQueueJob *
act_job_new (PosternQueueStore *self,
             PosternQueueAction action,
             GAsyncReadyCallback callback,
             gpointer user_data)
{
  PosternQueueJob *job =
      postern_queue_job_new (self, postern_queue_store_act_async, NULL, callback, user_data);

  job->action = action;
  job->now_us = postern_clock_now_us ();
  return job;
}

/**
 * postern_queue_store_act_async:
 *
 * Does something to entries, all in one commit. Unknown ids, and entries to which the action does
 * not apply, are passed over. An entry that is being delivered right now takes its new status at the
 * end of the step it is in, unless that step sent it.
 */
void
postern_queue_store_act_async (PosternQueueStore *self,
                               PosternQueueAction action,
                               const char *const *ids,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  PosternQueueJob *job = act_job_new (self, action, callback, user_data);

  job->ids = g_strdupv ((GStrv) ids);
  postern_queue_job_push_write (job, do_act, on_changed_done);
}

/**
 * postern_queue_store_act_account_async:
 *
 * @account_id: (nullable): NULL for all accounts
 *
 * The same with all entries of an account; but retrying leaves what is held, and holding what has
 * failed, as it is.
 */
void
postern_queue_store_act_account_async (PosternQueueStore *self,
                                       PosternQueueAction action,
                                       const char *account_id,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data)
{
  PosternQueueJob *job = act_job_new (self, action, callback, user_data);

  job->id = g_strdup (account_id);
  postern_queue_job_push_write (job, do_act, on_changed_done);
}

/**
 * postern_queue_store_act_finish:
 *
 * Returns: to how many entries something was done; -1 with an error.
 */
gint64
postern_queue_store_act_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static gboolean
do_sweep (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  self->base.number =
      sweep_discarded (database,
                       self->now_us - POSTERN_QUEUE_DISCARDED_DAYS * G_TIME_SPAN_DAY,
                       &self->effect,
                       error);
  return self->base.number >= 0;
}

/**
 * postern_queue_store_sweep_async:
 *
 * Removes what was discarded seven days ago or earlier.
 */
void
postern_queue_store_sweep_async (PosternQueueStore *self,
                                 gint64 now_us,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  PosternQueueJob *job =
      postern_queue_job_new (self, postern_queue_store_sweep_async, NULL, callback, user_data);

  job->now_us = now_us;
  job->base.job.committed = do_orphans_committed;
  postern_queue_job_push_write (job, do_sweep, on_changed_done);
}

/**
 * postern_queue_store_sweep_finish:
 *
 * Returns: how many went; -1 with an error.
 */
gint64
postern_queue_store_sweep_finish (PosternQueueStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static gboolean
do_forget_drafts (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternQueueJob *self = (PosternQueueJob *) job;

  for (guint i = 0; self->ids[i] != NULL; i++)
    if (!postern_database_do (database,
                              error,
                              "DELETE FROM unwanted_drafts WHERE account = ? AND email_id = ?",
                              "ss",
                              self->id,
                              self->ids[i]))
      return FALSE;
  return TRUE;
}

/**
 * postern_queue_store_forget_drafts_async:
 * @email_ids: of postern_queue_store_list_drafts_async(); gone, or never to be removed
 */
void
postern_queue_store_forget_drafts_async (PosternQueueStore *self,
                                         const char *account_id,
                                         const char *const *email_ids,
                                         GAsyncReadyCallback callback,
                                         gpointer user_data)
{
  PosternQueueJob *job = postern_queue_job_new (self,
                                                postern_queue_store_forget_drafts_async,
                                                NULL,
                                                callback,
                                                user_data);

  job->id = g_strdup (account_id);
  job->ids = g_strdupv ((GStrv) email_ids);
  postern_queue_job_push_write (job, do_forget_drafts, postern_task_job_return_number);
}

gboolean
postern_queue_store_forget_drafts_finish (PosternQueueStore *self,
                                          GAsyncResult *result,
                                          GError **error)
{
  return g_task_propagate_int (G_TASK (result), error) >= 0;
}
