/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bridge/outbox.h"

#include "base/clock.h"
#include "base/error.h"
#include "bridge/fake-backend.h"
#include "tests/support/await.h"
#include "tests/support/sync-shim.h"

#include <glib/gstdio.h>
#include <string.h>

#define ACCOUNT "acc"
#define ADDRESS "me@example.test"

/* Time only moves when a test says so, so that backing off costs nothing; microseconds since 1970. */
#define BEGIN_US G_GINT64_CONSTANT (1700000000000000)

typedef struct
{
  char *dir;
  PosternStore *store;
  PosternFakeBackend *backend;
  PosternOutbox *outbox;
} Fixture;

static gboolean
on_tick (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Lets everything run that can run: the store's threads answer within a moment. */
static void
settle (void)
{
  gboolean done = FALSE;

  g_timeout_add (60, on_tick, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

static void
open_store (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->store = postern_store_open (fixture->dir, &error);
  g_assert_no_error (error);
  fixture->outbox =
      postern_outbox_new (ACCOUNT, POSTERN_BACKEND (fixture->backend), fixture->store);
  postern_outbox_configure (fixture->outbox, ADDRESS, TRUE);
}

static void
on_closed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  postern_store_close_finish (POSTERN_STORE (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static void
close_store (Fixture *fixture)
{
  gboolean done = FALSE;

  postern_outbox_stop (fixture->outbox);
  settle ();
  g_clear_object (&fixture->outbox);
  postern_store_close_async (fixture->store, on_closed, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  g_clear_object (&fixture->store);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  postern_clock_set (BEGIN_US, BEGIN_US);
  fixture->dir = g_dir_make_tmp ("postern-outbox-XXXXXX", NULL);
  fixture->backend = postern_fake_backend_new ();
  open_store (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", fixture->dir);

  close_store (fixture);
  g_object_unref (fixture->backend);
  g_assert_cmpint (system (command), ==, 0);
  g_free (fixture->dir);
  postern_clock_restore ();
}

static void
on_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  postern_queue_writer_commit_finish (result, &error);
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static char *
queue_from (Fixture *fixture, const char *sender, const char *recipients, const char *body)
{
  PosternQueueWriter *writer =
      postern_queue_store_begin (postern_store_get_queue (fixture->store), NULL, NULL);
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new (sender);
  g_autoptr (PosternQueueEntry) entry = NULL;
  g_auto (GStrv) addresses = g_strsplit (recipients, " ", -1);
  char *id = g_strdup (postern_queue_writer_get_id (writer));
  g_autofree char *text =
      g_strdup_printf ("From: %s\r\nMessage-ID: <%s@x>\r\n\r\n%s\r\n", ADDRESS, id, body);
  gboolean done = FALSE;

  for (guint i = 0; addresses[i] != NULL; i++)
    postern_envelope_add (envelope, addresses[i]);
  entry = postern_queue_entry_new (envelope);
  entry->login_id = g_strdup (ACCOUNT);
  entry->account_id = g_strdup (ACCOUNT);
  entry->message_id = g_strdup_printf ("<%s@x>", id);
  entry->received_at_us = entry->next_attempt_us = postern_clock_now_us ();
  postern_queue_writer_append (writer, text, strlen (text));
  postern_queue_writer_commit_async (writer, entry, on_committed, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  return id;
}

static char *
queue (Fixture *fixture, const char *recipients)
{
  return queue_from (fixture, ADDRESS, recipients, "hello");
}

static guint
count (Fixture *fixture, PosternQueueStatus status)
{
  PosternQueueCounts counts;

  postern_queue_store_get_counts (postern_store_get_queue (fixture->store), &counts);
  return counts.by_status[status];
}

static guint
sent (Fixture *fixture, const char *recipient)
{
  return postern_fake_backend_count_sent (fixture->backend, recipient);
}

/* Moves time on until what waits has been tried once more. */
static void
wait_and_go (Fixture *fixture)
{
  postern_clock_advance (3 * G_TIME_SPAN_HOUR);
  postern_outbox_set_open (fixture->outbox, FALSE);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
}

static void
test_once (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test b@far.test");

  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 1);
  g_assert_cmpuint (sent (fixture, "b@far.test"), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_SENT), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_DRAFTS), ==, 0);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 0);
}

static void
test_closed (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test");

  postern_outbox_kick (fixture->outbox);
  settle ();
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 0);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 1);
}

static void
test_shares_requests (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 40; i++)
    g_free (queue (fixture, "a@far.test"));
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  settle ();
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 40);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_IMPORT), ==, 1);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SUBMIT), ==, 1);
}

