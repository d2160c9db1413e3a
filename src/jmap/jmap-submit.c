/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-submit.h"

#include "base/error.h"
#include "jmap/jmap-folders.h"
#include "jmap/jmap-identities.h"
#include "jmap/jmap-set.h"
#include "jmap/jmap-submission.h"
#include "jmap/json-read.h"

/* JMAP has no idempotency key, so a submission is sent once and a lost answer is told as such. What
 * makes it safe is the email: in the request that submits it, it leaves Drafts (for Sent, or for
 * good), so that its place tells afterwards whether the request was carried out.
 *
 * Destroying needs care: a server that keeps the same octets once may have given us an email that
 * also lies elsewhere, and then it only leaves Drafts. */

typedef struct
{
  char *key;
  char *email_id;
  char *from;
  PosternEnvelope *envelope;
  gboolean keep_copy;
  gboolean is_shared; /* it is in other mailboxes too: never destroyed */
} Item;

typedef struct
{
  GArray *items; /* (element-type Item) */
  guint first;   /* of the slice at work */
  guint count;
  char *drafts;
  char *sent;            /* (nullable) */
  GPtrArray *identities; /* (element-type PosternIdentity) (nullable) */
  guint call;
  GPtrArray *results; /* (element-type PosternSubmitResult) one for each item */
} Submit;

static void
item_clear (gpointer data)
{
  Item *item = data;

  g_free (item->key);
  g_free (item->email_id);
  g_free (item->from);
  g_clear_pointer (&item->envelope, postern_envelope_free);
}

static void
submit_free (Submit *submit)
{
  g_array_unref (submit->items);
  g_free (submit->drafts);
  g_free (submit->sent);
  g_clear_pointer (&submit->identities, g_ptr_array_unref);
  g_clear_pointer (&submit->results, g_ptr_array_unref);
  g_free (submit);
}

static Item *
get_item (Submit *submit, guint index)
{
  return &g_array_index (submit->items, Item, index);
}

static PosternSubmitResult *
get_result (Submit *submit, guint index)
{
  return g_ptr_array_index (submit->results, index);
}

static void next_slice (GTask *task);

static void
end (GTask *task)
{
  Submit *submit = g_task_get_task_data (task);

  g_task_return_pointer (task,
                         g_steal_pointer (&submit->results),
                         (GDestroyNotify) g_ptr_array_unref);
}

/* What is not settled yet ends with @error; only the slice that was sent may have arrived. */
static void
fail (GTask *task, gboolean may_have_arrived, const GError *error)
{
  Submit *submit = g_task_get_task_data (task);

  for (guint i = submit->first; i < submit->items->len; i++)
    {
      PosternSubmitResult *result = get_result (submit, i);

      result->may_have_arrived = may_have_arrived && i < submit->first + submit->count;
      postern_jmap_submission_failed (result, error);
    }
  end (task);
}

static void
take_answer (Submit *submit, JsonObject *answer)
{
  JsonObject *created = postern_json_get_object (answer, "created");
  JsonObject *not_created = postern_json_get_object (answer, "notCreated");

  for (guint i = submit->first; i < submit->first + submit->count; i++)
    {
      const char *key = get_item (submit, i)->key;
      JsonObject *refusal = postern_json_get_object (not_created, key);
      PosternSubmitResult *result = get_result (submit, i);

      if (postern_json_get_object (created, key) != NULL)
        {
          result->code = 250;
          g_strlcpy (result->enhanced, "2.0.0", sizeof result->enhanced);
        }
      else if (refusal != NULL)
        postern_jmap_submission_refused (result, refusal);
      else
        {
          g_autoptr (GError) error = postern_jmap_set_error_to_error (NULL);

          result->may_have_arrived = TRUE;
          postern_jmap_submission_failed (result, error);
        }
    }
}

