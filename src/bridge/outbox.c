/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/outbox.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "bridge/backoff.h"
#include "bridge/outbox-batch.h"

/* One batch at a time. The queue says what is due, the batch takes it as far as it goes, and then
 * the queue is asked again; when nothing is due, the drafts go that nobody wants any more. When the backend as a whole fails, nothing is wrong with the messages:
 * they keep their place, and the outbox waits, longer each time, or until the account is told that
 * the backend is back. */

#define MOST_AT_ONCE 50 /* entries in one request, see the rulings on sending */

struct _PosternOutbox
{
  GObject parent_instance;

  char *account_id;
  char *address;
  gboolean keeps_sent_copy;
  PosternBackend *backend;
  PosternStore *store;

  GCancellable *cancellable;
  gboolean is_open;
  gboolean is_running;
  gboolean is_asked_again;
  guint batch_size;
  guint timer_id;
  guint failures;
  gint64 blocked_until_us; /* monotonic */
  GError *error;           /* (nullable) */
};

G_DEFINE_FINAL_TYPE (PosternOutbox, postern_outbox, G_TYPE_OBJECT)

static guint changed_signal;

static void run (PosternOutbox *self);
static void look_for_drafts (PosternOutbox *self);

PosternOutbox *
postern_outbox_new (const char *account_id, PosternBackend *backend, PosternStore *store)
{
  PosternOutbox *self = g_object_new (POSTERN_TYPE_OUTBOX, NULL);

  self->account_id = g_strdup (account_id);
  self->backend = g_object_ref (backend);
  self->store = g_object_ref (store);
  return self;
}

/**
 * postern_outbox_configure:
 * @address: the account's own, where bounces go
 * @keeps_sent_copy: whether what was sent stays in Sent
 */
void
postern_outbox_configure (PosternOutbox *self, const char *address, gboolean keeps_sent_copy)
{
  g_free (self->address);
  self->address = g_strdup (address);
  self->keeps_sent_copy = keeps_sent_copy;
}

/**
 * postern_outbox_get_error:
 *
 * Returns: (transfer none) (nullable): why the backend takes nothing at the moment
 */
const GError *
postern_outbox_get_error (PosternOutbox *self)
{
  return self->error;
}

static void
set_error (PosternOutbox *self, GError *error)
{
  gboolean is_different = (self->error == NULL) != (error == NULL);

  g_clear_error (&self->error);
  self->error = error;
  if (is_different || error != NULL)
    g_signal_emit (self, changed_signal, 0);
}

static gboolean
on_timer (gpointer user_data)
{
  PosternOutbox *self = user_data;

  self->timer_id = 0;
  run (self);
  return G_SOURCE_REMOVE;
}

static void
run_in (PosternOutbox *self, gint64 wait_us)
{
  g_clear_handle_id (&self->timer_id, g_source_remove);
  wait_us = CLAMP (wait_us, 0, G_TIME_SPAN_HOUR);
  self->timer_id = g_timeout_add ((guint) (wait_us / 1000) + 1, on_timer, self);
}

static void
on_next_due (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutbox) self = user_data;
  g_autoptr (GError) error = NULL;
  gint64 due_us =
      postern_queue_store_next_due_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (error != NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_warning ("Account %s: cannot tell what waits to be sent: %s",
                   self->account_id,
                   error->message);
    }
  else if (due_us == G_MAXINT64)
    set_error (self, NULL); /* nothing waits that could be in trouble */
  else if (!self->is_running && self->timer_id == 0)
    run_in (self, due_us - postern_clock_now_us ());
}

static void
end_run (PosternOutbox *self)
{
  self->is_running = FALSE;
  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  if (self->is_asked_again)
    run (self);
  else if (self->is_open && self->blocked_until_us == 0)
    postern_queue_store_next_due_async (postern_store_get_queue (self->store),
                                        self->account_id,
                                        self->cancellable,
                                        on_next_due,
                                        g_object_ref (self));
}

/* The backend as a whole failed. What it says about everything cannot be a message's fault, except
 * that a single message may make it fail: so the batches become smaller, and a batch of one that
 * fails has found the culprit, which the batch itself has postponed. */
static void
block (PosternOutbox *self, GError *error)
{
  gint64 wait_us = postern_backoff_us (++self->failures, postern_random_fraction ());

  if (!g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE))
    self->batch_size = MAX (1, self->batch_size / 2);
  g_info ("Account %s: sending waits: %s", self->account_id, error->message);
  self->blocked_until_us = postern_clock_monotonic_us () + wait_us;
  self->is_asked_again = FALSE;
  run_in (self, wait_us);
  set_error (self, error);
}

static void
end_failed_run (PosternOutbox *self, GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_error_free (error);
  else
    block (self, error);
  end_run (self);
}

static void
on_batch_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutbox) self = user_data;
  g_autoptr (GError) error = NULL;

  if (postern_outbox_batch_run_finish (POSTERN_OUTBOX_BATCH (source), result, &error))
    {
      self->failures = 0;
      self->batch_size = MIN (MOST_AT_ONCE, self->batch_size * 2);
      self->is_asked_again = TRUE; /* there may be more */
      set_error (self, NULL);
    }
  else
    {
      end_failed_run (self, g_steal_pointer (&error));
      return;
    }
  end_run (self);
}

/* Drafts that entries have left behind */

static void
on_drafts_forgotten (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutbox) self = user_data;
  g_autoptr (GError) error = NULL;

  if (postern_queue_store_forget_drafts_finish (POSTERN_QUEUE_STORE (source), result, &error))
    {
      self->is_asked_again = TRUE; /* there may be more */
      end_run (self);
    }
  else
    end_failed_run (self, g_steal_pointer (&error));
}

