/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/outbox-batch.h"

#include "base/error.h"
#include "bridge/bounce.h"
#include "bridge/outbox-item.h"
#include "bridge/outbox-uploads.h"

/* The phases, each skipped when no entry needs it:
 *
 *   settle    what was being submitted when an answer was lost: sent, or not?
 *   upload    the bytes
 *   find      what was being imported when an answer was lost, by its Message-ID
 *   import    the bytes become a draft, or, for a bounce of ours, a message in the inbox
 *   submit    marked as "submitting" on disk first, so that a crash leads to settle and never to
 *             sending twice
 *   report    bounces, committed together with what they tell about
 *
 * After each, what changed is committed in one go before the next request leaves. The draft of what
 * was refused is removed only when that is on disk (see the outbox): a draft that is gone means "sent"
 * to whoever settles after a crash. */

struct _PosternOutboxBatch
{
  GObject parent_instance;

  PosternBackend *backend;
  PosternStore *store;
  char *account_id;
  char *address;
  gboolean keeps_sent_copy;

  GTask *task;
  GPtrArray *items; /* (element-type PosternOutboxItem) */
  GPtrArray *asked; /* (element-type PosternOutboxItem): of the request that is out */
  guint next_report;
  GError *error; /* (nullable): the backend as a whole failed */
  void (*after_commit) (PosternOutboxBatch *self);
};

G_DEFINE_FINAL_TYPE (PosternOutboxBatch, postern_outbox_batch, G_TYPE_OBJECT)

static void upload (PosternOutboxBatch *self);
static void find_lost_imports (PosternOutboxBatch *self);
static void import (PosternOutboxBatch *self);
static void mark_submitting (PosternOutboxBatch *self);
static void submit (PosternOutboxBatch *self);
static void report (PosternOutboxBatch *self);
static void end_batch (PosternOutboxBatch *self);

PosternOutboxBatch *
postern_outbox_batch_new (PosternBackend *backend,
                          PosternStore *store,
                          const char *account_id,
                          const char *address,
                          gboolean keeps_sent_copy)
{
  PosternOutboxBatch *self = g_object_new (POSTERN_TYPE_OUTBOX_BATCH, NULL);

  self->backend = g_object_ref (backend);
  self->store = g_object_ref (store);
  self->account_id = g_strdup (account_id);
  self->address = g_strdup (address);
  self->keeps_sent_copy = keeps_sent_copy;
  return self;
}

/* The way to the backend itself is cut: whatever was asked, it says nothing about a message. */
static gboolean
is_about_way (const GError *error)
{
  return g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE) ||
         g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS) ||
         g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_TRUST) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Ends the batch early. With a single entry in it, and a backend that does answer, the entry itself is
 * the likely cause: it steps back, so that the others can pass. */
static void
backend_failed (PosternOutboxBatch *self, GError *error)
{
  if (self->error != NULL)
    {
      g_error_free (error);
      return;
    }
  self->error = error;
  if (self->items->len == 1 && !is_about_way (error))
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, 0);

      if (!item->is_over)
        postern_outbox_item_postpone (item, error);
    }
}

/* Collects the items that are at @step into `asked`. */
static guint
ask_about (PosternOutboxBatch *self, PosternQueueStep step)
{
  g_ptr_array_set_size (self->asked, 0);
  if (self->error != NULL)
    return 0;
  for (guint i = 0; i < self->items->len; i++)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, i);

      if (!item->is_over && item->entry->step == step)
        g_ptr_array_add (self->asked, item);
    }
  return self->asked->len;
}

static GStrv
email_ids (GPtrArray *items)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; i < items->len; i++)
    g_strv_builder_add (builder,
                        ((PosternOutboxItem *) g_ptr_array_index (items, i))->entry->email_id);
  return g_strv_builder_end (builder);
}

/* Committing */

static void
forget_withdrawn (PosternOutboxBatch *self, const char *const *withdrawn)
{
  for (guint i = self->items->len; i > 0; i--)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, i - 1);

      if (withdrawn != NULL && g_strv_contains (withdrawn, item->entry->id))
        g_ptr_array_remove_index (self->items, i - 1);
    }
}

/* Nothing may go on that is not on disk. What the backend did meanwhile is found out again from the
 * step before. */
static void
stop_here (PosternOutboxBatch *self, GError *error)
{
  if (!g_cancellable_is_cancelled (g_task_get_cancellable (self->task)))
    g_warning ("Account %s: the queue cannot be written, sending stops: %s",
               self->account_id,
               error->message);
  g_clear_error (&self->error);
  self->error = error;
  for (guint i = 0; i < self->items->len; i++)
    ((PosternOutboxItem *) g_ptr_array_index (self->items, i))->is_over =
        FALSE; /* none has come to its end */
  end_batch (self);
}

