/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-sync.h"

#include "base/error.h"
#include "jmap/jmap-folders.h"
#include "jmap/json-read.h"

#include <stdlib.h>
#include <string.h>

/* A cursor of changes is "C account inbox state", each part percent-encoded: another account or
 * another inbox makes it stale by itself. A cursor of a listing is "L serial" and means something
 * only while this process lists.
 *
 * A listing asks for the Email state first and then for the query page by page, so that what
 * happens meanwhile is in the changes since that state. What could be lost is a message that moves
 * over a page's edge: when the query's state changes between two pages, the next page is asked for
 * by the last id seen instead of by number; and since servers return mails of one second in any
 * order, the ids seen are counted against the total at the end. */

#define MAX_PAGE     500
#define MAX_RESTARTS 5

typedef struct
{
  guint serial;
  char *email_state;  /* (nullable) before the first page */
  char *query_state;  /* (nullable) of the last page */
  char *last_id;      /* (nullable) */
  gboolean by_anchor; /* ask for what follows last_id */
  gint64 position;
  gint64 total; /* -1: not told */
  GArray *seen; /* (element-type guint64) hashes of ids */
  guint restarts;
  guint counted; /* distinct ids when the last count failed */
} Listing;

struct _PosternJmapSync
{
  PosternJmapClient *client; /* (owned) */
  Listing *listing;          /* (owned) (nullable) the one going on */
  guint next_serial;
  char *state; /* (nullable) Email state of the last page that ended a listing or the changes */
};

typedef struct
{
  PosternJmapSync *sync;
  char *cursor; /* (nullable) */
  char *inbox;
  char *account;
  char *since;       /* (nullable) state, for changes */
  guint serial;      /* of the listing that it belongs to */
  gboolean is_first; /* page of a listing */
  guint limit;
  guint state_call;
  guint list_call;    /* Email/query or Email/changes */
  guint get_calls[2]; /* Email/get of them */
} Page;

static void
listing_free (Listing *listing)
{
  g_free (listing->email_state);
  g_free (listing->query_state);
  g_free (listing->last_id);
  g_array_unref (listing->seen);
  g_free (listing);
}

static void
listing_rewind (Listing *listing)
{
  g_clear_pointer (&listing->email_state, g_free);
  g_clear_pointer (&listing->query_state, g_free);
  g_clear_pointer (&listing->last_id, g_free);
  listing->by_anchor = FALSE;
  listing->position = 0;
  listing->total = -1;
  g_array_set_size (listing->seen, 0);
}

static void
page_free (Page *page)
{
  g_free (page->cursor);
  g_free (page->inbox);
  g_free (page->account);
  g_free (page->since);
  g_free (page);
}

PosternJmapSync *
postern_jmap_sync_new (PosternJmapClient *client)
{
  PosternJmapSync *self = g_new0 (PosternJmapSync, 1);

  self->client = g_object_ref (client);
  return self;
}

/**
 * postern_jmap_sync_free:
 *
 * Not while a page is under way.
 */
void
postern_jmap_sync_free (PosternJmapSync *self)
{
  g_clear_pointer (&self->listing, listing_free);
  g_free (self->state);
  g_object_unref (self->client);
  g_free (self);
}

/**
 * postern_jmap_sync_get_state:
 *
 * Returns: (nullable): the Email state up to which the last complete sync came; lent
 */
const char *
postern_jmap_sync_get_state (PosternJmapSync *self)
{
  return self->state;
}

static void
note_state (PosternJmapSync *self, const char *state)
{
  g_free (self->state);
  self->state = g_strdup (state);
}

static char *
make_cursor (const char *account, const char *inbox, const char *state)
{
  g_autofree char *a = g_uri_escape_string (account, NULL, TRUE);
  g_autofree char *b = g_uri_escape_string (inbox, NULL, TRUE);
  g_autofree char *c = g_uri_escape_string (state, NULL, TRUE);

  return g_strdup_printf ("C %s %s %s", a, b, c);
}

static JsonArray *
make_properties (const PosternJmapSession *session)
{
  static const char *const names[] = { "id", "blobId", "size", "receivedAt", "mailboxIds" };
  JsonArray *properties = postern_jmap_string_array (names, G_N_ELEMENTS (names));

  if (session->has_vendor)
    json_array_add_string_element (properties, "canonicalSize");
  return properties;
}

