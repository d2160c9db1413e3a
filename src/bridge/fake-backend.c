/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bridge/fake-backend.h"

#include "base/error.h"

#include <string.h>

typedef struct
{
  char *id;
  GBytes *bytes;
  PosternPlace place;
  gboolean is_gone;
  guint changed; /* the state at which it came or went */
  guint created;
} Email;

struct _PosternFakeBackend
{
  GObject parent_instance;

  PosternBackendInfo info;
  GPtrArray *emails;    /* (element-type Email) */
  GHashTable *blobs;    /* (element-type utf8 GBytes) */
  GHashTable *refusals; /* (element-type utf8 guint) */
  GPtrArray *sent;      /* (element-type utf8): recipients, one for each time */
  char *choke;
  int removal_code;
  gboolean misnames_refused;
  guint page;
  guint state;
  guint oldest_state;
  guint next_id;
  int fail[POSTERN_FAKE_N_CALLS];
  gboolean lose[POSTERN_FAKE_N_CALLS];
  guint calls[POSTERN_FAKE_N_CALLS];
};

static void fake_backend_init (PosternBackendInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternFakeBackend,
                               postern_fake_backend,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_BACKEND, fake_backend_init))

static void
email_free (gpointer data)
{
  Email *email = data;

  g_free (email->id);
  g_bytes_unref (email->bytes);
  g_free (email);
}

PosternFakeBackend *
postern_fake_backend_new (void)
{
  return g_object_new (POSTERN_TYPE_FAKE_BACKEND, NULL);
}

void
postern_fake_backend_fail_next (PosternFakeBackend *self, PosternFakeCall call, int code)
{
  self->fail[call] = code + 1;
}

void
postern_fake_backend_lose_next (PosternFakeBackend *self, PosternFakeCall call)
{
  self->lose[call] = TRUE;
}

void
postern_fake_backend_refuse (PosternFakeBackend *self, const char *recipient, guint code)
{
  g_hash_table_replace (self->refusals, g_strdup (recipient), GUINT_TO_POINTER (code));
}

void
postern_fake_backend_misname_refused (PosternFakeBackend *self)
{
  self->misnames_refused = TRUE;
}

void
postern_fake_backend_choke_on (PosternFakeBackend *self, const char *text)
{
  g_free (self->choke);
  self->choke = g_strdup (text);
}

void
postern_fake_backend_refuse_removals (PosternFakeBackend *self, int code)
{
  self->removal_code = code;
}

void
postern_fake_backend_set_page (PosternFakeBackend *self, guint page)
{
  self->page = page;
}

void
postern_fake_backend_forget_history (PosternFakeBackend *self)
{
  self->oldest_state = ++self->state;
}

void
postern_fake_backend_tell_outcomes (PosternFakeBackend *self)
{
  self->info.tells_outcomes = TRUE;
}

void
postern_fake_backend_hide_canonical_size (PosternFakeBackend *self)
{
  self->info.has_canonical_size = FALSE;
}

static Email *
add_email (PosternFakeBackend *self, GBytes *bytes, PosternPlace place)
{
  Email *email = g_new0 (Email, 1);

  email->id = g_strdup_printf ("email%u", self->next_id++);
  email->bytes = g_bytes_ref (bytes);
  email->place = place;
  email->created = email->changed = ++self->state;
  g_ptr_array_add (self->emails, email);
  return email;
}

const char *
postern_fake_backend_deliver (PosternFakeBackend *self, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  return add_email (self, bytes, POSTERN_PLACE_INBOX)->id;
}

static Email *
find_email (PosternFakeBackend *self, const char *id)
{
  for (guint i = 0; i < self->emails->len; i++)
    {
      Email *email = g_ptr_array_index (self->emails, i);

      if (!email->is_gone && g_strcmp0 (email->id, id) == 0)
        return email;
    }
  return NULL;
}

void
postern_fake_backend_destroy (PosternFakeBackend *self, const char *email_id)
{
  Email *email = find_email (self, email_id);

  g_assert_nonnull (email);
  email->is_gone = TRUE;
  email->changed = ++self->state;
}

void
postern_fake_backend_forget (PosternFakeBackend *self, const char *email_id)
{
  find_email (self, email_id)->is_gone = TRUE;
}

