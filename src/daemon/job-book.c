/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/job-book.h"

#include "base/error.h"
#include "ipc/bus-errors.h"
#include "ipc/bus.h"
#include "ipc/names.h"

#include <string.h>

#define KEPT_SECONDS 60
#define MOST_JOBS    64 /* so that a client cannot fill our memory with jobs */
#define ID_MAX       64

struct _PosternJobBook
{
  PosternObjectTree *tree;
  GHashTable *shown; /* (element-type utf8 Shown), by path */
};

typedef struct
{
  PosternJobBook *book; /* lent */
  char *path;
  PosternJob *job;
  PosternBusJob *skeleton;
  guint removal_id;
} Shown;

static void
shown_free (gpointer data)
{
  Shown *shown = data;

  g_clear_handle_id (&shown->removal_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (shown->job, shown);
  g_signal_handlers_disconnect_by_data (shown->skeleton, shown);
  g_object_unref (shown->job);
  g_object_unref (shown->skeleton);
  g_free (shown->path);
  g_free (shown);
}

PosternJobBook *
postern_job_book_new (PosternObjectTree *tree)
{
  PosternJobBook *self = g_new0 (PosternJobBook, 1);

  self->tree = g_object_ref (tree);
  self->shown = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, shown_free);
  return self;
}

void
postern_job_book_free (PosternJobBook *self)
{
  g_hash_table_unref (self->shown);
  g_object_unref (self->tree);
  g_free (self);
}

static const char *
state_name (PosternJobState state)
{
  switch (state)
    {
    case POSTERN_JOB_DONE:
      return "done";
    case POSTERN_JOB_FAILED:
      return "failed";
    case POSTERN_JOB_CANCELLED:
      return "cancelled";
    case POSTERN_JOB_RUNNING:
    default:
      return "running";
    }
}

static gboolean
on_removal (gpointer user_data)
{
  Shown *shown = user_data;

  shown->removal_id = 0;
  postern_object_tree_remove (shown->book->tree, shown->path);
  g_hash_table_remove (shown->book->shown, shown->path);
  return G_SOURCE_REMOVE;
}

static void
on_changed (PosternJob *job, gpointer user_data)
{
  Shown *shown = user_data;
  PosternBusJob *skeleton = shown->skeleton;
  PosternJobState state = postern_job_get_state (job);
  const GError *error = postern_job_get_error (job);

  /* State last: whoever sees the end finds everything else there. */
  postern_bus_job_set_step (skeleton, postern_job_get_step (job));
  postern_bus_job_set_progress (skeleton, postern_job_get_progress (job));
  if (postern_job_get_result (job) != NULL)
    postern_bus_job_set_result (skeleton, postern_job_get_result (job));
  if (error != NULL)
    {
      postern_bus_job_set_error_code (skeleton, postern_bus_error_get_name (error));
      postern_bus_job_set_error_message (skeleton, error->message);
    }
  postern_bus_job_set_state (skeleton, state_name (state));
  if (state != POSTERN_JOB_RUNNING && shown->removal_id == 0)
    shown->removal_id = g_timeout_add_seconds (KEPT_SECONDS, on_removal, shown);
}

static gboolean
on_cancel (PosternBusJob *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Shown *shown = user_data;

  postern_job_cancel (shown->job);
  postern_bus_job_complete_cancel (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
is_id (const char *id)
{
  gsize length = strlen (id);

  return length >= 1 && length <= ID_MAX &&
         strspn (id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

/**
 * postern_job_book_begin:
 * @id: as the caller chose it
 * @path: (out) (transfer full): the object's
 *
 * Returns: (transfer full) (nullable): a job that is on the bus now. INVALID for an @id of other
 *   characters, EXISTS for one that was used, BUSY when there are too many.
 */
PosternJob *
postern_job_book_begin (PosternJobBook *self,
                        const char *id,
                        const char *kind,
                        char **path,
                        GError **error)
{
  Shown *shown;

  if (!is_id (id))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "A job id has 1 to %d of A-Z, a-z, 0-9 and _",
                   ID_MAX);
      return NULL;
    }
  *path = g_strconcat (POSTERN_BUS_JOBS_PATH, "/", id, NULL);
  if (g_hash_table_contains (self->shown, *path))
    {
      g_clear_pointer (path, g_free);
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_EXISTS,
                           "This job id was used already");
      return NULL;
    }
  if (g_hash_table_size (self->shown) >= MOST_JOBS)
    {
      g_clear_pointer (path, g_free);
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_BUSY,
                           "Too many jobs are going on; try again in a minute");
      return NULL;
    }

  shown = g_new0 (Shown, 1);
  shown->book = self;
  shown->path = g_strdup (*path);
  shown->job = postern_job_new (id, kind);
  shown->skeleton = postern_bus_job_skeleton_new ();
  postern_bus_job_set_id (shown->skeleton, id);
  postern_bus_job_set_kind (shown->skeleton, kind);
  postern_bus_job_set_error_code (shown->skeleton, "");
  postern_bus_job_set_error_message (shown->skeleton, "");
  postern_bus_job_set_result (shown->skeleton, g_variant_new ("a{sv}", NULL));
  g_signal_connect (shown->job, "changed", G_CALLBACK (on_changed), shown);
  g_signal_connect (shown->skeleton, "handle-cancel", G_CALLBACK (on_cancel), shown);
  on_changed (shown->job, shown);
  g_hash_table_replace (self->shown, shown->path, shown);
  postern_object_tree_add (self->tree, shown->path, G_DBUS_INTERFACE_SKELETON (shown->skeleton));
  return g_object_ref (shown->job);
}
