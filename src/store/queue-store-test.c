/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store.h"

#include "base/clock.h"
#include "base/error.h"
#include "tests/support/await.h"
#include "tests/support/scratch.h"
#include "tests/support/sync-shim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define NOW G_GINT64_CONSTANT (1700000000000000)

typedef struct
{
  char *dir;
  PosternStore *store;
  PosternQueueStore *queue;
} Fixture;

static void
open_store (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  self->store = postern_store_open (self->dir, &error);
  g_assert_no_error (error);
  self->queue = postern_store_get_queue (self->store);
}

static void
close_store (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };

  postern_store_close_async (self->store, await_done, &await);
  g_assert_true (postern_store_close_finish (self->store, await_result (&await), &error));
  g_assert_no_error (error);
  await_clear (&await);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (self->store);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->dir = scratch_new ();
  open_store (self);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  close_store (self);
  scratch_remove (self->dir);
  g_free (self->dir);
}

static PosternQueueEntry *
make_entry (const char *account_id, const char *recipient)
{
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new ("ann@example.test");
  PosternQueueEntry *entry;
  PosternRecipient *to = postern_envelope_add (envelope, recipient);

  to->notify = g_strdup ("SUCCESS,FAILURE");
  to->orcpt = g_strdup ("rfc822;who+2Bwhat@example.test");
  postern_envelope_add (envelope, "second@example.test");
  envelope->ret = g_strdup ("HDRS");
  envelope->envid = g_strdup ("QQ314159");
  envelope->smtputf8 = TRUE;
  entry = postern_queue_entry_new (envelope);
  entry->login_id = g_strdup ("login");
  entry->account_id = g_strdup (account_id);
  entry->message_id = g_strdup ("<1@example.test>");
  entry->subject = g_strdup ("Grüße 100%");
  entry->received_at_us = NOW;
  return entry;
}

/* What nobody could mistake for something else: a stretch of a sequence that depends on the seed. */
static GBytes *
make_body (gsize length, guint32 seed)
{
  guint8 *data = g_malloc (MAX (length, 1));

  for (gsize i = 0; i < length; i++)
    {
      seed = seed * 1664525 + 1013904223;
      data[i] = (guint8) (seed >> 24);
    }
  return g_bytes_new_take (data, length);
}

static PosternQueueWriter *
write_body (Fixture *self, GBytes *body)
{
  PosternQueueWriter *writer = postern_queue_store_begin (self->queue, NULL, NULL);
  gsize length;
  const guint8 *data = g_bytes_get_data (body, &length);

  for (gsize done = 0; done < length;)
    {
      gsize part = MIN (length - done, 50021);

      postern_queue_writer_append (writer, data + done, part);
      done += part;
    }
  return writer;
}

static char *
commit (Fixture *self, const PosternQueueEntry *entry, GBytes *body)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  PosternQueueWriter *writer = write_body (self, body);
  char *id = g_strdup (postern_queue_writer_get_id (writer));

  postern_queue_writer_commit_async (writer, entry, await_done, &await);
  g_assert_true (postern_queue_writer_commit_finish (await_result (&await), &error));
  g_assert_no_error (error);
  return id;
}

static char *
commit_text (Fixture *self, const char *account_id, const char *text)
{
  g_autoptr (PosternQueueEntry) entry = make_entry (account_id, "bob@example.test");
  g_autoptr (GBytes) body = g_bytes_new (text, strlen (text));

  return commit (self, entry, body);
}

static PosternQueueEntry *
get_entry (Fixture *self, const char *id, GError **error)
{
  g_auto (Await) await = { 0 };

  postern_queue_store_get_async (self->queue, id, NULL, await_done, &await);
  return postern_queue_store_get_finish (self->queue, await_result (&await), error);
}

static GBytes *
read_body (Fixture *self, const char *id, GError **error)
{
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_auto (Await) await = { 0 };
  guint8 buffer[70001];
  gssize got;

  postern_queue_store_open_body_async (self->queue, id, NULL, await_done, &await);
  stream = postern_queue_store_open_body_finish (self->queue, await_result (&await), error);
  if (stream == NULL)
    return NULL;
  do
    {
      g_auto (Await) read = { 0 };

      g_input_stream_read_async (stream,
                                 buffer,
                                 sizeof buffer,
                                 G_PRIORITY_DEFAULT,
                                 NULL,
                                 await_done,
                                 &read);
      got = g_input_stream_read_finish (stream, await_result (&read), error);
      if (got < 0)
        return NULL;
      g_byte_array_append (all, buffer, (guint) got);
    }
  while (got > 0);
  return g_byte_array_free_to_bytes (g_steal_pointer (&all));
}

static void
assert_body (Fixture *self, const char *id, GBytes *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = read_body (self, id, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (body, expected));
}

static guint
count_spool (Fixture *self)
{
  g_autofree char *spool = g_build_filename (self->dir, "spool", NULL);

  return scratch_count (spool);
}

static GPtrArray *
claim (Fixture *self, const char *account_id, guint limit, gint64 now_us)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  GPtrArray *entries;

  postern_queue_store_claim_async (self->queue,
                                   account_id,
                                   limit,
                                   now_us,
                                   NULL,
                                   await_done,
                                   &await);
  entries = postern_queue_store_claim_finish (self->queue, await_result (&await), &error);
  g_assert_no_error (error);
  return entries;
}

static GStrv
apply (Fixture *self, PosternQueueChange *change)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  GStrv withdrawn = NULL;

  postern_queue_store_apply_async (self->queue, change, await_done, &await);
  postern_queue_store_apply_finish (self->queue, await_result (&await), &withdrawn, &error);
  g_assert_no_error (error);
  return withdrawn;
}

static gint64
act (Fixture *self, PosternQueueAction action, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  const char *ids[] = { id, NULL };
  gint64 count;

  postern_queue_store_act_async (self->queue, action, ids, await_done, &await);
  count = postern_queue_store_act_finish (self->queue, await_result (&await), &error);
  g_assert_no_error (error);
  return count;
}

