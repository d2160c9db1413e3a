/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store.h"

#include "base/clock.h"
#include "base/error.h"
#include "tests/support/await.h"
#include "tests/support/scratch.h"
#include "tests/support/sync-shim.h"

#include <string.h>
#include <sys/statvfs.h>

#define NOW G_GINT64_CONSTANT (1700000000000000)

/* The disk is as full as a test wants it. */
static guint64 free_octets = G_MAXINT64;

int
statvfs (const char *path, struct statvfs *facts)
{
  *facts = (struct statvfs){ .f_frsize = 1, .f_bavail = free_octets };
  return 0;
}

typedef struct
{
  char *dir;
  PosternStore *store;
  PosternMaildropStore *drops;
  PosternBodyCache *bodies;
} Fixture;

static void
open_store (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  self->store = postern_store_open (self->dir, &error);
  g_assert_no_error (error);
  self->drops = postern_store_get_maildrops (self->store);
  self->bodies = postern_store_get_bodies (self->store);
}

static void
close_store (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };

  postern_store_close_async (self->store, await_done, &await);
  g_assert_true (postern_store_close_finish (self->store, await_result (&await), &error));
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

static PosternMaildropMessage *
make_message (const char *id, gint64 received_at_us, gint64 canonical_octets)
{
  PosternMaildropMessage *message = postern_maildrop_message_new (id);

  message->blob_id = g_strconcat ("blob-", id, NULL);
  message->size_octets = 100;
  message->canonical_octets = canonical_octets;
  message->received_at_us = received_at_us;
  return message;
}

static GPtrArray *
messages_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
}

/* "c@3 a@1": ids and when they were received. */
static GPtrArray *
make_messages (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  GPtrArray *messages = messages_new ();

  for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++)
    {
      g_auto (GStrv) parts = g_strsplit (words[i], "@", 2);

      g_ptr_array_add (messages,
                       make_message (parts[0], g_ascii_strtoll (parts[1], NULL, 10), 105));
    }
  return messages;
}

static void
end_change (Fixture *self, Await *await)
{
  g_autoptr (GError) error = NULL;

  postern_maildrop_store_change_finish (self->drops, await_result (await), &error);
  g_assert_no_error (error);
}

static void
replace (Fixture *self, const char *text, const char *cursor, gint64 started_us)
{
  g_auto (Await) await = { 0 };
  g_autoptr (GPtrArray) messages = make_messages (text);

  postern_maildrop_store_replace_listing_async (self->drops,
                                                "acc",
                                                messages,
                                                cursor,
                                                started_us,
                                                await_done,
                                                &await);
  end_change (self, &await);
}

static void
apply (Fixture *self, const char *updated, const char *removed, const char *cursor, gint64 started)
{
  g_auto (Await) await = { 0 };
  g_autoptr (GPtrArray) messages = make_messages (updated);
  g_auto (GStrv) ids = g_strsplit (removed, " ", -1);

  postern_maildrop_store_apply_changes_async (self->drops,
                                              "acc",
                                              messages,
                                              (const char *const *) ids,
                                              cursor,
                                              started,
                                              await_done,
                                              &await);
  end_change (self, &await);
}

static char *
describe (PosternListing *listing)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < postern_listing_get_count (listing); i++)
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", postern_listing_get_uidl (listing, i));
  return g_string_free (text, FALSE);
}

static void
assert_listing (Fixture *self, const char *expected)
{
  g_autoptr (PosternListing) listing = postern_maildrop_store_ref_listing (self->drops, "acc");
  g_autofree char *text = NULL;

  g_assert_nonnull (listing);
  text = describe (listing);
  g_assert_cmpstr (text, ==, expected);
}

static guint64
row_of (Fixture *self, const char *uidl)
{
  g_autoptr (PosternListing) listing = postern_maildrop_store_ref_listing (self->drops, "acc");

  for (guint i = 0; i < postern_listing_get_count (listing); i++)
    {
      if (strcmp (postern_listing_get_uidl (listing, i), uidl) == 0)
        return postern_listing_get_row (listing, i);
    }
  g_assert_not_reached ();
}

static void
bury (Fixture *self, const char *uidl)
{
  g_auto (Await) await = { 0 };
  guint64 row = row_of (self, uidl);

  postern_maildrop_store_add_tombstones_async (self->drops, "acc", &row, 1, await_done, &await);
  end_change (self, &await);
}

