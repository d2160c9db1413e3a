/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/password-table.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "store/password-private.h"
#include "store/task-job.h"

#include <string.h>

/* When a password was last used is told to a person, not relied upon: it is written together with
 * other things, or after this time. */
#define TOUCH_DELAY_S 60

struct _PosternPasswordTable
{
  GObject parent_instance;
  PosternStoreWriter *writer; /* (owned) */
  GPtrArray *passwords;       /* (element-type PosternBridgePassword) */
  GHashTable *touched;        /* (element-type utf8) ids whose last use is not written yet */
  guint touch_source;
};

G_DEFINE_FINAL_TYPE (PosternPasswordTable, postern_password_table, G_TYPE_OBJECT)

typedef struct
{
  PosternTaskJob base;
  PosternPasswordTable *table;
  PosternBridgePassword *password; /* (owned) (nullable) */
  char *id;                        /* (nullable) */
  char *login_id;                  /* (nullable) */
} PasswordJob;

static void
password_free (gpointer data)
{
  PosternBridgePassword *self = data;

  g_free (self->id);
  g_free (self->login_id);
  g_free (self->name);
  g_free (self);
}

static void
password_job_clear (gpointer data)
{
  PasswordJob *self = data;

  g_clear_pointer (&self->password, password_free);
  g_clear_pointer (&self->id, g_free);
  g_clear_pointer (&self->login_id, g_free);
}

static PasswordJob *
password_job_new (PosternPasswordTable *self,
                  gpointer source_tag,
                  GAsyncReadyCallback callback,
                  gpointer user_data)
{
  PasswordJob *job = g_new0 (PasswordJob, 1);

  postern_task_job_init (&job->base, self, source_tag, NULL, callback, user_data);
  job->base.clear = password_job_clear;
  job->table = self;
  return job;
}

/**
 * postern_password_table_check:
 *
 * Compares with every password of the login, in a time that does not tell which was near.
 * Returns: (transfer none) (nullable): the one that is right.
 */
const PosternBridgePassword *
postern_password_table_check (PosternPasswordTable *self,
                              const char *login_id,
                              PosternSecret *password)
{
  guint8 hash[POSTERN_SECRET_HASH_LENGTH];
  const PosternBridgePassword *found = NULL;

  postern_secret_hash (password, hash);
  for (guint i = 0; i < self->passwords->len; i++)
    {
      const PosternBridgePassword *candidate = g_ptr_array_index (self->passwords, i);

      if (postern_memory_equal (candidate->hash, hash, sizeof hash) &&
          strcmp (candidate->login_id, login_id) == 0)
        found = candidate;
    }
  postern_memory_wipe (hash, sizeof hash);
  return found;
}

/**
 * postern_password_table_list:
 * @login_id: (nullable): NULL for all
 *
 * Returns: (transfer container) (element-type PosternBridgePassword): valid until the next change.
 */
GPtrArray *
postern_password_table_list (PosternPasswordTable *self, const char *login_id)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < self->passwords->len; i++)
    {
      PosternBridgePassword *password = g_ptr_array_index (self->passwords, i);

      if (login_id == NULL || strcmp (password->login_id, login_id) == 0)
        g_ptr_array_add (list, password);
    }
  return list;
}

static PosternBridgePassword *
find (PosternPasswordTable *self, const char *id)
{
  for (guint i = 0; i < self->passwords->len; i++)
    {
      PosternBridgePassword *password = g_ptr_array_index (self->passwords, i);

      if (strcmp (password->id, id) == 0)
        return password;
    }
  return NULL;
}

/* Last use */

typedef struct
{
  PosternStoreJob job;
  GPtrArray *ids;  /* (element-type utf8) */
  GArray *used_us; /* (element-type gint64) */
} TouchJob;

static gboolean
do_touch (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  TouchJob *self = (TouchJob *) job;

  for (guint i = 0; i < self->ids->len; i++)
    {
      if (!postern_database_do (database,
                                error,
                                "UPDATE passwords SET last_used_us = ? WHERE id = ?",
                                "is",
                                g_array_index (self->used_us, gint64, i),
                                (const char *) g_ptr_array_index (self->ids, i)))
        return FALSE;
    }
  return TRUE;
}

