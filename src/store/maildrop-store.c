/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-store.h"

#include "base/clock.h"
#include "base/error.h"
#include "store/maildrop-private.h"
#include "store/maildrop-tombstones.h"
#include "store/maildrop-view.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>

/* The writer's thread has a view of each account, which makes a new listing when a transaction has
 * changed something. The main context has the newest of each, and gets the next with the answer to
 * the change: whoever is answered sees what they did. */

G_DEFINE_FINAL_TYPE (PosternMaildropStore, postern_maildrop_store, G_TYPE_OBJECT)

enum
{
  SIGNAL_LISTING_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

PosternMaildropMessage *
postern_maildrop_message_new (const char *email_id)
{
  PosternMaildropMessage *self = g_new0 (PosternMaildropMessage, 1);

  self->email_id = g_strdup (email_id);
  self->canonical_octets = -1;
  return self;
}

void
postern_maildrop_message_free (PosternMaildropMessage *self)
{
  g_free (self->email_id);
  g_free (self->blob_id);
  g_free (self);
}

static void
maildrop_free (gpointer data)
{
  PosternMaildropState *self = data;

  g_clear_pointer (&self->listing, postern_listing_unref);
  g_free (self->cursor);
  g_free (self);
}

static void
drop_job_clear (gpointer data)
{
  PosternMaildropJob *self = data;

  g_free (self->account_id);
  g_clear_pointer (&self->messages, g_ptr_array_unref);
  g_strfreev (self->ids);
  g_free (self->cursor);
  g_free (self->rows);
  g_clear_pointer (&self->file, postern_block_file_unref);
  g_free (self->part_path);
  g_free (self->path);
  postern_maildrop_effect_clear (&self->effect);
  g_clear_pointer (&self->outcome, maildrop_free);
}

static gboolean
do_change (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;

  return self->change (self, database, error);
}

static void
make_bodies_dir (PosternMaildropStore *self, gint64 account)
{
  g_autofree char *dir = g_strdup_printf ("%s/%" G_GINT64_FORMAT, self->bodies_dir, account);

  if (g_mkdir_with_parents (dir, 0700) < 0)
    g_warning ("Messages of an account cannot be kept: %s: %s", dir, g_strerror (errno));
}

static PosternMaildropView *
get_view (PosternMaildropStore *self, gint64 account)
{
  PosternMaildropView *view = g_hash_table_lookup (self->views, &account);

  if (view != NULL)
    return view;
  view = postern_maildrop_view_new (self->writer, account, self->bodies_dir);
  make_bodies_dir (self, account);
  g_hash_table_insert (self->views, g_memdup2 (&account, sizeof account), view);
  return view;
}

static void
remove_bodies_dir (PosternMaildropStore *self, gint64 account)
{
  g_autofree char *dir_path = g_strdup_printf ("%s/%" G_GINT64_FORMAT, self->bodies_dir, account);
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir_path, name, NULL);

      g_unlink (path);
    }
  g_rmdir (dir_path);
}

static void
do_change_committed (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;

  if (self->effect.account <= 0)
    return;
  if (self->effect.is_removed)
    {
      g_hash_table_remove (self->store->views, &self->effect.account);
      remove_bodies_dir (self->store, self->effect.account);
      return;
    }
  postern_maildrop_view_take (get_view (self->store, self->effect.account), &self->effect);
  g_ptr_array_add (self->store->committed, self);
}

static PosternMaildropState *
describe (PosternMaildropStore *self, PosternDatabase *database, gint64 account, GError **error)
{
  PosternMaildropView *view = get_view (self, account);
  g_autofree PosternMaildropState *maildrop = g_new0 (PosternMaildropState, 1);
  PosternListing *listing;
  gint64 tombstones;
  gboolean is_complete;

  if (!postern_maildrop_view_renew (view, database, error))
    return NULL;
  tombstones = postern_maildrop_tombstones_count (database, account, error);
  if (tombstones < 0 || !postern_maildrop_rows_get_account (database,
                                                            account,
                                                            &maildrop->cursor,
                                                            &maildrop->listed_at_us,
                                                            &is_complete,
                                                            error))
    return NULL;
  listing = postern_maildrop_view_get_listing (view);
  maildrop->number = account;
  maildrop->tombstones = (guint) tombstones;
  maildrop->listing = listing != NULL ? postern_listing_ref (listing) : NULL;
  return g_steal_pointer (&maildrop);
}

