/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-settle.h"

#include "base/error.h"
#include "jmap/jmap-folders.h"
#include "jmap/json-read.h"

/* Where are the emails now whose submission was not answered? In the request that submits one it
 * leaves Drafts, so that its place tells. */

typedef struct
{
  GStrv ids;
  guint n_ids;
  guint first;
  guint count;
  char *drafts;
  GArray *settlements; /* (element-type PosternSettlement) */
} Settle;

static void
settle_free (Settle *settle)
{
  g_strfreev (settle->ids);
  g_free (settle->drafts);
  g_clear_pointer (&settle->settlements, g_array_unref);
  g_free (settle);
}

static void settle_slice (GTask *task);

static JsonObject *
find_email (JsonArray *list, const char *id)
{
  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *email = postern_json_get_object_at (list, i);

      if (g_strcmp0 (postern_json_get_string (email, "id"), id) == 0)
        return email;
    }
  return NULL;
}

static gboolean
is_named (JsonArray *ids, const char *id)
{
  for (guint i = 0; i < postern_json_get_length (ids); i++)
    if (g_strcmp0 (postern_json_get_string_at (ids, i), id) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
settle_one (Settle *settle, const char *id, JsonObject *answer)
{
  JsonObject *email = find_email (postern_json_get_array (answer, "list"), id);
  PosternSettlement settlement = POSTERN_SETTLEMENT_SENT;

  if (email == NULL && !is_named (postern_json_get_array (answer, "notFound"), id))
    return FALSE;
  if (email == NULL)
    settlement = POSTERN_SETTLEMENT_GONE;
  else if (postern_json_get_boolean (postern_json_get_object (email, "mailboxIds"),
                                     settle->drafts,
                                     FALSE))
    settlement = POSTERN_SETTLEMENT_UNSENT;
  g_array_append_val (settle->settlements, settlement);
  return TRUE;
}

static void
on_settled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Settle *settle = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *answer = NULL;

  if (response != NULL)
    answer = postern_jmap_response_get (response, 0, "Email/get", &error);
  for (guint i = settle->first; answer != NULL && i < settle->first + settle->count; i++)
    if (!settle_one (settle, settle->ids[i], answer))
      {
        g_set_error (&error,
                     POSTERN_ERROR,
                     POSTERN_ERROR_TEMPORARY,
                     "The server does not say where a message is");
        break;
      }
  if (error == NULL)
    {
      settle->first += settle->count;
      settle_slice (task);
    }
  else if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) &&
           postern_jmap_client_halve (client, settle->count))
    settle_slice (task);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
settle_slice (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Settle *settle = g_task_get_task_data (task);
  const char *const *ids = (const char *const *) settle->ids + settle->first;
  static const char *const properties[] = { "id", "mailboxIds" };
  PosternJmapRequest *request;
  JsonObject *arguments;

  settle->count = MIN (settle->n_ids - settle->first, postern_jmap_client_get_max_objects (client));
  if (settle->count == 0)
    {
      g_task_return_pointer (task,
                             g_steal_pointer (&settle->settlements),
                             (GDestroyNotify) g_array_unref);
      return;
    }
  request = postern_jmap_request_new ();
  arguments = postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);
  json_object_set_array_member (arguments, "ids", postern_jmap_string_array (ids, settle->count));
  json_object_set_array_member (arguments,
                                "properties",
                                postern_jmap_string_array (properties, G_N_ELEMENTS (properties)));
  postern_jmap_request_add (request, "Email/get", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_settled,
                                  g_object_ref (task));
}

static void
on_folders (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Settle *settle = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_jmap_folders_ensure_finish (client, result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  settle->drafts = g_strdup (postern_jmap_client_get_folder (client, POSTERN_PLACE_DRAFTS));
  settle_slice (task);
}

/**
 * postern_jmap_settle_async:
 *
 * See postern_backend_settle_async().
 */
void
postern_jmap_settle_async (PosternJmapClient *client,
                           const char *const *email_ids,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  Settle *settle = g_new0 (Settle, 1);

  settle->ids = g_strdupv ((GStrv) email_ids);
  settle->n_ids = g_strv_length (settle->ids);
  settle->settlements = g_array_new (FALSE, FALSE, sizeof (PosternSettlement));
  g_task_set_source_tag (task, postern_jmap_settle_async);
  g_task_set_task_data (task, settle, (GDestroyNotify) settle_free);
  postern_jmap_folders_ensure_async (client,
                                     POSTERN_JMAP_PLACE (POSTERN_PLACE_DRAFTS),
                                     FALSE,
                                     cancellable,
                                     on_folders,
                                     task);
}

GArray *
postern_jmap_settle_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