static void
assert_counts (Fixture *self, guint waiting, guint held, guint failed, guint discarded)
{
  PosternQueueCounts counts;

  postern_queue_store_get_counts (self->queue, &counts);
  g_assert_cmpuint (counts.by_status[POSTERN_QUEUE_STATUS_WAITING], ==, waiting);
  g_assert_cmpuint (counts.by_status[POSTERN_QUEUE_STATUS_HELD], ==, held);
  g_assert_cmpuint (counts.by_status[POSTERN_QUEUE_STATUS_FAILED], ==, failed);
  g_assert_cmpuint (counts.by_status[POSTERN_QUEUE_STATUS_DISCARDED], ==, discarded);
}

/* Receiving */

static void
test_everything_comes_back (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternQueueEntry) entry = make_entry ("account", "bob@example.test");
  g_autoptr (GBytes) body = make_body (10 * 1024, 1);
  g_autofree char *id = commit (self, entry, body);
  g_autoptr (PosternQueueEntry) found = NULL;
  const PosternRecipient *to;

  close_store (self);
  open_store (self);
  found = get_entry (self, id, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (found->id, ==, id);
  g_assert_cmpstr (found->creation_id, ==, id);
  g_assert_cmpstr (found->login_id, ==, "login");
  g_assert_cmpstr (found->account_id, ==, "account");
  g_assert_cmpstr (found->message_id, ==, "<1@example.test>");
  g_assert_cmpstr (found->subject, ==, "Grüße 100%");
  g_assert_cmpuint (found->size_octets, ==, 10 * 1024);
  g_assert_cmpint (found->received_at_us, ==, NOW);
  g_assert_cmpint (found->next_attempt_us, ==, NOW);
  g_assert_cmpint (found->status, ==, POSTERN_QUEUE_STATUS_WAITING);
  g_assert_cmpint (found->step, ==, POSTERN_QUEUE_STEP_NEW);
  g_assert_cmpstr (found->envelope->sender, ==, "ann@example.test");
  g_assert_cmpstr (found->envelope->ret, ==, "HDRS");
  g_assert_cmpstr (found->envelope->envid, ==, "QQ314159");
  g_assert_true (found->envelope->smtputf8);
  g_assert_false (found->envelope->eight_bit);
  g_assert_cmpuint (found->envelope->recipients->len, ==, 2);
  g_assert_cmpuint (found->recipients->len, ==, 2);
  to = g_ptr_array_index (found->envelope->recipients, 0);
  g_assert_cmpstr (to->address, ==, "bob@example.test");
  g_assert_cmpstr (to->notify, ==, "SUCCESS,FAILURE");
  g_assert_cmpstr (to->orcpt, ==, "rfc822;who+2Bwhat@example.test");
  assert_body (self, id, body);
  assert_counts (self, 1, 0, 0, 0);
}

static void
test_sizes (Fixture *self, gconstpointer data)
{
  static const gsize sizes[] = { 0,      1,      65535,  65536,   65537,  262143,
                                 262144, 262145, 524288, 1000003, 3145728 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (PosternQueueEntry) entry = make_entry ("account", "bob@example.test");
      g_autoptr (GBytes) body = make_body (sizes[i], i);
      guint files = count_spool (self);
      g_autofree char *id = commit (self, entry, body);

      g_assert_cmpuint (count_spool (self), ==, files + (sizes[i] > 65536 ? 1 : 0));
      assert_body (self, id, body);
    }
}

static void
note_ready (gpointer user_data)
{
  ++*(guint *) user_data;
}