static void
test_lost_submission (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test");

  postern_fake_backend_lose_next (fixture->backend, POSTERN_FAKE_SUBMIT);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 1);
  wait_and_go (fixture);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SETTLE), ==, 1);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SUBMIT), ==, 1);
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 1);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 0);
}

static void
test_lost_import (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test");

  postern_fake_backend_lose_next (fixture->backend, POSTERN_FAKE_IMPORT);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  wait_and_go (fixture);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_IMPORT), ==, 1);
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_DRAFTS), ==, 0);
}

/* Two lawful copies of one message: the draft of the first is never taken for the second's. */
static void
test_same_message_id (Fixture *fixture, gconstpointer data)
{
  g_autofree char *one = queue (fixture, "a@far.test");
  g_autofree char *two = queue (fixture, "a@far.test");

  postern_fake_backend_lose_next (fixture->backend, POSTERN_FAKE_IMPORT);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 2);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_DRAFTS), ==, 0);
}

static void
test_offline (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test");

  postern_fake_backend_fail_next (fixture->backend, POSTERN_FAKE_UPLOAD, POSTERN_ERROR_OFFLINE);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_error (postern_outbox_get_error (fixture->outbox), POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  postern_clock_advance (G_TIME_SPAN_MINUTE);
  postern_outbox_kick (fixture->outbox);
  settle ();
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 1);
  g_assert_null (postern_outbox_get_error (fixture->outbox));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@refuse.test");
  const char *bounce;

  postern_fake_backend_refuse (fixture->backend, "a@refuse.test", 550);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_DRAFTS), ==, 0);
  bounce = postern_fake_backend_get_text (fixture->backend, POSTERN_PLACE_INBOX, 0);
  g_assert_nonnull (strstr (bounce, "multipart/report"));
  g_assert_nonnull (strstr (bounce, "Final-Recipient: rfc822; a@refuse.test"));
  g_assert_nonnull (strstr (bounce, "Status: 5.1.1"));
  g_assert_nonnull (strstr (bounce, id)); /* its Message-ID, in the original's header */

  wait_and_go (fixture);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
}

static void
test_refused_in_part (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "good@far.test bad@refuse.test fine@far.test");

  postern_fake_backend_refuse (fixture->backend, "bad@refuse.test", 550);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  settle ();
  g_assert_cmpuint (sent (fixture, "good@far.test"), ==, 1);
  g_assert_cmpuint (sent (fixture, "fine@far.test"), ==, 1);
  g_assert_cmpuint (sent (fixture, "bad@refuse.test"), ==, 0);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, 1);
  g_assert_null (strstr (postern_fake_backend_get_text (fixture->backend, POSTERN_PLACE_INBOX, 0),
                         "rfc822; good@far.test"));
}

static void
test_null_sender (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue_from (fixture, "", "a@refuse.test", "a report of somebody else");

  postern_fake_backend_refuse (fixture->backend, "a@refuse.test", 550);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 0);
}

static void
test_temporary (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@later.test");

  postern_fake_backend_refuse (fixture->backend, "a@later.test", 450);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 1);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SUBMIT), ==, 1);
  postern_outbox_kick (fixture->outbox);
  settle ();
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SUBMIT), ==, 1);

  postern_fake_backend_refuse (fixture->backend, "a@later.test", 250);
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "a@later.test"), ==, 1);
}

static void
test_expires (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@later.test");

  postern_fake_backend_refuse (fixture->backend, "a@later.test", 450);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  postern_clock_advance (6 * G_TIME_SPAN_DAY);
  wait_and_go (fixture);
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, 1);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
  g_assert_nonnull (
      strstr (postern_fake_backend_get_text (fixture->backend, POSTERN_PLACE_INBOX, 0),
              "Status: 4.4.7"));
}

static void
test_poison (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    g_free (queue (fixture, "a@far.test"));
  g_free (queue_from (fixture, ADDRESS, "a@far.test", "POISON"));
  for (guint i = 0; i < 10; i++)
    g_free (queue (fixture, "a@far.test"));
  postern_fake_backend_choke_on (fixture->backend, "POISON");
  postern_outbox_set_open (fixture->outbox, TRUE);
  for (guint i = 0; i < 40 && sent (fixture, "a@far.test") < 20; i++)
    {
      settle ();
      postern_clock_advance (G_TIME_SPAN_MINUTE);
      postern_outbox_kick (fixture->outbox);
    }
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 20);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 1);
}