static void
confirm (Fixture *self, const char *id)
{
  g_auto (Await) await = { 0 };
  const char *ids[] = { id, NULL };

  postern_maildrop_store_confirm_tombstones_async (self->drops, "acc", ids, await_done, &await);
  end_change (self, &await);
}

static char *
list_tombstones (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  g_auto (GStrv) ids = NULL;

  postern_maildrop_store_list_tombstones_async (self->drops, "acc", 100, NULL, await_done, &await);
  ids = postern_maildrop_store_ids_finish (self->drops, await_result (&await), &error);
  g_assert_no_error (error);
  return g_strjoinv (" ", ids);
}

/* Listings */

static void
test_order (Fixture *self, gconstpointer data)
{
  g_assert_null (postern_maildrop_store_ref_listing (self->drops, "acc"));
  replace (self, "c@3 b@1 a@3 d@2", "s1", NOW);
  assert_listing (self, "b d a c");
  g_assert_cmpstr (postern_maildrop_store_get_cursor (self->drops, "acc"), ==, "s1");
  g_assert_cmpint (postern_maildrop_store_get_listed_at_us (self->drops, "acc"), ==, NOW);

  apply (self, "e@9 f@9", "", "s2", NOW);
  assert_listing (self, "b d a c e f");
  apply (self, "g@2", "b f", "s3", NOW);
  assert_listing (self, "d g a c e");
  close_store (self);
  open_store (self);
  assert_listing (self, "d g a c e");
  g_assert_cmpstr (postern_maildrop_store_get_cursor (self->drops, "acc"), ==, "s3");
}

static void
test_incomplete (Fixture *self, gconstpointer data)
{
  apply (self, "a@1", "", "s1", NOW);
  g_assert_null (postern_maildrop_store_ref_listing (self->drops, "acc"));
  close_store (self);
  open_store (self);
  g_assert_null (postern_maildrop_store_ref_listing (self->drops, "acc"));
  replace (self, "a@1 b@2", "s2", NOW);
  assert_listing (self, "a b");
}

static void
test_relist_keeps_rows (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) messages = messages_new ();
  g_auto (Await) await = { 0 };
  guint64 row;

  replace (self, "a@1 b@2 c@3", "s1", NOW);
  row = row_of (self, "b");
  /* Of a known one the id is enough. */
  g_ptr_array_add (messages, postern_maildrop_message_new ("b"));
  g_ptr_array_add (messages, make_message ("d", 4, 50));
  postern_maildrop_store_replace_listing_async (self->drops,
                                                "acc",
                                                messages,
                                                "s2",
                                                NOW,
                                                await_done,
                                                &await);
  end_change (self, &await);
  assert_listing (self, "b d");
  g_assert_cmpuint (row_of (self, "b"), ==, row);
}

static void
test_snapshot (Fixture *self, gconstpointer data)
{
  g_autoptr (PosternListing) before = NULL;
  g_autofree char *text = NULL;

  replace (self, "a@1 b@2", "s1", NOW);
  before = postern_maildrop_store_ref_listing (self->drops, "acc");
  apply (self, "c@3", "a", "s2", NOW);
  text = describe (before);
  g_assert_cmpstr (text, ==, "a b");
  assert_listing (self, "b c");
}

