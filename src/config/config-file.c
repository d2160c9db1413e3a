/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-config"

#include "config.h"

#include "config/config-file.h"

#include "base/durable-file.h"
#include "base/error.h"
#include "config/config-parser.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A person may edit the file while we want to change it. So we never write what we remember: each
 * change reads the file, is made on what is there now, and is written at once. When the file was
 * replaced between our reading and our writing, the change starts anew; and a file that we cannot read
 * we do not touch, since it holds somebody's work.
 *
 * Reading, writing and the two syncs happen in GIO's threads, one at a time under `lock`. The
 * results come back to the main context in any order; their serial tells which is the newest. */

#define DEBOUNCE_MS  200
#define MAX_ATTEMPTS 5

struct _PosternConfigFile
{
  GObject parent_instance;

  char *path;
  char *name;            /* of the file, for complaints */
  PosternConfig *config; /* in force */
  char *text;            /* (nullable) what it was read from */
  char *problem;         /* (nullable) why the file on disk is not in force */
  guint64 applied;       /* serial of the outcome that made it so */
  GPtrArray *monitors;   /* of GFileMonitor */
  guint debounce;

  GMutex lock;    /* over the file */
  guint64 serial; /* under lock */
};

enum
{
  CHANGED,
  PROBLEM_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (PosternConfigFile, postern_config_file, G_TYPE_OBJECT)

/* What one look at the file has brought. */
typedef struct
{
  guint64 serial;
  char *text;            /* (nullable) there is no file */
  PosternConfig *config; /* (nullable) error says why */
  GError *error;
} Outcome;

static void
outcome_free (Outcome *self)
{
  g_free (self->text);
  g_clear_pointer (&self->config, postern_config_unref);
  g_clear_error (&self->error);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Outcome, outcome_free)

/**
 * postern_config_default_path:
 *
 * Returns: (transfer full): where the file is when nobody says otherwise
 */
char *
postern_config_default_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "postern", "config.json", NULL);
}

/**
 * postern_config_file_new:
 * @path: need not exist
 *
 * Returns: (transfer full): with the default configuration in force; nothing is read yet
 */
PosternConfigFile *
postern_config_file_new (const char *path)
{
  PosternConfigFile *self = g_object_new (POSTERN_TYPE_CONFIG_FILE, NULL);

  self->path = g_strdup (path);
  self->name = g_path_get_basename (path);
  return self;
}

/* --- looking at the file (any thread, under lock) ------------------------------------------- */

/* TRUE with *text NULL: there is none. */
static gboolean
read_text (const char *path, char **text, gsize *length, GError **error)
{
  g_autoptr (GError) cause = NULL;
  GStatBuf status;

  *text = NULL;
  *length = 0;
  if (g_stat (path, &status) == 0 && status.st_size > POSTERN_CONFIG_MAX_LENGTH)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "%s is larger than %d octets",
                   path,
                   POSTERN_CONFIG_MAX_LENGTH);
      return FALSE;
    }
  if (g_file_get_contents (path, text, length, &cause) ||
      g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;
  g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE, "Reading: %s", cause->message);
  return FALSE;
}

static Outcome *
look (PosternConfigFile *self)
{
  Outcome *outcome = g_new0 (Outcome, 1);
  gsize length;

  outcome->serial = ++self->serial;
  if (!read_text (self->path, &outcome->text, &length, &outcome->error))
    return outcome;
  if (outcome->text == NULL)
    outcome->config = postern_config_new_default ();
  else
    outcome->config =
        postern_config_parse (outcome->text, length, self->name, NULL, &outcome->error);
  return outcome;
}

/* --- taking the outcome over (main context) -------------------------------------------------- */

static void
set_problem (PosternConfigFile *self, const GError *error)
{
  const char *problem = error == NULL ? NULL : error->message;

  if (g_strcmp0 (self->problem, problem) == 0)
    return;
  g_free (self->problem);
  self->problem = g_strdup (problem);
  if (problem != NULL)
    g_warning ("The configuration file is not used as it is now: %s", problem);
  g_signal_emit (self, signals[PROBLEM_CHANGED], 0);
}

