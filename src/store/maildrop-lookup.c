/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-private.h"

static PosternMaildropMessage *
load_by_row (PosternDatabase *database, const char *account_id, guint64 row, GError **error)
{
  g_autoptr (PosternMaildropMessage) message = NULL;
  gint64 account = postern_maildrop_rows_find_account (database, account_id, error);
  int found =
      account < 0 ? -1 : postern_maildrop_rows_find_row (database, account, row, &message, error);

  if (found == 0)
    postern_maildrop_rows_set_gone (error);
  return g_steal_pointer (&message);
}

static GPtrArray *
load_unsized (PosternDatabase *database, const char *account_id, guint limit, GError **error)
{
  g_autoptr (GPtrArray) messages =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
  gint64 account = postern_maildrop_rows_find_account (database, account_id, error);
  sqlite3_stmt *query;
  int step;

  if (account < 0)
    return NULL;
  query = postern_database_query (database,
                                  error,
                                  "SELECT " POSTERN_MAILDROP_COLUMNS
                                  " FROM messages WHERE account = ? AND canonical_octets IS NULL"
                                  " LIMIT ?",
                                  "ii",
                                  account,
                                  (gint64) limit);
  if (query == NULL)
    return NULL;
  while ((step = postern_database_step (database, query, error)) > 0)
    g_ptr_array_add (messages, postern_maildrop_rows_load_message (query));
  return step == 0 ? g_steal_pointer (&messages) : NULL;
}

static GStrv
load_unknown (PosternDatabase *database,
              const char *account_id,
              const char *const *email_ids,
              GError **error)
{
  g_autoptr (GStrvBuilder) unknown = g_strv_builder_new ();
  gint64 account = postern_maildrop_rows_find_account (database, account_id, error);

  if (account < 0)
    return NULL;
  for (guint i = 0; email_ids[i] != NULL; i++)
    {
      gint64 count = postern_database_number (
          database,
          error,
          "SELECT count (*) FROM messages WHERE account = ? AND email_id = ?",
          "is",
          account,
          email_ids[i]);

      if (count < 0)
        return NULL;
      if (count == 0)
        g_strv_builder_add (unknown, email_ids[i]);
    }
  return g_strv_builder_end (unknown);
}

static GStrv
load_tombstones (PosternDatabase *database, const char *account_id, guint limit, GError **error)
{
  g_autoptr (GStrvBuilder) ids = g_strv_builder_new ();
  gint64 account = postern_maildrop_rows_find_account (database, account_id, error);
  sqlite3_stmt *query;
  int step;

  if (account < 0)
    return NULL;
  query = postern_database_query (database,
                                  error,
                                  "SELECT email_id FROM tombstones"
                                  " WHERE account = ? AND confirmed_us IS NULL"
                                  " ORDER BY buried_us LIMIT ?",
                                  "ii",
                                  account,
                                  (gint64) limit);
  if (query == NULL)
    return NULL;
  while ((step = postern_database_step (database, query, error)) > 0)
    g_strv_builder_add (ids, (const char *) sqlite3_column_text (query, 0));
  return step == 0 ? g_strv_builder_end (ids) : NULL;
}

static void
push_look (PosternMaildropJob *job, void (*prepare) (PosternStoreJob *job))
{
  job->base.job.prepare = prepare;
  job->base.job.done = postern_task_job_return_result;
  postern_store_thread_push (job->store->reader, &job->base.job);
}

static PosternDatabase *
get_reader_database (PosternMaildropJob *job)
{
  if (postern_task_job_is_cancelled (&job->base))
    return NULL;
  return postern_read_database_get (job->store->read_database, &job->base.job.error);
}

static void
do_list_tombstones (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;
  PosternDatabase *database = get_reader_database (self);

  self->base.result_free = (GDestroyNotify) g_strfreev;
  if (database != NULL)
    self->base.result =
        load_tombstones (database, self->account_id, (guint) self->n_rows, &job->error);
}

/**
 * postern_maildrop_store_list_tombstones_async:
 *
 * Email ids that the backend is still to delete, the oldest first; ends by ids_finish.
 */
void
postern_maildrop_store_list_tombstones_async (PosternMaildropStore *self,
                                              const char *account_id,
                                              guint limit,
                                              GCancellable *cancellable,
                                              GAsyncReadyCallback callback,
                                              gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_list_tombstones_async,
                                                      account_id,
                                                      cancellable,
                                                      callback,
                                                      user_data);

  job->n_rows = limit;
  push_look (job, do_list_tombstones);
}

static void
do_find_unknown (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;
  PosternDatabase *database = get_reader_database (self);

  self->base.result_free = (GDestroyNotify) g_strfreev;
  if (database != NULL)
    self->base.result =
        load_unknown (database, self->account_id, (const char *const *) self->ids, &job->error);
}

/**
 * postern_maildrop_store_find_unknown_async:
 *
 * Which of these Email ids are not known, in their order; ends by ids_finish.
 */
void
postern_maildrop_store_find_unknown_async (PosternMaildropStore *self,
                                           const char *account_id,
                                           const char *const *email_ids,
                                           GCancellable *cancellable,
                                           GAsyncReadyCallback callback,
                                           gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_find_unknown_async,
                                                      account_id,
                                                      cancellable,
                                                      callback,
                                                      user_data);

  job->ids = g_strdupv ((GStrv) email_ids);
  push_look (job, do_find_unknown);
}

GStrv
postern_maildrop_store_ids_finish (PosternMaildropStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
do_lookup (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;
  PosternDatabase *database = get_reader_database (self);

  self->base.result_free = (GDestroyNotify) postern_maildrop_message_free;
  if (database != NULL)
    self->base.result = load_by_row (database, self->account_id, self->row, &job->error);
}

/**
 * postern_maildrop_store_lookup_async:
 * @row: of a listing, an old one too
 *
 * POSTERN_ERROR_NOT_FOUND when the message has left the maildrop since.
 */
void
postern_maildrop_store_lookup_async (PosternMaildropStore *self,
                                     const char *account_id,
                                     guint64 row,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_lookup_async,
                                                      account_id,
                                                      cancellable,
                                                      callback,
                                                      user_data);

  job->row = row;
  push_look (job, do_lookup);
}

PosternMaildropMessage *
postern_maildrop_store_lookup_finish (PosternMaildropStore *self,
                                      GAsyncResult *result,
                                      GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
do_find_unsized (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;
  PosternDatabase *database = get_reader_database (self);

  self->base.result_free = (GDestroyNotify) g_ptr_array_unref;
  if (database != NULL)
    self->base.result =
        load_unsized (database, self->account_id, (guint) self->n_rows, &job->error);
}

/**
 * postern_maildrop_store_find_unsized_async:
 *
 * Messages that are not listed, since how long they are with canonical line ends is known only when
 * they were fetched.
 */
void
postern_maildrop_store_find_unsized_async (PosternMaildropStore *self,
                                           const char *account_id,
                                           guint limit,
                                           GCancellable *cancellable,
                                           GAsyncReadyCallback callback,
                                           gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_find_unsized_async,
                                                      account_id,
                                                      cancellable,
                                                      callback,
                                                      user_data);

  job->n_rows = limit;
  push_look (job, do_find_unsized);
}

/**
 * postern_maildrop_store_find_unsized_finish:
 *
 * Returns: (transfer full) (element-type PosternMaildropMessage)
 */
GPtrArray *
postern_maildrop_store_find_unsized_finish (PosternMaildropStore *self,
                                            GAsyncResult *result,
                                            GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