static void
test_half_answer (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) messages = make_messages ("x@5");
  g_auto (Await) await = { 0 };

  replace (self, "a@1", "s1", NOW);
  /* One that nobody knows and of which nothing is said: the whole answer is refused. */
  g_ptr_array_add (messages, postern_maildrop_message_new ("y"));
  postern_maildrop_store_apply_changes_async (self->drops,
                                              "acc",
                                              messages,
                                              NULL,
                                              "s2",
                                              NOW,
                                              await_done,
                                              &await);
  g_assert_false (
      postern_maildrop_store_change_finish (self->drops, await_result (&await), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  assert_listing (self, "a");
  g_assert_cmpstr (postern_maildrop_store_get_cursor (self->drops, "acc"), ==, "s1");
}

static void
test_unsized (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) messages = messages_new ();
  g_autoptr (GPtrArray) unsized = NULL;
  g_autoptr (PosternListing) listing = NULL;
  g_auto (Await) change = { 0 };
  g_auto (Await) find = { 0 };
  g_auto (Await) size = { 0 };
  const PosternMaildropMessage *found;

  replace (self, "a@1 c@3", "s1", NOW);
  g_ptr_array_add (messages, make_message ("b", 2, -1));
  postern_maildrop_store_apply_changes_async (self->drops,
                                              "acc",
                                              messages,
                                              NULL,
                                              "s2",
                                              NOW,
                                              await_done,
                                              &change);
  end_change (self, &change);
  assert_listing (self, "a c");
  postern_maildrop_store_find_unsized_async (self->drops, "acc", 10, NULL, await_done, &find);
  unsized = postern_maildrop_store_find_unsized_finish (self->drops, await_result (&find), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (unsized->len, ==, 1);
  found = unsized->pdata[0];
  g_assert_cmpstr (found->email_id, ==, "b");
  g_assert_cmpstr (found->blob_id, ==, "blob-b");
  postern_maildrop_store_set_canonical_size_async (self->drops,
                                                   "acc",
                                                   found->row,
                                                   4321,
                                                   await_done,
                                                   &size);
  end_change (self, &size);
  assert_listing (self, "a b c");
  listing = postern_maildrop_store_ref_listing (self->drops, "acc");
  g_assert_cmpuint (postern_listing_get_size (listing, 1), ==, 4321);
}

static void
test_unknown (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  g_auto (GStrv) unknown = NULL;
  g_autofree char *text = NULL;
  const char *ids[] = { "z", "a", "y", "b", NULL };

  replace (self, "a@1 b@2", "s1", NOW);
  postern_maildrop_store_find_unknown_async (self->drops, "acc", ids, NULL, await_done, &await);
  unknown = postern_maildrop_store_ids_finish (self->drops, await_result (&await), &error);
  g_assert_no_error (error);
  text = g_strjoinv (" ", unknown);
  g_assert_cmpstr (text, ==, "z y");
}

static void
test_lookup (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternMaildropMessage) message = NULL;
  g_auto (Await) first = { 0 };
  g_auto (Await) second = { 0 };
  guint64 row;

  replace (self, "a@1 b@2", "s1", NOW);
  row = row_of (self, "a");
  postern_maildrop_store_lookup_async (self->drops, "acc", row, NULL, await_done, &first);
  message = postern_maildrop_store_lookup_finish (self->drops, await_result (&first), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (message->email_id, ==, "a");
  g_assert_cmpstr (message->blob_id, ==, "blob-a");
  apply (self, "", "a", "s2", NOW);
  /* The same id again is a new message with a new row. */
  apply (self, "a@1", "", "s3", NOW);
  g_assert_cmpuint (row_of (self, "a"), !=, row);
  postern_maildrop_store_lookup_async (self->drops, "acc", row, NULL, await_done, &second);
  g_assert_null (
      postern_maildrop_store_lookup_finish (self->drops, await_result (&second), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
count_change (Await *unused, GAsyncResult *result, gpointer user_data)
{
  --*(guint *) user_data;
}

static void
test_concurrent_changes (Fixture *self, gconstpointer data)
{
  guint left = 0;
  g_autoptr (PosternListing) listing = NULL;

  replace (self, "", "s0", NOW);
  /* All of these meet in a few transactions; each listing must have everything once. */
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *text = g_strdup_printf ("m%03u@%u", i, i % 3 == 0 ? 1000 - i : 2000 + i);
      g_autoptr (GPtrArray) messages = make_messages (text);

      left++;
      postern_maildrop_store_apply_changes_async (self->drops,
                                                  "acc",
                                                  messages,
                                                  NULL,
                                                  "s",
                                                  NOW,
                                                  (GAsyncReadyCallback) (void *) count_change,
                                                  &left);
    }
  while (left > 0)
    g_main_context_iteration (NULL, TRUE);
  listing = postern_maildrop_store_ref_listing (self->drops, "acc");
  g_assert_cmpuint (postern_listing_get_count (listing), ==, 200);
  {
    g_autofree char *before = describe (listing);

    close_store (self);
    open_store (self);
    assert_listing (self, before);
  }
}

static void
test_hundred_thousand (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) messages = messages_new ();
  g_autoptr (PosternListing) listing = NULL;
  g_auto (Await) await = { 0 };
  gint64 started = g_get_monotonic_time ();

  for (guint i = 0; i < 100000; i++)
    {
      g_autofree char *id = g_strdup_printf ("M%024x", i * 2654435761u);

      g_ptr_array_add (messages, make_message (id, NOW + (gint64) i / 7, 105));
    }
  postern_maildrop_store_replace_listing_async (self->drops,
                                                "acc",
                                                messages,
                                                "s1",
                                                NOW,
                                                await_done,
                                                &await);
  end_change (self, &await);
  g_test_message ("listed in %" G_GINT64_FORMAT " ms", (g_get_monotonic_time () - started) / 1000);

  started = g_get_monotonic_time ();
  apply (self, "new@1800000000000000", "", "s2", NOW);
  g_test_message ("one more in %" G_GINT64_FORMAT " ms",
                  (g_get_monotonic_time () - started) / 1000);

  close_store (self);
  started = g_get_monotonic_time ();
  open_store (self);
  g_test_message ("opened in %" G_GINT64_FORMAT " ms", (g_get_monotonic_time () - started) / 1000);
  listing = postern_maildrop_store_ref_listing (self->drops, "acc");
  g_assert_cmpuint (postern_listing_get_count (listing), ==, 100001);
  g_assert_cmpstr (postern_listing_get_uidl (listing, 100000), ==, "new");
}

/* Deletions */

static void
test_tombstones (Fixture *self, gconstpointer data)
{
  g_autofree char *listed = NULL;

  replace (self, "a@1 b@2 c@3", "s1", NOW);
  bury (self, "b");
  assert_listing (self, "a c");
  g_assert_cmpuint (postern_maildrop_store_get_tombstone_count (self->drops, "acc"), ==, 1);
  close_store (self);
  open_store (self);
  assert_listing (self, "a c");
  listed = list_tombstones (self);
  g_assert_cmpstr (listed, ==, "b");
  replace (self, "a@1 b@2 c@3 d@4", "s2", NOW);
  assert_listing (self, "a c d");
}

static void
test_confirmed (Fixture *self, gconstpointer data)
{
  gint64 before = g_get_real_time ();
  g_autofree char *listed = NULL;

  replace (self, "a@1 b@2", "s1", NOW);
  bury (self, "b");
  confirm (self, "b");
  g_assert_cmpuint (postern_maildrop_store_get_tombstone_count (self->drops, "acc"), ==, 0);
  listed = list_tombstones (self);
  g_assert_cmpstr (listed, ==, "");
  /* A listing that was asked for before the deletion may still have it. */
  replace (self, "a@1 b@2", "s2", before);
  assert_listing (self, "a");
  /* One that was asked for after it has another message of the same id. */
  apply (self, "", "", "s3", g_get_real_time () + G_TIME_SPAN_SECOND);
  assert_listing (self, "a b");
}

static void
test_forbidden (Fixture *self, gconstpointer data)
{
  g_auto (Await) await = { 0 };
  const char *ids[] = { "b", NULL };

  replace (self, "a@1 b@2 c@3", "s1", NOW);
  bury (self, "b");
  assert_listing (self, "a c");
  postern_maildrop_store_forget_tombstones_async (self->drops, "acc", ids, await_done, &await);
  end_change (self, &await);
  assert_listing (self, "a b c");
}

static void
test_quit_is_synced (Fixture *self, gconstpointer data)
{
  int before;

  replace (self, "a@1 b@2 c@3", "s1", NOW);
  before = g_atomic_int_get (&sync_count);
  bury (self, "b");
  g_assert_cmpint (g_atomic_int_get (&sync_count), >, before);
}

static void
test_failed_sync (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) failing = { 0 };
  g_auto (Await) reopening = { 0 };
  guint64 row;

  replace (self, "a@1 b@2 c@3", "s1", NOW);
  row = row_of (self, "b");
  g_atomic_int_set (&syncs_to_fail, 1);
  postern_maildrop_store_add_tombstones_async (self->drops, "acc", &row, 1, await_done, &failing);
  g_assert_false (
      postern_maildrop_store_change_finish (self->drops, await_result (&failing), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
  g_assert_false (postern_maildrop_store_is_open (self->drops));
  assert_listing (self, "a b c");
  postern_maildrop_store_reopen_async (self->drops, await_done, &reopening);
  end_change (self, &reopening);
  assert_listing (self, "a b c");
  g_assert_cmpstr (postern_maildrop_store_get_cursor (self->drops, "acc"), ==, "s1");
  bury (self, "b");
  assert_listing (self, "a c");
}

/* Bodies */

static void
on_ready (gpointer user_data)
{
  ++*(guint *) user_data;
}

static gboolean
cache (Fixture *self, guint64 row, gsize length, guint64 said, GError **error)
{
  g_auto (Await) await = { 0 };
  g_autofree guint8 *data = g_malloc (length + 1);
  guint ready = 0;
  PosternBodyWriter *writer =
      postern_body_cache_begin (self->bodies, "acc", row, said, on_ready, &ready);

  g_assert_nonnull (writer);
  for (gsize i = 0; i < length; i++)
    data[i] = (guint8) (i * 31 + row);
  for (gsize done = 0; done < length;)
    {
      gsize part = MIN (length - done, 77777);

      if (!postern_body_writer_append (writer, data + done, part))
        {
          for (ready = 0; ready == 0;)
            g_main_context_iteration (NULL, TRUE);
        }
      done += part;
    }
  postern_body_writer_finish_async (writer, -1, await_done, &await);
  return postern_body_writer_finish_finish (await_result (&await), error);
}

static void
cache_well (Fixture *self, guint64 row, gsize length)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (cache (self, row, length, length, &error));
  g_assert_no_error (error);
}

static GInputStream *
open_body (Fixture *self, guint64 row)
{
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  GInputStream *stream;

  postern_body_cache_open_async (self->bodies, "acc", row, NULL, await_done, &await);
  stream = postern_body_cache_open_finish (self->bodies, await_result (&await), &error);
  if (stream == NULL)
    g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  return stream;
}

static gboolean
is_cached (Fixture *self, guint64 row)
{
  g_autoptr (GInputStream) stream = open_body (self, row);

  return stream != NULL;
}

static void
assert_body (Fixture *self, guint64 row, gsize length, gboolean mixed)
{
  g_autoptr (GInputStream) stream = open_body (self, row);
  guint8 buffer[40000];
  gsize done = 0;
  gssize got;

  g_assert_nonnull (stream);
  for (guint turn = 0;; turn++)
    {
      g_autoptr (GError) error = NULL;
      g_auto (Await) await = { 0 };

      if (mixed && turn % 3 == 1)
        {
          got = g_input_stream_read (stream, buffer, sizeof buffer, NULL, &error);
        }
      else
        {
          g_input_stream_read_async (stream,
                                     buffer,
                                     sizeof buffer,
                                     G_PRIORITY_DEFAULT,
                                     NULL,
                                     await_done,
                                     &await);
          got = g_input_stream_read_finish (stream, await_result (&await), &error);
        }
      g_assert_no_error (error);
      if (got == 0)
        break;
      for (gssize i = 0; i < got; i++, done++)
        g_assert_cmpuint (buffer[i], ==, (guint8) (done * 31 + row));
    }
  g_assert_cmpuint (done, ==, length);
}

static void
test_bodies (Fixture *self, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 262143, 262144, 262145, 3000001 };

  replace (self, "a@1 b@2 c@3 d@4 e@5 f@6", "s1", NOW);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *id = g_strdup_printf ("%c", 'a' + i);
      guint64 row = row_of (self, id);

      g_assert_false (is_cached (self, row));
      cache_well (self, row, sizes[i]);
      assert_body (self, row, sizes[i], FALSE);
      assert_body (self, row, sizes[i], TRUE);
    }
  close_store (self);
  open_store (self);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *id = g_strdup_printf ("%c", 'a' + i);

      assert_body (self, row_of (self, id), sizes[i], FALSE);
    }
}

