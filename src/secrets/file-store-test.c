/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secrets/file-store.h"

#include "base/error.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
  PosternSecretStore *store;
  guint changes;
} Fixture;

/* A refused file is told; here it is what we want. */
static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  return (level & G_LOG_LEVEL_WARNING) != 0
             ? G_LOG_WRITER_HANDLED
             : g_log_writer_default (level, fields, n_fields, user_data);
}

static void
on_state_changed (Fixture *fixture)
{
  fixture->changes++;
}

static void
open_store (Fixture *fixture)
{
  g_clear_object (&fixture->store);
  fixture->store = postern_file_store_new (fixture->path);
  g_signal_connect_swapped (fixture->store,
                            "state-changed",
                            G_CALLBACK (on_state_changed),
                            fixture);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("postern-secrets-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "secrets", NULL);
  open_store (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->store);
  unlink (fixture->path);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **slot)
{
  while (*slot == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *slot;
}

static gboolean
put (Fixture *fixture, const char *login, const char *id, const char *text, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PosternSecret) secret = postern_secret_new (text, -1);

  postern_secret_store_store_async (fixture->store,
                                    login,
                                    POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                    id,
                                    "a label",
                                    secret,
                                    on_done,
                                    &result);
  return postern_secret_store_store_finish (fixture->store, wait_for (&result), error);
}

static PosternSecret *
get (Fixture *fixture, const char *login, const char *id, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  postern_secret_store_lookup_async (fixture->store,
                                     login,
                                     POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                     id,
                                     on_done,
                                     &result);
  return postern_secret_store_lookup_finish (fixture->store, wait_for (&result), error);
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternSecret) found = NULL;
  g_autoptr (PosternSecret) other = NULL;
  struct stat status;

  g_assert_cmpint (postern_secret_store_get_state (fixture->store), ==, POSTERN_SECRET_STORE_READY);
  g_assert_true (put (fixture, "a1", "p1", "first", NULL));
  g_assert_true (put (fixture, "a1", "p2", "sec\tond ü", NULL));
  g_assert_true (put (fixture, "a1", "p1", "third", NULL));
  g_assert_cmpint (stat (fixture->path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);

  open_store (fixture);
  found = get (fixture, "a1", "p1", NULL);
  other = get (fixture, "a1", "p2", NULL);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "third");
  g_assert_cmpstr (postern_secret_get_text (other), ==, "sec\tond ü");
}

static void
test_missing (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (get (fixture, "a1", "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
test_remove_and_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GAsyncResult) removed = NULL;
  g_autoptr (GAsyncResult) listed = NULL;
  g_autoptr (GPtrArray) keys = NULL;
  PosternSecretKey *key;

  put (fixture, "a1", "p1", "one", NULL);
  put (fixture, "a1", "p2", "two", NULL);
  put (fixture, "a11", "p1", "of another login", NULL);
  postern_secret_store_remove_async (fixture->store,
                                     "a1",
                                     POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                     "p1",
                                     on_done,
                                     &removed);
  g_assert_true (postern_secret_store_remove_finish (fixture->store, wait_for (&removed), NULL));

  postern_secret_store_list_async (fixture->store, "a1", on_done, &listed);
  keys = postern_secret_store_list_finish (fixture->store, wait_for (&listed), NULL);
  g_assert_cmpuint (keys->len, ==, 1);
  key = g_ptr_array_index (keys, 0);
  g_assert_cmpstr (key->login, ==, "a1");
  g_assert_cmpstr (key->kind, ==, POSTERN_SECRET_KIND_BRIDGE_PASSWORD);
  g_assert_cmpstr (key->id, ==, "p2");
}

static void
test_wrong_mode (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) found = NULL;
  g_autofree char *text = NULL;

  put (fixture, "a1", "p1", "one", NULL);
  g_chmod (fixture->path, 0640);
  g_assert_null (get (fixture, "a1", "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_ABSENT);
  g_assert_nonnull (strstr (error->message, "chmod 600"));
  g_assert_null (strstr (error->message, "one"));
  g_assert_cmpint (postern_secret_store_get_state (fixture->store),
                   ==,
                   POSTERN_SECRET_STORE_ABSENT);
  g_assert_cmpuint (fixture->changes, ==, 1);

  g_clear_error (&error);
  g_assert_false (put (fixture, "a1", "p2", "two", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_ABSENT);
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_null (strstr (text, "two"));

  open_store (fixture);
  g_assert_cmpint (postern_secret_store_get_state (fixture->store),
                   ==,
                   POSTERN_SECRET_STORE_ABSENT);
  g_chmod (fixture->path, 0600);
  found = get (fixture, "a1", "p1", NULL);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "one");
  g_assert_cmpint (postern_secret_store_get_state (fixture->store), ==, POSTERN_SECRET_STORE_READY);
}

static void
test_foreign (Fixture *fixture, gconstpointer data)
{
  static const char text[] = "{\"this\": \"is something else\"}\n";
  g_autoptr (GError) error = NULL;
  g_autofree char *after = NULL;

  g_assert_true (
      g_file_set_contents_full (fixture->path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  g_assert_false (put (fixture, "a1", "p1", "one", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_ABSENT);
  g_assert_true (g_file_get_contents (fixture->path, &after, NULL, NULL));
  g_assert_cmpstr (after, ==, text);
}

static void
test_symlink (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (symlink ("/etc/passwd", fixture->path), ==, 0);
  g_assert_null (get (fixture, "a1", "p1", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_KEYRING_ABSENT);
}

static void
test_several_lines (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (put (fixture, "a1", "p1", "one\na1\tbackend\t\tforged", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (put (fixture, "a1\tx", "p1", "one", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
}

static void
test_many_at_once (Fixture *fixture, gconstpointer data)
{
  GAsyncResult *results[8] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autofree char *id = g_strdup_printf ("p%u", i);
      g_autoptr (PosternSecret) secret = postern_secret_new (id, -1);

      postern_secret_store_store_async (fixture->store,
                                        "a1",
                                        POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                        id,
                                        "a label",
                                        secret,
                                        on_done,
                                        &results[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GAsyncResult) result = wait_for (&results[i]);

      g_assert_true (postern_secret_store_store_finish (fixture->store, result, NULL));
    }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autofree char *id = g_strdup_printf ("p%u", i);
      g_autoptr (PosternSecret) found = get (fixture, "a1", id, NULL);

      g_assert_cmpstr (postern_secret_get_text (found), ==, id);
    }
}

#define ADD(path, test)                                                                            \
  g_test_add ("/secrets/file-store/" path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("what-is-stored-is-found-again", test_round_trip);
  ADD ("what-is-not-there-is-not-found", test_missing);
  ADD ("only-the-named-one-is-removed", test_remove_and_list);
  ADD ("a-file-that-others-may-read-is-refused", test_wrong_mode);
  ADD ("a-file-of-another-kind-is-refused-and-kept", test_foreign);
  ADD ("a-symbolic-link-is-refused", test_symlink);
  ADD ("a-secret-cannot-forge-a-line", test_several_lines);
  ADD ("stores-at-once-lose-none", test_many_at_once);
  return g_test_run ();
}
