/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store-writer.h"

#include "base/error.h"
#include "tests/support/scratch.h"
#include "tests/support/sync-shim.h"

#include <string.h>

static const char *const schema[] = {
  "CREATE TABLE numbers (number INTEGER PRIMARY KEY)",
  "ALTER TABLE numbers ADD COLUMN note TEXT",
};

typedef struct
{
  char *dir;
  char *path;
  PosternStoreWriter *writer;
  GArray *answered; /* (element-type int) numbers in the order of their answers */
  guint failed;
} Fixture;

/* Inserts its number twice when it is told to: the first succeeds and has to be undone. */
typedef struct
{
  PosternStoreJob job;
  Fixture *fixture;
  int number;
  gboolean poisoned;
  gboolean committed;
} NumberJob;

static gboolean
do_insert (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  NumberJob *self = (NumberJob *) job;

  for (int i = 0; i < (self->poisoned ? 2 : 1); i++)
    {
      if (!postern_database_do (database,
                                error,
                                "INSERT INTO numbers (number) VALUES (?)",
                                "i",
                                (gint64) self->number))
        return FALSE;
    }
  return TRUE;
}

static void
note_committed (PosternStoreJob *job)
{
  ((NumberJob *) job)->committed = TRUE;
}

static void
on_done (PosternStoreJob *job)
{
  NumberJob *self = (NumberJob *) job;

  g_assert_true (self->committed == (job->error == NULL));
  g_array_append_val (self->fixture->answered, self->number);
  if (job->error != NULL)
    self->fixture->failed++;
  g_clear_error (&job->error);
  g_free (self);
}

static void
push (Fixture *self, int number, gboolean poisoned)
{
  NumberJob *job = g_new0 (NumberJob, 1);

  job->job.run = do_insert;
  job->job.committed = note_committed;
  job->job.done = on_done;
  job->fixture = self;
  job->number = number;
  job->poisoned = poisoned;
  postern_store_writer_push (self->writer, &job->job);
}

static void
wait_for (Fixture *self, guint count)
{
  while (self->answered->len < count)
    g_main_context_iteration (NULL, TRUE);
}

static gint64
count_numbers (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternDatabase) database = postern_database_open_reader (path, &error);
  gint64 count;

  g_assert_no_error (error);
  count = postern_database_number (database, &error, "SELECT count (*) FROM numbers", "");
  g_assert_no_error (error);
  return count;
}

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->dir = scratch_new ();
  self->path = g_build_filename (self->dir, "test.db", NULL);
  self->writer = postern_store_writer_open (self->path, schema, 2, NULL, &error);
  g_assert_no_error (error);
  postern_store_writer_start (self->writer, "test", NULL, NULL);
  self->answered = g_array_new (FALSE, FALSE, sizeof (int));
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_clear_pointer (&self->writer, postern_store_writer_unref);
  scratch_remove (self->dir);
  g_array_unref (self->answered);
  g_free (self->path);
  g_free (self->dir);
}

static void
test_poisoned (Fixture *self, gconstpointer data)
{
  int before = g_atomic_int_get (&sync_count);

  for (int i = 0; i < 20; i++)
    push (self, i, i % 5 == 3);
  wait_for (self, 20);
  g_assert_cmpuint (self->failed, ==, 4);
  g_assert_cmpint (count_numbers (self->path), ==, 16);
  for (int i = 0; i < 20; i++)
    g_assert_cmpint (g_array_index (self->answered, int, i), ==, i);
  /* All of it was one turn of the loop, so one transaction. */
  g_assert_cmpint (g_atomic_int_get (&sync_count) - before, <=, 2);
  g_assert_true (postern_store_writer_is_open (self->writer));
}

static void
test_poisoned_alone (Fixture *self, gconstpointer data)
{
  push (self, 1, TRUE);
  wait_for (self, 1);
  g_assert_cmpuint (self->failed, ==, 1);
  g_assert_cmpint (count_numbers (self->path), ==, 0);
  push (self, 1, FALSE);
  wait_for (self, 2);
  g_assert_cmpuint (self->failed, ==, 1);
  g_assert_cmpint (count_numbers (self->path), ==, 1);
}

static void
test_stop (Fixture *self, gconstpointer data)
{
  for (int i = 0; i < 100; i++)
    push (self, i, FALSE);
  postern_store_writer_stop (self->writer);
  g_assert_cmpuint (self->answered->len, ==, 100);
  g_assert_cmpuint (self->failed, ==, 0);
  push (self, 100, FALSE);
  g_assert_cmpuint (self->answered->len, ==, 101);
  g_assert_cmpuint (self->failed, ==, 1);
}