static void
test_back_pressure (Fixture *self, gconstpointer data)
{
  guint ready = 0;
  g_autoptr (PosternQueueWriter) writer =
      postern_queue_store_begin (self->queue, note_ready, &ready);
  g_autoptr (GBytes) block = make_body (65536, 7);
  guint written = 0;

  /* The main context does not turn, so no block is ever reported written. */
  while (postern_queue_writer_append (writer, g_bytes_get_data (block, NULL), 65536))
    g_assert_cmpuint (++written, <, 100);
  g_assert_cmpuint (written + 1, ==, 2 * 262144 / 65536);
  while (ready == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (postern_queue_writer_append (writer, g_bytes_get_data (block, NULL), 65536));
}

static void
test_dropped_writer (Fixture *self, gconstpointer data)
{
  g_autoptr (GBytes) body = make_body (1000000, 3);

  postern_queue_writer_free (write_body (self, body));
  close_store (self);
  g_assert_cmpuint (count_spool (self), ==, 0);
  open_store (self);
  assert_counts (self, 0, 0, 0, 0);
}

typedef struct
{
  guint next;
  guint done;
} Order;

typedef struct
{
  Order *order;
  guint number;
} Numbered;

static void
on_numbered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Numbered *self = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (postern_queue_writer_commit_finish (result, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (self->number, ==, self->order->done++);
}

static void
commit_many (Fixture *self, guint count, gsize size)
{
  g_autoptr (PosternQueueEntry) entry = make_entry ("account", "bob@example.test");
  g_autoptr (GBytes) body = make_body (size, 1);
  Order order = { 0 };

  for (guint i = 0; i < count; i++)
    {
      Numbered *numbered = g_new0 (Numbered, 1);

      numbered->order = &order;
      numbered->number = i;
      postern_queue_writer_commit_async (write_body (self, body), entry, on_numbered, numbered);
    }
  while (order.done < count)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_group_commit (Fixture *self, gconstpointer data)
{
  int before;

  commit_many (self, 1, 1000); /* a fresh log has syncs of its own */
  g_atomic_int_set (&sync_delay_ms, 20);
  before = g_atomic_int_get (&sync_count);
  commit_many (self, 64, 1000);
  g_atomic_int_set (&sync_delay_ms, 0);
  /* One for those that were there when the thread woke, one for all that came meanwhile. */
  g_assert_cmpint (g_atomic_int_get (&sync_count) - before, <=, 3);
  g_assert_cmpint (g_atomic_int_get (&sync_count) - before, >=, 1);
}

static void
test_group_commit_of_files (Fixture *self, gconstpointer data)
{
  int before;

  commit_many (self, 1, 1000);
  g_atomic_int_set (&sync_delay_ms, 20);
  before = g_atomic_int_get (&sync_count);
  commit_many (self, 8, 100000);
  g_atomic_int_set (&sync_delay_ms, 0);
  /* One for each file; the directory and the log share. */
  g_assert_cmpint (g_atomic_int_get (&sync_count) - before, >=, 8 + 2);
  g_assert_cmpint (g_atomic_int_get (&sync_count) - before, <=, 8 + 2 * 3);
}

static void
test_ack_follows_sync (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    {
      int before = g_atomic_int_get (&sync_count);
      g_autofree char *id = commit_text (self, "account", "hello");

      g_assert_cmpint (g_atomic_int_get (&sync_count), >, before);
    }
}

/* Failing disks */

static int warning_count; /* atomic */

static GLogWriterOutput
count_warnings (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (level & G_LOG_LEVEL_WARNING)
    g_atomic_int_inc (&warning_count);
  return g_log_writer_default (level, fields, n_fields, user_data);
}

static void
reopen (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };

  postern_queue_store_reopen_async (self->queue, await_done, &await);
  postern_queue_store_reopen_finish (self->queue, await_result (&await), &error);
  g_assert_no_error (error);
}

static void
assert_refused (Fixture *self, gsize size, char **id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternQueueEntry) entry = make_entry ("account", "bob@example.test");
  g_autoptr (GBytes) body = make_body (size, 1);
  g_auto (Await) await = { 0 };
  PosternQueueWriter *writer = write_body (self, body);

  if (id != NULL)
    *id = g_strdup (postern_queue_writer_get_id (writer));
  postern_queue_writer_commit_async (writer, entry, await_done, &await);
  g_assert_false (postern_queue_writer_commit_finish (await_result (&await), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
}

static void
test_failed_commit_sync (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = commit_text (self, "account", "before");
  g_autofree char *refused = NULL;
  g_autofree char *after = NULL;
  int warnings = g_atomic_int_get (&warning_count);
  int syncs;

  g_atomic_int_set (&syncs_to_fail, 1);
  assert_refused (self, 1000, &refused);
  g_assert_cmpint (g_atomic_int_get (&warning_count), ==, warnings + 1);
  g_assert_cmpint (g_atomic_int_get (&syncs_to_fail), ==, 0);
  g_assert_false (postern_queue_store_is_open (self->queue));

  /* Nothing is tried on the old handle: the disk is not even asked. */
  syncs = g_atomic_int_get (&sync_count);
  assert_refused (self, 1000, NULL);
  g_assert_cmpint (g_atomic_int_get (&sync_count), ==, syncs);

  reopen (self);
  g_assert_true (postern_queue_store_is_open (self->queue));
  after = commit_text (self, "account", "after");
  assert_counts (self, 2, 0, 0, 0);
  g_assert_null (get_entry (self, refused, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  close_store (self);
  open_store (self);
  assert_counts (self, 2, 0, 0, 0);
}

static void
test_retry_all (Fixture *self, gconstpointer data)
{
  g_autofree char *waiting = commit_text (self, "account", "one");
  g_autofree char *failed = commit_text (self, "other", "two");
  g_autofree char *held = commit_text (self, "account", "three");
  const char *const held_ids[] = { held, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternQueueEntry) entry = get_entry (self, failed, &error);
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (Await) applied = { 0 };
  g_auto (Await) acted = { 0 };
  g_auto (Await) retried = { 0 };

  entry->status = POSTERN_QUEUE_STATUS_FAILED;
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
  postern_queue_store_apply_async (self->queue, change, await_done, &applied);
  await_result (&applied);
  postern_queue_store_act_async (self->queue,
                                 POSTERN_QUEUE_ACTION_HOLD,
                                 held_ids,
                                 await_done,
                                 &acted);
  await_result (&acted);
  assert_counts (self, 1, 1, 1, 0);

  postern_queue_store_act_account_async (self->queue,
                                         POSTERN_QUEUE_ACTION_RETRY,
                                         NULL,
                                         await_done,
                                         &retried);
  g_assert_cmpint (postern_queue_store_act_finish (self->queue, await_result (&retried), &error),
                   ==,
                   2);
  assert_counts (self, 2, 1, 0, 0);
}

static void
on_health_changed (PosternStore *store, gpointer user_data)
{
  *(gboolean *) user_data = postern_store_is_healthy (store);
}

static void
test_mends_itself (Fixture *self, gconstpointer data)
{
  gboolean is_healthy = TRUE;
  g_autofree char *after = NULL;

  g_signal_connect (self->store, "health-changed", G_CALLBACK (on_health_changed), &is_healthy);
  g_atomic_int_set (&syncs_to_fail, 1);
  assert_refused (self, 1000, NULL);
  while (is_healthy)
    g_main_context_iteration (NULL, TRUE);
  while (!is_healthy)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (postern_queue_store_is_open (self->queue));
  after = commit_text (self, "account", "after");
  assert_counts (self, 1, 0, 0, 0);
}

static void
test_failed_file_sync (Fixture *self, gconstpointer data)
{
  g_autofree char *refused = NULL;
  g_autofree char *after = NULL;

  g_atomic_int_set (&syncs_to_fail, 1);
  assert_refused (self, 100000, &refused);
  g_assert_cmpint (g_atomic_int_get (&syncs_to_fail), ==, 0);
  /* Only that file is bad; it is gone, and the store is not. */
  g_assert_true (postern_queue_store_is_open (self->queue));
  g_assert_cmpuint (count_spool (self), ==, 0);
  after = commit_text (self, "account", "after");
  assert_counts (self, 1, 0, 0, 0);
}

static void
test_newer_schema (void)
{
  g_autofree char *dir = scratch_new ();
  g_autofree char *path = g_build_filename (dir, "queue.db", NULL);
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autoptr (GError) error = NULL;
  sqlite3 *database;
  gsize before_length;
  gsize after_length;

  g_assert_cmpint (sqlite3_open (path, &database), ==, SQLITE_OK);
  sqlite3_exec (database, "CREATE TABLE future (x); PRAGMA user_version = 99", NULL, NULL, NULL);
  sqlite3_close (database);
  g_assert_true (g_file_get_contents (path, &before, &before_length, NULL));
  g_assert_null (postern_store_open (dir, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NEWER);
  g_assert_true (g_file_get_contents (path, &after, &after_length, NULL));
  g_assert_cmpmem (before, before_length, after, after_length);
  scratch_remove (dir);
}

static void
test_leftovers (Fixture *self, gconstpointer data)
{
  g_autoptr (PosternQueueEntry) entry = make_entry ("account", "bob@example.test");
  g_autoptr (GBytes) body = make_body (100000, 1);
  g_autofree char *id = commit (self, entry, body);
  g_autofree char *leftover =
      g_build_filename (self->dir, "spool", "00112233445566778899aabbccddeeff", NULL);

  close_store (self);
  g_assert_true (g_file_set_contents (leftover, "half a mess", -1, NULL));
  open_store (self);
  g_assert_cmpuint (count_spool (self), ==, 1);
  assert_body (self, id, body);
}

/* Delivering */

static void
test_claims (Fixture *self, gconstpointer data)
{
  g_autofree char *one = commit_text (self, "a", "1");
  g_autofree char *two = commit_text (self, "b", "2");
  g_autofree char *three = commit_text (self, "a", "3");
  g_autoptr (GPtrArray) first = claim (self, "a", 1, NOW);
  g_autoptr (GPtrArray) rest = NULL;
  g_autoptr (GPtrArray) none = NULL;
  g_autoptr (GPtrArray) again = NULL;

  g_assert_cmpuint (first->len, ==, 1);
  g_assert_cmpstr (((PosternQueueEntry *) first->pdata[0])->id, ==, one);
  rest = claim (self, NULL, 10, NOW);
  g_assert_cmpuint (rest->len, ==, 2);
  g_assert_cmpstr (((PosternQueueEntry *) rest->pdata[0])->id, ==, two);
  g_assert_cmpstr (((PosternQueueEntry *) rest->pdata[1])->id, ==, three);
  none = claim (self, NULL, 10, NOW);
  g_assert_cmpuint (none->len, ==, 0);
  postern_queue_store_release (self->queue, one);
  again = claim (self, NULL, 10, NOW);
  g_assert_cmpuint (again->len, ==, 1);
  g_assert_cmpstr (((PosternQueueEntry *) again->pdata[0])->id, ==, one);
}

static void
test_restart_returns_claims (Fixture *self, gconstpointer data)
{
  g_autofree char *id = commit_text (self, "a", "1");
  g_autoptr (GPtrArray) first = claim (self, NULL, 10, NOW);
  g_autoptr (GPtrArray) second = NULL;

  g_assert_cmpuint (first->len, ==, 1);
  close_store (self);
  open_store (self);
  second = claim (self, NULL, 10, NOW);
  g_assert_cmpuint (second->len, ==, 1);
}

static gint64
next_due (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  gint64 due;

  postern_queue_store_next_due_async (self->queue, NULL, NULL, await_done, &await);
  due = postern_queue_store_next_due_finish (self->queue, await_result (&await), &error);
  g_assert_no_error (error);
  return due;
}

static void
test_steps (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) failure = g_error_new (POSTERN_ERROR, POSTERN_ERROR_OFFLINE, "no route");
  g_autoptr (PosternQueueEntry) made = make_entry ("a", "bob@example.test");
  g_autoptr (GBytes) body = make_body (100000, 5);
  g_autofree char *id = commit (self, made, body);
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueEntry *entry = claimed->pdata[0];
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (GStrv) withdrawn = NULL;
  g_autoptr (PosternQueueEntry) found = NULL;
  const PosternQueueRecipient *state;

  g_assert_cmpint (next_due (self), ==, G_MAXINT64);
  entry->step = POSTERN_QUEUE_STEP_IMPORTED;
  entry->blob_id = g_strdup ("B1");
  entry->email_id = g_strdup ("M1");
  entry->attempts = 3;
  entry->next_attempt_us = NOW + 1000;
  postern_queue_entry_set_error (entry, failure);
  postern_queue_entry_set_delivery (entry, 1, POSTERN_DELIVERY_FAILED, "5.1.1", "no such user");
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
  withdrawn = apply (self, change);
  g_assert_cmpuint (g_strv_length (withdrawn), ==, 0);
  g_assert_cmpint (next_due (self), ==, NOW + 1000);

  close_store (self);
  open_store (self);
  found = get_entry (self, id, &error);
  g_assert_no_error (error);
  g_assert_cmpint (found->step, ==, POSTERN_QUEUE_STEP_IMPORTED);
  g_assert_cmpstr (found->blob_id, ==, "B1");
  g_assert_cmpstr (found->email_id, ==, "M1");
  g_assert_cmpuint (found->attempts, ==, 3);
  g_assert_cmpint (found->error_code, ==, POSTERN_ERROR_OFFLINE);
  g_assert_cmpstr (found->error_text, ==, "no route");
  state = found->recipients->pdata[0];
  g_assert_cmpint (state->delivery, ==, POSTERN_DELIVERY_PENDING);
  state = found->recipients->pdata[1];
  g_assert_cmpint (state->delivery, ==, POSTERN_DELIVERY_FAILED);
  g_assert_cmpstr (state->status, ==, "5.1.1");
  g_assert_cmpstr (state->reason, ==, "no such user");

  g_assert_cmpuint (count_spool (self), ==, 1);
  found->step = POSTERN_QUEUE_STEP_DONE;
  change = postern_queue_change_new ();
  postern_queue_change_update (change, found, POSTERN_QUEUE_LEASE_ENDS);
  g_strfreev (g_steal_pointer (&withdrawn));
  withdrawn = apply (self, change);
  assert_counts (self, 0, 0, 0, 0);
  g_assert_cmpuint (count_spool (self), ==, 0);
  g_assert_null (get_entry (self, id, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
test_bounce_with_failure (Fixture *self, gconstpointer data)
{
  g_autofree char *id = commit_text (self, "a", "1");
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueEntry *entry = claimed->pdata[0];
  PosternQueueChange *change = postern_queue_change_new ();
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new ("");
  g_autoptr (PosternQueueEntry) bounce = NULL;
  g_autoptr (GBytes) body = make_body (5000, 9);
  g_autofree char *bounce_id = NULL;
  g_auto (GStrv) withdrawn = NULL;
  g_autoptr (GPtrArray) due = NULL;

  postern_envelope_add (envelope, "ann@example.test");
  bounce = postern_queue_entry_new (envelope);
  bounce->kind = POSTERN_QUEUE_KIND_IMPORT;
  bounce->account_id = g_strdup ("a");
  bounce->received_at_us = NOW;
  entry->status = POSTERN_QUEUE_STATUS_FAILED;
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
  bounce_id = g_strdup (postern_queue_change_add_bytes (change, bounce, body));
  withdrawn = apply (self, change);
  assert_counts (self, 1, 0, 1, 0);
  due = claim (self, NULL, 10, NOW);
  g_assert_cmpuint (due->len, ==, 1);
  g_assert_cmpstr (((PosternQueueEntry *) due->pdata[0])->id, ==, bounce_id);
  g_assert_cmpint (((PosternQueueEntry *) due->pdata[0])->kind, ==, POSTERN_QUEUE_KIND_IMPORT);
  g_assert_cmpstr (((PosternQueueEntry *) due->pdata[0])->envelope->sender, ==, "");
  assert_body (self, bounce_id, body);
}

static void
test_held_under_way (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = commit_text (self, "a", "1");
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueEntry *entry = claimed->pdata[0];
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (GStrv) withdrawn = NULL;
  g_autoptr (PosternQueueEntry) found = NULL;

  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_HOLD, id), ==, 1);
  entry->step = POSTERN_QUEUE_STEP_UPLOADED;
  entry->blob_id = g_strdup ("B1");
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_GOES_ON);
  withdrawn = apply (self, change);
  g_assert_cmpuint (g_strv_length (withdrawn), ==, 1);
  g_assert_cmpstr (withdrawn[0], ==, id);
  found = get_entry (self, id, &error);
  g_assert_cmpint (found->status, ==, POSTERN_QUEUE_STATUS_HELD);
  g_assert_cmpstr (found->blob_id, ==, "B1");
  assert_counts (self, 0, 1, 0, 0);
}

static void
test_discarded_but_sent (Fixture *self, gconstpointer data)
{
  g_autofree char *id = commit_text (self, "a", "1");
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueEntry *entry = claimed->pdata[0];
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (GStrv) withdrawn = NULL;

  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_DISCARD, id), ==, 1);
  entry->step = POSTERN_QUEUE_STEP_DONE;
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
  withdrawn = apply (self, change);
  assert_counts (self, 0, 0, 0, 0);
}

/* What a person does */

static void
test_retry_of_failed (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = commit_text (self, "a", "1");
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueEntry *entry = claimed->pdata[0];
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (GStrv) withdrawn = NULL;
  g_autoptr (PosternQueueEntry) found = NULL;

  entry->status = POSTERN_QUEUE_STATUS_FAILED;
  entry->step = POSTERN_QUEUE_STEP_DONE;
  entry->email_id = g_strdup ("M1");
  postern_queue_entry_set_delivery (entry, 0, POSTERN_DELIVERY_SENT, "2.1.5", NULL);
  postern_queue_entry_set_delivery (entry, 1, POSTERN_DELIVERY_FAILED, "5.1.1", "no");
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
  withdrawn = apply (self, change);
  assert_counts (self, 0, 0, 1, 0);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_RETRY, id), ==, 1);
  assert_counts (self, 1, 0, 0, 0);
  found = get_entry (self, id, &error);
  g_assert_cmpint (found->step, ==, POSTERN_QUEUE_STEP_NEW);
  g_assert_null (found->email_id);
  g_assert_cmpstr (found->creation_id, !=, id);
  g_assert_cmpuint (strlen (found->creation_id), ==, 32);
  /* Whoever has it does not get it twice. */
  g_assert_cmpint (((PosternQueueRecipient *) found->recipients->pdata[0])->delivery,
                   ==,
                   POSTERN_DELIVERY_SENT);
  g_assert_cmpint (((PosternQueueRecipient *) found->recipients->pdata[1])->delivery,
                   ==,
                   POSTERN_DELIVERY_PENDING);
}

/* Its submission may have arrived, so it is settled first, and who was refused is not sent to. */
static void
test_retry_of_unsettled (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = commit_text (self, "a", "1");
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueEntry *entry = claimed->pdata[0];
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (GStrv) withdrawn = NULL;
  g_autoptr (PosternQueueEntry) found = NULL;

  entry->status = POSTERN_QUEUE_STATUS_FAILED;
  entry->step = POSTERN_QUEUE_STEP_SUBMITTING;
  entry->email_id = g_strdup ("M1");
  postern_queue_entry_set_delivery (entry, 0, POSTERN_DELIVERY_FAILED, "5.1.1", "no");
  postern_queue_entry_set_delivery (entry,
                                    1,
                                    POSTERN_DELIVERY_FAILED,
                                    POSTERN_QUEUE_EXPIRED,
                                    "late");
  postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
  withdrawn = apply (self, change);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_RETRY, id), ==, 1);
  found = get_entry (self, id, &error);
  g_assert_cmpint (found->step, ==, POSTERN_QUEUE_STEP_SUBMITTING);
  g_assert_cmpstr (found->email_id, ==, "M1");
  g_assert_cmpstr (found->creation_id, ==, id);
  g_assert_cmpint (((PosternQueueRecipient *) found->recipients->pdata[0])->delivery,
                   ==,
                   POSTERN_DELIVERY_FAILED);
  g_assert_cmpint (((PosternQueueRecipient *) found->recipients->pdata[1])->delivery,
                   ==,
                   POSTERN_DELIVERY_PENDING);
}

