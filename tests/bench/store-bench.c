/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many messages a second the queue makes durable, in a directory of the disk to be measured:
 *
 *   store-bench [--seconds S] [--size OCTETS] [DIR]
 *
 * for 1, 8 and 64 that wait at a time, each with a loop of SQLite alone beside it, which commits the
 * same bytes in batches of that size and nothing else. */

#include "config.h"

#include "store/store.h"
#include "tests/support/scratch.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static double seconds = 2;
static int size_octets = 10 * 1024;

typedef struct
{
  PosternQueueStore *queue;
  PosternQueueEntry *entry;
  const guint8 *body;
  guint64 done;
  guint underway;
  gint64 until_us;
} Bench;

static void start_one (Bench *self);

static void
on_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Bench *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!postern_queue_writer_commit_finish (result, &error))
    g_error ("%s", error->message);
  self->done++;
  self->underway--;
  if (g_get_monotonic_time () < self->until_us)
    start_one (self);
}

static void
start_one (Bench *self)
{
  PosternQueueWriter *writer = postern_queue_store_begin (self->queue, NULL, NULL);

  postern_queue_writer_append (writer, self->body, (gsize) size_octets);
  self->underway++;
  postern_queue_writer_commit_async (writer, self->entry, on_committed, self);
}

static double
measure_store (const char *dir, guint waiting, const guint8 *body)
{
  g_autofree char *state = g_build_filename (dir, "state", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternStore) store = postern_store_open (state, &error);
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new ("ann@example.test");
  Bench bench = { 0 };
  gint64 started = g_get_monotonic_time ();
  double rate;

  if (store == NULL)
    g_error ("%s", error->message);
  postern_envelope_add (envelope, "bob@example.test");
  bench.queue = postern_store_get_queue (store);
  bench.entry = postern_queue_entry_new (envelope);
  bench.entry->login_id = g_strdup ("login");
  bench.entry->account_id = g_strdup ("account");
  bench.entry->message_id = g_strdup ("<0123456789abcdef@example.test>");
  bench.entry->subject = g_strdup ("The quarterly report");
  bench.entry->received_at_us = g_get_real_time ();
  bench.body = body;
  bench.until_us = started + (gint64) (seconds * 1e6);
  for (guint i = 0; i < waiting; i++)
    start_one (&bench);
  while (bench.underway > 0)
    g_main_context_iteration (NULL, TRUE);
  rate = (double) bench.done * 1e6 / (double) (g_get_monotonic_time () - started);
  postern_queue_entry_free (bench.entry);
  g_clear_object (&store);
  scratch_remove (state);
  return rate;
}

static double
measure_sqlite (const char *dir, guint batch, const guint8 *body)
{
  g_autofree char *path = g_build_filename (dir, "bare.db", NULL);
  gint64 started = g_get_monotonic_time ();
  gint64 until = started + (gint64) (seconds * 1e6);
  sqlite3 *database;
  sqlite3_stmt *insert;
  guint64 done = 0;
  double rate;

  sqlite3_open (path, &database);
  sqlite3_exec (database,
                "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "CREATE TABLE bodies (row INTEGER PRIMARY KEY, data BLOB)",
                NULL,
                NULL,
                NULL);
  sqlite3_prepare_v2 (database, "INSERT INTO bodies (data) VALUES (?)", -1, &insert, NULL);
  while (g_get_monotonic_time () < until)
    {
      sqlite3_exec (database, "BEGIN", NULL, NULL, NULL);
      for (guint i = 0; i < batch; i++)
        {
          sqlite3_bind_blob (insert, 1, body, size_octets, SQLITE_STATIC);
          sqlite3_step (insert);
          sqlite3_reset (insert);
        }
      if (sqlite3_exec (database, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        g_error ("%s", sqlite3_errmsg (database));
      done += batch;
    }
  rate = (double) done * 1e6 / (double) (g_get_monotonic_time () - started);
  sqlite3_finalize (insert);
  sqlite3_close (database);
  return rate;
}

int
main (int argc, char *argv[])
{
  static const guint waiting[] = { 1, 8, 64 };
  const GOptionEntry options[] = {
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "for each line", "S" },
    { "size", 0, 0, G_OPTION_ARG_INT, &size_octets, "of a message", "OCTETS" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[DIR]");
  g_autoptr (GError) error = NULL;
  g_autofree char *dir = NULL;
  g_autofree guint8 *body = NULL;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || size_octets < 1)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "--size must be 1 or more");
      return 2;
    }
  dir = g_build_filename (argc > 1 ? argv[1] : g_get_tmp_dir (), "store-bench-XXXXXX", NULL);
  if (g_mkdtemp (dir) == NULL)
    {
      g_printerr ("%s cannot be made\n", dir);
      return 1;
    }
  body = g_malloc ((gsize) size_octets);
  memset (body, 'x', (gsize) size_octets);

  printf ("%-28s %10s %12s\n", "messages a second", "the queue", "SQLite alone");
  for (guint i = 0; i < G_N_ELEMENTS (waiting); i++)
    {
      double ours = measure_store (dir, waiting[i], body);
      double bare = measure_sqlite (dir, waiting[i], body);

      printf ("%2u waiting, %8d octets   %10.0f %12.0f\n", waiting[i], size_octets, ours, bare);
      fflush (stdout);
    }
  scratch_remove (dir);
  return 0;
}