static void
on_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  g_auto (GStrv) withdrawn = NULL;
  g_autoptr (GError) error = NULL;

  if (!postern_queue_store_apply_finish (POSTERN_QUEUE_STORE (source), result, &withdrawn, &error))
    {
      stop_here (self, g_steal_pointer (&error));
      return;
    }
  forget_withdrawn (self, (const char *const *) withdrawn);
  self->after_commit (self);
}

static void
commit (PosternOutboxBatch *self, void (*after) (PosternOutboxBatch *self))
{
  g_autoptr (PosternQueueChange) change = NULL;

  for (guint i = 0; i < self->items->len; i++)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, i);

      /* An entry that somebody is to be told about changes together with the report. */
      if (!item->is_changed || item->wants_report)
        continue;
      if (change == NULL)
        change = postern_queue_change_new ();
      postern_queue_change_update (change,
                                   item->entry,
                                   item->is_over ? POSTERN_QUEUE_LEASE_ENDS
                                                 : POSTERN_QUEUE_LEASE_GOES_ON);
      item->is_changed = FALSE;
    }
  if (change == NULL)
    {
      after (self);
      return;
    }
  self->after_commit = after;
  postern_queue_store_apply_async (postern_store_get_queue (self->store),
                                   g_steal_pointer (&change),
                                   on_committed,
                                   g_object_ref (self));
}

/* Settle */

static void
on_settled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  GError *error = NULL;
  g_autoptr (GArray) settlements =
      postern_backend_settle_finish (POSTERN_BACKEND (source), result, &error);

  if (settlements == NULL)
    backend_failed (self, error);
  else
    for (guint i = 0; i < self->asked->len; i++)
      {
        PosternOutboxItem *item = g_ptr_array_index (self->asked, i);

        if (g_array_index (settlements, PosternSettlement, i) == POSTERN_SETTLEMENT_UNSENT)
          postern_outbox_item_advance (item, POSTERN_QUEUE_STEP_IMPORTED);
        else
          postern_outbox_item_done (item);
      }
  commit (self, upload);
}

static void
settle (PosternOutboxBatch *self)
{
  g_auto (GStrv) ids = NULL;

  if (ask_about (self, POSTERN_QUEUE_STEP_SUBMITTING) == 0)
    {
      upload (self);
      return;
    }
  ids = email_ids (self->asked);
  postern_backend_settle_async (self->backend,
                                (const char *const *) ids,
                                g_task_get_cancellable (self->task),
                                on_settled,
                                g_object_ref (self));
}

/* Upload */

static void
on_uploaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  GError *error = NULL;

  if (!postern_outbox_uploads_run_finish (result, &error))
    backend_failed (self, error);
  commit (self, find_lost_imports);
}

static void
upload (PosternOutboxBatch *self)
{
  if (ask_about (self, POSTERN_QUEUE_STEP_NEW) == 0)
    find_lost_imports (self);
  else
    postern_outbox_uploads_run_async (self->store,
                                      self->backend,
                                      self->asked,
                                      g_task_get_cancellable (self->task),
                                      on_uploaded,
                                      g_object_ref (self));
}

/* Find */

static void find_next_lost (PosternOutboxBatch *self);

static gboolean
is_owned_in_batch (PosternOutboxBatch *self, const char *email_id)
{
  for (guint i = 0; i < self->items->len; i++)
    {
      const PosternOutboxItem *item = g_ptr_array_index (self->items, i);

      if (g_strcmp0 (item->entry->email_id, email_id) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
on_owners_known (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) unowned =
      postern_queue_store_find_unowned_finish (POSTERN_QUEUE_STORE (source), result, &error);
  PosternOutboxItem *item = g_ptr_array_index (self->asked, 0);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    backend_failed (self, g_steal_pointer (&error));
  else if (unowned == NULL)
    postern_outbox_item_postpone (item, error);
  else
    for (guint i = 0; unowned[i] != NULL; i++)
      if (!is_owned_in_batch (self, unowned[i]))
        {
          item->entry->email_id = g_strdup (unowned[i]);
          postern_outbox_item_advance (item, POSTERN_QUEUE_STEP_IMPORTED);
          break;
        }
  find_next_lost (self);
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  GError *error = NULL;
  g_autoptr (GPtrArray) ids =
      postern_backend_find_imported_finish (POSTERN_BACKEND (source), result, &error);

  if (ids == NULL)
    {
      backend_failed (self, error);
      commit (self, report);
      return;
    }
  g_ptr_array_set_free_func (ids, g_free);
  g_ptr_array_add (ids, NULL);
  postern_queue_store_find_unowned_async (postern_store_get_queue (self->store),
                                          self->account_id,
                                          (const char *const *) ids->pdata,
                                          g_task_get_cancellable (self->task),
                                          on_owners_known,
                                          g_object_ref (self));
}

static void
find_next_lost (PosternOutboxBatch *self)
{
  for (guint i = 0; self->error == NULL && i < self->items->len; i++)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, i);

      if (item->is_over || !item->import_may_be_lost || item->entry->message_id == NULL ||
          item->entry->step != POSTERN_QUEUE_STEP_UPLOADED)
        continue;
      item->import_may_be_lost = FALSE;
      g_ptr_array_set_size (self->asked, 0);
      g_ptr_array_add (self->asked, item);
      postern_backend_find_imported_async (self->backend,
                                           item->entry->message_id,
                                           postern_outbox_item_get_place (item),
                                           g_task_get_cancellable (self->task),
                                           on_found,
                                           g_object_ref (self));
      return;
    }
  commit (self, import);
}