static void
on_touch_done (PosternStoreJob *job)
{
  TouchJob *self = (TouchJob *) job;

  g_clear_error (&job->error);
  g_ptr_array_unref (self->ids);
  g_array_unref (self->used_us);
  g_free (self);
}

/* Writes when passwords were last used. Called before the store is closed, too. */
void
postern_password_table_flush (PosternPasswordTable *self)
{
  TouchJob *touch;
  GHashTableIter iter;
  gpointer id;

  g_clear_handle_id (&self->touch_source, g_source_remove);
  if (g_hash_table_size (self->touched) == 0)
    return;

  touch = g_new0 (TouchJob, 1);
  touch->job.run = do_touch;
  touch->job.done = on_touch_done;
  touch->ids = g_ptr_array_new_with_free_func (g_free);
  touch->used_us = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_hash_table_iter_init (&iter, self->touched);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    {
      const PosternBridgePassword *password = find (self, id);

      if (password == NULL)
        continue;
      g_ptr_array_add (touch->ids, g_strdup (id));
      g_array_append_val (touch->used_us, password->last_used_us);
    }
  g_hash_table_remove_all (self->touched);
  postern_store_writer_push (self->writer, &touch->job);
}

static gboolean
on_touch_due (gpointer user_data)
{
  PosternPasswordTable *self = user_data;

  self->touch_source = 0;
  postern_password_table_flush (self);
  return G_SOURCE_REMOVE;
}

/**
 * postern_password_table_touch:
 *
 * Notes that a password was used; written some time later.
 */
void
postern_password_table_touch (PosternPasswordTable *self, const char *id, gint64 now_us)
{
  PosternBridgePassword *password = find (self, id);

  if (password == NULL)
    return;
  password->last_used_us = now_us;
  g_hash_table_add (self->touched, g_strdup (id));
  if (self->touch_source == 0)
    self->touch_source = g_timeout_add_seconds (TOUCH_DELAY_S, on_touch_due, self);
}

/* Adding and revoking */

static gboolean
do_add (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  const PosternBridgePassword *password = ((PasswordJob *) job)->password;

  return postern_database_do (database,
                              error,
                              "INSERT INTO passwords (id, login, name, hash, created_us,"
                              " last_used_us) VALUES (?, ?, ?, ?, ?, 0)",
                              "sssbi",
                              password->id,
                              password->login_id,
                              password->name,
                              password->hash,
                              sizeof password->hash,
                              password->created_us);
}

static void
on_add_done (PosternStoreJob *job)
{
  PasswordJob *self = (PasswordJob *) job;

  if (job->error == NULL)
    {
      self->base.result = g_strdup (self->password->id);
      self->base.result_free = g_free;
      g_ptr_array_add (self->table->passwords, g_steal_pointer (&self->password));
    }
  postern_task_job_return_result (job);
}

/**
 * postern_password_table_add_async:
 * @name: what its owner calls the program that will use it
 * @password: 256 random bits; only its hash is kept here
 */
void
postern_password_table_add_async (PosternPasswordTable *self,
                                  const char *login_id,
                                  const char *name,
                                  PosternSecret *password,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  PasswordJob *job = password_job_new (self, postern_password_table_add_async, callback, user_data);

  job->password = g_new0 (PosternBridgePassword, 1);
  job->password->id = postern_random_id ();
  job->password->login_id = g_strdup (login_id);
  job->password->name = g_strdup (name);
  job->password->created_us = postern_clock_now_us ();
  postern_secret_hash (password, job->password->hash);
  job->base.job.run = do_add;
  job->base.job.done = on_add_done;
  postern_store_writer_push (self->writer, &job->base.job);
}

/**
 * postern_password_table_add_finish:
 *
 * Returns: (transfer full) (nullable): the id of the password, which is valid from now on.
 */
char *
postern_password_table_add_finish (PosternPasswordTable *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
do_revoke (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  PasswordJob *self = (PasswordJob *) job;

  if (!postern_database_do (database,
                            error,
                            "DELETE FROM passwords WHERE id = ? OR login = ?",
                            "ss",
                            self->id,
                            self->login_id))
    return FALSE;
  self->base.number = postern_database_changes (database);
  if (self->id == NULL || self->base.number > 0)
    return TRUE;
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_NOT_FOUND,
               "There is no bridge password %s",
               self->id);
  return FALSE;
}

