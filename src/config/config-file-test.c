/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config/config-file.h"

#include "base/error.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
  PosternConfigFile *file;
  guint changed;
  guint problem_changed;
} Fixture;

/* Structured messages pass g_test_expect_message() by. */
static char last_warning[512];

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & G_LOG_LEVEL_WARNING) == 0)
    return g_log_writer_default (level, fields, n_fields, user_data);
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_strlcpy (last_warning, fields[i].value, sizeof last_warning);
  return G_LOG_WRITER_HANDLED;
}

static void
on_changed (Fixture *fixture)
{
  fixture->changed++;
}

static void
on_problem_changed (Fixture *fixture)
{
  fixture->problem_changed++;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("postern-config-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "postern", "config.json", NULL);
  fixture->file = postern_config_file_new (fixture->path);
  g_signal_connect_swapped (fixture->file, "changed", G_CALLBACK (on_changed), fixture);
  g_signal_connect_swapped (fixture->file,
                            "problem-changed",
                            G_CALLBACK (on_problem_changed),
                            fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = g_path_get_dirname (fixture->path);
  g_autofree char *other = g_build_filename (fixture->folder, "elsewhere.json", NULL);

  g_clear_object (&fixture->file);
  unlink (fixture->path);
  unlink (other);
  g_rmdir (folder);
  /* Fails when a temporary file was left behind. */
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

static void
put (Fixture *fixture, const char *text)
{
  g_autofree char *folder = g_path_get_dirname (fixture->path);

  g_mkdir_with_parents (folder, 0700);
  g_assert_true (g_file_set_contents (fixture->path, text, -1, NULL));
}

static char *
get (Fixture *fixture)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  return text;
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (result);
}

static gboolean
finish_change (Fixture *fixture, GAsyncResult **result, GError **error)
{
  g_autoptr (GAsyncResult) owned = NULL;

  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  owned = g_steal_pointer (result);
  return postern_config_file_change_finish (fixture->file, owned, error);
}

static gboolean
add (Fixture *fixture, const char *address, GError **error)
{
  g_autoptr (PosternConfigAccount) account =
      postern_config_account_new (address, "https://mail.example.org");
  GAsyncResult *result = NULL;

  postern_config_file_add_account_async (fixture->file, account, on_done, &result);
  return finish_change (fixture, &result, error);
}

static void
test_missing (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (postern_config_file_load (fixture->file, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (postern_config_file_get (fixture->file)->listeners->len, ==, 4);
  g_assert_null (postern_config_file_get_problem (fixture->file));
}

static void
test_first_account (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  struct stat status;

  g_assert_true (add (fixture, "jane@example.org", &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fixture->changed, ==, 1);
  g_assert_cmpuint (postern_config_file_get (fixture->file)->accounts->len, ==, 1);
  g_assert_cmpint (stat (fixture->path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);

  g_clear_object (&fixture->file);
  fixture->file = postern_config_file_new (fixture->path);
  g_assert_true (postern_config_file_load (fixture->file, &error));
  g_assert_nonnull (
      postern_config_find_address (postern_config_file_get (fixture->file), "jane@example.org"));
}

static void
test_unknown_keys (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = NULL;

  put (fixture,
       "{\"future\": {\"a\": [1, 2.5, null, \"ü\"]}, \"version\": 1, \"accounts\": [{\"id\": \"x\","
       " \"address\": \"x@y\", \"url\": \"https://y\", \"colour\": \"blue\"}]}");
  g_assert_true (add (fixture, "jane@example.org", NULL));
  text = get (fixture);
  g_assert_nonnull (strstr (text, "\"colour\" : \"blue\""));
  g_assert_nonnull (strstr (text, "2.5"));
  g_assert_nonnull (strstr (text, "null"));
  g_assert_nonnull (strstr (text, "ü"));
  g_assert_true (strstr (text, "future") < strstr (text, "version"));
  g_assert_true (strstr (text, "x@y") < strstr (text, "jane@example.org"));
}

/* The daemon has read one file, a person has saved another since: both changes must stand. */
static void
test_edited_meanwhile (Fixture *fixture, gconstpointer data)
{
  PosternConfig *config;

  put (fixture, "{\"version\": 1}");
  g_assert_true (postern_config_file_load (fixture->file, NULL));
  put (fixture, "{\"version\": 1, \"plaintext_login\": false}");
  g_assert_true (add (fixture, "jane@example.org", NULL));
  config = postern_config_file_get (fixture->file);
  g_assert_false (config->plaintext_login);
  g_assert_cmpuint (config->accounts->len, ==, 1);
}

/* The same, but the person saves in the very moment of our change. */
static gboolean
change_while_edited (PosternConfigEdit *edit, gpointer user_data, GError **error)
{
  Fixture *fixture = user_data;
  g_autoptr (PosternConfigAccount) account =
      postern_config_account_new ("jane@example.org", "https://mail.example.org");
  static guint calls;

  if (calls++ == 0)
    put (fixture, "{\"version\": 1, \"cache\": {\"limit_mib\": 7}}");
  return postern_config_edit_add_account (edit, account, error);
}

static void
test_overtaken (Fixture *fixture, gconstpointer data)
{
  GAsyncResult *result = NULL;
  PosternConfig *config;

  put (fixture, "{\"version\": 1}");
  postern_config_file_change_async (fixture->file,
                                    change_while_edited,
                                    fixture,
                                    NULL,
                                    on_done,
                                    &result);
  g_assert_true (finish_change (fixture, &result, NULL));
  config = postern_config_file_get (fixture->file);
  g_assert_cmpuint (config->cache_limit_mib, ==, 7);
  g_assert_cmpuint (config->accounts->len, ==, 1);
}

/* Many at once: each is made on what the one before has written. */
static void
test_many (Fixture *fixture, gconstpointer data)
{
  GAsyncResult *results[8] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autofree char *address = g_strdup_printf ("user%u@example.org", i);
      g_autoptr (PosternConfigAccount) account =
          postern_config_account_new (address, "https://mail.example.org");

      postern_config_file_add_account_async (fixture->file, account, on_done, &results[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    g_assert_true (finish_change (fixture, &results[i], NULL));
  g_assert_cmpuint (postern_config_file_get (fixture->file)->accounts->len, ==, 8);
}

static void
test_invalid (Fixture *fixture, gconstpointer data)
{
  static const char broken[] = "{\"version\": 1,\n  \"accounts\": [}";
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  put (fixture, "{\"version\": 1, \"cache\": {\"limit_mib\": 5}}");
  g_assert_true (postern_config_file_load (fixture->file, NULL));
  put (fixture, broken);

  g_test_expect_message ("postern-config",
                         G_LOG_LEVEL_WARNING,
                         "*config.json:2:16: a value is expected here*");
  g_assert_false (postern_config_file_load (fixture->file, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  g_assert_nonnull (strstr (last_warning, "config.json:2:16: a value is expected here"));
  g_assert_cmpuint (fixture->problem_changed, ==, 1);
  g_assert_cmpstr (postern_config_file_get_problem (fixture->file),
                   ==,
                   "config.json:2:16: a value is expected here");
  g_assert_cmpuint (postern_config_file_get (fixture->file)->cache_limit_mib, ==, 5);

  g_clear_error (&error);
  g_assert_false (add (fixture, "jane@example.org", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  text = get (fixture);
  g_assert_cmpstr (text, ==, broken);

  put (fixture, "{\"version\": 1}");
  g_assert_true (postern_config_file_load (fixture->file, NULL));
  g_assert_null (postern_config_file_get_problem (fixture->file));
  g_assert_cmpuint (fixture->problem_changed, ==, 2);
}

static void
test_newer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  put (fixture, "{\"version\": 9}");
  g_assert_false (add (fixture, "jane@example.org", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NEWER);
  text = get (fixture);
  g_assert_cmpstr (text, ==, "{\"version\": 9}");
}

static void
test_twice (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GAsyncResult *result = NULL;
  g_autofree char *id = NULL;

  g_assert_true (add (fixture, "jane@example.org", NULL));
  g_assert_false (add (fixture, "Jane@Example.org", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_EXISTS);

  id = g_strdup (((PosternConfigAccount *)
                      g_ptr_array_index (postern_config_file_get (fixture->file)->accounts, 0))
                     ->id);
  postern_config_file_remove_account_async (fixture->file, id, on_done, &result);
  g_assert_true (finish_change (fixture, &result, NULL));
  g_assert_cmpuint (postern_config_file_get (fixture->file)->accounts->len, ==, 0);

  g_clear_error (&error);
  postern_config_file_remove_account_async (fixture->file, id, on_done, &result);
  g_assert_false (finish_change (fixture, &result, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
}

static void
test_set (Fixture *fixture, gconstpointer data)
{
  g_autoptr (PosternConfigAccount) account = NULL;
  g_autofree char *text = NULL;
  GAsyncResult *result = NULL;

  put (fixture,
       "{\"version\": 1, \"accounts\": [{\"id\": \"x\", \"address\": \"x@y\","
       " \"url\": \"https://y\", \"colour\": \"blue\"}]}");
  g_assert_true (postern_config_file_load (fixture->file, NULL));
  account = postern_config_account_copy (
      postern_config_find_account (postern_config_file_get (fixture->file), "x"));
  account->paused = TRUE;
  account->auth = POSTERN_CONFIG_AUTH_BASIC;
  postern_config_file_set_account_async (fixture->file, account, on_done, &result);
  g_assert_true (finish_change (fixture, &result, NULL));
  g_assert_true (postern_config_account_equal (
      account,
      postern_config_find_account (postern_config_file_get (fixture->file), "x")));
  text = get (fixture);
  g_assert_nonnull (strstr (text, "blue"));
  g_assert_null (strstr (text, "sent_copy"));
}

static gboolean
on_too_late (gpointer user_data)
{
  g_error ("The change was not noticed in ten seconds");
  return G_SOURCE_REMOVE;
}

static void
wait_for (Fixture *fixture, guint *count)
{
  guint timer = g_timeout_add_seconds (10, on_too_late, NULL);
  guint before = *count;

  while (*count == before)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
}

static void
test_watch (Fixture *fixture, gconstpointer data)
{
  g_assert_true (postern_config_file_load (fixture->file, NULL));
  postern_config_file_watch (fixture->file);
  put (fixture, "{\"version\": 1, \"plaintext_login\": false}");
  wait_for (fixture, &fixture->changed);
  g_assert_false (postern_config_file_get (fixture->file)->plaintext_login);

  put (fixture, "{}");
  wait_for (fixture, &fixture->problem_changed);
  g_assert_nonnull (strstr (last_warning, "version is missing"));
  g_assert_false (postern_config_file_get (fixture->file)->plaintext_login);
  g_assert_cmpuint (fixture->changed, ==, 1);

  unlink (fixture->path);
  wait_for (fixture, &fixture->changed);
  g_assert_true (postern_config_file_get (fixture->file)->plaintext_login);
}

static void
test_symlink (Fixture *fixture, gconstpointer data)
{
  g_autofree char *target = g_build_filename (fixture->folder, "elsewhere.json", NULL);
  g_autofree char *folder = g_path_get_dirname (fixture->path);
  g_autofree char *text = NULL;

  g_mkdir_with_parents (folder, 0700);
  g_assert_true (g_file_set_contents (target, "{\"version\": 1}", -1, NULL));
  g_assert_cmpint (symlink ("../elsewhere.json", fixture->path), ==, 0);
  g_assert_true (add (fixture, "jane@example.org", NULL));
  g_assert_true (g_file_test (fixture->path, G_FILE_TEST_IS_SYMLINK));
  g_assert_true (g_file_get_contents (target, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "jane@example.org"));
}

#define ADD(path, test)                                                                            \
  g_test_add ("/config/config-file/" path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (on_log, NULL, NULL);
  ADD ("no-file-means-the-defaults", test_missing);
  ADD ("the-first-account-makes-a-private-file", test_first_account);
  ADD ("unknown-keys-are-kept", test_unknown_keys);
  ADD ("an-edit-since-our-reading-is-merged", test_edited_meanwhile);
  ADD ("an-edit-during-our-change-is-merged", test_overtaken);
  ADD ("changes-are-made-one-after-the-other", test_many);
  ADD ("an-invalid-file-is-never-overwritten", test_invalid);
  ADD ("a-newer-file-is-never-overwritten", test_newer);
  ADD ("an-address-is-added-once", test_twice);
  ADD ("a-set-account-keeps-what-we-do-not-know", test_set);
  ADD ("an-edited-file-is-read-by-itself", test_watch);
  ADD ("a-symbolic-link-stays", test_symlink);
  return g_test_run ();
}