guint
postern_fake_backend_count (PosternFakeBackend *self, PosternPlace place)
{
  guint count = 0;

  for (guint i = 0; i < self->emails->len; i++)
    {
      const Email *email = g_ptr_array_index (self->emails, i);

      count += !email->is_gone && email->place == place;
    }
  return count;
}

guint
postern_fake_backend_count_sent (PosternFakeBackend *self, const char *recipient)
{
  guint count = 0;

  for (guint i = 0; i < self->sent->len; i++)
    count += g_str_equal (g_ptr_array_index (self->sent, i), recipient);
  return count;
}

const char *
postern_fake_backend_get_text (PosternFakeBackend *self, PosternPlace place, guint n)
{
  for (guint i = 0; i < self->emails->len; i++)
    {
      const Email *email = g_ptr_array_index (self->emails, i);

      if (!email->is_gone && email->place == place && n-- == 0)
        return g_bytes_get_data (email->bytes, NULL);
    }
  return NULL;
}

guint
postern_fake_backend_get_calls (PosternFakeBackend *self, PosternFakeCall call)
{
  return self->calls[call];
}

/* Every call begins here: TRUE when it is to end at once. */
static gboolean
fails (PosternFakeBackend *self, PosternFakeCall call, GTask *task)
{
  int code = self->fail[call] - 1;

  self->calls[call]++;
  self->fail[call] = 0;
  if (g_task_return_error_if_cancelled (task))
    return TRUE;
  if (code < 0)
    return FALSE;
  g_task_return_new_error (task, POSTERN_ERROR, code, "as the test wished");
  return TRUE;
}

static gboolean
loses (PosternFakeBackend *self, PosternFakeCall call, GTask *task)
{
  if (!self->lose[call])
    return FALSE;
  self->lose[call] = FALSE;
  g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_OFFLINE, "the answer was lost");
  return TRUE;
}

static gpointer
fake_finish_pointer (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
fake_set_credentials (PosternBackend *backend, const char *user, PosternSecret *secret)
{
}

static const PosternBackendInfo *
fake_get_info (PosternBackend *backend)
{
  return &POSTERN_FAKE_BACKEND (backend)->info;
}

static void
fake_list_identities_async (PosternBackend *backend,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  GPtrArray *identities = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_identity_free);
  PosternIdentity *identity = g_new0 (PosternIdentity, 1);

  identity->id = g_strdup ("i");
  identity->address = g_strdup ("new-alias@example.test");
  g_ptr_array_add (identities, identity);
  g_task_return_pointer (task, identities, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
fake_list_identities_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

/* Sync: the cursor is "full:<position>" within a listing and the state otherwise. */

static PosternRemoteMessage *
remote_message (PosternFakeBackend *self, const Email *email)
{
  PosternRemoteMessage *message = g_new0 (PosternRemoteMessage, 1);

  message->email_id = g_strdup (email->id);
  message->blob_id = g_strdup (email->id);
  message->size_octets = g_bytes_get_size (email->bytes);
  message->canonical_size_octets =
      self->info.has_canonical_size ? (gint64) message->size_octets : -1;
  message->received_at_us = email->created * G_TIME_SPAN_SECOND;
  return message;
}

static PosternSyncBatch *
full_page (PosternFakeBackend *self, guint position)
{
  PosternSyncBatch *batch = postern_sync_batch_new ();
  guint seen = 0;

  batch->is_full = TRUE;
  batch->restart = position == 0;
  batch->total = postern_fake_backend_count (self, POSTERN_PLACE_INBOX);
  for (guint i = 0; i < self->emails->len; i++)
    {
      const Email *email = g_ptr_array_index (self->emails, i);

      if (email->is_gone || email->place != POSTERN_PLACE_INBOX)
        continue;
      if (seen >= position && batch->messages->len < self->page)
        g_ptr_array_add (batch->messages, remote_message (self, email));
      seen++;
    }
  batch->done = position + batch->messages->len;
  batch->has_more = batch->done < batch->total;
  batch->cursor = batch->has_more ? g_strdup_printf ("full:%u", (guint) batch->done)
                                  : g_strdup_printf ("%u", self->state);
  return batch;
}

static PosternSyncBatch *
changes_since (PosternFakeBackend *self, guint state)
{
  PosternSyncBatch *batch = postern_sync_batch_new ();

  batch->total = batch->done = -1;
  batch->cursor = g_strdup_printf ("%u", self->state);
  for (guint i = 0; i < self->emails->len; i++)
    {
      const Email *email = g_ptr_array_index (self->emails, i);

      if (email->changed <= state)
        continue;
      if (email->is_gone || email->place != POSTERN_PLACE_INBOX)
        g_ptr_array_add (batch->removed, g_strdup (email->id));
      else
        g_ptr_array_add (batch->messages, remote_message (self, email));
    }
  return batch;
}

static void
fake_sync_async (PosternBackend *backend,
                 const char *cursor,
                 GCancellable *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  PosternSyncBatch *batch;

  if (fails (self, POSTERN_FAKE_SYNC, task))
    return;
  if (cursor == NULL)
    batch = full_page (self, 0);
  else if (g_str_has_prefix (cursor, "full:"))
    batch = full_page (self, (guint) atoi (cursor + 5));
  else if ((guint) atoi (cursor) < self->oldest_state)
    {
      g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_STALE, "too old");
      return;
    }
  else
    batch = changes_since (self, (guint) atoi (cursor));
  g_task_return_pointer (task, batch, (GDestroyNotify) postern_sync_batch_free);
}

static PosternSyncBatch *
fake_sync_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

static void
fake_fetch_async (PosternBackend *backend,
                  const char *blob_id,
                  guint64 size_octets,
                  GCancellable *cancellable,
                  GAsyncReadyCallback callback,
                  gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  const Email *email = find_email (self, blob_id);

  if (fails (self, POSTERN_FAKE_FETCH, task))
    return;
  if (email == NULL)
    g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "gone");
  else
    g_task_return_pointer (task,
                           g_memory_input_stream_new_from_bytes (email->bytes),
                           g_object_unref);
}

