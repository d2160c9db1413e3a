/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bridge/account-sync.h"

#include "base/clock.h"
#include "base/error.h"
#include "bridge/fake-backend.h"

#include <string.h>

#define ACCOUNT  "acc"
#define BEGIN_US G_GINT64_CONSTANT (1700000000000000) /* since 1970 */

typedef struct
{
  char *dir;
  PosternStore *store;
  PosternFakeBackend *backend;
  PosternAccountSync *sync;
} Fixture;

static gboolean
on_tick (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
settle (void)
{
  gboolean done = FALSE;

  g_timeout_add (80, on_tick, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->dir = g_dir_make_tmp ("postern-sync-XXXXXX", NULL);
  fixture->backend = postern_fake_backend_new ();
  fixture->store = postern_store_open (fixture->dir, &error);
  g_assert_no_error (error);
  fixture->sync =
      postern_account_sync_new (ACCOUNT, POSTERN_BACKEND (fixture->backend), fixture->store);
}

static void
on_closed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  postern_store_close_finish (POSTERN_STORE (source), result, NULL);
  *(gboolean *) user_data = TRUE;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", fixture->dir);
  gboolean done = FALSE;

  postern_account_sync_stop (fixture->sync);
  settle ();
  g_object_unref (fixture->sync);
  postern_store_close_async (fixture->store, on_closed, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (fixture->store);
  g_object_unref (fixture->backend);
  g_assert_cmpint (system (command), ==, 0);
  g_free (fixture->dir);
}

static void
sync_now (Fixture *fixture)
{
  postern_account_sync_request (fixture->sync);
  settle ();
}

static PosternListing *
listing (Fixture *fixture)
{
  return postern_maildrop_store_ref_listing (postern_store_get_maildrops (fixture->store), ACCOUNT);
}

static void
assert_listed (Fixture *fixture, guint count)
{
  g_autoptr (PosternListing) now = listing (fixture);

  g_assert_nonnull (now);
  g_assert_cmpuint (postern_listing_get_count (now), ==, count);
}

static void
test_pages (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 25; i++)
    postern_fake_backend_deliver (fixture->backend, "Subject: x\r\n\r\nhello\r\n");
  postern_fake_backend_set_page (fixture->backend, 10);
  g_assert_null (listing (fixture));
  sync_now (fixture);
  g_assert_no_error ((GError *) postern_account_sync_get_error (fixture->sync));
  assert_listed (fixture, 25);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_SYNC), ==, 3);
}

/* A backup that was put back at the server: mail is gone, and no change says so. */
static void
test_daily (Fixture *fixture, gconstpointer data)
{
  const char *lost = postern_fake_backend_deliver (fixture->backend, "Subject: a\r\n\r\nhello\r\n");

  postern_clock_set (BEGIN_US, BEGIN_US);
  postern_fake_backend_deliver (fixture->backend, "Subject: b\r\n\r\nhello\r\n");
  sync_now (fixture);
  assert_listed (fixture, 2);
  postern_fake_backend_forget (fixture->backend, lost);
  postern_clock_advance (23 * G_TIME_SPAN_HOUR);
  sync_now (fixture);
  assert_listed (fixture, 2);
  postern_clock_advance (2 * G_TIME_SPAN_HOUR);
  sync_now (fixture);
  assert_listed (fixture, 1);
  postern_clock_restore ();
}

static void
test_interrupted (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 25; i++)
    postern_fake_backend_deliver (fixture->backend, "Subject: x\r\n\r\nhello\r\n");
  postern_fake_backend_set_page (fixture->backend, 1000);
  postern_fake_backend_fail_next (fixture->backend, POSTERN_FAKE_SYNC, POSTERN_ERROR_OFFLINE);
  sync_now (fixture);
  g_assert_error (postern_account_sync_get_error (fixture->sync),
                  POSTERN_ERROR,
                  POSTERN_ERROR_OFFLINE);
  g_assert_null (listing (fixture));
  sync_now (fixture);
  g_assert_null (postern_account_sync_get_error (fixture->sync));
  assert_listed (fixture, 25);
}

static void
test_changes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first =
      g_strdup (postern_fake_backend_deliver (fixture->backend, "Subject: 1\r\n\r\none\r\n"));
  g_autoptr (PosternListing) before = NULL;

  postern_fake_backend_deliver (fixture->backend, "Subject: 2\r\n\r\ntwo\r\n");
  sync_now (fixture);
  before = listing (fixture);
  postern_fake_backend_destroy (fixture->backend, first);
  postern_fake_backend_deliver (fixture->backend, "Subject: 3\r\n\r\nthree\r\n");
  postern_fake_backend_deliver (fixture->backend, "Subject: 4\r\n\r\nfour\r\n");
  sync_now (fixture);
  assert_listed (fixture, 3);
  g_assert_cmpuint (postern_listing_get_count (before), ==, 2); /* a session sees its snapshot */
}

