/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-import.h"

#include "base/error.h"
#include "jmap/jmap-folders.h"
#include "jmap/jmap-set.h"
#include "jmap/json-read.h"

/* Some servers keep the same octets once in an account and answer an import with alreadyExists; the
 * email then stays where it was, so it is patched into the target. */

typedef struct
{
  char *blob_id;
  PosternPlace target;
  gboolean is_seen;
  gint64 received_at_us;
  char *existing_id; /* (nullable) to be patched */
} Item;

typedef struct
{
  GArray *items; /* (element-type Item) */
  guint first;   /* of the slice at work */
  guint count;
  guint places;
  char *folders[POSTERN_N_PLACES];
  guint call;
  GPtrArray *results; /* (element-type PosternImportResult) one for each item */
} Import;

static void
item_clear (gpointer data)
{
  Item *item = data;

  g_free (item->blob_id);
  g_free (item->existing_id);
}

static void
import_free (Import *import)
{
  g_array_unref (import->items);
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    g_free (import->folders[place]);
  g_clear_pointer (&import->results, g_ptr_array_unref);
  g_free (import);
}

static void next_slice (GTask *task);

static Item *
get_item (Import *import, guint index)
{
  return &g_array_index (import->items, Item, index);
}

static PosternImportResult *
get_result (Import *import, guint index)
{
  return g_ptr_array_index (import->results, index);
}

static char *
make_key (guint index)
{
  return g_strdup_printf ("i%u", index);
}

static void
end_slice (GTask *task)
{
  Import *import = g_task_get_task_data (task);

  import->first += import->count;
  next_slice (task);
}

/* From here on nothing more can be asked; what was imported before is told all the same. */
static void
fail (GTask *task, guint from, gboolean may_have_arrived, GError *error)
{
  Import *import = g_task_get_task_data (task);
  g_autoptr (GError) cause = error;

  if (from == 0 && import->first == 0)
    {
      g_task_return_error (task, g_steal_pointer (&cause));
      return;
    }
  for (guint i = from; i < import->items->len; i++)
    {
      PosternImportResult *item = get_result (import, i);

      if (item->email_id != NULL || item->error != NULL)
        continue;
      item->error = g_error_copy (cause);
      item->may_have_arrived = may_have_arrived && i < import->first + import->count;
    }
  g_task_return_pointer (task,
                         g_steal_pointer (&import->results),
                         (GDestroyNotify) g_ptr_array_unref);
}

static JsonObject *
make_keywords (const Item *item)
{
  JsonObject *keywords = json_object_new ();

  if (item->is_seen || item->target == POSTERN_PLACE_DRAFTS)
    json_object_set_boolean_member (keywords, "$seen", TRUE);
  if (item->target == POSTERN_PLACE_DRAFTS)
    json_object_set_boolean_member (keywords, "$draft", TRUE);
  return keywords;
}

/* Second step of a slice: put the ones that were there before where they are wanted. */

static void
on_patched (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Import *import = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *answer = NULL;
  JsonObject *updated;

  if (response != NULL)
    answer = postern_jmap_response_get (response, import->call, "Email/set", &error);
  updated = postern_json_get_object (answer, "updated");
  for (guint i = import->first; i < import->first + import->count; i++)
    {
      Item *item = get_item (import, i);
      PosternImportResult *outcome = get_result (import, i);

      if (item->existing_id == NULL)
        continue;
      if (updated != NULL && json_object_has_member (updated, item->existing_id))
        outcome->email_id = g_steal_pointer (&item->existing_id);
      else if (answer == NULL)
        outcome->error = g_error_copy (error);
      else
        outcome->error = postern_jmap_set_error_to_error (
            postern_json_get_object (postern_json_get_object (answer, "notUpdated"),
                                     item->existing_id));
    }
  end_slice (task);
}

static void
patch_existing (GTask *task, PosternJmapClient *client)
{
  Import *import = g_task_get_task_data (task);
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *arguments =
      postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);
  JsonObject *update = json_object_new ();

  for (guint i = import->first; i < import->first + import->count; i++)
    {
      Item *item = get_item (import, i);
      JsonObject *patch;

      if (item->existing_id == NULL)
        continue;
      patch = json_object_new ();
      postern_jmap_patch_mailbox (patch, import->folders[item->target], TRUE);
      if (item->target == POSTERN_PLACE_DRAFTS)
        json_object_set_boolean_member (patch, "keywords/$draft", TRUE);
      json_object_set_object_member (update, item->existing_id, patch);
    }
  json_object_set_object_member (arguments, "update", update);
  import->call = postern_jmap_request_add (request, "Email/set", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_patched,
                                  g_object_ref (task));
}

/* First step of a slice */

static gboolean
names_property (JsonObject *refusal, const char *prefix)
{
  JsonArray *properties = postern_json_get_array (refusal, "properties");

  for (guint i = 0; i < postern_json_get_length (properties); i++)
    {
      const char *property = postern_json_get_string_at (properties, i);

      if (property != NULL && g_str_has_prefix (property, prefix))
        return TRUE;
    }
  return FALSE;
}

