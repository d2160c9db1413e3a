/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-remove.h"

#include "base/error.h"
#include "jmap/jmap-folders.h"
#include "jmap/jmap-set.h"
#include "jmap/json-read.h"

/* An email can be in several mailboxes, and destroying it takes it out of all of them. So each slice
 * is looked at first and then changed on condition that nothing happened in between (ifInState). */

#define MAX_TRIES 4

typedef struct
{
  GStrv ids;
  guint n_ids;
  guint first; /* of the slice at work */
  guint count; /* in the slice */
  guint tries; /* of the slice */
  PosternPlace from;
  PosternRemoveMode mode;
  char *from_folder;
  char *trash_folder; /* (nullable) */
  guint call;
  GHashTable *settled; /* (element-type utf8 -) of the slice: nothing has to be done for them */
  GPtrArray *results;  /* (element-type PosternRemoval) */
} Remove;

static void
remove_free (Remove *remove)
{
  g_strfreev (remove->ids);
  g_free (remove->from_folder);
  g_free (remove->trash_folder);
  g_hash_table_unref (remove->settled);
  g_clear_pointer (&remove->results, g_ptr_array_unref);
  g_free (remove);
}

static void next_slice (GTask *task);
static void look (GTask *task);

/* @error: (transfer full) (nullable) */
static void
add_result (Remove *remove, const char *id, GError *error)
{
  PosternRemoval *removal = g_new0 (PosternRemoval, 1);

  removal->email_id = g_strdup (id);
  removal->error = error;
  g_ptr_array_add (remove->results, removal);
}

/* The request as a whole failed. What was done before it counts. */
static void
fail (GTask *task, GError *error)
{
  Remove *remove = g_task_get_task_data (task);
  g_autoptr (GError) cause = error;

  if (remove->first == 0)
    {
      g_task_return_error (task, g_steal_pointer (&cause));
      return;
    }
  for (guint i = remove->first; i < remove->n_ids; i++)
    add_result (remove, remove->ids[i], g_error_copy (cause));
  g_task_return_pointer (task,
                         g_steal_pointer (&remove->results),
                         (GDestroyNotify) g_ptr_array_unref);
}

static gboolean
retry_smaller (GTask *task, PosternJmapClient *client, const GError *error)
{
  Remove *remove = g_task_get_task_data (task);

  if (!g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) ||
      !postern_jmap_client_halve (client, remove->count))
    return FALSE;
  next_slice (task);
  return TRUE;
}

static gboolean
is_listed (JsonArray *array, const char *id)
{
  for (guint i = 0; i < postern_json_get_length (array); i++)
    if (g_strcmp0 (postern_json_get_string_at (array, i), id) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
has_member (JsonObject *object, const char *name)
{
  return object != NULL && json_object_has_member (object, name);
}

/* @answer: (nullable): of Email/set; NULL: nothing had to be changed */
static void
take_set (Remove *remove, JsonObject *answer)
{
  JsonArray *destroyed = postern_json_get_array (answer, "destroyed");
  JsonObject *updated = postern_json_get_object (answer, "updated");
  JsonObject *not_destroyed = postern_json_get_object (answer, "notDestroyed");
  JsonObject *not_updated = postern_json_get_object (answer, "notUpdated");

  for (guint i = remove->first; i < remove->first + remove->count; i++)
    {
      const char *id = remove->ids[i];
      JsonObject *refusal = postern_json_get_object (not_destroyed, id);

      if (refusal == NULL)
        refusal = postern_json_get_object (not_updated, id);
      if (g_hash_table_contains (remove->settled, id) || is_listed (destroyed, id) ||
          has_member (updated, id) || postern_jmap_set_error_is (refusal, "notFound"))
        add_result (remove, id, NULL);
      else
        add_result (remove, id, postern_jmap_set_error_to_error (refusal));
    }
  remove->first += remove->count;
  remove->tries = 0;
}

static void
on_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Remove *remove = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *answer = NULL;

  if (response != NULL)
    answer = postern_jmap_response_get (response, remove->call, "Email/set", &error);
  if (answer != NULL)
    {
      take_set (remove, answer);
      next_slice (task);
    }
  else if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_BUSY) &&
           ++remove->tries < MAX_TRIES)
    look (task);
  else if (!retry_smaller (task, client, error))
    fail (task, g_steal_pointer (&error));
}

static void
send_set (GTask *task, JsonObject *arguments)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Remove *remove = g_task_get_task_data (task);
  PosternJmapRequest *request = postern_jmap_request_new ();

  remove->call = postern_jmap_request_add (request, "Email/set", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_set,
                                  g_object_ref (task));
}

static gboolean
is_elsewhere (JsonObject *mailboxes, const char *from)
{
  g_autoptr (GList) ids = json_object_get_members (mailboxes);

  for (GList *id = ids; id != NULL; id = id->next)
    if (g_strcmp0 (id->data, from) != 0 && postern_json_get_boolean (mailboxes, id->data, FALSE))
      return TRUE;
  return FALSE;
}

/* Decides for each email of the slice; those already gone from the place need nothing.
 * Returns: whether there is something to do */
