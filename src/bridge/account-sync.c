/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/account-sync.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "bridge/backoff.h"
#include "bridge/body-sizer.h"

/* One run at a time: deletions first, so that the listing that follows already lacks them; then
 * what changed since the cursor, or everything where there is no cursor of use; then, on servers
 * that do not tell canonical sizes, the bodies of what is new, since POP3 must not list a message
 * whose size it does not know exactly. A request during a run makes another one follow.
 *
 * A page and its cursor are committed together, so a crash repeats a page at most, and applying a
 * page twice changes nothing. */

/* A server restored from a backup loses mail without saying so: look at all of it once a day. */
#define FULL_LISTING_EVERY_US G_TIME_SPAN_DAY
#define TOMBSTONES_AT_ONCE    500

struct _PosternAccountSync
{
  GObject parent_instance;

  char *account_id;
  PosternBackend *backend;
  PosternStore *store;
  PosternRemoveMode remove_mode;
  PosternBodySizer *sizer;

  GCancellable *cancellable;
  gboolean is_running;
  gboolean is_asked_again;
  gboolean has_removals_left; /* the backend said of some: later */
  gboolean is_paused;
  gboolean is_stopped;
  guint retry_id;
  guint failures;

  gint64 started_us;
  gboolean wants_full;
  GPtrArray *gathered;     /* (nullable) (element-type PosternMaildropMessage): of a full listing */
  PosternSyncBatch *batch; /* (nullable): the page that is being committed */

  GError *error;         /* (nullable): why the last run came to nothing */
  GError *removal_error; /* (nullable): why the backend will not delete */
  gint64 last_us;
  guint listed;
  guint total;
};

G_DEFINE_FINAL_TYPE (PosternAccountSync, postern_account_sync, G_TYPE_OBJECT)

static guint changed_signal;

static void start_run (PosternAccountSync *self);
static void ask_for_page (PosternAccountSync *self, const char *cursor);

PosternAccountSync *
postern_account_sync_new (const char *account_id, PosternBackend *backend, PosternStore *store)
{
  PosternAccountSync *self = g_object_new (POSTERN_TYPE_ACCOUNT_SYNC, NULL);

  self->account_id = g_strdup (account_id);
  self->backend = g_object_ref (backend);
  self->store = g_object_ref (store);
  self->sizer = postern_body_sizer_new (account_id, backend, store);
  return self;
}

/**
 * postern_account_sync_set_remove_mode:
 * @mode: what becomes at the backend of a message that was deleted here
 */
void
postern_account_sync_set_remove_mode (PosternAccountSync *self, PosternRemoveMode mode)
{
  self->remove_mode = mode;
}

/**
 * postern_account_sync_get_error:
 *
 * Returns: (transfer none) (nullable): why the last run came to nothing
 */
const GError *
postern_account_sync_get_error (PosternAccountSync *self)
{
  return self->error;
}

/**
 * postern_account_sync_get_removal_error:
 *
 * Returns: (transfer none) (nullable): why the backend refuses to delete; the messages show again
 */
const GError *
postern_account_sync_get_removal_error (PosternAccountSync *self)
{
  return self->removal_error;
}

/**
 * postern_account_sync_get_last_us:
 *
 * Returns: when we and the backend last agreed, wall clock; 0 when not in this process's life
 */
gint64
postern_account_sync_get_last_us (PosternAccountSync *self)
{
  return self->last_us;
}

void
postern_account_sync_get_progress (PosternAccountSync *self, guint *listed, guint *total)
{
  *listed = self->listed;
  *total = self->total;
}

static gboolean
on_retry (gpointer user_data)
{
  PosternAccountSync *self = user_data;

  self->retry_id = 0;
  start_run (self);
  return G_SOURCE_REMOVE;
}

static void
retry_later (PosternAccountSync *self)
{
  gint64 wait_us = postern_backoff_us (++self->failures, postern_random_fraction ());

  if (!self->is_asked_again && !self->is_paused)
    self->retry_id =
        g_timeout_add_seconds ((guint) (MIN (wait_us, G_TIME_SPAN_HOUR) / G_USEC_PER_SEC) + 1,
                               on_retry,
                               self);
}