/* The daemon ends after any number of the backend's answers, whether the answer came or not. */
static void
test_crash (Fixture *fixture, gconstpointer data)
{
  static const PosternFakeCall calls[] = { POSTERN_FAKE_UPLOAD,
                                           POSTERN_FAKE_IMPORT,
                                           POSTERN_FAKE_SUBMIT };

  for (gsize i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autofree char *recipient = g_strdup_printf ("crash%zu@far.test", i);
      g_autofree char *id = queue (fixture, recipient);

      postern_fake_backend_lose_next (fixture->backend, calls[i]);
      postern_outbox_set_open (fixture->outbox, TRUE);
      postern_outbox_kick (fixture->outbox);
      settle ();
      g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, calls[i]), >, i);
      close_store (fixture);
      open_store (fixture);
      wait_and_go (fixture);
      settle ();
      g_assert_cmpuint (sent (fixture, recipient), ==, 1);
      g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 0);
      g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_DRAFTS), ==, 0);
    }
}

static guint
drafts (Fixture *fixture)
{
  return postern_fake_backend_count (fixture->backend, POSTERN_PLACE_DRAFTS);
}

static void
act (Fixture *fixture, PosternQueueAction action, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  const char *ids[] = { id, NULL };
  PosternQueueStore *store = postern_store_get_queue (fixture->store);

  postern_queue_store_act_async (store, action, ids, await_done, &await);
  g_assert_cmpint (postern_queue_store_act_finish (store, await_result (&await), &error), ==, 1);
  g_assert_no_error (error);
}

/* A draft that is gone means "sent" to whoever settles, so it stays until the refusal is on disk. */
static void
test_refused_before_clean (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@refuse.test");

  postern_fake_backend_refuse (fixture->backend, "a@refuse.test", 550);
  postern_fake_backend_fail_next (fixture->backend, POSTERN_FAKE_REMOVE, POSTERN_ERROR_OFFLINE);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, 1);
  g_assert_cmpuint (drafts (fixture), ==, 1);
  close_store (fixture);
  open_store (fixture);
  postern_fake_backend_lose_next (fixture->backend, POSTERN_FAKE_REMOVE);
  wait_and_go (fixture);
  g_assert_cmpuint (drafts (fixture), ==, 0);
  wait_and_go (fixture);
  wait_and_go (fixture);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_REMOVE), ==, 3);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
  g_assert_null (postern_outbox_get_error (fixture->outbox));
}

static void
test_discarded_draft (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@later.test");

  postern_fake_backend_refuse (fixture->backend, "a@later.test", 450);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_cmpuint (drafts (fixture), ==, 1);
  act (fixture, POSTERN_QUEUE_ACTION_DISCARD, id);
  postern_outbox_kick (fixture->outbox);
  settle ();
  g_assert_cmpuint (drafts (fixture), ==, 0);

  postern_fake_backend_refuse (fixture->backend, "a@later.test", 250);
  act (fixture, POSTERN_QUEUE_ACTION_RESTORE, id);
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "a@later.test"), ==, 1);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 0);
}

/* Held between two steps, it is not submitted, and nobody takes its draft for a sign that it was. */
static void
test_held_under_way (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test");

  postern_outbox_set_open (fixture->outbox, TRUE);
  while (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_IMPORT) == 0)
    g_main_context_iteration (NULL, TRUE);
  act (fixture, POSTERN_QUEUE_ACTION_DISCARD, id);
  settle ();
  settle ();
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 0);
  postern_outbox_kick (fixture->outbox);
  settle ();
  g_assert_cmpuint (drafts (fixture), ==, 0);
  act (fixture, POSTERN_QUEUE_ACTION_RESTORE, id);
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 1);
}

static void
test_lost_draft (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@later.test");

  postern_fake_backend_refuse (fixture->backend, "a@later.test", 450);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  postern_fake_backend_destroy (fixture->backend, "email1");
  g_assert_cmpuint (drafts (fixture), ==, 0);
  postern_fake_backend_refuse (fixture->backend, "a@later.test", 250);
  wait_and_go (fixture);
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "a@later.test"), ==, 1);
}

static void
test_misnamed (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "good@far.test bad@refuse.test");

  postern_fake_backend_refuse (fixture->backend, "bad@refuse.test", 550);
  postern_fake_backend_misname_refused (fixture->backend);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  settle ();
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SUBMIT), ==, 1);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 1);
}

static void
test_retry_after_hold (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "good@far.test bad@refuse.test");

  postern_fake_backend_refuse (fixture->backend, "bad@refuse.test", 550);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  settle ();
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, 1);
  act (fixture, POSTERN_QUEUE_ACTION_HOLD, id);
  postern_fake_backend_refuse (fixture->backend, "bad@refuse.test", 250);
  act (fixture, POSTERN_QUEUE_ACTION_RETRY, id);
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "good@far.test"), ==, 1);
  g_assert_cmpuint (sent (fixture, "bad@refuse.test"), ==, 1);
  g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 0);
}