static void
test_short_body (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint64 row;

  replace (self, "a@1", "s1", NOW);
  row = row_of (self, "a");
  g_assert_false (cache (self, row, 1000, 1001, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
  g_assert_false (is_cached (self, row));
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 0);
}

static void
settle (Fixture *self)
{
  g_auto (Await) await = { 0 };

  /* Whatever the writer was asked before is done when this is. */
  postern_maildrop_store_remove_account_async (self->drops, "nobody", await_done, &await);
  end_change (self, &await);
}

static void
test_departed_body (Fixture *self, gconstpointer data)
{
  PosternListing *old;
  PosternListing *older;
  guint64 row;

  replace (self, "a@1 b@2", "s1", NOW);
  row = row_of (self, "a");
  cache_well (self, row, 5000);
  older = postern_maildrop_store_ref_listing (self->drops, "acc");
  apply (self, "c@3", "", "s2", NOW);
  old = postern_maildrop_store_ref_listing (self->drops, "acc");
  apply (self, "", "a", "s3", NOW);
  assert_listing (self, "b c");
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 0);
  settle (self);
  assert_body (self, row, 5000, FALSE);
  postern_listing_unref (old);
  settle (self);
  assert_body (self, row, 5000, FALSE);
  postern_listing_unref (older);
  settle (self);
  g_assert_false (is_cached (self, row));
}

