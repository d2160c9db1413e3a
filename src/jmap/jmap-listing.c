/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-listing.h"

#include "base/error.h"
#include "jmap/jmap-emails.h"
#include "jmap/json-read.h"

/* A listing asks for the Email state first and then for the query page by page, so that what
 * happens meanwhile is in the changes since that state. What could be lost is a message that moves
 * over a page's edge: when the query's state changes between two pages, the next page is asked for
 * by the last id seen instead of by number; and since servers return mails of one second in any
 * order, the ids seen are counted against the total at the end. */

#define MAX_PAGE     500
#define MAX_RESTARTS 5

struct _PosternJmapListing
{
  grefcount references;
  PosternJmapClient *client; /* (owned) */
  char *account;
  char *inbox;
  char *email_state;  /* (nullable) before the first page; NULL: that is still to come */
  char *query_state;  /* (nullable) of the last page */
  char *last_id;      /* (nullable) */
  gboolean by_anchor; /* ask for what follows last_id */
  gint64 position;
  gint64 total; /* -1: not told */
  GArray *seen; /* (element-type guint64) hashes of ids */
  guint restarts;
  guint counted; /* distinct ids when the last count failed */
};

typedef struct
{
  PosternJmapListing *listing; /* (owned) */
  gboolean is_first;
  guint limit;
  guint state_call;
  guint query_call;
  guint get_call;
} Page;

static void
page_free (Page *page)
{
  postern_jmap_listing_unref (page->listing);
  g_free (page);
}

static PosternJmapListing *
get_listing (GTask *task)
{
  return ((Page *) g_task_get_task_data (task))->listing;
}

static void
listing_rewind (PosternJmapListing *listing)
{
  g_clear_pointer (&listing->email_state, g_free);
  g_clear_pointer (&listing->query_state, g_free);
  g_clear_pointer (&listing->last_id, g_free);
  listing->by_anchor = FALSE;
  listing->position = 0;
  listing->total = -1;
  g_array_set_size (listing->seen, 0);
}

PosternJmapListing *
postern_jmap_listing_new (PosternJmapClient *client, const char *account, const char *inbox)
{
  PosternJmapListing *self = g_new0 (PosternJmapListing, 1);

  g_ref_count_init (&self->references);
  self->client = g_object_ref (client);
  self->account = g_strdup (account);
  self->inbox = g_strdup (inbox);
  self->seen = g_array_new (FALSE, FALSE, sizeof (guint64));
  listing_rewind (self);
  return self;
}

PosternJmapListing *
postern_jmap_listing_ref (PosternJmapListing *self)
{
  g_ref_count_inc (&self->references);
  return self;
}

void
postern_jmap_listing_unref (PosternJmapListing *self)
{
  if (!g_ref_count_dec (&self->references))
    return;
  g_object_unref (self->client);
  g_free (self->account);
  g_free (self->inbox);
  g_free (self->email_state);
  g_free (self->query_state);
  g_free (self->last_id);
  g_array_unref (self->seen);
  g_free (self);
}

/**
 * postern_jmap_listing_get_state:
 *
 * Returns: (nullable): the Email state from which on changes follow; lent until the next page
 */
const char *
postern_jmap_listing_get_state (PosternJmapListing *self)
{
  return self->email_state;
}

static void ask_for_page (GTask *task);

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
restart (GTask *task, const char *reason)
{
  PosternJmapListing *listing = get_listing (task);

  if (++listing->restarts > MAX_RESTARTS)
    {
      listing->restarts = 0;
      listing_rewind (listing);
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_TEMPORARY,
                               "The inbox changes faster than it can be listed (%s)",
                               reason);
      return;
    }
  g_debug ("Listing the inbox again: %s", reason);
  listing_rewind (listing);
  ask_for_page (task);
}

/* Whether the listing may be believed; two listings in a row that count the same are. */
static gboolean
is_complete (PosternJmapListing *listing)
{
  guint distinct = count_distinct (listing->seen);

  if (listing->total < 0 || (gint64) distinct >= listing->total || distinct == listing->counted)
    return TRUE;
  listing->counted = distinct;
  return FALSE;
}