/* All jobs of the batch are on disk. One listing shows what all of them did to an account. */
static void
on_batch_committed (PosternDatabase *database, gpointer owner)
{
  PosternMaildropStore *self = owner;

  for (guint i = 0; i < self->committed->len; i++)
    {
      PosternMaildropJob *job = g_ptr_array_index (self->committed, i);

      job->outcome = describe (self, database, job->effect.account, &job->base.job.error);
    }
  g_ptr_array_set_size (self->committed, 0);
}

static void
take_outcome (PosternMaildropStore *self, PosternMaildropJob *job)
{
  PosternMaildropState *old = g_hash_table_lookup (self->maildrops, job->account_id);
  gboolean changed;

  postern_body_cache_note_size (self->bodies, job->effect.cached_octets);
  if (job->effect.is_removed)
    {
      changed = g_hash_table_remove (self->maildrops, job->account_id);
    }
  else if (job->outcome != NULL)
    {
      changed = old == NULL || old->listing != job->outcome->listing;
      g_hash_table_insert (self->maildrops,
                           g_strdup (job->account_id),
                           g_steal_pointer (&job->outcome));
    }
  else
    {
      changed = FALSE;
    }
  if (changed)
    g_signal_emit (self, signals[SIGNAL_LISTING_CHANGED], 0, job->account_id);
}

static void
on_change_done (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;

  if (job->error == NULL)
    {
      self->base.number = 1;
      take_outcome (self->store, self);
    }
  postern_task_job_return_number (job);
}

PosternMaildropJob *
postern_maildrop_job_new (PosternMaildropStore *self,
                          gpointer source_tag,
                          const char *account_id,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  PosternMaildropJob *job = g_new0 (PosternMaildropJob, 1);

  postern_task_job_init (&job->base, self, source_tag, cancellable, callback, user_data);
  job->base.clear = drop_job_clear;
  job->store = self;
  job->account_id = g_strdup (account_id);
  job->now_us = postern_clock_now_us ();
  return job;
}

void
postern_maildrop_job_push_change (PosternMaildropJob *job,
                                  gboolean (*change) (gpointer job,
                                                      PosternDatabase *database,
                                                      GError **error))
{
  job->change = change;
  job->base.job.run = do_change;
  job->base.job.committed = do_change_committed;
  job->base.job.done = on_change_done;
  postern_store_writer_push (job->store->writer, &job->base.job);
}

/**
 * postern_maildrop_store_change_finish:
 *
 * Ends every change. TRUE: it is on disk, and the listing shows it.
 */
gboolean
postern_maildrop_store_change_finish (PosternMaildropStore *self,
                                      GAsyncResult *result,
                                      GError **error)
{
  return g_task_propagate_int (G_TASK (result), error) > 0;
}

/* From memory */

/**
 * postern_maildrop_store_ref_listing:
 *
 * Returns: (transfer full) (nullable): the maildrop as of now; NULL until it was once listed
 *   completely.
 */
PosternListing *
postern_maildrop_store_ref_listing (PosternMaildropStore *self, const char *account_id)
{
  const PosternMaildropState *maildrop = g_hash_table_lookup (self->maildrops, account_id);

  return maildrop == NULL || maildrop->listing == NULL ? NULL
                                                       : postern_listing_ref (maildrop->listing);
}

/**
 * postern_maildrop_store_get_cursor:
 *
 * Returns: (transfer none) (nullable): the backend's state that the listing stands for.
 */
