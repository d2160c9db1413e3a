/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store.h"

#include "base/error.h"
#include "tests/support/await.h"
#include "tests/support/scratch.h"

#include <string.h>

typedef struct
{
  char *dir;
  PosternStore *store;
  PosternPasswordTable *table;
} Fixture;

static void
open_store (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  self->store = postern_store_open (self->dir, &error);
  g_assert_no_error (error);
  self->table = postern_store_get_passwords (self->store);
}

static void
reopen_store (Fixture *self)
{
  g_auto (Await) await = { 0 };

  postern_store_close_async (self->store, await_done, &await);
  g_assert_true (postern_store_close_finish (self->store, await_result (&await), NULL));
  await_clear (&await);
  g_clear_object (&self->store);
  open_store (self);
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
  g_clear_object (&self->store);
  scratch_remove (self->dir);
  g_free (self->dir);
}

static char *
add (Fixture *self, const char *login_id, const char *name, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) password = postern_secret_new (text, -1);
  g_auto (Await) await = { 0 };
  char *id;

  postern_password_table_add_async (self->table, login_id, name, password, await_done, &await);
  id = postern_password_table_add_finish (self->table, await_result (&await), &error);
  g_assert_no_error (error);
  return id;
}

static const PosternBridgePassword *
check (Fixture *self, const char *login_id, const char *text)
{
  g_autoptr (PosternSecret) password = postern_secret_new (text, -1);

  return postern_password_table_check (self->table, login_id, password);
}

static guint
count (Fixture *self, const char *login_id)
{
  g_autoptr (GPtrArray) list = postern_password_table_list (self->table, login_id);

  return list->len;
}

static void
test_check (Fixture *self, gconstpointer data)
{
  g_autofree char *laptop = add (self, "ann", "laptop", "pb_1");
  g_autofree char *phone = add (self, "ann", "phone", "pb_2");
  g_autofree char *other = add (self, "bob", "laptop", "pb_3");

  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpstr (check (self, "ann", "pb_1")->id, ==, laptop);
      g_assert_cmpstr (check (self, "ann", "pb_2")->name, ==, "phone");
      g_assert_null (check (self, "ann", "pb_3"));
      g_assert_null (check (self, "ann", ""));
      g_assert_null (check (self, "nobody", "pb_1"));
      g_assert_cmpuint (count (self, "ann"), ==, 2);
      g_assert_cmpuint (count (self, NULL), ==, 3);
      reopen_store (self);
    }
}

static void
test_revoke (Fixture *self, gconstpointer data)
{
  g_autofree char *laptop = add (self, "ann", "laptop", "pb_1");
  g_autofree char *phone = add (self, "ann", "phone", "pb_2");
  g_autofree char *other = add (self, "bob", "laptop", "pb_3");
  g_autoptr (GError) error = NULL;
  g_auto (Await) first = { 0 };
  g_auto (Await) again = { 0 };
  g_auto (Await) login = { 0 };

  postern_password_table_revoke_async (self->table, laptop, await_done, &first);
  g_assert_true (postern_password_table_revoke_finish (self->table, await_result (&first), &error));
  g_assert_null (check (self, "ann", "pb_1"));
  g_assert_nonnull (check (self, "ann", "pb_2"));
  postern_password_table_revoke_async (self->table, laptop, await_done, &again);
  g_assert_false (
      postern_password_table_revoke_finish (self->table, await_result (&again), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  g_clear_error (&error);
  await_clear (&first);
  await_clear (&again);
  reopen_store (self);
  g_assert_null (check (self, "ann", "pb_1"));
  g_assert_nonnull (check (self, "ann", "pb_2"));
  postern_password_table_remove_login_async (self->table, "ann", await_done, &login);
  g_assert_true (postern_password_table_revoke_finish (self->table, await_result (&login), &error));
  g_assert_cmpuint (count (self, "ann"), ==, 0);
  g_assert_cmpuint (count (self, "bob"), ==, 1);
}

static void
test_last_use (Fixture *self, gconstpointer data)
{
  g_autofree char *laptop = add (self, "ann", "laptop", "pb_1");

  g_assert_cmpint (check (self, "ann", "pb_1")->last_used_us, ==, 0);
  postern_password_table_touch (self->table, laptop, 12345);
  g_assert_cmpint (check (self, "ann", "pb_1")->last_used_us, ==, 12345);
  reopen_store (self);
  g_assert_cmpint (check (self, "ann", "pb_1")->last_used_us, ==, 12345);
}

static void
test_no_password_on_disk (Fixture *self, gconstpointer data)
{
  g_autofree char *id = add (self, "ann", "laptop", "pb_correcthorsebatterystaple");
  static const char *const names[] = { "queue.db", "queue.db-wal" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (self->dir, names[i], NULL);
      g_autofree char *bytes = NULL;
      gsize length;

      g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
      g_assert_null (memmem (bytes, length, "correcthorse", 12));
    }
}

#define TEST(path, function)                                                                       \
  g_test_add ("/store/passwords/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  TEST ("right-one-of-several-opens", test_check);
  TEST ("revoked-one-opens-no-more", test_revoke);
  TEST ("last-use-is-kept", test_last_use);
  TEST ("no-password-reaches-the-disk", test_no_password_on_disk);
  return g_test_run ();
}