static void
take_ids (PosternJmapListing *listing, JsonArray *ids)
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
take_page (GTask *task, JsonObject *query, JsonObject *get, const char *email_state)
{
  Page *page = g_task_get_task_data (task);
  PosternJmapListing *listing = page->listing;
  g_autoptr (PosternSyncBatch) batch = postern_sync_batch_new ();
  JsonArray *ids = postern_json_get_array (query, "ids");
  guint n_ids = postern_json_get_length (ids);
  gint64 position = postern_json_get_integer (query, "position", listing->position);
  gint64 limit = postern_json_get_integer (query, "limit", page->limit);
  const char *query_state = postern_json_get_string (query, "queryState");
  gboolean is_last;
  g_autoptr (GError) error = NULL;

  if (!page->is_first && !listing->by_anchor && g_strcmp0 (query_state, listing->query_state) != 0)
    {
      listing->by_anchor = TRUE;
      ask_for_page (task);
      return;
    }
  if (!postern_jmap_emails_collect (batch, ids, get, listing->inbox, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }

  if (page->is_first)
    listing->email_state = g_strdup (email_state);
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
      restart (task, "some were missing");
      return;
    }
  batch->is_full = TRUE;
  batch->restart = page->is_first;
  batch->total = listing->total;
  batch->done = listing->position;
  batch->has_more = !is_last;
  g_task_return_pointer (task, g_steal_pointer (&batch), (GDestroyNotify) postern_sync_batch_free);
}

static void
on_page (GObject *source, GAsyncResult *result, gpointer user_data)
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

  if (response != NULL && page->is_first)
    {
      state = postern_jmap_response_get (response, page->state_call, "Email/get", &error);
      email_state = postern_json_get_string (state, "state");
      if (state != NULL && email_state == NULL)
        g_set_error (&error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "Email/get gave no state");
    }
  if (response != NULL && error == NULL)
    query = postern_jmap_response_get (response, page->query_call, "Email/query", &error);
  if (query != NULL)
    get = postern_jmap_response_get (response, page->get_call, "Email/get", &error);

  if (get != NULL)
    take_page (task, query, get, email_state);
  else if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TOO_LARGE) &&
           postern_jmap_client_halve (client, page->limit))
    ask_for_page (task);
  else if (page->listing->by_anchor && response != NULL && query == NULL)
    restart (task, error->message);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
ask_for_page (GTask *task)
{
  Page *page = g_task_get_task_data (task);
  PosternJmapClient *client = g_task_get_source_object (task);
  const PosternJmapSession *session = postern_jmap_client_get_session (client);
  PosternJmapListing *listing = page->listing;
  PosternJmapRequest *request = postern_jmap_request_new ();
  JsonObject *query = postern_jmap_arguments_new (listing->account);
  JsonObject *get = postern_jmap_arguments_new (listing->account);
  JsonObject *filter = json_object_new ();
  JsonObject *comparator = json_object_new ();
  JsonArray *sort = json_array_new ();

  page->is_first = listing->email_state == NULL;
  page->limit = MIN (postern_jmap_client_get_max_objects (client), MAX_PAGE);
  request->uses_vendor = session->has_vendor;
  if (page->is_first)
    {
      JsonObject *nothing = postern_jmap_arguments_new (listing->account);

      json_object_set_array_member (nothing, "ids", json_array_new ());
      page->state_call = postern_jmap_request_add (request, "Email/get", nothing);
    }

  json_object_set_string_member (filter, "inMailbox", listing->inbox);
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
  page->query_call = postern_jmap_request_add (request, "Email/query", query);

  postern_jmap_set_reference (get, "ids", page->query_call, "Email/query", "/ids");
  json_object_set_array_member (get, "properties", postern_jmap_emails_properties (session));
  page->get_call = postern_jmap_request_add (request, "Email/get", get);
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_page,
                                  g_object_ref (task));
}

/**
 * postern_jmap_listing_page_async:
 *
 * The next page; the first again after a restart, see PosternSyncBatch. One at a time. After an
 * error it may be repeated.
 */
void
postern_jmap_listing_page_async (PosternJmapListing *self,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self->client, cancellable, callback, user_data);
  Page *page = g_new0 (Page, 1);

  page->listing = postern_jmap_listing_ref (self);
  g_task_set_source_tag (task, postern_jmap_listing_page_async);
  g_task_set_task_data (task, page, (GDestroyNotify) page_free);
  g_task_set_check_cancellable (task, FALSE);
  ask_for_page (task);
}

/**
 * postern_jmap_listing_page_finish:
 *
 * Returns: (transfer full): a page without a cursor
 */
PosternSyncBatch *
postern_jmap_listing_page_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