static void
on_submitted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Submit *submit = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gboolean may_have_arrived = FALSE;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, &may_have_arrived, &error);
  JsonObject *answer = NULL;
  const char *type = NULL;

  if (response != NULL)
    {
      answer = postern_jmap_response_get (response, submit->call, "EmailSubmission/set", &error);
      type = postern_jmap_response_get_error_type (response, submit->call);
      /* A method error changed nothing (RFC 8620 section 3.6.2), except where it says so; no answer
       * to the call at all says nothing. */
      may_have_arrived = type == NULL || g_strcmp0 (type, "serverPartialFail") == 0;
    }
  if (answer != NULL)
    {
      take_answer (submit, answer);
      submit->first += submit->count;
      next_slice (task);
    }
  else if (!may_have_arrived && g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) &&
           postern_jmap_client_halve (client, submit->count))
    next_slice (task);
  else
    fail (task, may_have_arrived, error);
}

static JsonObject *
make_submission (Submit *submit, const Item *item, GHashTable *extensions)
{
  const PosternIdentity *identity = postern_jmap_identities_choose (submit->identities, item->from);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "identityId", identity->id);
  json_object_set_string_member (object, "emailId", item->email_id);
  json_object_set_object_member (object,
                                 "envelope",
                                 postern_jmap_submission_envelope (item->envelope, extensions));
  return object;
}

static JsonObject *
make_patch (Submit *submit, const Item *item)
{
  JsonObject *patch = json_object_new ();

  postern_jmap_patch_mailbox (patch, submit->drafts, FALSE);
  if (item->keep_copy)
    postern_jmap_patch_mailbox (patch, submit->sent, TRUE);
  json_object_set_null_member (patch, "keywords/$draft");
  return patch;
}

static void
send_slice (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  const PosternJmapSession *session = postern_jmap_client_get_session (client);
  Submit *submit = g_task_get_task_data (task);
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *arguments = postern_jmap_arguments_new (session->mail_account);
  JsonObject *create = json_object_new ();
  JsonObject *update = json_object_new ();
  JsonArray *destroy = json_array_new ();

  for (guint i = submit->first; i < submit->first + submit->count; i++)
    {
      const Item *item = get_item (submit, i);
      g_autofree char *reference = g_strconcat ("#", item->key, NULL);

      json_object_set_object_member (
          create,
          item->key,
          make_submission (submit, item, session->submission_extensions));
      if (item->keep_copy || item->is_shared)
        json_object_set_object_member (update, reference, make_patch (submit, item));
      else
        json_array_add_string_element (destroy, reference);
    }
  json_object_set_object_member (arguments, "create", create);
  json_object_set_object_member (arguments, "onSuccessUpdateEmail", update);
  json_object_set_array_member (arguments, "onSuccessDestroyEmail", destroy);
  request->uses_submission = TRUE;
  request->uses_vendor = session->has_vendor;
  submit->call = postern_jmap_request_add (request, "EmailSubmission/set", arguments);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_submitted,
                                  g_object_ref (task));
}

/* Before a slice with emails to be destroyed: are they nowhere else? */

static gboolean
is_only_in (JsonObject *mailboxes, const char *folder)
{
  return mailboxes != NULL && json_object_get_size (mailboxes) == 1 &&
         json_object_has_member (mailboxes, folder);
}

static void
on_looked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Submit *submit = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  g_autoptr (GHashTable) drafts_only = g_hash_table_new (g_str_hash, g_str_equal);
  JsonObject *answer = NULL;
  JsonArray *list;

  if (response != NULL)
    answer = postern_jmap_response_get (response, submit->call, "Email/get", &error);
  if (answer == NULL)
    {
      fail (task, FALSE, error);
      return;
    }
  list = postern_json_get_array (answer, "list");
  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *email = postern_json_get_object_at (list, i);
      const char *id = postern_json_get_string (email, "id");

      if (id != NULL && is_only_in (postern_json_get_object (email, "mailboxIds"), submit->drafts))
        g_hash_table_add (drafts_only, (char *) id);
    }
  for (guint i = submit->first; i < submit->first + submit->count; i++)
    {
      Item *item = get_item (submit, i);

      item->is_shared = !g_hash_table_contains (drafts_only, item->email_id);
    }
  send_slice (task);
}