static void
end_run (PosternAccountSync *self, GError *error)
{
  self->is_running = FALSE;
  g_clear_pointer (&self->gathered, g_ptr_array_unref);
  g_clear_pointer (&self->batch, postern_sync_batch_free);
  g_clear_error (&self->error);
  if (self->is_stopped)
    {
      g_clear_error (&error);
      return;
    }

  if (error == NULL)
    self->last_us = postern_clock_now_us ();
  else
    {
      g_info ("Account %s: looking for mail failed: %s", self->account_id, error->message);
      self->error = error;
    }
  if (error == NULL && !self->has_removals_left)
    self->failures = 0;
  /* What needs a person comes back when they have acted: new credentials ask again. */
  else if (!g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS))
    retry_later (self);
  g_signal_emit (self, changed_signal, 0);
  if (self->is_asked_again)
    start_run (self);
}

/* After the last page */

static void
on_sized (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (GError) error = NULL;

  postern_body_sizer_run_finish (self->sizer, result, &error);
  end_run (self, g_steal_pointer (&error));
}

static void
size_what_is_new (PosternAccountSync *self)
{
  const PosternBackendInfo *info = postern_backend_get_info (self->backend);

  if (info != NULL && info->has_canonical_size)
    {
      end_run (self, NULL);
      return;
    }
  postern_body_sizer_run_async (self->sizer, self->cancellable, on_sized, g_object_ref (self));
}

/* Pages */

static PosternMaildropMessage *
maildrop_message (const PosternRemoteMessage *remote)
{
  PosternMaildropMessage *message = postern_maildrop_message_new (remote->email_id);

  message->blob_id = g_strdup (remote->blob_id);
  message->size_octets = remote->size_octets;
  message->canonical_octets = remote->canonical_size_octets;
  message->received_at_us = remote->received_at_us;
  return message;
}

static void
on_page_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (PosternSyncBatch) batch = g_steal_pointer (&self->batch);
  g_autoptr (GError) error = NULL;

  if (!postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error))
    end_run (self, g_steal_pointer (&error));
  else if (batch->has_more)
    ask_for_page (self, batch->cursor);
  else
    size_what_is_new (self);
}

static void
gather (PosternAccountSync *self, PosternSyncBatch *batch)
{
  if (batch->restart || self->gathered == NULL)
    {
      g_clear_pointer (&self->gathered, g_ptr_array_unref);
      self->gathered =
          g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
    }
  for (guint i = 0; i < batch->messages->len; i++)
    g_ptr_array_add (self->gathered, maildrop_message (g_ptr_array_index (batch->messages, i)));
  self->listed = (guint) MAX (batch->done, (gint64) self->gathered->len);
  self->total = (guint) MAX (batch->total, 0);
  g_signal_emit (self, changed_signal, 0);
}

static void
apply_full (PosternAccountSync *self)
{
  PosternMaildropStore *maildrops = postern_store_get_maildrops (self->store);

  if (self->batch->has_more)
    {
      g_autoptr (PosternSyncBatch) batch = g_steal_pointer (&self->batch);

      ask_for_page (self, batch->cursor);
      return;
    }
  postern_maildrop_store_replace_listing_async (maildrops,
                                                self->account_id,
                                                self->gathered,
                                                self->batch->cursor,
                                                self->started_us,
                                                on_page_committed,
                                                g_object_ref (self));
}

static void
apply_changes (PosternAccountSync *self)
{
  PosternMaildropStore *maildrops = postern_store_get_maildrops (self->store);
  PosternSyncBatch *batch = self->batch;
  g_autoptr (GPtrArray) updated =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
  g_autoptr (GPtrArray) removed = g_ptr_array_new ();

  for (guint i = 0; i < batch->messages->len; i++)
    g_ptr_array_add (updated, maildrop_message (g_ptr_array_index (batch->messages, i)));
  for (guint i = 0; i < batch->removed->len; i++)
    g_ptr_array_add (removed, g_ptr_array_index (batch->removed, i));
  g_ptr_array_add (removed, NULL);
  postern_maildrop_store_apply_changes_async (maildrops,
                                              self->account_id,
                                              updated,
                                              (const char *const *) removed->pdata,
                                              batch->cursor,
                                              self->started_us,
                                              on_page_committed,
                                              g_object_ref (self));
}

