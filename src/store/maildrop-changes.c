/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-private.h"

#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>

static gboolean
do_apply (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_apply (database,
                                      self->account_id,
                                      self->messages,
                                      (const char *const *) self->ids,
                                      self->cursor,
                                      self->started_us,
                                      self->now_us,
                                      &self->effect,
                                      error);
}

/**
 * postern_maildrop_store_apply_changes_async:
 * @updated: (nullable) (element-type PosternMaildropMessage): new ones and changed ones; kept, so
 *   not to be changed any more, and freed on this context
 * @removed_ids: (nullable): Email ids that are gone, known here or not
 * @cursor: (nullable): the backend's new state, committed together with them
 * @started_us: wall clock when the request went out
 *
 * Takes in one answer to "what has changed". A cursor never runs ahead of what it stands for.
 */
void
postern_maildrop_store_apply_changes_async (PosternMaildropStore *self,
                                            const char *account_id,
                                            GPtrArray *updated,
                                            const char *const *removed_ids,
                                            const char *cursor,
                                            gint64 started_us,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_apply_changes_async,
                                                      account_id,
                                                      NULL,
                                                      callback,
                                                      user_data);

  job->messages = updated != NULL ? g_ptr_array_ref (updated) : NULL;
  job->ids = g_strdupv ((GStrv) removed_ids);
  job->cursor = g_strdup (cursor);
  job->started_us = started_us;
  postern_maildrop_job_push_change (job, do_apply);
}

static gboolean
do_replace (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_replace (database,
                                        self->account_id,
                                        self->messages,
                                        self->cursor,
                                        self->started_us,
                                        self->now_us,
                                        &self->effect,
                                        error);
}

/**
 * postern_maildrop_store_replace_listing_async:
 * @messages: (element-type PosternMaildropMessage): all there are; of one that is known already the
 *   id is enough (see postern_maildrop_store_find_unknown_async()). Kept, as above
 *
 * Takes in a full listing in one commit: what is not in it goes, what is known stays as it is,
 * cached body and all. From then on the maildrop is complete and served.
 */
void
postern_maildrop_store_replace_listing_async (PosternMaildropStore *self,
                                              const char *account_id,
                                              GPtrArray *messages,
                                              const char *cursor,
                                              gint64 started_us,
                                              GAsyncReadyCallback callback,
                                              gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_replace_listing_async,
                                                      account_id,
                                                      NULL,
                                                      callback,
                                                      user_data);

  job->messages = g_ptr_array_ref (messages);
  job->cursor = g_strdup (cursor);
  job->started_us = started_us;
  postern_maildrop_job_push_change (job, do_replace);
}

static gboolean
do_set_canonical (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_set_canonical (database,
                                              self->account_id,
                                              self->row,
                                              (guint64) self->canonical_octets,
                                              &self->effect,
                                              error);
}

/**
 * postern_maildrop_store_set_canonical_size_async:
 *
 * The message is listed from now on.
 */
void
postern_maildrop_store_set_canonical_size_async (PosternMaildropStore *self,
                                                 const char *account_id,
                                                 guint64 row,
                                                 guint64 canonical_octets,
                                                 GAsyncReadyCallback callback,
                                                 gpointer user_data)
{
  PosternMaildropJob *job =
      postern_maildrop_job_new (self,
                                postern_maildrop_store_set_canonical_size_async,
                                account_id,
                                NULL,
                                callback,
                                user_data);

  job->row = row;
  job->canonical_octets = (gint64) canonical_octets;
  postern_maildrop_job_push_change (job, do_set_canonical);
}

static gboolean
do_remove_account (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_remove_account (database, self->account_id, &self->effect, error);
}

/**
 * postern_maildrop_store_remove_account_async:
 *
 * Forgets an account, its deletions and its cached bodies; nothing is done if there is none.
 */
void
postern_maildrop_store_remove_account_async (PosternMaildropStore *self,
                                             const char *account_id,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data)
{
  postern_maildrop_job_push_change (
      postern_maildrop_job_new (self,
                                postern_maildrop_store_remove_account_async,
                                account_id,
                                NULL,
                                callback,
                                user_data),
      do_remove_account);
}

/* Deletions */