static void
test_departed_body_after_crash (Fixture *self, gconstpointer data)
{
  PosternListing *old;
  guint64 row;
  g_autofree char *dir = NULL;

  replace (self, "a@1 b@2", "s1", NOW);
  row = row_of (self, "a");
  cache_well (self, row, 5000);
  cache_well (self, row_of (self, "b"), 6000);
  old = postern_maildrop_store_ref_listing (self->drops, "acc");
  apply (self, "", "a", "s2", NOW);
  /* The session never ends as far as this process is concerned. */
  close_store (self);
  open_store (self);
  settle (self);
  dir = g_build_filename (self->dir, "bodies", "1", NULL);
  g_assert_cmpuint (scratch_count (dir), ==, 1);
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 6000);
  assert_body (self, row_of (self, "b"), 6000, FALSE);
  postern_listing_unref (old);
}

static void
test_sweep (Fixture *self, gconstpointer data)
{
  g_autofree char *stray = g_build_filename (self->dir, "bodies", "1", "77", NULL);
  g_autofree char *part = g_build_filename (self->dir, "bodies", "1", "1.x.part", NULL);
  g_autofree char *lost = g_build_filename (self->dir, "bodies", "1", "1", NULL);
  g_autofree char *dir = g_build_filename (self->dir, "bodies", "1", NULL);

  replace (self, "a@1 b@2", "s1", NOW);
  cache_well (self, row_of (self, "a"), 5000);
  cache_well (self, row_of (self, "b"), 6000);
  g_assert_cmpuint (row_of (self, "a"), ==, 1);
  close_store (self);
  g_assert_true (g_file_set_contents (stray, "stray", -1, NULL));
  g_assert_true (g_file_set_contents (part, "part", -1, NULL));
  g_assert_cmpint (g_unlink (lost), ==, 0);
  open_store (self);
  settle (self);
  g_assert_cmpuint (scratch_count (dir), ==, 1);
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 6000);
  g_assert_false (is_cached (self, 1));
}