static gint64
parse_date_us (const char *text)
{
  g_autoptr (GDateTime) date = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  if (date == NULL)
    return 0;
  return g_date_time_to_unix (date) * G_USEC_PER_SEC + g_date_time_get_microsecond (date);
}

static PosternRemoteMessage *
make_message (JsonObject *email)
{
  const char *blob_id = postern_json_get_string (email, "blobId");
  gint64 size = postern_json_get_integer (email, "size", -1);
  PosternRemoteMessage *message;

  if (blob_id == NULL || size < 0)
    return NULL;
  message = g_new0 (PosternRemoteMessage, 1);
  message->email_id = g_strdup (postern_json_get_string (email, "id"));
  message->blob_id = g_strdup (blob_id);
  message->size_octets = (guint64) size;
  message->canonical_size_octets = MAX (-1, postern_json_get_integer (email, "canonicalSize", -1));
  message->received_at_us = parse_date_us (postern_json_get_string (email, "receivedAt"));
  return message;
}

/* Takes what Email/get said about @ids. Each of them must be accounted for: one that the server
 * silently leaves out would be a message that nobody ever sees. */
static gboolean
collect (PosternSyncBatch *batch,
         JsonArray *ids,
         JsonObject *answer,
         const char *inbox,
         GError **error)
{
  g_autoptr (GHashTable) told = g_hash_table_new (g_str_hash, g_str_equal);
  JsonArray *list = postern_json_get_array (answer, "list");
  JsonArray *not_found = postern_json_get_array (answer, "notFound");

  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *email = postern_json_get_object_at (list, i);
      const char *id = postern_json_get_string (email, "id");
      JsonObject *mailboxes = postern_json_get_object (email, "mailboxIds");
      PosternRemoteMessage *message;

      if (id == NULL || !g_hash_table_add (told, (char *) id))
        continue;
      if (!postern_json_get_boolean (mailboxes, inbox, FALSE))
        g_ptr_array_add (batch->removed, g_strdup (id));
      else if ((message = make_message (email)) != NULL)
        g_ptr_array_add (batch->messages, message);
      else /* one that cannot be read must not hide the others */
        g_warning ("The server gives no size or no content for message %s", id);
    }
  for (guint i = 0; i < postern_json_get_length (not_found); i++)
    {
      const char *id = postern_json_get_string_at (not_found, i);

      if (id != NULL && g_hash_table_add (told, (char *) id))
        g_ptr_array_add (batch->removed, g_strdup (id));
    }

  for (guint i = 0; i < postern_json_get_length (ids); i++)
    {
      const char *id = postern_json_get_string_at (ids, i);

      if (id == NULL || !g_hash_table_contains (told, id))
        {
          g_set_error (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_TEMPORARY,
                       "The server named a message and then told nothing of it");
          return FALSE;
        }
    }
  return TRUE;
}

static void list_page (GTask *task);
static void changes_page (GTask *task);

/* Listing */

static guint64
hash_id (const char *id)
{
  guint64 hash = 0xcbf29ce484222325u; /* FNV-1a */

  for (; *id != '\0'; id++)
    hash = (hash ^ (guchar) *id) * 0x100000001b3u;
  return hash;
}

static int
compare_hashes (gconstpointer a, gconstpointer b)
{
  guint64 left = *(const guint64 *) a;
  guint64 right = *(const guint64 *) b;

  return left < right ? -1 : left > right;
}

static guint
count_distinct (GArray *hashes)
{
  guint distinct = 0;

  g_array_sort (hashes, compare_hashes);
  for (guint i = 0; i < hashes->len; i++)
    if (i == 0 || g_array_index (hashes, guint64, i) != g_array_index (hashes, guint64, i - 1))
      distinct++;
  return distinct;
}

static void
restart_listing (GTask *task, const char *reason)
{
  Page *page = g_task_get_task_data (task);
  Listing *listing = page->sync->listing;

  if (++listing->restarts > MAX_RESTARTS)
    {
      g_clear_pointer (&page->sync->listing, listing_free);
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_TEMPORARY,
                               "The inbox changes faster than it can be listed (%s)",
                               reason);
      return;
    }
  g_debug ("Listing the inbox again: %s", reason);
  listing_rewind (listing);
  list_page (task);
}

/* Whether the listing may be believed; two listings in a row that count the same are. */
static gboolean
is_complete (Listing *listing)
{
  guint distinct = count_distinct (listing->seen);

  if (listing->total < 0 || (gint64) distinct >= listing->total || distinct == listing->counted)
    return TRUE;
  listing->counted = distinct;
  return FALSE;
}

