/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-sync.h"

#include "base/error.h"
#include "jmap/jmap-emails.h"
#include "jmap/jmap-folders.h"
#include "jmap/jmap-listing.h"
#include "jmap/json-read.h"

#include <stdlib.h>
#include <string.h>

/* A cursor of changes is "C account inbox state", each part percent-encoded: another account or
 * another inbox makes it stale by itself. A cursor of a listing is "L serial" and means something
 * only while this process lists. */

#define MAX_PAGE     500
#define MAX_LISTINGS 4 /* going on at once; an older one was given up by who asked */

struct _PosternJmapSync
{
  PosternJmapClient *client; /* (owned) */
  GHashTable *listings;      /* (element-type guint PosternJmapListing) by serial */
  guint next_serial;
  char *state; /* (nullable) Email state of the last page that ended a listing or the changes */
};

typedef struct
{
  PosternJmapSync *sync;
  char *cursor; /* (nullable) */
  char *inbox;
  char *account;
  guint serial; /* of a listing; 0: changes */
  char *since;  /* (nullable) state, for changes */
  guint limit;
  guint changes_call;
  guint get_calls[2]; /* Email/get of them */
} Page;

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
  self->listings =
      g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) postern_jmap_listing_unref);
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
  g_hash_table_unref (self->listings);
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

static void changes_page (GTask *task);

/* Listing */

static PosternJmapListing *
get_listing (PosternJmapSync *self, guint serial)
{
  return g_hash_table_lookup (self->listings, GUINT_TO_POINTER (serial));
}

static void
start_listing (PosternJmapSync *self, Page *page)
{
  PosternJmapListing *listing = postern_jmap_listing_new (self->client, page->account, page->inbox);

  page->serial = ++self->next_serial;
  g_hash_table_insert (self->listings, GUINT_TO_POINTER (page->serial), listing);
  if (page->serial > MAX_LISTINGS)
    g_hash_table_remove (self->listings, GUINT_TO_POINTER (page->serial - MAX_LISTINGS));
}

static void
on_list_page (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Page *page = g_task_get_task_data (task);
  PosternJmapListing *listing = get_listing (page->sync, page->serial);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSyncBatch) batch = postern_jmap_listing_page_finish (result, &error);

  if (batch != NULL && listing == NULL)
    g_set_error (&error, POSTERN_ERROR, POSTERN_ERROR_STALE, "Too many listings began meanwhile");
  if (error != NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (batch->has_more)
    batch->cursor = g_strdup_printf ("L %u", page->serial);
  else
    {
      const char *state = postern_jmap_listing_get_state (listing);

      batch->cursor = make_cursor (page->account, page->inbox, state);
      note_state (page->sync, state);
      g_hash_table_remove (page->sync->listings, GUINT_TO_POINTER (page->serial));
    }
  g_task_return_pointer (task, g_steal_pointer (&batch), (GDestroyNotify) postern_sync_batch_free);
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
      if (!postern_jmap_emails_collect (batch, ids, gets[i], page->inbox, error))
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
    changes = postern_jmap_response_get (response, page->changes_call, "Email/changes", &error);
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
          is_useless_state (postern_jmap_response_get_error_type (response, page->changes_call)))
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
  page->changes_call = postern_jmap_request_add (request, "Email/changes", changes);
  for (guint i = 0; i < 2; i++)
    {
      JsonObject *get = postern_jmap_arguments_new (page->account);

      postern_jmap_set_reference (get, "ids", page->changes_call, "Email/changes", paths[i]);
      json_object_set_array_member (get, "properties", postern_jmap_emails_properties (session));
      page->get_calls[i] = postern_jmap_request_add (request, "Email/get", get);
    }
  postern_jmap_client_call_async (client,
                                  request,
                                  g_task_get_cancellable (task),
                                  on_changes_page,
                                  g_object_ref (task));
}

/* Returns: FALSE when the cursor is of no use; otherwise the page knows what it goes on with. */
static gboolean
read_cursor (PosternJmapSync *self, Page *page)
{
  g_auto (GStrv) parts = g_strsplit (page->cursor, " ", 5);
  guint n_parts = g_strv_length (parts);
  g_autofree char *account = NULL;
  g_autofree char *inbox = NULL;

  if (n_parts == 2 && strcmp (parts[0], "L") == 0)
    {
      page->serial = (guint) strtoul (parts[1], NULL, 10);
      return get_listing (self, page->serial) != NULL;
    }
  if (n_parts != 4 || strcmp (parts[0], "C") != 0)
    return FALSE;
  account = g_uri_unescape_string (parts[1], NULL);
  inbox = g_uri_unescape_string (parts[2], NULL);
  page->since = g_uri_unescape_string (parts[3], NULL);
  return page->since != NULL && g_strcmp0 (account, page->account) == 0 &&
         g_strcmp0 (inbox, page->inbox) == 0;
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
    start_listing (self, page);
  else if (!read_cursor (self, page))
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_STALE,
                               "The cursor belongs to another listing, account or inbox");
      return;
    }
  if (page->serial == 0)
    changes_page (task);
  else
    postern_jmap_listing_page_async (get_listing (self, page->serial),
                                     g_task_get_cancellable (task),
                                     on_list_page,
                                     g_object_ref (task));
}

/**
 * postern_jmap_sync_page_async:
 *
 * See postern_backend_sync_async(). One page at a time of each listing.
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