static void
on_page (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (GError) error = NULL;

  self->batch = postern_backend_sync_finish (POSTERN_BACKEND (source), result, &error);
  if (self->batch == NULL)
    {
      if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_STALE) && !self->wants_full)
        {
          g_info ("Account %s: the cursor is of no use any more, listing again", self->account_id);
          self->wants_full = TRUE;
          ask_for_page (self, NULL);
          return;
        }
      end_run (self, g_steal_pointer (&error));
      return;
    }

  if (self->batch->is_full)
    {
      gather (self, self->batch);
      apply_full (self);
    }
  else
    apply_changes (self);
}

static void
ask_for_page (PosternAccountSync *self, const char *cursor)
{
  postern_backend_sync_async (self->backend,
                              cursor,
                              self->cancellable,
                              on_page,
                              g_object_ref (self));
}

static void
begin_listing (PosternAccountSync *self)
{
  PosternMaildropStore *maildrops = postern_store_get_maildrops (self->store);
  const char *cursor = postern_maildrop_store_get_cursor (maildrops, self->account_id);
  gint64 listed_at_us = postern_maildrop_store_get_listed_at_us (maildrops, self->account_id);

  self->started_us = postern_clock_now_us ();
  self->wants_full =
      cursor == NULL || ABS (self->started_us - listed_at_us) > FULL_LISTING_EVERY_US;
  ask_for_page (self, self->wants_full ? NULL : cursor);
}

/* Deletions */

static void clear_tombstones (PosternAccountSync *self);

static void
on_tombstones_confirmed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error))
    end_run (self, g_steal_pointer (&error));
  else
    clear_tombstones (self);
}

static void
on_tombstones_forgotten (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error))
    g_warning ("Account %s: a deletion that was refused could not be undone here: %s",
               self->account_id,
               error->message);
}

static void
forget_tombstones (PosternAccountSync *self, GPtrArray *ids)
{
  g_ptr_array_add (ids, NULL);
  g_warning ("Account %s: the server refuses to delete %u messages, so they show again: %s",
             self->account_id,
             ids->len - 1,
             self->removal_error->message);
  postern_maildrop_store_forget_tombstones_async (postern_store_get_maildrops (self->store),
                                                  self->account_id,
                                                  (const char *const *) ids->pdata,
                                                  on_tombstones_forgotten,
                                                  g_object_ref (self));
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) removals =
      postern_backend_remove_finish (POSTERN_BACKEND (source), result, &error);
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  g_autoptr (GPtrArray) forbidden = g_ptr_array_new ();

  if (removals == NULL)
    {
      end_run (self, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < removals->len; i++)
    {
      const PosternRemoval *removal = g_ptr_array_index (removals, i);

      if (removal->error == NULL)
        g_ptr_array_add (gone, removal->email_id);
      else if (g_error_matches (removal->error, POSTERN_ERROR, POSTERN_ERROR_FORBIDDEN))
        {
          g_clear_error (&self->removal_error);
          self->removal_error = g_error_copy (removal->error);
          g_ptr_array_add (forbidden, removal->email_id);
        }
      else
        self->has_removals_left = TRUE;
    }
  if (forbidden->len > 0)
    forget_tombstones (self, forbidden);
  if (gone->len == 0)
    {
      /* Nothing moved: the rest is for another run, and the listing must not wait for it. */
      begin_listing (self);
      return;
    }
  if (forbidden->len == 0)
    g_clear_error (&self->removal_error);
  g_ptr_array_add (gone, NULL);
  postern_maildrop_store_confirm_tombstones_async (postern_store_get_maildrops (self->store),
                                                   self->account_id,
                                                   (const char *const *) gone->pdata,
                                                   on_tombstones_confirmed,
                                                   g_object_ref (self));
}