static void
on_revoke_done (PosternStoreJob *job)
{
  PasswordJob *self = (PasswordJob *) job;
  GPtrArray *passwords = self->table->passwords;

  if (job->error == NULL)
    {
      for (guint i = passwords->len; i > 0; i--)
        {
          const PosternBridgePassword *password = g_ptr_array_index (passwords, i - 1);

          if (g_strcmp0 (password->id, self->id) == 0 ||
              g_strcmp0 (password->login_id, self->login_id) == 0)
            g_ptr_array_remove_index (passwords, i - 1);
        }
    }
  postern_task_job_return_number (job);
}

static void
push_revocation (PosternPasswordTable *self,
                 gpointer source_tag,
                 const char *id,
                 const char *login_id,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PasswordJob *job = password_job_new (self, source_tag, callback, user_data);

  job->id = g_strdup (id);
  job->login_id = g_strdup (login_id);
  job->base.job.run = do_revoke;
  job->base.job.done = on_revoke_done;
  postern_store_writer_push (self->writer, &job->base.job);
}

/**
 * postern_password_table_revoke_async:
 *
 * POSTERN_ERROR_NOT_FOUND when there is none of that id.
 */
void
postern_password_table_revoke_async (PosternPasswordTable *self,
                                     const char *id,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  push_revocation (self, postern_password_table_revoke_async, id, NULL, callback, user_data);
}

/**
 * postern_password_table_remove_login_async:
 *
 * Revokes all of a login; ends by postern_password_table_revoke_finish() too.
 */
void
postern_password_table_remove_login_async (PosternPasswordTable *self,
                                           const char *login_id,
                                           GAsyncReadyCallback callback,
                                           gpointer user_data)
{
  push_revocation (self,
                   postern_password_table_remove_login_async,
                   NULL,
                   login_id,
                   callback,
                   user_data);
}

gboolean
postern_password_table_revoke_finish (PosternPasswordTable *self,
                                      GAsyncResult *result,
                                      GError **error)
{
  return g_task_propagate_int (G_TASK (result), error) >= 0;
}

static gboolean
load (PosternPasswordTable *self, PosternDatabase *database, GError **error)
{
  sqlite3_stmt *query = postern_database_query (
      database,
      error,
      "SELECT id, login, name, hash, created_us, last_used_us FROM passwords ORDER BY created_us",
      "");
  int step;

  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      PosternBridgePassword *password;

      /* A hash of another length can be no password's. */
      if (sqlite3_column_bytes (query, 3) != POSTERN_SECRET_HASH_LENGTH)
        continue;
      password = g_new0 (PosternBridgePassword, 1);
      password->id = postern_database_dup_text (query, 0);
      password->login_id = postern_database_dup_text (query, 1);
      password->name = postern_database_dup_text (query, 2);
      memcpy (password->hash, sqlite3_column_blob (query, 3), sizeof password->hash);
      password->created_us = sqlite3_column_int64 (query, 4);
      password->last_used_us = sqlite3_column_int64 (query, 5);
      g_ptr_array_add (self->passwords, password);
    }
  return step == 0;
}

/* Blocks; before the writer was started. */
PosternPasswordTable *
postern_password_table_load (PosternStoreWriter *writer, GError **error)
{
  g_autoptr (PosternPasswordTable) self = g_object_new (POSTERN_TYPE_PASSWORD_TABLE, NULL);

  self->writer = postern_store_writer_ref (writer);
  if (!load (self, postern_store_writer_get_database (writer), error))
    return NULL;
  return g_steal_pointer (&self);
}

static void
postern_password_table_finalize (GObject *object)
{
  PosternPasswordTable *self = POSTERN_PASSWORD_TABLE (object);

  g_clear_handle_id (&self->touch_source, g_source_remove);
  g_clear_pointer (&self->writer, postern_store_writer_unref);
  g_ptr_array_unref (self->passwords);
  g_hash_table_unref (self->touched);
  G_OBJECT_CLASS (postern_password_table_parent_class)->finalize (object);
}

static void
postern_password_table_init (PosternPasswordTable *self)
{
  self->passwords = g_ptr_array_new_with_free_func (password_free);
  self->touched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
postern_password_table_class_init (PosternPasswordTableClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_password_table_finalize;
}