static char *
list_drafts (Fixture *self, const char *account_id)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  g_auto (GStrv) ids = NULL;

  postern_queue_store_list_drafts_async (self->queue, account_id, 10, NULL, await_done, &await);
  ids = postern_queue_store_list_drafts_finish (self->queue, await_result (&await), &error);
  g_assert_no_error (error);
  return g_strjoinv (" ", ids);
}

static void
test_unwanted_drafts (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *one = commit_text (self, "a", "1");
  g_autofree char *two = commit_text (self, "a", "2");
  g_autoptr (GPtrArray) claimed = claim (self, NULL, 10, NOW);
  PosternQueueChange *change = postern_queue_change_new ();
  g_auto (GStrv) withdrawn = NULL;
  g_auto (Await) await = { 0 };
  g_autofree char *before = NULL;
  g_autofree char *owned = NULL;
  g_autofree char *after = NULL;
  const char *gone[] = { "D", NULL };

  for (guint i = 0; i < 2; i++)
    {
      PosternQueueEntry *entry = claimed->pdata[i];

      entry->step = POSTERN_QUEUE_STEP_IMPORTED;
      entry->email_id = g_strdup ("D");
      entry->status = i == 0 ? POSTERN_QUEUE_STATUS_FAILED : POSTERN_QUEUE_STATUS_WAITING;
      postern_queue_change_update (change, entry, POSTERN_QUEUE_LEASE_ENDS);
    }
  withdrawn = apply (self, change);
  owned = list_drafts (self, "a");
  g_assert_cmpstr (owned, ==, ""); /* the other's too, at a backend that keeps octets once */
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_DISCARD, two), ==, 1);
  before = list_drafts (self, "a");
  g_assert_cmpstr (before, ==, "D");

  postern_queue_store_forget_drafts_async (self->queue, "a", gone, await_done, &await);
  g_assert_true (
      postern_queue_store_forget_drafts_finish (self->queue, await_result (&await), &error));
  g_assert_no_error (error);
  after = list_drafts (self, "a");
  g_assert_cmpstr (after, ==, "");
}

