/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-find.h"

#include "base/error.h"
#include "jmap/jmap-folders.h"
#include "jmap/json-read.h"

#include <string.h>

/* What an import left whose answer was lost, found by its Message-ID. Not every server can search a
 * header; there the newest emails of the place are looked through instead. */

#define MAX_FOUND  50
#define MAX_LOOKED 500

typedef struct
{
  char *message_id; /* without angle brackets, as JMAP has it */
  PosternPlace place;
  char *folder;
  gboolean by_header;
  guint query_call;
  guint get_call;
} Find;

static void
find_free (Find *find)
{
  g_free (find->message_id);
  g_free (find->folder);
  g_free (find);
}

static void send_query (GTask *task);

/* The header filter matches parts of a value, so the whole one is compared here. */
static GPtrArray *
pick (const Find *find, JsonArray *list)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *email = postern_json_get_object_at (list, i);
      JsonArray *message_ids = postern_json_get_array (email, "messageId");
      const char *id = postern_json_get_string (email, "id");

      if (id != NULL && postern_json_get_length (message_ids) == 1 &&
          g_strcmp0 (postern_json_get_string_at (message_ids, 0), find->message_id) == 0)
        g_ptr_array_add (found, g_strdup (id));
    }
  return found;
}

static void
on_queried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Find *find = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *query = NULL;
  JsonObject *get = NULL;

  if (response != NULL)
    query = postern_jmap_response_get (response, find->query_call, "Email/query", &error);
  if (query != NULL)
    get = postern_jmap_response_get (response, find->get_call, "Email/get", &error);

  if (get != NULL)
    g_task_return_pointer (task,
                           pick (find, postern_json_get_array (get, "list")),
                           (GDestroyNotify) g_ptr_array_unref);
  else if (response != NULL && query == NULL && find->by_header)
    {
      find->by_header = FALSE;
      send_query (task);
    }
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
send_query (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Find *find = g_task_get_task_data (task);
  const char *account = postern_jmap_client_get_session (client)->mail_account;
  static const char *const properties[] = { "id", "messageId" };
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *query = postern_jmap_arguments_new (account);
  JsonObject *get = postern_jmap_arguments_new (account);
  JsonObject *filter = json_object_new ();
  JsonObject *comparator = json_object_new ();
  JsonArray *sort = json_array_new ();
  guint limit = find->by_header ? MAX_FOUND : MAX_LOOKED;

  json_object_set_string_member (filter, "inMailbox", find->folder);
  if (find->by_header)
    {
      const char *const header[] = { "Message-ID", find->message_id };

      json_object_set_array_member (filter, "header", postern_jmap_string_array (header, 2));
    }
  json_object_set_object_member (query, "filter", filter);
  json_object_set_string_member (comparator, "property", "receivedAt");
  json_object_set_boolean_member (comparator, "isAscending", find->by_header);
  json_array_add_object_element (sort, comparator);
  json_object_set_array_member (query, "sort", sort);
  json_object_set_int_member (query,
                              "limit",
                              MIN (limit, postern_jmap_client_get_max_objects (client)));
  find->query_call = postern_jmap_request_add (request, "Email/query", query);

  postern_jmap_set_reference (get, "ids", find->query_call, "Email/query", "/ids");
  json_object_set_array_member (get,
                                "properties",
                                postern_jmap_string_array (properties, G_N_ELEMENTS (properties)));
  find->get_call = postern_jmap_request_add (request, "Email/get", get);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_queried,
                                  g_object_ref (task));
}

static void
on_folders (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Find *find = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_jmap_folders_ensure_finish (client, result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  find->folder = g_strdup (postern_jmap_client_get_folder (client, find->place));
  send_query (task);
}

/**
 * postern_jmap_find_imported_async:
 *
 * See postern_backend_find_imported_async().
 */
void
postern_jmap_find_imported_async (PosternJmapClient *client,
                                  const char *message_id,
                                  PosternPlace place,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  Find *find = g_new0 (Find, 1);
  gsize length = strlen (message_id);

  if (length >= 2 && message_id[0] == '<' && message_id[length - 1] == '>')
    find->message_id = g_strndup (message_id + 1, length - 2);
  else
    find->message_id = g_strdup (message_id);
  find->place = place;
  find->by_header = TRUE;
  g_task_set_source_tag (task, postern_jmap_find_imported_async);
  g_task_set_task_data (task, find, (GDestroyNotify) find_free);
  postern_jmap_folders_ensure_async (client,
                                     POSTERN_JMAP_PLACE (place),
                                     FALSE,
                                     cancellable,
                                     on_folders,
                                     task);
}

GPtrArray *
postern_jmap_find_imported_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