static void
on_tombstones_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccountSync) self = user_data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) ids =
      postern_maildrop_store_ids_finish (POSTERN_MAILDROP_STORE (source), result, &error);

  if (ids == NULL)
    end_run (self, g_steal_pointer (&error));
  else if (ids[0] == NULL)
    begin_listing (self);
  else
    postern_backend_remove_async (self->backend,
                                  (const char *const *) ids,
                                  POSTERN_PLACE_INBOX,
                                  self->remove_mode,
                                  self->cancellable,
                                  on_removed,
                                  g_object_ref (self));
}

static void
clear_tombstones (PosternAccountSync *self)
{
  PosternMaildropStore *maildrops = postern_store_get_maildrops (self->store);
  const PosternBackendInfo *info = postern_backend_get_info (self->backend);

  if (postern_maildrop_store_get_tombstone_count (maildrops, self->account_id) == 0)
    {
      begin_listing (self);
      return;
    }
  postern_maildrop_store_list_tombstones_async (maildrops,
                                                self->account_id,
                                                info != NULL && info->max_batch > 0
                                                    ? MIN (info->max_batch, TOMBSTONES_AT_ONCE)
                                                    : TOMBSTONES_AT_ONCE,
                                                self->cancellable,
                                                on_tombstones_listed,
                                                g_object_ref (self));
}

static void
start_run (PosternAccountSync *self)
{
  g_clear_handle_id (&self->retry_id, g_source_remove);
  self->is_asked_again = FALSE;
  self->has_removals_left = FALSE;
  self->is_running = TRUE;
  clear_tombstones (self);
}

/**
 * postern_account_sync_request:
 *
 * Makes us and the backend agree, now. While a run is going on, another one follows it. Nothing
 * happens while paused.
 */
void
postern_account_sync_request (PosternAccountSync *self)
{
  if (self->is_stopped || self->is_paused)
    return;
  if (self->is_running)
    self->is_asked_again = TRUE;
  else
    start_run (self);
}

/**
 * postern_account_sync_set_paused:
 *
 * While paused nothing is begun; a run that is going on comes to its end. Going on again takes a
 * request.
 */
void
postern_account_sync_set_paused (PosternAccountSync *self, gboolean is_paused)
{
  self->is_paused = is_paused;
  if (!is_paused)
    return;
  self->is_asked_again = FALSE;
  g_clear_handle_id (&self->retry_id, g_source_remove);
}

/**
 * postern_account_sync_stop:
 *
 * Ends what is going on, for good. What was committed stays.
 */
void
postern_account_sync_stop (PosternAccountSync *self)
{
  self->is_stopped = TRUE;
  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_cancellable_cancel (self->cancellable);
}

static void
postern_account_sync_dispose (GObject *object)
{
  PosternAccountSync *self = POSTERN_ACCOUNT_SYNC (object);

  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_clear_object (&self->sizer);
  g_clear_object (&self->backend);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (postern_account_sync_parent_class)->dispose (object);
}

static void
postern_account_sync_finalize (GObject *object)
{
  PosternAccountSync *self = POSTERN_ACCOUNT_SYNC (object);

  g_free (self->account_id);
  g_object_unref (self->cancellable);
  g_clear_pointer (&self->gathered, g_ptr_array_unref);
  g_clear_pointer (&self->batch, postern_sync_batch_free);
  g_clear_error (&self->error);
  g_clear_error (&self->removal_error);
  G_OBJECT_CLASS (postern_account_sync_parent_class)->finalize (object);
}

static void
postern_account_sync_init (PosternAccountSync *self)
{
  self->cancellable = g_cancellable_new ();
}

static void
postern_account_sync_class_init (PosternAccountSyncClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_account_sync_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_account_sync_finalize;
  changed_signal = g_signal_new ("changed",
                                 POSTERN_TYPE_ACCOUNT_SYNC,
                                 G_SIGNAL_RUN_LAST,
                                 0,
                                 NULL,
                                 NULL,
                                 NULL,
                                 G_TYPE_NONE,
                                 0);
}