static void
test_offline_at_submit (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = queue (fixture, "a@far.test");

  postern_fake_backend_fail_next (fixture->backend, POSTERN_FAKE_SUBMIT, POSTERN_ERROR_OFFLINE);
  postern_outbox_set_open (fixture->outbox, TRUE);
  settle ();
  g_assert_error (postern_outbox_get_error (fixture->outbox), POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  postern_clock_advance (6 * G_TIME_SPAN_DAY);
  wait_and_go (fixture);
  g_assert_cmpuint (sent (fixture, "a@far.test"), ==, 1);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SETTLE), ==, 0);
}

/* What the store does by itself after some seconds. */
static void
mend (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  PosternQueueStore *store = postern_store_get_queue (fixture->store);

  postern_queue_store_reopen_async (store, await_done, &await);
  g_assert_true (postern_queue_store_reopen_finish (store, await_result (&await), &error));
  g_assert_no_error (error);
}

/* The disk fails under each commit in turn. When it is well again, so is the queue: nothing stays
 * claimed, nothing is lost, nothing is sent twice. */
static void
test_failing_disk (Fixture *fixture, gconstpointer data)
{
  postern_fake_backend_refuse (fixture->backend, "a@refuse.test", 550);
  postern_outbox_set_open (fixture->outbox, TRUE);
  for (guint i = 0; i < 6; i++)
    {
      g_autofree char *recipient = g_strdup_printf ("disk%u@far.test", i);
      int syncs;

      postern_outbox_set_open (fixture->outbox, FALSE);
      g_free (queue (fixture, recipient));
      g_free (queue (fixture, "a@refuse.test"));
      settle ();
      syncs = g_atomic_int_get (&sync_count);
      postern_outbox_set_open (fixture->outbox, TRUE);
      while (g_atomic_int_get (&sync_count) < syncs + (int) i)
        g_main_context_iteration (NULL, TRUE);
      g_atomic_int_set (&syncs_to_fail, 1);
      settle ();
      g_atomic_int_set (&syncs_to_fail, 0);
      mend (fixture);
      wait_and_go (fixture);
      wait_and_go (fixture);
      settle ();
      g_assert_cmpuint (sent (fixture, recipient), ==, 1);
      g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_WAITING), ==, 0);
      g_assert_cmpuint (count (fixture, POSTERN_QUEUE_STATUS_FAILED), ==, i + 1);
      g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX),
                        ==,
                        i + 1);
      g_assert_cmpuint (drafts (fixture), ==, 0);
    }
}

#define ADD(path, func) g_test_add ("/bridge/outbox/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  /* A failing disk is worth a warning. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  ADD ("a-message-goes-to-each-recipient-once", test_once);
  ADD ("nothing-leaves-while-closed", test_closed);
  ADD ("forty-messages-share-requests", test_shares_requests);
  ADD ("a-lost-submission-is-settled-and-not-repeated", test_lost_submission);
  ADD ("a-lost-import-is-found-by-its-message-id", test_lost_import);
  ADD ("a-draft-of-another-entry-is-never-taken", test_same_message_id);
  ADD ("an-unreachable-backend-costs-no-attempt", test_offline);
  ADD ("a-refusal-bounces-once-and-is-kept-as-failed", test_refused);
  ADD ("refused-recipients-bounce-and-the-others-are-sent", test_refused_in_part);
  ADD ("a-null-sender-never-gets-a-bounce", test_null_sender);
  ADD ("a-temporary-refusal-is-tried-again-when-due", test_temporary);
  ADD ("after-five-days-it-bounces", test_expires);
  ADD ("a-message-that-makes-requests-fail-does-not-stop-others", test_poison);
  ADD ("a-crash-after-any-lost-answer-sends-once", test_crash);
  ADD ("a-refusal-is-on-disk-before-its-draft-goes", test_refused_before_clean);
  ADD ("the-draft-of-what-was-discarded-goes", test_discarded_draft);
  ADD ("what-was-discarded-under-way-can-be-restored", test_held_under_way);
  ADD ("a-draft-that-somebody-removed-is-made-anew", test_lost_draft);
  ADD ("a-refusal-of-unknown-addresses-does-not-spin", test_misnamed);
  ADD ("retry-of-what-failed-and-was-held-sends-the-rest", test_retry_after_hold);
  ADD ("an-unreachable-backend-at-submission-costs-no-attempt", test_offline_at_submit);
  ADD ("a-failing-disk-loses-and-doubles-nothing", test_failing_disk);
  return g_test_run ();
}