static gint64
sweep (Fixture *self, gint64 now_us)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  gint64 count;

  postern_queue_store_sweep_async (self->queue, now_us, await_done, &await);
  count = postern_queue_store_sweep_finish (self->queue, await_result (&await), &error);
  g_assert_no_error (error);
  return count;
}

static void
test_discarding (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternQueueEntry) made = make_entry ("a", "bob@example.test");
  g_autoptr (GBytes) body = make_body (100000, 5);
  g_autofree char *id = commit (self, made, body);
  gint64 day = G_TIME_SPAN_DAY;

  postern_clock_set (NOW, 0);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_HOLD, id), ==, 1);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_DISCARD, id), ==, 1);
  assert_counts (self, 0, 0, 0, 1);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_RETRY, id), ==, 0);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_RESTORE, id), ==, 1);
  assert_counts (self, 0, 1, 0, 0);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_RESTORE, id), ==, 0);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_DISCARD, id), ==, 1);
  g_assert_cmpint (act (self, POSTERN_QUEUE_ACTION_DISCARD, "nonsense"), ==, 0);
  g_assert_cmpint (sweep (self, NOW + 7 * day), ==, 0);
  assert_body (self, id, body);
  g_assert_cmpint (sweep (self, NOW + 7 * day + 1), ==, 1);
  assert_counts (self, 0, 0, 0, 0);
  g_assert_cmpuint (count_spool (self), ==, 0);
  g_assert_null (read_body (self, id, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  postern_clock_restore ();
}

static void
test_account_actions (Fixture *self, gconstpointer data)
{
  g_autofree char *one = commit_text (self, "a", "1");
  g_autofree char *two = commit_text (self, "a", "2");
  g_autofree char *three = commit_text (self, "b", "3");
  g_autoptr (GError) error = NULL;
  g_auto (Await) count = { 0 };
  g_auto (Await) hold = { 0 };
  g_auto (Await) retry = { 0 };

  postern_queue_store_count_account_async (self->queue, "a", NULL, await_done, &count);
  g_assert_cmpint (
      postern_queue_store_count_account_finish (self->queue, await_result (&count), &error),
      ==,
      2);
  postern_queue_store_act_account_async (self->queue,
                                         POSTERN_QUEUE_ACTION_HOLD,
                                         "a",
                                         await_done,
                                         &hold);
  g_assert_cmpint (postern_queue_store_act_finish (self->queue, await_result (&hold), &error),
                   ==,
                   2);
  g_assert_no_error (error);
  assert_counts (self, 1, 2, 0, 0);

  /* All accounts; what is held needs to be named. */
  postern_queue_store_act_account_async (self->queue,
                                         POSTERN_QUEUE_ACTION_RETRY,
                                         NULL,
                                         await_done,
                                         &retry);
  g_assert_cmpint (postern_queue_store_act_finish (self->queue, await_result (&retry), &error),
                   ==,
                   1);
  g_assert_no_error (error);
  assert_counts (self, 1, 2, 0, 0);
}

static guint
list (Fixture *self, const PosternQueueFilter *filter, guint offset, guint limit, guint *total)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) entries = NULL;
  g_auto (Await) await = { 0 };

  postern_queue_store_list_async (self->queue, filter, offset, limit, NULL, await_done, &await);
  entries = postern_queue_store_list_finish (self->queue, await_result (&await), total, &error);
  g_assert_no_error (error);
  return entries->len;
}