static void
apply (PosternConfigFile *self, Outcome *outcome)
{
  gboolean same;

  if (outcome->serial <= self->applied)
    return;
  self->applied = outcome->serial;
  if (outcome->config == NULL)
    {
      set_problem (self, outcome->error);
      return;
    }

  same = g_strcmp0 (self->text, outcome->text) == 0;
  g_free (self->text);
  self->text = g_steal_pointer (&outcome->text);
  postern_config_unref (self->config);
  self->config = g_steal_pointer (&outcome->config);
  set_problem (self, NULL);
  if (!same)
    g_signal_emit (self, signals[CHANGED], 0);
}

/**
 * postern_config_file_load:
 *
 * Reads the file now, blocking; for the start of the program.
 *
 * Returns: FALSE with POSTERN_ERROR_INVALID or POSTERN_ERROR_NEWER when it makes no sense (the message names
 *   the place) or POSTERN_ERROR_STORAGE; the default stays in force and the problem is set. A
 *   missing file is no error.
 */
gboolean
postern_config_file_load (PosternConfigFile *self, GError **error)
{
  g_autoptr (Outcome) outcome = NULL;

  g_mutex_lock (&self->lock);
  outcome = look (self);
  g_mutex_unlock (&self->lock);
  apply (self, outcome);
  if (outcome->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&outcome->error));
  return FALSE;
}

static void
reload_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  PosternConfigFile *self = POSTERN_CONFIG_FILE (source);
  Outcome *outcome;

  g_mutex_lock (&self->lock);
  outcome = look (self);
  g_mutex_unlock (&self->lock);
  g_task_return_pointer (task, outcome, (GDestroyNotify) outcome_free);
}

/**
 * postern_config_file_reload_async:
 *
 * Reads the file again, as happens by itself when it changes.
 */
void
postern_config_file_reload_async (PosternConfigFile *self,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, postern_config_file_reload_async);
  g_task_run_in_thread (task, reload_in_thread);
}

/**
 * postern_config_file_reload_finish:
 *
 * Returns: FALSE as postern_config_file_load(); what was in force stays.
 */
gboolean
postern_config_file_reload_finish (PosternConfigFile *self, GAsyncResult *result, GError **error)
{
  g_autoptr (Outcome) outcome = g_task_propagate_pointer (G_TASK (result), error);

  if (outcome == NULL)
    return FALSE;
  apply (self, outcome);
  if (outcome->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&outcome->error));
  return FALSE;
}

/* --- changing --------------------------------------------------------------------------------- */

typedef struct
{
  PosternConfigChange change;
  gpointer data;
  GDestroyNotify data_free;
} Change;

static void
change_free (Change *self)
{
  if (self->data_free != NULL)
    self->data_free (self->data);
  g_free (self);
}

typedef enum
{
  ATTEMPT_DONE,
  ATTEMPT_FAILED,
  ATTEMPT_OVERTAKEN, /* somebody wrote the file meanwhile */
} Attempt;

static Attempt
attempt_change (PosternConfigFile *self, const Change *change, Outcome *outcome, GError **error)
{
  g_autofree char *before = NULL;
  g_autofree char *now = NULL;
  g_autofree char *text = NULL;
  g_autoptr (PosternConfigEdit) edit = NULL;
  g_autoptr (PosternConfig) config = NULL;
  gsize length;
  gsize length_now;

  if (!read_text (self->path, &before, &length, error))
    return ATTEMPT_FAILED;
  edit = postern_config_edit_new (before, length, self->name, error);
  if (edit == NULL)
    {
      g_prefix_error (error, "The configuration file must be put right first: ");
      return ATTEMPT_FAILED;
    }
  if (!change->change (edit, change->data, error))
    return ATTEMPT_FAILED;
  text = postern_config_edit_to_text (edit);
  config = postern_config_parse (text, strlen (text), self->name, NULL, error);
  if (config == NULL)
    {
      g_prefix_error (error, "The change would make the file invalid: ");
      return ATTEMPT_FAILED;
    }

  /* What an editor saved since then must not be lost to our older copy of it. */
  if (!read_text (self->path, &now, &length_now, error))
    return ATTEMPT_FAILED;
  if (g_strcmp0 (before, now) != 0)
    return ATTEMPT_OVERTAKEN;
  if (!postern_durable_file_write (self->path, text, strlen (text), error))
    return ATTEMPT_FAILED;

  outcome->text = g_steal_pointer (&text);
  outcome->config = g_steal_pointer (&config);
  return ATTEMPT_DONE;
}

