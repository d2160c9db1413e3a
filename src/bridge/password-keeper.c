/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/password-keeper.h"

#include "base/error.h"

#define NAME_MAX_CHARACTERS 64

typedef struct
{
  char *login_id;
  char *id; /* (nullable) until the table gave one */
  PosternSecret *password;
  GError *error; /* (nullable): why it is being taken back */
} Making;

static void
making_free (gpointer data)
{
  Making *making = data;

  g_free (making->login_id);
  g_free (making->id);
  postern_secret_unref (making->password);
  g_clear_error (&making->error);
  g_free (making);
}

static PosternPasswordTable *
table_of (PosternBridge *bridge)
{
  return postern_store_get_passwords (postern_bridge_get_store (bridge));
}

static void
on_taken_back (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Making *making = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_password_table_revoke_finish (POSTERN_PASSWORD_TABLE (source), result, &error))
    g_warning ("A bridge password that nobody knows could not be taken back: %s", error->message);
  g_task_return_error (task, g_steal_pointer (&making->error));
}

static void
on_kept (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Making *making = g_task_get_task_data (task);

  if (postern_secret_store_store_finish (POSTERN_SECRET_STORE (source), result, &making->error))
    g_task_return_boolean (task, TRUE);
  else
    postern_password_table_revoke_async (table_of (g_task_get_source_object (task)),
                                         making->id,
                                         on_taken_back,
                                         g_object_ref (task));
}

static void
on_hash_added (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  Making *making = g_task_get_task_data (task);
  GError *error = NULL;

  making->id = postern_password_table_add_finish (POSTERN_PASSWORD_TABLE (source), result, &error);
  if (making->id == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  postern_secret_store_store_async (postern_bridge_get_secrets (bridge),
                                    making->login_id,
                                    POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                    making->id,
                                    "Postern bridge password",
                                    making->password,
                                    on_kept,
                                    g_object_ref (task));
}

static gboolean
check_name (PosternBridge *bridge, const char *login_id, const char *name, GError **error)
{
  g_autoptr (GPtrArray) known = postern_password_table_list (table_of (bridge), login_id);
  glong length = g_utf8_validate (name, -1, NULL) ? g_utf8_strlen (name, -1) : 0;

  if (length < 1 || length > NAME_MAX_CHARACTERS)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "The name of a password has 1 to %d characters",
                   NAME_MAX_CHARACTERS);
      return FALSE;
    }
  if (known->len >= POSTERN_PASSWORDS_MAX)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_FULL,
                   "This login has %d passwords; revoke one that is not used any more",
                   POSTERN_PASSWORDS_MAX);
      return FALSE;
    }
  return TRUE;
}

/**
 * postern_password_keeper_add_async:
 * @login_id: an account's id
 * @name: what a person calls it, 1 to 64 characters
 *
 * Makes a bridge password. It counts only when both its hash and itself are kept.
 */
void
postern_password_keeper_add_async (PosternBridge *bridge,
                                   const char *login_id,
                                   const char *name,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (bridge, NULL, callback, user_data);
  Making *making;
  GError *error = NULL;

  g_task_set_source_tag (task, postern_password_keeper_add_async);
  if (!check_name (bridge, login_id, name, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  making = g_new0 (Making, 1);
  making->login_id = g_strdup (login_id);
  making->password = postern_secret_new_random ("");
  g_task_set_task_data (task, making, making_free);
  postern_password_table_add_async (table_of (bridge),
                                    login_id,
                                    name,
                                    making->password,
                                    on_hash_added,
                                    g_steal_pointer (&task));
}

/**
 * postern_password_keeper_add_finish:
 * @password: (out) (transfer full) (optional)
 *
 * Returns: (transfer full) (nullable): the password's id
 */
char *
postern_password_keeper_add_finish (PosternBridge *bridge,
                                    GAsyncResult *result,
                                    PosternSecret **password,
                                    GError **error)
{
  const Making *making = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;
  if (password != NULL)
    *password = postern_secret_ref (making->password);
  return g_strdup (making->id);
}

/* Revoking */

static void
on_forgotten (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  /* It opens nothing any more; that it lies in a locked keyring does no harm. */
  if (!postern_secret_store_remove_finish (POSTERN_SECRET_STORE (source), result, &error))
    g_info ("A revoked password stays in the keyring for now: %s", error->message);
}

static void
on_revoked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const PosternSecretKey *key = g_task_get_task_data (task);
  GError *error = NULL;

  if (!postern_password_table_revoke_finish (POSTERN_PASSWORD_TABLE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  postern_secret_store_remove_async (postern_bridge_get_secrets (bridge),
                                     key->login,
                                     key->kind,
                                     key->id,
                                     on_forgotten,
                                     NULL);
  g_task_return_boolean (task, TRUE);
}

/**
 * postern_password_keeper_revoke_async:
 *
 * Makes a password open nothing any more. Works while the keyring is locked. NOT_FOUND when @login_id
 * has no such password.
 */
void
postern_password_keeper_revoke_async (PosternBridge *bridge,
                                      const char *login_id,
                                      const char *id,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (bridge, NULL, callback, user_data);
  g_autoptr (GPtrArray) known = postern_password_table_list (table_of (bridge), login_id);
  gboolean is_known = FALSE;

  g_task_set_source_tag (task, postern_password_keeper_revoke_async);
  for (guint i = 0; i < known->len; i++)
    {
      const PosternBridgePassword *password = g_ptr_array_index (known, i);

      is_known = is_known || g_str_equal (password->id, id);
    }
  if (!is_known)
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_NOT_FOUND,
                               "This login has no such password");
      return;
    }
  g_task_set_task_data (task,
                        postern_secret_key_new (login_id, POSTERN_SECRET_KIND_BRIDGE_PASSWORD, id),
                        (GDestroyNotify) postern_secret_key_free);
  postern_password_table_revoke_async (table_of (bridge), id, on_revoked, g_steal_pointer (&task));
}

gboolean
postern_password_keeper_revoke_finish (PosternBridge *bridge, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