static void
take_ids (Listing *listing, JsonArray *ids)
{
  for (guint i = 0; i < postern_json_get_length (ids); i++)
    {
      const char *id = postern_json_get_string_at (ids, i);
      guint64 hash = hash_id (id != NULL ? id : "");

      g_array_append_val (listing->seen, hash);
    }
  if (postern_json_get_length (ids) > 0)
    {
      g_free (listing->last_id);
      listing->last_id =
          g_strdup (postern_json_get_string_at (ids, json_array_get_length (ids) - 1));
    }
}

static void
take_list_page (GTask *task, JsonObject *query, JsonObject *get, const char *email_state)
{
  Page *page = g_task_get_task_data (task);
  Listing *listing = page->sync->listing;
  g_autoptr (PosternSyncBatch) batch = postern_sync_batch_new ();
  JsonArray *ids = postern_json_get_array (query, "ids");
  guint n_ids = postern_json_get_length (ids);
  gint64 position = postern_json_get_integer (query, "position", listing->position);
  gint64 limit = postern_json_get_integer (query, "limit", page->limit);
  const char *query_state = postern_json_get_string (query, "queryState");
  gboolean is_last;
  g_autoptr (GError) error = NULL;

  if (page->is_first)
    listing->email_state = g_strdup (email_state);
  else if (!listing->by_anchor && g_strcmp0 (query_state, listing->query_state) != 0)
    {
      listing->by_anchor = TRUE;
      list_page (task);
      return;
    }
  if (!collect (batch, ids, get, page->inbox, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }

  g_free (listing->query_state);
  listing->query_state = g_strdup (query_state);
  listing->by_anchor = FALSE;
  listing->position = position + n_ids;
  listing->total = postern_json_get_integer (query, "total", -1);
  take_ids (listing, ids);

  is_last = n_ids == 0 || (listing->total >= 0 ? listing->position >= listing->total
                                               : n_ids < MIN (limit, page->limit));
  if (is_last && !is_complete (listing))
    {
      restart_listing (task, "some were missing");
      return;
    }
  batch->is_full = TRUE;
  batch->restart = page->is_first;
  batch->total = listing->total;
  batch->done = listing->position;
  batch->has_more = !is_last;
  batch->cursor = is_last ? make_cursor (page->account, page->inbox, listing->email_state)
                          : g_strdup_printf ("L %u", listing->serial);
  if (is_last)
    {
      note_state (page->sync, listing->email_state);
      g_clear_pointer (&page->sync->listing, listing_free);
    }
  g_task_return_pointer (task, g_steal_pointer (&batch), (GDestroyNotify) postern_sync_batch_free);
}

static void
on_list_page (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Page *page = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *state = NULL;
  JsonObject *query = NULL;
  JsonObject *get = NULL;
  const char *email_state = NULL;

  if (page->sync->listing == NULL || page->sync->listing->serial != page->serial)
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_STALE,
                               "Another listing began meanwhile");
      return;
    }
  if (response != NULL && page->is_first)
    {
      state = postern_jmap_response_get (response, page->state_call, "Email/get", &error);
      email_state = postern_json_get_string (state, "state");
      if (state != NULL && email_state == NULL)
        g_set_error (&error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "Email/get gave no state");
    }
  if (response != NULL && error == NULL)
    query = postern_jmap_response_get (response, page->list_call, "Email/query", &error);
  if (query != NULL)
    get = postern_jmap_response_get (response, page->get_calls[0], "Email/get", &error);

  if (get != NULL)
    take_list_page (task, query, get, email_state);
  else if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) &&
           postern_jmap_client_halve (client, page->limit))
    list_page (task);
  else if (page->sync->listing->by_anchor && response != NULL && query == NULL)
    restart_listing (task, error->message);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