static GInputStream *
fake_fetch_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

static void
fake_remove_async (PosternBackend *backend,
                   const char *const *email_ids,
                   PosternPlace from,
                   PosternRemoveMode mode,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  GPtrArray *removals;

  if (fails (self, POSTERN_FAKE_REMOVE, task))
    return;
  removals = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_removal_free);
  for (guint i = 0; email_ids[i] != NULL; i++)
    {
      PosternRemoval *removal = g_new0 (PosternRemoval, 1);
      const Email *email = find_email (self, email_ids[i]);

      removal->email_id = g_strdup (email_ids[i]);
      if (self->removal_code >= 0)
        removal->error =
            g_error_new_literal (POSTERN_ERROR, self->removal_code, "as the test wished");
      else if (email != NULL && email->place == from)
        postern_fake_backend_destroy (self, email_ids[i]);
      g_ptr_array_add (removals, removal);
    }
  if (loses (self, POSTERN_FAKE_REMOVE, task))
    g_ptr_array_unref (removals);
  else
    g_task_return_pointer (task, removals, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
fake_remove_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

/* Sending */

static void
on_uploaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternFakeBackend *self = g_task_get_source_object (task);
  GError *error = NULL;
  char *blob_id;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, &error) < 0)
    {
      g_task_return_error (task, error);
      return;
    }
  blob_id = g_strdup_printf ("blob%u", self->next_id++);
  g_hash_table_replace (self->blobs,
                        g_strdup (blob_id),
                        g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (source)));
  if (loses (self, POSTERN_FAKE_UPLOAD, task))
    g_free (blob_id);
  else
    g_task_return_pointer (task, blob_id, g_free);
}

static void
fake_upload_async (PosternBackend *backend,
                   GInputStream *content,
                   guint64 size_octets,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  g_autoptr (GOutputStream) memory = NULL;

  if (fails (self, POSTERN_FAKE_UPLOAD, task))
    return;
  memory = g_memory_output_stream_new_resizable ();
  g_output_stream_splice_async (memory,
                                content,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT,
                                NULL,
                                on_uploaded,
                                g_steal_pointer (&task));
}

static char *
fake_upload_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

static gboolean
holds (GBytes *bytes, const char *text)
{
  gsize length = 0;
  const char *data = g_bytes_get_data (bytes, &length);

  return g_strstr_len (data, (gssize) length, text) != NULL;
}