static void
test_stale (Fixture *fixture, gconstpointer data)
{
  postern_fake_backend_deliver (fixture->backend, "Subject: 1\r\n\r\none\r\n");
  sync_now (fixture);
  postern_fake_backend_forget_history (fixture->backend);
  postern_fake_backend_deliver (fixture->backend, "Subject: 2\r\n\r\ntwo\r\n");
  sync_now (fixture);
  g_assert_null (postern_account_sync_get_error (fixture->sync));
  assert_listed (fixture, 2);
}

static void
on_changed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static void
delete_first (Fixture *fixture)
{
  g_autoptr (PosternListing) now = listing (fixture);
  guint64 row = postern_listing_get_row (now, 0);
  gboolean done = FALSE;

  postern_maildrop_store_add_tombstones_async (postern_store_get_maildrops (fixture->store),
                                               ACCOUNT,
                                               &row,
                                               1,
                                               on_changed,
                                               &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_deletion (Fixture *fixture, gconstpointer data)
{
  postern_fake_backend_deliver (fixture->backend, "Subject: 1\r\n\r\none\r\n");
  postern_fake_backend_deliver (fixture->backend, "Subject: 2\r\n\r\ntwo\r\n");
  sync_now (fixture);
  delete_first (fixture);
  assert_listed (fixture, 1);

  /* The answer is lost: it is asked again, and what is gone already is no error. */
  postern_fake_backend_lose_next (fixture->backend, POSTERN_FAKE_REMOVE);
  sync_now (fixture);
  assert_listed (fixture, 1);
  sync_now (fixture);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
  g_assert_cmpuint (
      postern_maildrop_store_get_tombstone_count (postern_store_get_maildrops (fixture->store),
                                                  ACCOUNT),
      ==,
      0);
  assert_listed (fixture, 1);
}

static void
test_forbidden (Fixture *fixture, gconstpointer data)
{
  postern_fake_backend_deliver (fixture->backend, "Subject: 1\r\n\r\none\r\n");
  sync_now (fixture);
  delete_first (fixture);
  assert_listed (fixture, 0);
  postern_fake_backend_refuse_removals (fixture->backend, POSTERN_ERROR_FORBIDDEN);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* a warning is due */
  sync_now (fixture);
  settle ();
  assert_listed (fixture, 1);
  g_assert_error (postern_account_sync_get_removal_error (fixture->sync),
                  POSTERN_ERROR,
                  POSTERN_ERROR_FORBIDDEN);
}

/* "Later" is no reason to forget it, nor to leave it to the next mail that comes. */
static void
test_later (Fixture *fixture, gconstpointer data)
{
  guint calls;

  postern_fake_backend_deliver (fixture->backend, "Subject: 1\r\n\r\none\r\n");
  sync_now (fixture);
  delete_first (fixture);
  postern_fake_backend_refuse_removals (fixture->backend, POSTERN_ERROR_TEMPORARY);
  sync_now (fixture);
  assert_listed (fixture, 0);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 1);
  calls = postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_REMOVE);
  postern_fake_backend_refuse_removals (fixture->backend, -1);
  while (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_REMOVE) == calls)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (postern_fake_backend_count (fixture->backend, POSTERN_PLACE_INBOX), ==, 0);
}

static void
test_sizes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternListing) now = NULL;

  postern_fake_backend_hide_canonical_size (fixture->backend);
  for (guint i = 0; i < 10; i++)
    postern_fake_backend_deliver (fixture->backend, "Subject: 1\n\none\n.two");
  sync_now (fixture);
  settle ();
  now = listing (fixture);
  g_assert_nonnull (now);
  g_assert_cmpuint (postern_listing_get_count (now), ==, 10);
  g_assert_cmpuint (postern_listing_get_size (now, 0),
                    ==,
                    strlen ("Subject: 1\r\n\r\none\r\n.two\r\n"));
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_FETCH), ==, 10);
  sync_now (fixture);
  g_assert_cmpuint (postern_fake_backend_get_calls (fixture->backend, POSTERN_FAKE_FETCH), ==, 10);
}

#define ADD(path, func)                                                                            \
  g_test_add ("/bridge/account-sync/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("a-listing-is-gathered-page-by-page", test_pages);
  ADD ("what-was-lost-without-a-word-is-gone-within-a-day", test_daily);
  ADD ("nothing-is-served-before-the-listing-is-complete", test_interrupted);
  ADD ("changes-leave-open-snapshots-alone", test_changes);
  ADD ("a-stale-cursor-lists-again", test_stale);
  ADD ("a-deletion-is-told-until-it-is-confirmed", test_deletion);
  ADD ("a-forbidden-deletion-shows-again", test_forbidden);
  ADD ("a-deletion-that-has-to-wait-is-tried-again", test_later);
  ADD ("sizes-that-the-server-does-not-tell-are-counted-once", test_sizes);
  return g_test_run ();
}