const char *
postern_maildrop_store_get_cursor (PosternMaildropStore *self, const char *account_id)
{
  const PosternMaildropState *maildrop = g_hash_table_lookup (self->maildrops, account_id);

  return maildrop == NULL ? NULL : maildrop->cursor;
}

/**
 * postern_maildrop_store_get_listed_at_us:
 *
 * Returns: when the last full listing was asked for; 0 when never.
 */
gint64
postern_maildrop_store_get_listed_at_us (PosternMaildropStore *self, const char *account_id)
{
  const PosternMaildropState *maildrop = g_hash_table_lookup (self->maildrops, account_id);

  return maildrop == NULL ? 0 : maildrop->listed_at_us;
}

/**
 * postern_maildrop_store_get_tombstone_count:
 *
 * Returns: how many deletions the backend is still to be told, or to confirm.
 */
guint
postern_maildrop_store_get_tombstone_count (PosternMaildropStore *self, const char *account_id)
{
  const PosternMaildropState *maildrop = g_hash_table_lookup (self->maildrops, account_id);

  return maildrop == NULL ? 0 : maildrop->tombstones;
}

gboolean
postern_maildrop_store_is_open (PosternMaildropStore *self)
{
  return postern_store_writer_is_open (self->writer);
}

gint64
postern_maildrop_store_get_account_number (PosternMaildropStore *self, const char *account_id)
{
  const PosternMaildropState *maildrop = g_hash_table_lookup (self->maildrops, account_id);

  return maildrop == NULL ? 0 : maildrop->number;
}

PosternStoreWriter *
postern_maildrop_store_get_writer (PosternMaildropStore *self)
{
  return self->writer;
}

PosternBodyCache *
postern_maildrop_store_get_bodies (PosternMaildropStore *self)
{
  return self->bodies;
}

/* Opening, reopening, closing */

/* All accounts with their listings, read anew. */
static gboolean
load (PosternMaildropStore *self, PosternDatabase *database, GHashTable *maildrops, GError **error)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  sqlite3_stmt *query =
      postern_database_query (database, error, "SELECT number, id FROM accounts", "");
  int step;

  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      gint64 number = sqlite3_column_int64 (query, 0);

      g_array_append_val (numbers, number);
      g_ptr_array_add (ids, postern_database_dup_text (query, 1));
    }
  if (step < 0)
    return FALSE;
  for (guint i = 0; i < numbers->len; i++)
    {
      PosternMaildropEffect effect = { .rebuild = TRUE };
      gint64 number = g_array_index (numbers, gint64, i);
      PosternMaildropState *maildrop;

      postern_maildrop_view_take (get_view (self, number), &effect);
      maildrop = describe (self, database, number, error);
      if (maildrop == NULL)
        return FALSE;
      g_hash_table_insert (maildrops, g_strdup (g_ptr_array_index (ids, i)), maildrop);
    }
  return TRUE;
}

static GHashTable *
maildrops_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, maildrop_free);
}

static gboolean
do_reload (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;

  self->base.result = maildrops_new ();
  self->base.result_free = (GDestroyNotify) g_hash_table_unref;
  return load (self->store, database, self->base.result, error);
}

static void
on_reopen_done (PosternStoreJob *job)
{
  PosternMaildropJob *self = (PosternMaildropJob *) job;
  PosternMaildropStore *store = self->store;
  GHashTableIter iter;
  gpointer account_id;

  if (job->error == NULL)
    {
      g_hash_table_unref (store->maildrops);
      store->maildrops = g_steal_pointer (&self->base.result);
      self->base.number = 1;
      g_hash_table_iter_init (&iter, store->maildrops);
      while (g_hash_table_iter_next (&iter, &account_id, NULL))
        g_signal_emit (store, signals[SIGNAL_LISTING_CHANGED], 0, account_id);
    }
  postern_task_job_return_number (job);
}

/**
 * postern_maildrop_store_reopen_async:
 *
 * Opens the database again after an error has closed it; ends by change_finish.
 */