static void
fake_import_async (PosternBackend *backend,
                   const PosternImport *items,
                   gsize n_items,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  GPtrArray *results;

  if (fails (self, POSTERN_FAKE_IMPORT, task))
    return;
  for (gsize i = 0; self->choke != NULL && i < n_items; i++)
    {
      GBytes *bytes = g_hash_table_lookup (self->blobs, items[i].blob_id);

      if (bytes != NULL && holds (bytes, self->choke))
        {
          g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_TEMPORARY, "choked");
          return;
        }
    }
  results = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_import_result_free);
  for (gsize i = 0; i < n_items; i++)
    {
      PosternImportResult *result = g_new0 (PosternImportResult, 1);
      GBytes *bytes = g_hash_table_lookup (self->blobs, items[i].blob_id);

      if (bytes == NULL)
        result->error = g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "no blob");
      else
        result->email_id = g_strdup (add_email (self, bytes, items[i].target)->id);
      g_ptr_array_add (results, result);
    }
  if (loses (self, POSTERN_FAKE_IMPORT, task))
    g_ptr_array_unref (results);
  else
    g_task_return_pointer (task, results, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
fake_import_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

static void
fake_find_imported_async (PosternBackend *backend,
                          const char *message_id,
                          PosternPlace place,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  GPtrArray *ids;

  if (fails (self, POSTERN_FAKE_FIND, task))
    return;
  ids = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < self->emails->len; i++)
    {
      const Email *email = g_ptr_array_index (self->emails, i);

      if (!email->is_gone && email->place == place && holds (email->bytes, message_id))
        g_ptr_array_add (ids, g_strdup (email->id));
    }
  g_task_return_pointer (task, ids, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
fake_find_imported_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

static PosternSubmitResult *
submit_one (PosternFakeBackend *self, const PosternOutgoing *item)
{
  PosternSubmitResult *result = g_new0 (PosternSubmitResult, 1);
  Email *email = find_email (self, item->email_id);
  guint worst = 250;

  if (email == NULL)
    {
      result->code = 451;
      result->error = g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "no such email");
      return result;
    }
  g_assert_cmpint (email->place, ==, POSTERN_PLACE_DRAFTS);
  result->refused = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < item->envelope->recipients->len; i++)
    {
      const PosternRecipient *recipient = g_ptr_array_index (item->envelope->recipients, i);
      guint code = GPOINTER_TO_UINT (g_hash_table_lookup (self->refusals, recipient->address));

      worst = MAX (worst, code);
      if (code >= 500)
        g_ptr_array_add (
            result->refused,
            g_strconcat (self->misnames_refused ? "smtp:" : "", recipient->address, NULL));
    }
  result->code = worst;
  if (worst >= 400)
    {
      g_strlcpy (result->enhanced, worst >= 500 ? "5.1.1" : "4.2.0", sizeof result->enhanced);
      result->error =
          g_error_new_literal (POSTERN_ERROR,
                               worst >= 500 ? POSTERN_ERROR_REFUSED : POSTERN_ERROR_TEMPORARY,
                               "as the test wished");
      return result;
    }
  for (guint i = 0; i < item->envelope->recipients->len; i++)
    g_ptr_array_add (
        self->sent,
        g_strdup (
            ((PosternRecipient *) g_ptr_array_index (item->envelope->recipients, i))->address));
  if (item->keep_copy)
    email->place = POSTERN_PLACE_SENT;
  else
    email->is_gone = TRUE;
  return result;
}

static PosternSubmitResult *
fail_one (int code)
{
  PosternSubmitResult *result = g_new0 (PosternSubmitResult, 1);

  result->code = 451;
  result->error = g_error_new_literal (POSTERN_ERROR, code, "as the test wished");
  return result;
}

static void
lose_result (gpointer data, gpointer user_data)
{
  PosternSubmitResult *result = data;

  g_clear_error (&result->error);
  g_clear_pointer (&result->refused, g_ptr_array_unref);
  result->code = 0;
  result->may_have_arrived = TRUE;
  result->error = g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_OFFLINE, "lost");
}