static gboolean
plan (Remove *remove, JsonArray *list, JsonArray *not_found, JsonObject *arguments)
{
  JsonObject *update = json_object_new ();
  JsonArray *destroy = json_array_new ();
  gboolean has_work = FALSE;

  json_object_set_object_member (arguments, "update", update);
  json_object_set_array_member (arguments, "destroy", destroy);
  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *email = postern_json_get_object_at (list, i);
      JsonObject *mailboxes = postern_json_get_object (email, "mailboxIds");
      const char *id = postern_json_get_string (email, "id");
      gboolean elsewhere;
      JsonObject *patch;

      if (id == NULL || mailboxes == NULL)
        continue;
      if (!postern_json_get_boolean (mailboxes, remove->from_folder, FALSE))
        {
          g_hash_table_add (remove->settled, g_strdup (id));
          continue;
        }
      has_work = TRUE;
      elsewhere = is_elsewhere (mailboxes, remove->from_folder);
      if (remove->mode == POSTERN_REMOVE_DESTROY && !elsewhere)
        {
          json_array_add_string_element (destroy, id);
          continue;
        }
      patch = json_object_new ();
      postern_jmap_patch_mailbox (patch, remove->from_folder, FALSE);
      if (!elsewhere)
        postern_jmap_patch_mailbox (patch, remove->trash_folder, TRUE);
      json_object_set_object_member (update, id, patch);
    }
  for (guint i = 0; i < postern_json_get_length (not_found); i++)
    if (postern_json_get_string_at (not_found, i) != NULL)
      g_hash_table_add (remove->settled, g_strdup (postern_json_get_string_at (not_found, i)));
  return has_work;
}

static void
on_looked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Remove *remove = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  g_autoptr (JsonObject) arguments = NULL;
  JsonObject *answer = NULL;
  const char *state;

  if (response != NULL)
    answer = postern_jmap_response_get (response, remove->call, "Email/get", &error);
  if (answer == NULL)
    {
      if (!retry_smaller (task, client, error))
        fail (task, g_steal_pointer (&error));
      return;
    }
  arguments = postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);
  state = postern_json_get_string (answer, "state");
  if (state != NULL)
    json_object_set_string_member (arguments, "ifInState", state);
  if (plan (remove,
            postern_json_get_array (answer, "list"),
            postern_json_get_array (answer, "notFound"),
            arguments))
    send_set (task, g_steal_pointer (&arguments));
  else
    {
      take_set (remove, NULL);
      next_slice (task);
    }
}

static void
look (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Remove *remove = g_task_get_task_data (task);
  const char *const *ids = (const char *const *) remove->ids + remove->first;
  static const char *const properties[] = { "id", "mailboxIds" };
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *arguments =
      postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);

  g_hash_table_remove_all (remove->settled);
  json_object_set_array_member (arguments, "ids", postern_jmap_string_array (ids, remove->count));
  json_object_set_array_member (arguments,
                                "properties",
                                postern_jmap_string_array (properties, G_N_ELEMENTS (properties)));
  remove->call = postern_jmap_request_add (request, "Email/get", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_looked,
                                  g_object_ref (task));
}

static void
next_slice (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Remove *remove = g_task_get_task_data (task);
  const char *const *ids = (const char *const *) remove->ids + remove->first;
  JsonObject *arguments;

  remove->count = MIN (remove->n_ids - remove->first, postern_jmap_client_get_max_objects (client));
  g_hash_table_remove_all (remove->settled);
  if (remove->count == 0)
    g_task_return_pointer (task,
                           g_steal_pointer (&remove->results),
                           (GDestroyNotify) g_ptr_array_unref);
  else if (remove->mode != POSTERN_REMOVE_DESTROY_EVERYWHERE)
    look (task);
  else
    {
      arguments =
          postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);
      json_object_set_array_member (arguments,
                                    "destroy",
                                    postern_jmap_string_array (ids, remove->count));
      send_set (task, arguments);
    }
}

static void
on_folders (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Remove *remove = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_jmap_folders_ensure_finish (client, result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  remove->from_folder = g_strdup (postern_jmap_client_get_folder (client, remove->from));
  remove->trash_folder = g_strdup (postern_jmap_client_get_folder (client, POSTERN_PLACE_TRASH));
  next_slice (task);
}

/**
 * postern_jmap_remove_async:
 *
 * See postern_backend_remove_async().
 */
void
postern_jmap_remove_async (PosternJmapClient *client,
                           const char *const *email_ids,
                           PosternPlace from,
                           PosternRemoveMode mode,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  Remove *remove = g_new0 (Remove, 1);
  guint places = POSTERN_JMAP_PLACE (from);

  if (mode == POSTERN_REMOVE_TRASH)
    places |= POSTERN_JMAP_PLACE (POSTERN_PLACE_TRASH);
  remove->ids = g_strdupv ((GStrv) email_ids);
  remove->n_ids = g_strv_length (remove->ids);
  remove->from = from;
  remove->mode = mode;
  remove->settled = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  remove->results = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_removal_free);
  g_task_set_source_tag (task, postern_jmap_remove_async);
  g_task_set_task_data (task, remove, (GDestroyNotify) remove_free);
  g_task_set_check_cancellable (task, FALSE);
  postern_jmap_folders_ensure_async (client, places, FALSE, cancellable, on_folders, task);
}

GPtrArray *
postern_jmap_remove_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