void
postern_maildrop_store_reopen_async (PosternMaildropStore *self,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  PosternMaildropJob *job = postern_maildrop_job_new (self,
                                                      postern_maildrop_store_reopen_async,
                                                      NULL,
                                                      NULL,
                                                      callback,
                                                      user_data);

  job->base.job.run = do_reload;
  job->base.job.done = on_reopen_done;
  postern_store_writer_reopen (self->writer, &job->base.job);
}

/* The maildrops in @state_dir, which must exist. Blocks. */
PosternMaildropStore *
postern_maildrop_store_open (const char *state_dir, PosternStoreThread *reader, GError **error)
{
  g_autoptr (PosternMaildropStore) self = g_object_new (POSTERN_TYPE_MAILDROP_STORE, NULL);
  g_autofree char *path = g_build_filename (state_dir, "maildrops.db", NULL);

  self->bodies_dir = g_build_filename (state_dir, "bodies", NULL);
  self->reader = postern_store_thread_ref (reader);
  self->read_database = postern_read_database_new (path);
  if (g_mkdir_with_parents (self->bodies_dir, 0700) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STORAGE,
                   "Making %s: %s",
                   self->bodies_dir,
                   g_strerror (errno));
      return NULL;
    }
  self->writer = postern_store_writer_open (path,
                                            postern_maildrop_schema,
                                            postern_maildrop_schema_length,
                                            NULL,
                                            error);
  if (self->writer == NULL ||
      !load (self, postern_store_writer_get_database (self->writer), self->maildrops, error))
    {
      g_prefix_error (error, "Opening the maildrops: ");
      return NULL;
    }
  postern_store_writer_start (self->writer, "store-maildrops", on_batch_committed, self);
  self->bodies = postern_body_cache_new (self, self->writer, reader, state_dir, self->bodies_dir);
  postern_body_cache_sweep (self->bodies);
  return g_steal_pointer (&self);
}

/* When the reader's thread has ended. Blocks until all jobs are done. */
void
postern_maildrop_store_stop (PosternMaildropStore *self)
{
  if (self->writer != NULL)
    postern_store_writer_stop (self->writer);
  if (self->bodies != NULL)
    postern_body_cache_detach (self->bodies);
  if (self->read_database != NULL)
    postern_read_database_close (self->read_database);
}

static void
postern_maildrop_store_finalize (GObject *object)
{
  PosternMaildropStore *self = POSTERN_MAILDROP_STORE (object);

  postern_maildrop_store_stop (self);
  g_clear_object (&self->bodies);
  g_hash_table_unref (self->maildrops);
  g_hash_table_unref (self->views);
  g_ptr_array_unref (self->committed);
  g_clear_pointer (&self->writer, postern_store_writer_unref);
  g_clear_pointer (&self->read_database, postern_read_database_free);
  g_clear_pointer (&self->reader, postern_store_thread_unref);
  g_free (self->bodies_dir);
  G_OBJECT_CLASS (postern_maildrop_store_parent_class)->finalize (object);
}

static void
postern_maildrop_store_init (PosternMaildropStore *self)
{
  self->maildrops = maildrops_new ();
  self->views = g_hash_table_new_full (g_int64_hash,
                                       g_int64_equal,
                                       g_free,
                                       (GDestroyNotify) postern_maildrop_view_free);
  self->committed = g_ptr_array_new ();
}

static void
postern_maildrop_store_class_init (PosternMaildropStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_maildrop_store_finalize;
  signals[SIGNAL_LISTING_CHANGED] = g_signal_new ("listing-changed",
                                                  POSTERN_TYPE_MAILDROP_STORE,
                                                  G_SIGNAL_RUN_LAST,
                                                  0,
                                                  NULL,
                                                  NULL,
                                                  NULL,
                                                  G_TYPE_NONE,
                                                  1,
                                                  G_TYPE_STRING);
}