static void
fake_submit_async (PosternBackend *backend,
                   const PosternOutgoing *items,
                   gsize n_items,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, NULL, callback, user_data);
  GPtrArray *results = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_submit_result_free);

  self->calls[POSTERN_FAKE_SUBMIT]++;
  for (gsize i = 0; i < n_items; i++)
    g_ptr_array_add (results,
                     self->fail[POSTERN_FAKE_SUBMIT] != 0
                         ? fail_one (self->fail[POSTERN_FAKE_SUBMIT] - 1)
                         : submit_one (self, &items[i]));
  self->fail[POSTERN_FAKE_SUBMIT] = 0;
  if (self->lose[POSTERN_FAKE_SUBMIT])
    {
      self->lose[POSTERN_FAKE_SUBMIT] = FALSE;
      g_ptr_array_foreach (results, lose_result, NULL);
    }
  g_task_return_pointer (task, results, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
fake_submit_finish (PosternBackend *backend, GAsyncResult *result)
{
  return fake_finish_pointer (result, NULL);
}

static void
fake_settle_async (PosternBackend *backend,
                   const char *const *email_ids,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (backend);
  g_autoptr (GTask) task = g_task_new (backend, cancellable, callback, user_data);
  GArray *settlements;

  if (fails (self, POSTERN_FAKE_SETTLE, task))
    return;
  settlements = g_array_new (FALSE, FALSE, sizeof (PosternSettlement));
  for (guint i = 0; email_ids[i] != NULL; i++)
    {
      const Email *email = find_email (self, email_ids[i]);
      PosternSettlement settlement = email == NULL ? POSTERN_SETTLEMENT_GONE
                                     : email->place == POSTERN_PLACE_DRAFTS
                                         ? POSTERN_SETTLEMENT_UNSENT
                                         : POSTERN_SETTLEMENT_SENT;

      g_array_append_val (settlements, settlement);
    }
  g_task_return_pointer (task, settlements, (GDestroyNotify) g_array_unref);
}

static GArray *
fake_settle_finish (PosternBackend *backend, GAsyncResult *result, GError **error)
{
  return fake_finish_pointer (result, error);
}

static void
fake_nothing (PosternBackend *backend)
{
}

static PosternConnection
fake_get_connection (PosternBackend *backend, const GError **reason)
{
  if (reason != NULL)
    *reason = NULL;
  return POSTERN_CONNECTION_PUSH;
}

static gint64
fake_get_not_before_us (PosternBackend *backend)
{
  return 0;
}

static void
fake_backend_init (PosternBackendInterface *iface)
{
  iface->set_credentials = fake_set_credentials;
  iface->get_info = fake_get_info;
  iface->list_identities_async = fake_list_identities_async;
  iface->list_identities_finish = fake_list_identities_finish;
  iface->sync_async = fake_sync_async;
  iface->sync_finish = fake_sync_finish;
  iface->fetch_async = fake_fetch_async;
  iface->fetch_finish = fake_fetch_finish;
  iface->remove_async = fake_remove_async;
  iface->remove_finish = fake_remove_finish;
  iface->upload_async = fake_upload_async;
  iface->upload_finish = fake_upload_finish;
  iface->import_async = fake_import_async;
  iface->import_finish = fake_import_finish;
  iface->find_imported_async = fake_find_imported_async;
  iface->find_imported_finish = fake_find_imported_finish;
  iface->submit_async = fake_submit_async;
  iface->submit_finish = fake_submit_finish;
  iface->settle_async = fake_settle_async;
  iface->settle_finish = fake_settle_finish;
  iface->start_watching = fake_nothing;
  iface->stop_watching = fake_nothing;
  iface->look_again = fake_nothing;
  iface->get_connection = fake_get_connection;
  iface->get_not_before_us = fake_get_not_before_us;
}

static void
postern_fake_backend_finalize (GObject *object)
{
  PosternFakeBackend *self = POSTERN_FAKE_BACKEND (object);

  g_ptr_array_unref (self->emails);
  g_ptr_array_unref (self->sent);
  g_hash_table_unref (self->blobs);
  g_hash_table_unref (self->refusals);
  g_free (self->choke);
  G_OBJECT_CLASS (postern_fake_backend_parent_class)->finalize (object);
}

static void
postern_fake_backend_init (PosternFakeBackend *self)
{
  self->emails = g_ptr_array_new_with_free_func (email_free);
  self->sent = g_ptr_array_new_with_free_func (g_free);
  self->blobs =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  self->refusals = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->page = 100;
  self->removal_code = -1;
  self->info.max_upload_octets = 26 * 1024 * 1024;
  self->info.max_batch = 50;
  self->info.may_submit = TRUE;
  self->info.has_canonical_size = TRUE;
}

static void
postern_fake_backend_class_init (PosternFakeBackendClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_fake_backend_finalize;
}