static void
test_eviction (Fixture *self, gconstpointer data)
{
  g_autoptr (GInputStream) stream = NULL;
  guint8 buffer[100];
  guint64 rows[4];

  replace (self, "a@1 b@2 c@3 d@4", "s1", NOW);
  for (guint i = 0; i < 4; i++)
    {
      const char id[] = { (char) ('a' + i), '\0' };

      rows[i] = row_of (self, id);
    }
  postern_body_cache_set_limit (self->bodies, 350000);
  for (guint i = 0; i < 3; i++)
    {
      cache_well (self, rows[i], 100000);
      g_usleep (1000);
    }
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 300000);
  /* The oldest is read, so the next to it is the longest unread. */
  stream = open_body (self, rows[0]);
  cache_well (self, rows[3], 100000);
  settle (self);
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 300000);
  g_assert_true (is_cached (self, rows[0]));
  g_assert_false (is_cached (self, rows[1]));
  g_assert_true (is_cached (self, rows[2]));
  g_assert_true (is_cached (self, rows[3]));
  assert_listing (self, "a b c d");

  postern_body_cache_set_limit (self->bodies, 0);
  settle (self);
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 0);
  g_assert_cmpint (g_input_stream_read (stream, buffer, sizeof buffer, NULL, NULL), ==, 100);
  g_assert_null (postern_body_cache_begin (self->bodies, "acc", rows[0], 10, NULL, NULL));
}

