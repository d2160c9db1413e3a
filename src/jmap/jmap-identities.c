/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-identities.h"

#include "jmap/json-read.h"

#include <string.h>

static GPtrArray *
parse_identities (JsonArray *list)
{
  GPtrArray *identities = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_identity_free);

  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *object = postern_json_get_object_at (list, i);
      const char *id = postern_json_get_string (object, "id");
      const char *address = postern_json_get_string (object, "email");
      PosternIdentity *identity;

      if (id == NULL || address == NULL)
        continue;
      identity = g_new0 (PosternIdentity, 1);
      identity->id = g_strdup (id);
      identity->address = g_strdup (address);
      identity->name = g_strdup (postern_json_get_string (object, "name"));
      g_ptr_array_add (identities, identity);
    }
  return identities;
}

static void
on_got (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (POSTERN_JMAP_CLIENT (source), result, NULL, &error);
  g_autoptr (GPtrArray) identities = NULL;
  JsonObject *answer = NULL;

  if (response != NULL)
    answer = postern_jmap_response_get (response, 0, "Identity/get", &error);
  if (answer == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  identities = parse_identities (postern_json_get_array (answer, "list"));
  postern_jmap_client_set_identities (POSTERN_JMAP_CLIENT (source), identities);
  g_task_return_pointer (task, g_steal_pointer (&identities), (GDestroyNotify) g_ptr_array_unref);
}

static void
on_session (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  g_autoptr (GError) error = NULL;
  const PosternJmapSession *session =
      postern_jmap_client_ensure_session_finish (client, result, &error);
  PosternJmapRequest *request;
  JsonObject *arguments;

  if (session == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (session->submission_account == NULL)
    {
      g_task_return_pointer (task, parse_identities (NULL), (GDestroyNotify) g_ptr_array_unref);
      return;
    }
  request = postern_jmap_request_new ();
  request->uses_submission = TRUE;
  arguments = postern_jmap_arguments_new (session->submission_account);
  json_object_set_null_member (arguments, "ids");
  postern_jmap_request_add (request, "Identity/get", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_got,
                                  g_object_ref (task));
}

/**
 * postern_jmap_identities_list_async:
 *
 * See postern_backend_list_identities_async().
 */
void
postern_jmap_identities_list_async (PosternJmapClient *client,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);

  g_task_set_source_tag (task, postern_jmap_identities_list_async);
  postern_jmap_client_ensure_session_async (client, cancellable, on_session, task);
}

GPtrArray *
postern_jmap_identities_list_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
is_same_address (const char *a, const char *b)
{
  g_autofree char *left = g_utf8_casefold (a, -1);
  g_autofree char *right = g_utf8_casefold (b, -1);

  return strcmp (left, right) == 0;
}

static const PosternIdentity *
find (GPtrArray *identities, const char *address)
{
  for (guint i = 0; i < identities->len; i++)
    {
      const PosternIdentity *identity = g_ptr_array_index (identities, i);

      if (is_same_address (identity->address, address))
        return identity;
    }
  return NULL;
}

/**
 * postern_jmap_identities_choose:
 * @address: the sender
 *
 * Returns: (nullable): lent: the identity of exactly that address, else of it without its +tag, else
 *   of its whole domain, else the first; whether the sender may be used was decided before. NULL
 *   only when there is none.
 */
const PosternIdentity *
postern_jmap_identities_choose (GPtrArray *identities, const char *address)
{
  const char *at = strrchr (address, '@');
  const char *plus = strchr (address, '+');
  const PosternIdentity *identity = find (identities, address);

  if (identity == NULL && at != NULL && plus != NULL && plus < at)
    {
      g_autofree char *bare = g_strdup_printf ("%.*s%s", (int) (plus - address), address, at);

      identity = find (identities, bare);
    }
  if (identity == NULL && at != NULL)
    {
      g_autofree char *domain = g_strconcat ("*", at, NULL);

      identity = find (identities, domain);
    }
  if (identity == NULL && identities->len > 0)
    identity = g_ptr_array_index (identities, 0);
  return identity;
}