static gboolean
do_bury (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_bury (database,
                                     self->account_id,
                                     self->rows,
                                     self->n_rows,
                                     self->now_us,
                                     &self->effect,
                                     error);
}

/**
 * postern_maildrop_store_add_tombstones_async:
 * @rows: as the listing that the session showed has them
 *
 * QUIT: when this is answered, the messages are hidden for good, also from a listing that the
 * backend gives later, until it confirms or forbids.
 */
void
postern_maildrop_store_add_tombstones_async (PosternMaildropStore *self,
                                             const char *account_id,
                                             const guint64 *rows,
                                             gsize n_rows,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_add_tombstones_async,
                                                      account_id,
                                                      NULL,
                                                      callback,
                                                      user_data);

  job->rows = g_memdup2 (rows, n_rows * sizeof *rows);
  job->n_rows = n_rows;
  postern_maildrop_job_push_change (job, do_bury);
}

static gboolean
do_confirm (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_confirm (database,
                                        self->account_id,
                                        (const char *const *) self->ids,
                                        self->now_us,
                                        &self->effect,
                                        error);
}

/**
 * postern_maildrop_store_confirm_tombstones_async:
 *
 * The backend has deleted them, or never had them.
 */
void
postern_maildrop_store_confirm_tombstones_async (PosternMaildropStore *self,
                                                 const char *account_id,
                                                 const char *const *email_ids,
                                                 GAsyncReadyCallback callback,
                                                 gpointer user_data)
{
  PosternMaildropJob *job =
      postern_maildrop_job_new (self,
                                postern_maildrop_store_confirm_tombstones_async,
                                account_id,
                                NULL,
                                callback,
                                user_data);

  job->ids = g_strdupv ((GStrv) email_ids);
  postern_maildrop_job_push_change (job, do_confirm);
}

static gboolean
do_forget (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  return postern_maildrop_rows_forget (database,
                                       self->account_id,
                                       (const char *const *) self->ids,
                                       &self->effect,
                                       error);
}

/**
 * postern_maildrop_store_forget_tombstones_async:
 *
 * The backend forbids their deletion: they are listed again.
 */
void
postern_maildrop_store_forget_tombstones_async (PosternMaildropStore *self,
                                                const char *account_id,
                                                const char *const *email_ids,
                                                GAsyncReadyCallback callback,
                                                gpointer user_data)
{
  PosternMaildropJob *job =
      postern_maildrop_job_new (self,
                                postern_maildrop_store_forget_tombstones_async,
                                account_id,
                                NULL,
                                callback,
                                user_data);

  job->ids = g_strdupv ((GStrv) email_ids);
  postern_maildrop_job_push_change (job, do_forget);
}

/* Bodies */

static void
do_finish_body (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;

  if (!postern_block_file_finish (self->file, (guint64) self->octets, &job->error))
    return;
  if (rename (self->part_path, self->path) < 0)
    {
      g_set_error (&job->error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "Renaming %s: %s",
                   self->part_path,
                   g_strerror (errno));
      g_unlink (self->part_path);
    }
}

static gboolean
do_add_body (gpointer data, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = data;

  if (!postern_maildrop_rows_add_body (database,
                                       self->account_id,
                                       self->row,
                                       (guint64) self->octets,
                                       self->now_us,
                                       &self->effect,
                                       error))
    {
      g_unlink (self->path);
      return FALSE;
    }
  return self->canonical_octets < 0 ||
         postern_maildrop_rows_set_canonical (database,
                                              self->account_id,
                                              self->row,
                                              (guint64) self->canonical_octets,
                                              &self->effect,
                                              error);
}

void
postern_maildrop_store_add_body_async (PosternMaildropStore *self,
                                       const char *account_id,
                                       guint64 row,
                                       PosternBlockFile *file,
                                       const char *part_path,
                                       const char *path,
                                       guint64 size_octets,
                                       gint64 canonical_octets,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_add_body_async,
                                                      account_id,
                                                      NULL,
                                                      callback,
                                                      user_data);

  job->row = row;
  job->file = postern_block_file_ref (file);
  job->part_path = g_strdup (part_path);
  job->path = g_strdup (path);
  job->octets = (gint64) size_octets;
  job->canonical_octets = canonical_octets;
  job->base.job.prepare = do_finish_body;
  postern_maildrop_job_push_change (job, do_add_body);
}