list_page (GTask *task)
{
  Page *page = g_task_get_task_data (task);
  PosternJmapClient *client = page->sync->client;
  const PosternJmapSession *session = postern_jmap_client_get_session (client);
  Listing *listing = page->sync->listing;
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *query = postern_jmap_arguments_new (page->account);
  JsonObject *get = postern_jmap_arguments_new (page->account);
  JsonObject *filter = json_object_new ();
  JsonObject *comparator = json_object_new ();
  JsonArray *sort = json_array_new ();

  page->serial = listing->serial;
  page->is_first = listing->email_state == NULL;
  page->limit = MIN (postern_jmap_client_get_max_objects (client), MAX_PAGE);
  request->uses_vendor = session->has_vendor;
  if (page->is_first)
    {
      JsonObject *nothing = postern_jmap_arguments_new (page->account);

      json_object_set_array_member (nothing, "ids", json_array_new ());
      page->state_call = postern_jmap_request_add (request, "Email/get", nothing);
    }

  json_object_set_string_member (filter, "inMailbox", page->inbox);
  json_object_set_object_member (query, "filter", filter);
  json_object_set_string_member (comparator, "property", "receivedAt");
  json_object_set_boolean_member (comparator, "isAscending", TRUE);
  json_array_add_object_element (sort, comparator);
  json_object_set_array_member (query, "sort", sort);
  if (listing->by_anchor && listing->last_id != NULL)
    {
      json_object_set_string_member (query, "anchor", listing->last_id);
      json_object_set_int_member (query, "anchorOffset", 1);
    }
  else
    json_object_set_int_member (query, "position", listing->position);
  json_object_set_int_member (query, "limit", page->limit);
  json_object_set_boolean_member (query, "calculateTotal", TRUE);
  page->list_call = postern_jmap_request_add (request, "Email/query", query);

  postern_jmap_set_reference (get, "ids", page->list_call, "Email/query", "/ids");
  json_object_set_array_member (get, "properties", make_properties (session));
  page->get_calls[0] = postern_jmap_request_add (request, "Email/get", get);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_list_page,
                                  g_object_ref (task));
}

/* Changes */

static gboolean
is_number (const char *text)
{
  return *text != '\0' && strspn (text, "0123456789") == strlen (text);
}

/* A server restored from a backup takes a state from its future and says nothing happened. */
static gboolean
went_back (const char *since, const char *now)
{
  return is_number (since) && is_number (now) &&
         g_ascii_strtoull (now, NULL, 10) < g_ascii_strtoull (since, NULL, 10);
}

static gboolean
is_useless_state (const char *error_type)
{
  return g_strcmp0 (error_type, "cannotCalculateChanges") == 0 ||
         g_strcmp0 (error_type, "invalidArguments") == 0 ||
         g_strcmp0 (error_type, "tooManyChanges") == 0;
}

static PosternSyncBatch *
make_changes_batch (Page *page, JsonObject *changes, JsonObject *const gets[2], GError **error)
{
  g_autoptr (PosternSyncBatch) batch = postern_sync_batch_new ();
  static const char *const members[] = { "created", "updated" };
  const char *state = postern_json_get_string (changes, "newState");
  JsonArray *destroyed = postern_json_get_array (changes, "destroyed");
  gboolean has_changes = postern_json_get_length (destroyed) > 0;

  if (state == NULL)
    {
      g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "Email/changes gave no state");
      return NULL;
    }
  for (guint i = 0; i < 2; i++)
    {
      JsonArray *ids = postern_json_get_array (changes, members[i]);

      has_changes = has_changes || postern_json_get_length (ids) > 0;
      if (!collect (batch, ids, gets[i], page->inbox, error))
        return NULL;
    }
  for (guint i = 0; i < postern_json_get_length (destroyed); i++)
    if (postern_json_get_string_at (destroyed, i) != NULL)
      g_ptr_array_add (batch->removed, g_strdup (postern_json_get_string_at (destroyed, i)));

  if (!has_changes && went_back (page->since, state))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_STALE,
                   "The server's state went back from %s to %s",
                   page->since,
                   state);
      return NULL;
    }
  batch->has_more = postern_json_get_boolean (changes, "hasMoreChanges", FALSE) &&
                    (has_changes || strcmp (state, page->since) != 0);
  batch->cursor = make_cursor (page->account, page->inbox, state);
  if (!batch->has_more)
    note_state (page->sync, state);
  return g_steal_pointer (&batch);
}

static void
on_changes_page (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Page *page = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapResponse) response =
      postern_jmap_client_call_finish (client, result, NULL, &error);
  JsonObject *changes = NULL;
  JsonObject *gets[2] = { NULL, NULL };
  PosternSyncBatch *batch = NULL;

  if (response != NULL)
    changes = postern_jmap_response_get (response, page->list_call, "Email/changes", &error);
  if (changes != NULL)
    gets[0] = postern_jmap_response_get (response, page->get_calls[0], "Email/get", &error);
  if (gets[0] != NULL)
    gets[1] = postern_jmap_response_get (response, page->get_calls[1], "Email/get", &error);
  if (gets[1] != NULL)
    batch = make_changes_batch (page, changes, gets, &error);

  if (batch != NULL)
    g_task_return_pointer (task, batch, (GDestroyNotify) postern_sync_batch_free);
  else if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) &&
           postern_jmap_client_halve (client, page->limit))
    changes_page (task);
  else
    {
      if (response != NULL &&
          is_useless_state (postern_jmap_response_get_error_type (response, page->list_call)))
        error->code = POSTERN_ERROR_STALE;
      g_task_return_error (task, g_steal_pointer (&error));
    }
}