static void
find_lost_imports (PosternOutboxBatch *self)
{
  find_next_lost (self);
}

/* Import */

static void
on_imported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  GError *error = NULL;
  g_autoptr (GPtrArray) results =
      postern_backend_import_finish (POSTERN_BACKEND (source), result, &error);

  if (results == NULL)
    backend_failed (self, error);
  else
    for (guint i = 0; i < self->asked->len; i++)
      postern_outbox_item_take_import (g_ptr_array_index (self->asked, i),
                                       g_ptr_array_index (results, i));
  commit (self, mark_submitting);
}

static void
import (PosternOutboxBatch *self)
{
  g_autofree PosternImport *imports = NULL;

  /* A bounce whose import was lost and found again is over without another request. */
  for (guint i = 0; i < self->items->len; i++)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, i);

      if (!item->is_over && item->entry->kind == POSTERN_QUEUE_KIND_IMPORT &&
          item->entry->step == POSTERN_QUEUE_STEP_IMPORTED)
        postern_outbox_item_done (item);
    }
  if (ask_about (self, POSTERN_QUEUE_STEP_UPLOADED) == 0)
    {
      commit (self, mark_submitting);
      return;
    }

  imports = g_new0 (PosternImport, self->asked->len);
  for (guint i = 0; i < self->asked->len; i++)
    {
      const PosternOutboxItem *item = g_ptr_array_index (self->asked, i);

      imports[i].blob_id = item->entry->blob_id;
      imports[i].target = postern_outbox_item_get_place (item);
    }
  postern_backend_import_async (self->backend,
                                imports,
                                self->asked->len,
                                g_task_get_cancellable (self->task),
                                on_imported,
                                g_object_ref (self));
}

/* Submit */

/* A way that is cut says nothing about the message: it costs no attempt. */
static void
take_submit_result (PosternOutboxBatch *self,
                    PosternOutboxItem *item,
                    const PosternSubmitResult *result)
{
  if (result->error == NULL || !is_about_way (result->error))
    {
      postern_outbox_item_take_submit (item, result);
      return;
    }
  if (!result->may_have_arrived)
    postern_outbox_item_advance (item, POSTERN_QUEUE_STEP_IMPORTED);
  backend_failed (self, g_error_copy (result->error));
}

static void
on_submitted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  g_autoptr (GPtrArray) results = postern_backend_submit_finish (POSTERN_BACKEND (source), result);

  for (guint i = 0; i < self->asked->len; i++)
    take_submit_result (self, g_ptr_array_index (self->asked, i), g_ptr_array_index (results, i));
  commit (self, report);
}

static void
submit (PosternOutboxBatch *self)
{
  guint count = ask_about (self, POSTERN_QUEUE_STEP_SUBMITTING);
  g_autofree PosternOutgoing *outgoing = NULL;
  g_autoptr (GPtrArray) envelopes =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_envelope_free);

  if (count == 0)
    {
      report (self);
      return;
    }
  outgoing = g_new0 (PosternOutgoing, count);
  for (guint i = 0; i < count; i++)
    {
      const PosternOutboxItem *item = g_ptr_array_index (self->asked, i);
      const PosternQueueEntry *entry = item->entry;
      PosternEnvelope *envelope = postern_outbox_item_dup_envelope (item);

      g_ptr_array_add (envelopes, envelope);
      outgoing[i].key = entry->creation_id;
      outgoing[i].email_id = entry->email_id;
      outgoing[i].from = *envelope->sender != '\0' ? envelope->sender : self->address;
      outgoing[i].envelope = envelope;
      outgoing[i].keep_copy = self->keeps_sent_copy;
    }
  postern_backend_submit_async (self->backend,
                                outgoing,
                                count,
                                g_task_get_cancellable (self->task),
                                on_submitted,
                                g_object_ref (self));
}