static gboolean
do_insert_much (PosternStoreJob *job, PosternDatabase *database, GError **error)
{
  return postern_database_do (database,
                              error,
                              "INSERT INTO numbers (note) VALUES (zeroblob (9000000))",
                              "");
}

static void
fail_next_sync (PosternStoreJob *job)
{
  ((NumberJob *) job)->committed = TRUE;
  g_atomic_int_set (&syncs_to_fail, 1);
}

/* When the log is folded into the database nobody waits, but its failure is a failure. */
static void
test_failed_upkeep (Fixture *self, gconstpointer data)
{
  NumberJob *job = g_new0 (NumberJob, 1);

  job->job.run = do_insert_much;
  job->job.committed = fail_next_sync;
  job->job.done = on_done;
  job->fixture = self;
  postern_store_writer_push (self->writer, &job->job);
  wait_for (self, 1);
  g_assert_cmpuint (self->failed, ==, 0);
  push (self, 2, FALSE);
  wait_for (self, 2);
  g_assert_cmpuint (self->failed, ==, 1);
  g_assert_false (postern_store_writer_is_open (self->writer));
  g_assert_cmpint (count_numbers (self->path), ==, 1);
}

static void
test_migrations (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (self->dir, "old.db", NULL);
  PosternDatabase *database = postern_database_open (path, schema, 1, &error);

  g_assert_no_error (error);
  g_assert_true (postern_database_do (database, &error, "INSERT INTO numbers VALUES (7)", ""));
  postern_database_free (database);
  database = postern_database_open (path, schema, 2, &error);
  g_assert_no_error (error);
  g_assert_cmpint (postern_database_number (database,
                                            &error,
                                            "SELECT number FROM numbers WHERE note IS NULL",
                                            ""),
                   ==,
                   7);
  g_assert_cmpint (postern_database_number (database, &error, "PRAGMA user_version", ""), ==, 2);
  g_assert_cmpint (postern_database_number (database, &error, "PRAGMA synchronous", ""), ==, 2);
  g_assert_cmpint (postern_database_number (database, &error, "PRAGMA page_size", ""), ==, 4096);
  g_assert_cmpint (postern_database_number (database, &error, "PRAGMA auto_vacuum", ""), ==, 2);
  postern_database_free (database);
  g_assert_null (postern_database_open (path, schema, 1, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NEWER);
}

static void
test_broken_migration (Fixture *self, gconstpointer data)
{
  static const char *const broken[] = {
    "CREATE TABLE numbers (number INTEGER PRIMARY KEY)",
    "CREATE TABLE extra (x); INSERT INTO nowhere VALUES (1)",
  };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (self->dir, "old.db", NULL);
  PosternDatabase *database = postern_database_open (path, broken, 1, &error);

  postern_database_free (database);
  g_assert_null (postern_database_open (path, broken, 2, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_FAILED);
  g_clear_error (&error);
  /* Half a change is none. */
  database = postern_database_open (path, schema, 2, &error);
  g_assert_no_error (error);
  g_assert_cmpint (
      postern_database_number (database,
                               &error,
                               "SELECT count (*) FROM sqlite_schema WHERE name = 'extra'",
                               ""),
      ==,
      0);
  postern_database_free (database);
}

static void
test_not_a_database (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (self->dir, "junk.db", NULL);
  g_autofree char *junk = g_strnfill (5000, '\1');

  memset (junk + 60, 0, 4); /* where the schema's number would be */
  g_assert_true (g_file_set_contents (path, junk, 5000, NULL));
  g_assert_null (postern_database_open (path, schema, 2, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
}

#define TEST(path, function)                                                                       \
  g_test_add ("/store/writer/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  TEST ("poisoned-job-does-not-stop-the-others", test_poisoned);
  TEST ("poisoned-job-alone-leaves-nothing", test_poisoned_alone);
  TEST ("stopping-finishes-what-was-asked-for", test_stop);
  TEST ("failed-upkeep-closes-the-database", test_failed_upkeep);
  TEST ("migrations-are-numbered-and-newer-is-refused", test_migrations);
  TEST ("broken-migration-changes-nothing", test_broken_migration);
  TEST ("file-that-is-no-database-is-refused", test_not_a_database);
  return g_test_run ();
}