static void
test_listing (Fixture *self, gconstpointer data)
{
  PosternQueueFilter filter = { .status = -1 };
  g_autoptr (GBytes) body = make_body (10, 1);
  g_autofree char *held = NULL;
  guint total;

  for (guint i = 0; i < 25; i++)
    {
      g_autofree char *address = g_strdup_printf ("user%02u@example.test", i);
      g_autoptr (PosternQueueEntry) entry = make_entry (i % 2 == 0 ? "a" : "b", address);

      g_free (held);
      held = commit (self, entry, body);
    }
  act (self, POSTERN_QUEUE_ACTION_HOLD, held);
  g_assert_cmpuint (list (self, &filter, 0, 10, &total), ==, 10);
  g_assert_cmpuint (total, ==, 25);
  g_assert_cmpuint (list (self, &filter, 20, 10, &total), ==, 5);
  filter.account_id = "b";
  g_assert_cmpuint (list (self, &filter, 0, 100, &total), ==, 12);
  filter.account_id = NULL;
  filter.status = POSTERN_QUEUE_STATUS_HELD;
  g_assert_cmpuint (list (self, &filter, 0, 100, &total), ==, 1);
  filter.status = -1;
  filter.text = "USER07";
  g_assert_cmpuint (list (self, &filter, 0, 100, &total), ==, 1);
  filter.text = "100%"; /* not a pattern */
  g_assert_cmpuint (list (self, &filter, 0, 100, &total), ==, 25);
  filter.text = "1_0";
  g_assert_cmpuint (list (self, &filter, 0, 100, &total), ==, 0);
}