static void
change_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  PosternConfigFile *self = POSTERN_CONFIG_FILE (source);
  g_autoptr (Outcome) outcome = g_new0 (Outcome, 1);
  g_autoptr (GError) error = NULL;
  Attempt attempt = ATTEMPT_OVERTAKEN;

  g_mutex_lock (&self->lock);
  outcome->serial = ++self->serial;
  for (guint i = 0; attempt == ATTEMPT_OVERTAKEN && i < MAX_ATTEMPTS; i++)
    attempt = attempt_change (self, task_data, outcome, &error);
  g_mutex_unlock (&self->lock);

  if (attempt == ATTEMPT_DONE)
    g_task_return_pointer (task, g_steal_pointer (&outcome), (GDestroyNotify) outcome_free);
  else if (attempt == ATTEMPT_FAILED)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_new_error (task,
                             POSTERN_ERROR,
                             POSTERN_ERROR_BUSY,
                             "Another program keeps writing %s; nothing was changed",
                             self->path);
}

static void
on_change_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  g_autoptr (GError) error = NULL;
  g_autoptr (Outcome) outcome = g_task_propagate_pointer (G_TASK (result), &error);

  if (outcome == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  apply (POSTERN_CONFIG_FILE (source), outcome);
  g_task_return_boolean (task, TRUE);
}

/**
 * postern_config_file_change_async:
 * @change_data_free: (nullable): called when the change is over
 *
 * Makes one change to the file as it is on disk now, and writes it durably. Changes are made one
 * after the other. When @callback comes, what was written is in force and ::changed has been emitted.
 */
void
postern_config_file_change_async (PosternConfigFile *self,
                                  PosternConfigChange change,
                                  gpointer change_data,
                                  GDestroyNotify change_data_free,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GTask) work = g_task_new (self, NULL, on_change_done, task);
  Change *data = g_new0 (Change, 1);

  g_task_set_source_tag (task, postern_config_file_change_async);
  data->change = change;
  data->data = change_data;
  data->data_free = change_data_free;
  g_task_set_task_data (work, data, (GDestroyNotify) change_free);
  g_task_run_in_thread (work, change_in_thread);
}

/**
 * postern_config_file_change_finish:
 *
 * Returns: FALSE with the error of the change, POSTERN_ERROR_INVALID when the file on disk or what
 *   would become of it makes no sense, POSTERN_ERROR_NEWER, STORAGE, FULL or BUSY; the file is as it was.
 */
gboolean
postern_config_file_change_finish (PosternConfigFile *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
do_add_account (PosternConfigEdit *edit, gpointer user_data, GError **error)
{
  return postern_config_edit_add_account (edit, user_data, error);
}

static gboolean
do_set_account (PosternConfigEdit *edit, gpointer user_data, GError **error)
{
  return postern_config_edit_set_account (edit, user_data, error);
}

static gboolean
do_remove_account (PosternConfigEdit *edit, gpointer user_data, GError **error)
{
  return postern_config_edit_remove_account (edit, user_data, error);
}

/**
 * postern_config_file_add_account_async:
 *
 * Fails with POSTERN_ERROR_EXISTS when the address or id is there already.
 */
void
postern_config_file_add_account_async (PosternConfigFile *self,
                                       const PosternConfigAccount *account,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data)
{
  postern_config_file_change_async (self,
                                    do_add_account,
                                    postern_config_account_copy (account),
                                    (GDestroyNotify) postern_config_account_free,
                                    callback,
                                    user_data);
}

/**
 * postern_config_file_set_account_async:
 * @account: replaces the one with the same id
 *
 * Fails with POSTERN_ERROR_NOT_FOUND when there is none.
 */
void
postern_config_file_set_account_async (PosternConfigFile *self,
                                       const PosternConfigAccount *account,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data)
{
  postern_config_file_change_async (self,
                                    do_set_account,
                                    postern_config_account_copy (account),
                                    (GDestroyNotify) postern_config_account_free,
                                    callback,
                                    user_data);
}

/**
 * postern_config_file_remove_account_async:
 *
 * Fails with POSTERN_ERROR_NOT_FOUND when there is none.
 */
void
postern_config_file_remove_account_async (PosternConfigFile *self,
                                          const char *id,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data)
{
  postern_config_file_change_async (self,
                                    do_remove_account,
                                    g_strdup (id),
                                    g_free,
                                    callback,
                                    user_data);
}

/* --- watching ---------------------------------------------------------------------------------- */

static void
on_reloaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  /* What is wrong was told by set_problem(). */
  postern_config_file_reload_finish (POSTERN_CONFIG_FILE (source), result, &error);
}

