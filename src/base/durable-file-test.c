/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable-file.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("postern-durable-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "file", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  unlink (fixture->path);
  /* Fails when anything else was left behind. */
  g_assert_cmpint (remove (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

static void
assert_holds (Fixture *fixture, const char *expected)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, expected);
}

static void
test_replace (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  struct stat status;
  struct stat after;

  g_assert_true (postern_durable_file_write (fixture->path, "one", 3, &error));
  g_assert_no_error (error);
  g_assert_cmpint (stat (fixture->path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, 0600);
  g_assert_true (postern_durable_file_write (fixture->path, "two!", 4, &error));
  g_assert_cmpint (stat (fixture->path, &after), ==, 0);
  /* Whoever had the old one open still has all of it. */
  g_assert_cmpuint (after.st_ino, !=, status.st_ino);
  assert_holds (fixture, "two!");
}

static void
test_left_over (Fixture *fixture, gconstpointer data)
{
  g_autofree char *left_over = g_strconcat (fixture->path, ".new", NULL);

  g_assert_true (g_file_set_contents (left_over, "half of", -1, NULL));
  g_assert_true (postern_durable_file_write (fixture->path, "whole", 5, NULL));
  assert_holds (fixture, "whole");
  g_assert_false (g_file_test (left_over, G_FILE_TEST_EXISTS));
}

/* What cannot be replaced, here a folder, is left as it was. */
static void
test_failure (Fixture *fixture, gconstpointer data)
{
  g_autofree char *inner = g_build_filename (fixture->path, "inner", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mkdir (fixture->path, 0700), ==, 0);
  g_assert_true (g_file_set_contents (inner, "kept", -1, NULL));
  g_assert_false (postern_durable_file_write (fixture->path, "one", 3, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE);
  g_assert_true (g_file_test (inner, G_FILE_TEST_EXISTS));
  unlink (inner);
  rmdir (fixture->path);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/base/durable-file/the-new-takes-the-place-of-the-old",
              Fixture,
              NULL,
              set_up,
              test_replace,
              tear_down);
  g_test_add ("/base/durable-file/what-a-crash-left-is-cleared",
              Fixture,
              NULL,
              set_up,
              test_left_over,
              tear_down);
  g_test_add ("/base/durable-file/a-failure-changes-nothing",
              Fixture,
              NULL,
              set_up,
              test_failure,
              tear_down);
  return g_test_run ();
}