static void
test_same_body_twice (Fixture *self, gconstpointer data)
{
  PosternBodyWriter *dropped;
  guint64 row;

  replace (self, "a@1", "s1", NOW);
  row = row_of (self, "a");
  dropped = postern_body_cache_begin (self->bodies, "acc", row, 5000, NULL, NULL);
  postern_body_writer_append (dropped, "half", 4);
  cache_well (self, row, 5000);
  cache_well (self, row, 5000);
  postern_body_writer_free (dropped);
  settle (self);
  assert_body (self, row, 5000, FALSE);
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 5000);
}

static void
test_reserve (Fixture *self, gconstpointer data)
{
  PosternBodyWriter *writer;
  guint64 row;

  replace (self, "a@1", "s1", NOW);
  row = row_of (self, "a");
  postern_clock_set (NOW, 0);
  free_octets = 200 * 1000 * 1000;
  postern_clock_advance (2 * G_TIME_SPAN_SECOND);
  g_assert_false (postern_store_has_room (self->store));
  g_assert_null (postern_body_cache_begin (self->bodies, "acc", row, 10, NULL, NULL));
  free_octets++;
  g_assert_false (postern_store_has_room (self->store)); /* not asked again within a second */
  postern_clock_advance (2 * G_TIME_SPAN_SECOND);
  g_assert_true (postern_store_has_room (self->store));
  writer = postern_body_cache_begin (self->bodies, "acc", row, 10, NULL, NULL);
  g_assert_nonnull (writer);
  postern_body_writer_free (writer);
  free_octets = G_MAXINT64;
  postern_clock_restore ();
}

static void
test_removed_account (Fixture *self, gconstpointer data)
{
  g_auto (Await) await = { 0 };
  g_autofree char *dir = g_build_filename (self->dir, "bodies", NULL);

  replace (self, "a@1", "s1", NOW);
  cache_well (self, row_of (self, "a"), 5000);
  postern_maildrop_store_remove_account_async (self->drops, "acc", await_done, &await);
  end_change (self, &await);
  g_assert_null (postern_maildrop_store_ref_listing (self->drops, "acc"));
  g_assert_cmpuint (postern_body_cache_get_size (self->bodies), ==, 0);
  g_assert_cmpuint (scratch_count (dir), ==, 0);
  replace (self, "a@1", "s1", NOW);
  assert_listing (self, "a");
  g_assert_false (is_cached (self, row_of (self, "a")));
}

#define TEST(path, function)                                                                       \
  g_test_add ("/store/maildrop/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  /* Warnings of failing disks are what one of these tests is about. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  TEST ("order-is-by-date-then-id", test_order);
  TEST ("nothing-is-served-before-a-complete-listing", test_incomplete);
  TEST ("relist-keeps-what-it-knows", test_relist_keeps_rows);
  TEST ("snapshot-does-not-change", test_snapshot);
  TEST ("answer-is-taken-whole-or-not-at-all", test_half_answer);
  TEST ("message-of-unknown-size-is-not-listed", test_unsized);
  TEST ("unknown-ids-are-found", test_unknown);
  TEST ("row-never-means-another-message", test_lookup);
  TEST ("changes-of-one-batch-are-each-listed-once", test_concurrent_changes);
  TEST ("hundred-thousand-messages", test_hundred_thousand);
  TEST ("tombstone-hides-its-message-in-every-listing", test_tombstones);
  TEST ("confirmed-tombstone-outlives-older-answers", test_confirmed);
  TEST ("forbidden-deletion-shows-the-message-again", test_forbidden);
  TEST ("quit-is-answered-behind-a-sync", test_quit_is_synced);
  TEST ("failed-sync-changes-nothing", test_failed_sync);
  TEST ("bodies-of-all-sizes-come-back", test_bodies);
  TEST ("body-of-the-wrong-size-is-not-kept", test_short_body);
  TEST ("body-lives-as-long-as-a-listing-has-it", test_departed_body);
  TEST ("body-without-a-message-is-swept", test_departed_body_after_crash);
  TEST ("files-and-rows-that-do-not-match-are-swept", test_sweep);
  TEST ("longest-unread-is-evicted", test_eviction);
  TEST ("same-body-fetched-twice-at-once", test_same_body_twice);
  TEST ("under-the-reserve-nothing-is-cached", test_reserve);
  TEST ("removed-account-leaves-nothing", test_removed_account);
  return g_test_run ();
}
