/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-folders.h"

#include "base/error.h"
#include "jmap/json-read.h"

#include <string.h>

/* RFC 8621 section 2; the names are for servers on which a folder has to be made first. */
static const struct
{
  const char *role;
  const char *name;
} folders[POSTERN_N_PLACES] = {
  [POSTERN_PLACE_INBOX] = { "inbox", "Inbox" },
  [POSTERN_PLACE_DRAFTS] = { "drafts", "Drafts" },
  [POSTERN_PLACE_SENT] = { "sent", "Sent" },
  [POSTERN_PLACE_TRASH] = { "trash", "Trash" },
};

typedef struct
{
  guint places; /* a set of POSTERN_JMAP_PLACE */
  gboolean anew;
  guint call;
} Ensure;

static gboolean
is_wanted (const Ensure *ensure, guint place)
{
  return (ensure->places & POSTERN_JMAP_PLACE (place)) != 0;
}

static void
learn (PosternJmapClient *client, JsonArray *list)
{
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    {
      const char *by_role = NULL;
      const char *by_name = NULL;

      for (guint i = 0; i < postern_json_get_length (list); i++)
        {
          JsonObject *mailbox = postern_json_get_object_at (list, i);
          const char *id = postern_json_get_string (mailbox, "id");
          const char *role = postern_json_get_string (mailbox, "role");
          const char *name = postern_json_get_string (mailbox, "name");

          if (id == NULL)
            continue;
          if (role != NULL && g_ascii_strcasecmp (role, folders[place].role) == 0)
            by_role = id;
          else if (role == NULL && name != NULL &&
                   postern_json_get_string (mailbox, "parentId") == NULL &&
                   g_ascii_strcasecmp (name, folders[place].name) == 0)
            by_name = id;
        }
      postern_jmap_client_set_folder (client, place, by_role != NULL ? by_role : by_name);
    }
}

static void
on_created (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Ensure *ensure = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *answer = NULL;

  if (response != NULL)
    answer = postern_jmap_response_get (response, ensure->call, "Mailbox/set", &error);
  if (answer == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    {
      JsonObject *created = postern_json_get_object (postern_json_get_object (answer, "created"),
                                                     folders[place].role);
      const char *id = postern_json_get_string (created, "id");

      if (id != NULL)
        postern_jmap_client_set_folder (client, place, id);
      else if (is_wanted (ensure, place) && postern_jmap_client_get_folder (client, place) == NULL)
        {
          g_task_return_new_error (task,
                                   POSTERN_ERROR,
                                   POSTERN_ERROR_FORBIDDEN,
                                   "The mailbox has no folder “%s” and the server makes none",
                                   folders[place].name);
          return;
        }
    }
  g_task_return_boolean (task, TRUE);
}

static void
create_missing (GTask *task, PosternJmapClient *client)
{
  Ensure *ensure = g_task_get_task_data (task);
  const PosternJmapSession *session = postern_jmap_client_get_session (client);
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *arguments = postern_jmap_arguments_new (session->mail_account);
  JsonObject *create = json_object_new ();

  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    if (is_wanted (ensure, place) && postern_jmap_client_get_folder (client, place) == NULL)
      {
        JsonObject *mailbox = json_object_new ();

        json_object_set_string_member (mailbox, "name", folders[place].name);
        json_object_set_null_member (mailbox, "parentId");
        json_object_set_string_member (mailbox, "role", folders[place].role);
        json_object_set_object_member (create, folders[place].role, mailbox);
      }
  json_object_set_object_member (arguments, "create", create);
  ensure->call = postern_jmap_request_add (request, "Mailbox/set", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_created,
                                  g_object_ref (task));
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Ensure *ensure = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *answer = NULL;
  gboolean is_complete = TRUE;

  if (response != NULL)
    answer = postern_jmap_response_get (response, ensure->call, "Mailbox/get", &error);
  if (answer == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  learn (client, postern_json_get_array (answer, "list"));
  if (postern_jmap_client_get_folder (client, POSTERN_PLACE_INBOX) == NULL)
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_PROTOCOL,
                               "The mailbox has no inbox");
      return;
    }
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    if (is_wanted (ensure, place) && postern_jmap_client_get_folder (client, place) == NULL)
      is_complete = FALSE;
  if (is_complete)
    g_task_return_boolean (task, TRUE);
  else
    create_missing (task, client);
}

static void
on_session (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Ensure *ensure = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  const PosternJmapSession *session =
      postern_jmap_client_ensure_session_finish (client, result, &error);
  static const char *const properties[] = { "id", "name", "role", "parentId" };
  gboolean is_complete = !ensure->anew;
  PosternJmapRequest *request;
  JsonObject *arguments;

  if (session == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    if (is_wanted (ensure, place) && postern_jmap_client_get_folder (client, place) == NULL)
      is_complete = FALSE;
  if (is_complete)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }

  request = postern_jmap_request_new ();
  arguments = postern_jmap_arguments_new (session->mail_account);
  json_object_set_null_member (arguments, "ids");
  json_object_set_array_member (arguments,
                                "properties",
                                postern_jmap_string_array (properties, G_N_ELEMENTS (properties)));
  ensure->call = postern_jmap_request_add (request, "Mailbox/get", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_listed,
                                  g_object_ref (task));
}

/**
 * postern_jmap_folders_ensure_async:
 * @places: a set of POSTERN_JMAP_PLACE
 * @anew: ask though all are known
 *
 * Learns which folder stands for each place, and makes Drafts, Sent or Trash where there is none.
 * Afterwards postern_jmap_client_get_folder() has them, and the session is there, too.
 */
void
postern_jmap_folders_ensure_async (PosternJmapClient *client,
                                   guint places,
                                   gboolean anew,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  Ensure *ensure = g_new0 (Ensure, 1);

  ensure->places = places;
  ensure->anew = anew;
  g_task_set_source_tag (task, postern_jmap_folders_ensure_async);
  g_task_set_task_data (task, ensure, g_free);
  postern_jmap_client_ensure_session_async (client, cancellable, on_session, task);
}

gboolean
postern_jmap_folders_ensure_finish (PosternJmapClient *client, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