static void
mark_submitting (PosternOutboxBatch *self)
{
  if (ask_about (self, POSTERN_QUEUE_STEP_IMPORTED) == 0)
    {
      report (self);
      return;
    }
  for (guint i = 0; i < self->asked->len; i++)
    postern_outbox_item_advance (g_ptr_array_index (self->asked, i), POSTERN_QUEUE_STEP_SUBMITTING);
  commit (self, submit);
}

/* Report */

static void report_next (PosternOutboxBatch *self);

static void
on_reported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!postern_queue_store_apply_finish (POSTERN_QUEUE_STORE (source), result, NULL, &error))
    {
      stop_here (self, g_steal_pointer (&error));
      return;
    }
  report_next (self);
}

static void
on_bounce_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutboxBatch) self = user_data;
  PosternOutboxItem *item = g_ptr_array_index (self->asked, 0);
  g_autoptr (PosternQueueChange) change = postern_queue_change_new ();
  g_autoptr (PosternQueueEntry) bounce = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = postern_bounce_write_finish (result, &bounce, &error);

  if (body == NULL && error != NULL)
    g_warning ("No report about message %s can be written: %s", item->entry->id, error->message);
  postern_queue_change_update (change, item->entry, POSTERN_QUEUE_LEASE_ENDS);
  if (body != NULL)
    postern_queue_change_add_bytes (change, bounce, body);
  postern_queue_store_apply_async (postern_store_get_queue (self->store),
                                   g_steal_pointer (&change),
                                   on_reported,
                                   g_object_ref (self));
}

static void
report_next (PosternOutboxBatch *self)
{
  for (; self->next_report < self->items->len; self->next_report++)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, self->next_report);

      if (!item->wants_report)
        continue;
      item->wants_report = FALSE;
      item->is_changed = FALSE;
      g_ptr_array_set_size (self->asked, 0);
      g_ptr_array_add (self->asked, item);
      /* Not cancellable: the report and what it tells about belong together. */
      postern_bounce_write_async (postern_store_get_queue (self->store),
                                  item->entry,
                                  item->news,
                                  self->address,
                                  on_bounce_written,
                                  g_object_ref (self));
      return;
    }
  end_batch (self);
}

static void
report (PosternOutboxBatch *self)
{
  self->next_report = 0;
  commit (self, report_next);
}

static void
end_batch (PosternOutboxBatch *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  for (guint i = 0; i < self->items->len; i++)
    {
      PosternOutboxItem *item = g_ptr_array_index (self->items, i);

      if (!item->is_over || item->is_changed)
        postern_queue_store_release (postern_store_get_queue (self->store), item->entry->id);
    }
  if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else
    g_task_return_boolean (task, TRUE);
}

/**
 * postern_outbox_batch_run_async:
 * @entries: (transfer full) (element-type PosternQueueEntry): claimed ones
 *
 * Takes them as far as they go. Once to a batch.
 */
void
postern_outbox_batch_run_async (PosternOutboxBatch *self,
                                GPtrArray *entries,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_return_if_fail (self->task == NULL);

  self->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, postern_outbox_batch_run_async);
  g_task_set_check_cancellable (self->task, FALSE);
  g_ptr_array_set_free_func (entries, NULL);
  for (guint i = 0; i < entries->len; i++)
    g_ptr_array_add (self->items,
                     postern_outbox_item_new (g_ptr_array_index (entries, i), self->backend));
  g_ptr_array_unref (entries);
  settle (self);
}

/**
 * postern_outbox_batch_run_finish:
 *
 * Returns: FALSE with @error when the backend as a whole failed; each entry is then where its last
 *   committed step left it, and may be claimed again at once.
 */
gboolean
postern_outbox_batch_run_finish (PosternOutboxBatch *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
postern_outbox_batch_finalize (GObject *object)
{
  PosternOutboxBatch *self = POSTERN_OUTBOX_BATCH (object);

  g_object_unref (self->backend);
  g_object_unref (self->store);
  g_free (self->account_id);
  g_free (self->address);
  g_ptr_array_unref (self->asked);
  g_ptr_array_unref (self->items);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (postern_outbox_batch_parent_class)->finalize (object);
}

static void
postern_outbox_batch_init (PosternOutboxBatch *self)
{
  self->items = g_ptr_array_new_with_free_func (postern_outbox_item_free);
  self->asked = g_ptr_array_new ();
}

static void
postern_outbox_batch_class_init (PosternOutboxBatchClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_outbox_batch_finalize;
}