static void
changes_page (GTask *task)
{
  Page *page = g_task_get_task_data (task);
  PosternJmapClient *client = page->sync->client;
  const PosternJmapSession *session = postern_jmap_client_get_session (client);
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *changes = postern_jmap_arguments_new (page->account);
  static const char *const paths[] = { "/created", "/updated" };

  page->limit = MIN (postern_jmap_client_get_max_objects (client), MAX_PAGE);
  request->uses_vendor = session->has_vendor;
  json_object_set_string_member (changes, "sinceState", page->since);
  json_object_set_int_member (changes, "maxChanges", page->limit);
  page->list_call = postern_jmap_request_add (request, "Email/changes", changes);
  for (guint i = 0; i < 2; i++)
    {
      JsonObject *get = postern_jmap_arguments_new (page->account);

      postern_jmap_set_reference (get, "ids", page->list_call, "Email/changes", paths[i]);
      json_object_set_array_member (get, "properties", make_properties (session));
      page->get_calls[i] = postern_jmap_request_add (request, "Email/get", get);
    }
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_changes_page,
                                  g_object_ref (task));
}

static gboolean
read_cursor (Page *page, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (page->cursor, " ", 5);
  g_autofree char *account = NULL;
  g_autofree char *inbox = NULL;
  Listing *listing = page->sync->listing;

  if (g_strv_length (parts) == 2 && strcmp (parts[0], "L") == 0 && listing != NULL &&
      strtoul (parts[1], NULL, 10) == listing->serial)
    return TRUE;
  if (g_strv_length (parts) == 4 && strcmp (parts[0], "C") == 0)
    {
      account = g_uri_unescape_string (parts[1], NULL);
      inbox = g_uri_unescape_string (parts[2], NULL);
      page->since = g_uri_unescape_string (parts[3], NULL);
      if (page->since != NULL && g_strcmp0 (account, page->account) == 0 &&
          g_strcmp0 (inbox, page->inbox) == 0)
        return TRUE;
    }
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_STALE,
               "The cursor belongs to another listing, account or inbox");
  return FALSE;
}

static void
on_folders (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  PosternJmapClient *client = POSTERN_JMAP_CLIENT (source);
  Page *page = g_task_get_task_data (task);
  PosternJmapSync *self = page->sync;
  g_autoptr (GError) error = NULL;

  if (!postern_jmap_folders_ensure_finish (client, result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  page->account = g_strdup (postern_jmap_client_get_session (client)->mail_account);
  page->inbox = g_strdup (postern_jmap_client_get_folder (client, POSTERN_PLACE_INBOX));

  if (page->cursor == NULL)
    {
      g_clear_pointer (&self->listing, listing_free);
      self->listing = g_new0 (Listing, 1);
      self->listing->serial = ++self->next_serial;
      self->listing->seen = g_array_new (FALSE, FALSE, sizeof (guint64));
      listing_rewind (self->listing);
    }
  else if (!read_cursor (page, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (page->since != NULL)
    changes_page (task);
  else
    list_page (task);
}

/**
 * postern_jmap_sync_page_async:
 *
 * See postern_backend_sync_async(). One page at a time; a second listing ends the first.
 */
void
postern_jmap_sync_page_async (PosternJmapSync *self,
                              const char *cursor,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  GTask *task = g_task_new (self->client, cancellable, callback, user_data);
  Page *page = g_new0 (Page, 1);

  page->sync = self;
  page->cursor = g_strdup (cursor);
  g_task_set_source_tag (task, postern_jmap_sync_page_async);
  g_task_set_task_data (task, page, (GDestroyNotify) page_free);
  postern_jmap_folders_ensure_async (self->client,
                                     POSTERN_JMAP_PLACE (POSTERN_PLACE_INBOX),
                                     cursor == NULL,
                                     cancellable,
                                     on_folders,
                                     task);
}

PosternSyncBatch *
postern_jmap_sync_page_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