static void
look (GTask *task)
{
  PosternJmapClient *client = g_task_get_source_object (task);
  Submit *submit = g_task_get_task_data (task);
  static const char *const properties[] = { "id", "mailboxIds" };
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *arguments =
      postern_jmap_arguments_new (postern_jmap_client_get_session (client)->mail_account);
  JsonArray *ids = json_array_new ();

  for (guint i = submit->first; i < submit->first + submit->count; i++)
    if (!get_item (submit, i)->keep_copy)
      json_array_add_string_element (ids, get_item (submit, i)->email_id);
  json_object_set_array_member (arguments, "ids", ids);
  json_object_set_array_member (arguments,
                                "properties",
                                postern_jmap_string_array (properties, G_N_ELEMENTS (properties)));
  submit->call = postern_jmap_request_add (request, "Email/get", arguments);
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
  Submit *submit = g_task_get_task_data (task);
  gboolean must_look = FALSE;

  submit->count =
      MIN (submit->items->len - submit->first, postern_jmap_client_get_max_objects (client));
  /* A Postern Worker makes an email of its own of each import. */
  for (guint i = submit->first; i < submit->first + submit->count; i++)
    must_look = must_look || !(get_item (submit, i)->keep_copy ||
                               postern_jmap_client_get_session (client)->has_vendor);

  if (submit->count == 0)
    end (task);
  else if (must_look)
    look (task);
  else
    send_slice (task);
}

static void
on_identities (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Submit *submit = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  submit->identities = postern_jmap_identities_list_finish (result, &error);
  if (submit->identities != NULL && submit->identities->len == 0)
    g_set_error (&error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_FORBIDDEN,
                 "This mailbox has no address to send from");
  if (error != NULL)
    fail (task, FALSE, error);
  else
    next_slice (task);
}

static void
on_folders (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Submit *submit = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_jmap_folders_ensure_finish (client, result, &error))
    {
      fail (task, FALSE, error);
      return;
    }
  submit->drafts = g_strdup (postern_jmap_client_get_folder (client, POSTERN_PLACE_DRAFTS));
  submit->sent = g_strdup (postern_jmap_client_get_folder (client, POSTERN_PLACE_SENT));
  submit->identities = postern_jmap_client_ref_identities (client);
  if (submit->identities != NULL && submit->identities->len > 0)
    next_slice (task);
  else
    postern_jmap_identities_list_async (client,
                                        g_task_get_cancellable (task),
                                        on_identities,
                                        g_object_ref (task));
}

/**
 * postern_jmap_submit_async:
 *
 * See postern_backend_submit_async().
 */
void
postern_jmap_submit_async (PosternJmapClient *client,
                           const PosternOutgoing *items,
                           gsize n_items,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (client, cancellable, callback, user_data);
  Submit *submit = g_new0 (Submit, 1);
  guint places = POSTERN_JMAP_PLACE (POSTERN_PLACE_DRAFTS);

  submit->items = g_array_new (FALSE, FALSE, sizeof (Item));
  g_array_set_clear_func (submit->items, item_clear);
  submit->results = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_submit_result_free);
  for (gsize i = 0; i < n_items; i++)
    {
      Item item = { .key = g_strdup (items[i].key),
                    .email_id = g_strdup (items[i].email_id),
                    .from = g_strdup (items[i].from),
                    .envelope = postern_envelope_copy (items[i].envelope),
                    .keep_copy = items[i].keep_copy };

      g_array_append_val (submit->items, item);
      g_ptr_array_add (submit->results, g_new0 (PosternSubmitResult, 1));
      if (item.keep_copy)
        places |= POSTERN_JMAP_PLACE (POSTERN_PLACE_SENT);
    }
  g_task_set_source_tag (task, postern_jmap_submit_async);
  g_task_set_task_data (task, submit, (GDestroyNotify) submit_free);
  g_task_set_check_cancellable (task, FALSE);
  postern_jmap_folders_ensure_async (client, places, FALSE, cancellable, on_folders, task);
}

GPtrArray *
postern_jmap_submit_finish (GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}