static gboolean
on_settled (gpointer user_data)
{
  PosternConfigFile *self = POSTERN_CONFIG_FILE (user_data);

  self->debounce = 0;
  postern_config_file_reload_async (self, on_reloaded, NULL);
  return G_SOURCE_REMOVE;
}

/* An editor writes in several steps; the file is read when it has been quiet for a moment. */
static void
on_file_event (GFileMonitor *monitor,
               GFile *file,
               GFile *other,
               GFileMonitorEvent event,
               PosternConfigFile *self)
{
  g_clear_handle_id (&self->debounce, g_source_remove);
  self->debounce = g_timeout_add (DEBOUNCE_MS, on_settled, self);
}

static void
watch_path (PosternConfigFile *self, const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  GFileMonitor *monitor = g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);

  if (monitor == NULL)
    {
      g_message ("Changes of %s will not be noticed by themselves: %s", path, error->message);
      return;
    }
  g_signal_connect_object (monitor, "changed", G_CALLBACK (on_file_event), self, 0);
  g_ptr_array_add (self->monitors, monitor);
}

/**
 * postern_config_file_watch:
 *
 * From now on a changed file is read by itself, a moment after the last change.
 */
void
postern_config_file_watch (PosternConfigFile *self)
{
  g_autofree char *folder = g_path_get_dirname (self->path);
  char *target;

  /* A folder that is not there would be polled for. */
  g_mkdir_with_parents (folder, 0700);
  g_ptr_array_set_size (self->monitors, 0);
  watch_path (self, self->path);

  /* People keep such files elsewhere, and a symbolic link here. */
  target = realpath (self->path, NULL);
  if (target != NULL && !g_str_equal (target, self->path))
    watch_path (self, target);
  free (target);
}

/**
 * postern_config_file_get:
 *
 * Returns: (transfer none): the configuration in force, never NULL; take a reference to keep it
 */
PosternConfig *
postern_config_file_get (PosternConfigFile *self)
{
  return self->config;
}

const char *
postern_config_file_get_path (PosternConfigFile *self)
{
  return self->path;
}

/**
 * postern_config_file_get_problem:
 *
 * Returns: (nullable): why the file on disk is not in force, as a sentence that names the place
 */
const char *
postern_config_file_get_problem (PosternConfigFile *self)
{
  return self->problem;
}

static void
postern_config_file_dispose (GObject *object)
{
  PosternConfigFile *self = POSTERN_CONFIG_FILE (object);

  g_clear_handle_id (&self->debounce, g_source_remove);
  g_ptr_array_set_size (self->monitors, 0);

  G_OBJECT_CLASS (postern_config_file_parent_class)->dispose (object);
}

static void
postern_config_file_finalize (GObject *object)
{
  PosternConfigFile *self = POSTERN_CONFIG_FILE (object);

  g_free (self->path);
  g_free (self->name);
  postern_config_unref (self->config);
  g_free (self->text);
  g_free (self->problem);
  g_ptr_array_unref (self->monitors);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (postern_config_file_parent_class)->finalize (object);
}

static void
postern_config_file_class_init (PosternConfigFileClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = postern_config_file_dispose;
  object_class->finalize = postern_config_file_finalize;

  signals[CHANGED] = g_signal_new ("changed",
                                   POSTERN_TYPE_CONFIG_FILE,
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   0);
  signals[PROBLEM_CHANGED] = g_signal_new ("problem-changed",
                                           POSTERN_TYPE_CONFIG_FILE,
                                           G_SIGNAL_RUN_LAST,
                                           0,
                                           NULL,
                                           NULL,
                                           NULL,
                                           G_TYPE_NONE,
                                           0);
}

static void
postern_config_file_init (PosternConfigFile *self)
{
  g_mutex_init (&self->lock);
  self->config = postern_config_new_default ();
  self->monitors = g_ptr_array_new_with_free_func (g_object_unref);
}