static GError *
make_refusal (PosternJmapClient *client, JsonObject *refusal)
{
  GError *error = postern_jmap_set_error_to_error (refusal);

  /* Servers differ in how they say which of the two is not there (any more). */
  if (postern_jmap_set_error_is (refusal, "invalidProperties"))
    {
      if (names_property (refusal, "blobId"))
        error->code = POSTERN_ERROR_NOT_FOUND;
      else if (names_property (refusal, "mailboxIds"))
        {
          postern_jmap_client_forget_session (client);
          error->code = POSTERN_ERROR_TEMPORARY;
        }
    }
  return error;
}

static void
on_imported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Import *import = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gboolean may_have_arrived = FALSE;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, &may_have_arrived, &error);
  JsonObject *answer = NULL;
  gboolean has_existing = FALSE;

  if (response != NULL)
    answer = postern_jmap_response_get (response, import->call, "Email/import", &error);
  if (answer == NULL)
    {
      if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) &&
          postern_jmap_client_halve (client, import->count))
        next_slice (task);
      else
        fail (task, import->first, may_have_arrived, g_steal_pointer (&error));
      return;
    }
  for (guint i = import->first; i < import->first + import->count; i++)
    {
      g_autofree char *key = make_key (i);
      JsonObject *created =
          postern_json_get_object (postern_json_get_object (answer, "created"), key);
      JsonObject *refusal =
          postern_json_get_object (postern_json_get_object (answer, "notCreated"), key);
      const char *existing_id = postern_json_get_string (refusal, "existingId");
      PosternImportResult *outcome = get_result (import, i);

      outcome->email_id = g_strdup (postern_json_get_string (created, "id"));
      if (outcome->email_id != NULL)
        continue;
      if (postern_jmap_set_error_is (refusal, "alreadyExists") && existing_id != NULL)
        {
          get_item (import, i)->existing_id = g_strdup (existing_id);
          has_existing = TRUE;
        }
      else
        {
          outcome->error = make_refusal (client, refusal);
          outcome->may_have_arrived = refusal == NULL;
        }
    }
  if (has_existing)
    patch_existing (task, client);
  else
    end_slice (task);
}

static JsonObject *
make_email (Import *import, const Item *item)
{
  JsonObject *email = json_object_new ();
  JsonObject *mailboxes = json_object_new ();

  json_object_set_string_member (email, "blobId", item->blob_id);
  json_object_set_boolean_member (mailboxes, import->folders[item->target], TRUE);
  json_object_set_object_member (email, "mailboxIds", mailboxes);
  json_object_set_object_member (email, "keywords", make_keywords (item));
  if (item->received_at_us > 0)
    {
      g_autoptr (GDateTime) date =
          g_date_time_new_from_unix_utc (item->received_at_us / G_USEC_PER_SEC);
      g_autofree char *text = g_date_time_format (date, "%Y-%m-%dT%H:%M:%SZ");

      json_object_set_string_member (email, "receivedAt", text);
    }
  return email;
}

static void
next_slice (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Import *import = g_task_get_task_data (task);
  PosternJmapRequest *request;
  JsonObject *arguments;
  JsonObject *emails;

  import->count =
      MIN (import->items->len - import->first, postern_jmap_client_get_max_objects (client));
  if (import->count == 0)
    {
      g_task_return_pointer (task,
                             g_steal_pointer (&import->results),
                             (GDestroyNotify) g_ptr_array_unref);
      return;
    }
  request = postern_jmap_request_new ();
  arguments = postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);
  emails = json_object_new ();
  for (guint i = import->first; i < import->first + import->count; i++)
    {
      g_autofree char *key = make_key (i);

      json_object_set_object_member (emails, key, make_email (import, get_item (import, i)));
    }
  json_object_set_object_member (arguments, "emails", emails);
  import->call = postern_jmap_request_add (request, "Email/import", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_imported,
                                  g_object_ref (task));
}

static void
on_folders (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Import *import = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_jmap_folders_ensure_finish (client, result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint place = 0; place < POSTERN_N_PLACES; place++)
    import->folders[place] = g_strdup (postern_jmap_client_get_folder (client, place));
  next_slice (task);
}

/**
 * postern_jmap_import_async:
 *
 * See postern_backend_import_async().
 */
void
postern_jmap_import_async (PosternJmapClient *client,
                           const PosternImport *items,
                           gsize n_items,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  Import *import = g_new0 (Import, 1);

  import->items = g_array_new (FALSE, FALSE, sizeof (Item));
  g_array_set_clear_func (import->items, item_clear);
  import->results = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_import_result_free);
  for (gsize i = 0; i < n_items; i++)
    {
      Item item = { .blob_id = g_strdup (items[i].blob_id),
                    .target = items[i].target,
                    .is_seen = items[i].is_seen,
                    .received_at_us = items[i].received_at_us };

      g_array_append_val (import->items, item);
      g_ptr_array_add (import->results, g_new0 (PosternImportResult, 1));
      import->places |= POSTERN_JMAP_PLACE (items[i].target);
    }
  g_task_set_source_tag (task, postern_jmap_import_async);
  g_task_set_task_data (task, import, (GDestroyNotify) import_free);
  g_task_set_check_cancellable (task, FALSE);
  postern_jmap_folders_ensure_async (client, import->places, FALSE, cancellable, on_folders, task);
}

GPtrArray *
postern_jmap_import_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