static void
on_drafts_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutbox) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) removals =
      postern_backend_remove_finish (POSTERN_BACKEND (source), result, &error);
  g_autoptr (GPtrArray) settled = g_ptr_array_new ();

  if (removals == NULL)
    {
      end_failed_run (self, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < removals->len; i++)
    {
      const PosternRemoval *removal = g_ptr_array_index (removals, i);

      if (g_error_matches (removal->error, POSTERN_ERROR, POSTERN_ERROR_FORBIDDEN))
        g_info ("Account %s: a draft of what was not sent stays: %s",
                self->account_id,
                removal->error->message);
      if (removal->error == NULL ||
          g_error_matches (removal->error, POSTERN_ERROR, POSTERN_ERROR_FORBIDDEN))
        g_ptr_array_add (settled, removal->email_id);
    }
  if (settled->len == 0)
    {
      end_run (self); /* they do no harm until another run */
      return;
    }
  g_ptr_array_add (settled, NULL);
  postern_queue_store_forget_drafts_async (postern_store_get_queue (self->store),
                                           self->account_id,
                                           (const char *const *) settled->pdata,
                                           on_drafts_forgotten,
                                           g_object_ref (self));
}

static void
on_drafts_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutbox) self = user_data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) ids =
      postern_queue_store_list_drafts_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (ids == NULL)
    end_failed_run (self, g_steal_pointer (&error));
  else if (ids[0] == NULL)
    end_run (self);
  else
    postern_backend_remove_async (self->backend,
                                  (const char *const *) ids,
                                  POSTERN_PLACE_DRAFTS,
                                  POSTERN_REMOVE_DESTROY,
                                  self->cancellable,
                                  on_drafts_removed,
                                  g_object_ref (self));
}

static void
look_for_drafts (PosternOutbox *self)
{
  postern_queue_store_list_drafts_async (postern_store_get_queue (self->store),
                                         self->account_id,
                                         MOST_AT_ONCE,
                                         self->cancellable,
                                         on_drafts_listed,
                                         g_object_ref (self));
}

/* What is due */

static void
on_claimed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternOutbox) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) entries =
      postern_queue_store_claim_finish (POSTERN_QUEUE_STORE (source), result, &error);
  g_autoptr (PosternOutboxBatch) batch = NULL;

  if (entries == NULL)
    {
      end_failed_run (self, g_steal_pointer (&error));
      return;
    }
  if (entries->len == 0)
    {
      look_for_drafts (self);
      return;
    }
  batch = postern_outbox_batch_new (self->backend,
                                    self->store,
                                    self->account_id,
                                    self->address,
                                    self->keeps_sent_copy);
  postern_outbox_batch_run_async (batch,
                                  g_steal_pointer (&entries),
                                  self->cancellable,
                                  on_batch_ended,
                                  g_object_ref (self));
}

static void
run (PosternOutbox *self)
{
  if (!self->is_open || self->is_running || g_cancellable_is_cancelled (self->cancellable))
    return;
  if (self->blocked_until_us > postern_clock_monotonic_us ())
    {
      run_in (self, self->blocked_until_us - postern_clock_monotonic_us ());
      return;
    }

  g_clear_handle_id (&self->timer_id, g_source_remove);
  self->blocked_until_us = 0;
  self->is_asked_again = FALSE;
  self->is_running = TRUE;
  postern_queue_store_claim_async (postern_store_get_queue (self->store),
                                   self->account_id,
                                   self->batch_size,
                                   postern_clock_now_us (),
                                   self->cancellable,
                                   on_claimed,
                                   g_object_ref (self));
}

/**
 * postern_outbox_kick:
 *
 * Something may be due: look.
 */
void
postern_outbox_kick (PosternOutbox *self)
{
  if (self->is_running)
    self->is_asked_again = TRUE;
  else
    run (self);
}

/**
 * postern_outbox_set_open:
 * @is_open: whether the backend may be asked: it is reachable, and takes our credentials
 *
 * Opening it forgets earlier failures.
 */
void
postern_outbox_set_open (PosternOutbox *self, gboolean is_open)
{
  if (self->is_open == is_open)
    return;
  self->is_open = is_open;
  self->blocked_until_us = 0;
  self->failures = 0;
  if (is_open)
    postern_outbox_kick (self);
  else
    g_clear_handle_id (&self->timer_id, g_source_remove);
}

/**
 * postern_outbox_stop:
 *
 * Ends what is going on, for good. Every entry is where its last committed step left it.
 */
void
postern_outbox_stop (PosternOutbox *self)
{
  self->is_open = FALSE;
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_cancellable_cancel (self->cancellable);
}

static void
postern_outbox_dispose (GObject *object)
{
  PosternOutbox *self = POSTERN_OUTBOX (object);

  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_clear_object (&self->backend);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (postern_outbox_parent_class)->dispose (object);
}

static void
postern_outbox_finalize (GObject *object)
{
  PosternOutbox *self = POSTERN_OUTBOX (object);

  g_free (self->account_id);
  g_free (self->address);
  g_object_unref (self->cancellable);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (postern_outbox_parent_class)->finalize (object);
}

static void
postern_outbox_init (PosternOutbox *self)
{
  self->cancellable = g_cancellable_new ();
  self->batch_size = MOST_AT_ONCE;
}

static void
postern_outbox_class_init (PosternOutboxClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_outbox_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_outbox_finalize;
  changed_signal = g_signal_new ("changed",
                                 POSTERN_TYPE_OUTBOX,
                                 G_SIGNAL_RUN_LAST,
                                 0,
                                 NULL,
                                 NULL,
                                 NULL,
                                 G_TYPE_NONE,
                                 0);
}