static void
count_changes (PosternQueueStore *queue, guint64 generation, gpointer user_data)
{
  ++*(guint *) user_data;
}

static void
test_changes_are_told_together (Fixture *self, gconstpointer data)
{
  guint told = 0;
  guint64 before = postern_queue_store_get_generation (self->queue);

  g_signal_connect (self->queue, "changed", G_CALLBACK (count_changes), &told);
  commit_many (self, 50, 100);
  while (told == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (told, <=, 3);
  g_assert_cmpuint (postern_queue_store_get_generation (self->queue), >, before);
  g_signal_handlers_disconnect_by_data (self->queue, &told);
}

static void
test_late_callers (Fixture *self, gconstpointer data)
{
  g_autoptr (PosternQueueStore) queue = g_object_ref (self->queue);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) error_of_get = NULL;
  g_autoptr (PosternQueueEntry) entry = make_entry ("a", "bob@example.test");
  g_autoptr (GBytes) body = make_body (1000000, 1);
  PosternQueueWriter *writer = write_body (self, body);
  PosternQueueWriter *dropped = write_body (self, body);
  g_auto (Await) close = { 0 };
  g_auto (Await) late = { 0 };
  g_auto (Await) get = { 0 };

  postern_store_close_async (self->store, await_done, &close);
  g_assert_true (postern_store_close_finish (self->store, await_result (&close), &error));
  postern_queue_writer_commit_async (writer, entry, await_done, &late);
  g_assert_false (postern_queue_writer_commit_finish (await_result (&late), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
  postern_queue_writer_free (dropped);
  postern_queue_store_get_async (queue, "x", NULL, await_done, &get);
  g_assert_null (postern_queue_store_get_finish (queue, await_result (&get), &error_of_get));
  g_assert_error (error_of_get, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
  g_object_unref (self->store);
  open_store (self);
  assert_counts (self, 0, 0, 0, 0);
  g_assert_cmpuint (count_spool (self), ==, 0);
}

/* Kill: a child accepts messages and tells of each on its standard output when it is durable. */

#define CHILD_UNDERWAY 8

typedef struct
{
  Fixture fixture;
  guint32 seed;
  guint underway;
} Child;

typedef struct
{
  Child *child;
  char *id;
  guint32 seed;
} ChildCommit;

static gsize
size_of_seed (guint32 seed)
{
  return seed % 4 == 0 ? 65000 + seed % 200000 : seed % 20000;
}

static void child_commit (Child *self);

static void
on_child_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ChildCommit *commit_data = user_data;
  g_autoptr (GError) error = NULL;
  char line[64];
  int length;

  g_assert_true (postern_queue_writer_commit_finish (result, &error));
  length = g_snprintf (line, sizeof line, "%s %u\n", commit_data->id, commit_data->seed);
  if (write (STDOUT_FILENO, line, (gsize) length) != length)
    exit (1);
  child_commit (commit_data->child);
  g_free (commit_data->id);
  g_free (commit_data);
}

static void
child_commit (Child *self)
{
  g_autoptr (PosternQueueEntry) entry = make_entry ("account", "bob@example.test");
  ChildCommit *commit_data = g_new0 (ChildCommit, 1);
  g_autoptr (GBytes) body = NULL;
  PosternQueueWriter *writer;

  commit_data->child = self;
  commit_data->seed = ++self->seed;
  body = make_body (size_of_seed (self->seed), self->seed);
  writer = write_body (&self->fixture, body);
  commit_data->id = g_strdup (postern_queue_writer_get_id (writer));
  postern_queue_writer_commit_async (writer, entry, on_child_committed, commit_data);
}

G_NORETURN static void
run_child (const char *dir, guint32 seed)
{
  Child child = { .fixture = { .dir = (char *) dir }, .seed = seed };

  open_store (&child.fixture);
  for (guint i = 0; i < CHILD_UNDERWAY; i++)
    child_commit (&child);
  for (;;)
    g_main_context_iteration (NULL, TRUE);
}

static guint
kill_once (const char *dir, guint round, GHashTable *told)
{
  g_autofree char *seed = g_strdup_printf ("%u", round * 1000000);
  const char *argv[] = { "/proc/self/exe", "--child", dir, seed, NULL };
  g_autoptr (GError) error = NULL;
  GPid pid;
  int output;
  FILE *lines;
  char line[64];
  guint count = 0;
  guint enough = (guint) g_random_int_range (1, 150);

  g_assert_true (g_spawn_async_with_pipes (NULL,
                                           (char **) argv,
                                           NULL,
                                           G_SPAWN_DO_NOT_REAP_CHILD,
                                           NULL,
                                           NULL,
                                           &pid,
                                           NULL,
                                           &output,
                                           NULL,
                                           &error));
  lines = fdopen (output, "r");
  /* The kill falls somewhere behind the last line that was waited for; what was told before the
   * pipe broke counts as well. */
  while (fgets (line, sizeof line, lines) != NULL)
    {
      g_auto (GStrv) words = NULL;

      if (++count == enough)
        {
          g_usleep ((gulong) g_random_int_range (0, 3000));
          kill (pid, SIGKILL);
        }
      if (strchr (line, '\n') == NULL)
        continue;
      words = g_strsplit_set (line, " \n", -1);
      g_hash_table_insert (told,
                           g_strdup (words[0]),
                           GUINT_TO_POINTER ((guint) g_ascii_strtoull (words[1], NULL, 10)));
    }
  fclose (lines);
  waitpid (pid, NULL, 0);
  return count;
}

static void
test_kill (Fixture *self, gconstpointer data)
{
  g_autoptr (GHashTable) told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer id;
  gpointer seed;
  PosternQueueCounts counts;

  close_store (self);
  for (guint round = 1; round <= 8; round++)
    g_assert_cmpuint (kill_once (self->dir, round, told), >, 0);
  open_store (self);

  g_hash_table_iter_init (&iter, told);
  while (g_hash_table_iter_next (&iter, &id, &seed))
    {
      g_autoptr (GBytes) body =
          make_body (size_of_seed (GPOINTER_TO_UINT (seed)), GPOINTER_TO_UINT (seed));

      assert_body (self, id, body);
    }
  /* What was durable but not told any more may be there too, each time at most what was under way. */
  postern_queue_store_get_counts (self->queue, &counts);
  g_assert_cmpuint (counts.by_status[POSTERN_QUEUE_STATUS_WAITING], >=, g_hash_table_size (told));
  g_assert_cmpuint (counts.by_status[POSTERN_QUEUE_STATUS_WAITING],
                    <=,
                    g_hash_table_size (told) + 8 * 2 * CHILD_UNDERWAY);
  g_test_message ("%u messages told of", g_hash_table_size (told));
}

#define TEST(path, function)                                                                       \
  g_test_add ("/store/queue/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char *argv[])
{
  if (argc == 4 && strcmp (argv[1], "--child") == 0)
    run_child (argv[2], (guint32) g_ascii_strtoull (argv[3], NULL, 10));

  g_test_init (&argc, &argv, NULL);
  /* Warnings of failing disks are what some of these tests are about. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_log_set_writer_func (count_warnings, NULL, NULL);
  TEST ("everything-about-a-message-comes-back", test_everything_comes_back);
  TEST ("bodies-of-all-sizes-come-back", test_sizes);
  TEST ("two-blocks-under-way-make-the-driver-wait", test_back_pressure);
  TEST ("dropped-writer-leaves-nothing", test_dropped_writer);
  TEST ("sixty-four-commits-share-syncs-and-keep-their-order", test_group_commit);
  TEST ("long-messages-share-the-sync-of-directory-and-log", test_group_commit_of_files);
  TEST ("no-answer-without-a-sync", test_ack_follows_sync);
  TEST ("retry-of-all-leaves-held-ones-alone", test_retry_all);
  TEST ("failed-sync-closes-the-database-until-reopened", test_failed_commit_sync);
  TEST ("what-a-failed-sync-closed-is-opened-again-by-itself", test_mends_itself);
  TEST ("failed-sync-of-a-file-refuses-that-message-only", test_failed_file_sync);
  g_test_add_func ("/store/queue/newer-schema-is-not-touched", test_newer_schema);
  TEST ("spool-files-without-a-row-are-swept", test_leftovers);
  TEST ("claimed-entries-are-not-claimed-twice", test_claims);
  TEST ("restart-gives-claims-back", test_restart_returns_claims);
  TEST ("each-step-is-kept-and-done-goes-with-its-body", test_steps);
  TEST ("bounce-comes-with-the-failure-it-tells-of", test_bounce_with_failure);
  TEST ("hold-while-under-way-is-reported-to-the-deliverer", test_held_under_way);
  TEST ("discard-of-what-was-sent-meanwhile-finds-it-done", test_discarded_but_sent);
  TEST ("retry-of-failed-starts-over-without-sending-twice", test_retry_of_failed);
  TEST ("retry-of-what-may-have-arrived-is-settled-first", test_retry_of_unsettled);
  TEST ("drafts-of-failed-and-discarded-are-listed-until-forgotten", test_unwanted_drafts);
  TEST ("discarded-can-be-restored-for-seven-days", test_discarding);
  TEST ("accounts-are-counted-and-held-as-one", test_account_actions);
  TEST ("pages-and-filters", test_listing);
  TEST ("many-changes-are-told-as-few", test_changes_are_told_together);
  TEST ("late-callers-are-told-that-it-is-closed", test_late_callers);
  TEST ("what-was-acknowledged-survives-sigkill", test_kill);
  return g_test_run ();
}
