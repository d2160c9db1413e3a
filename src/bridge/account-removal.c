/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/account-removal.h"

#include "base/error.h"

/* What waits to be sent is decided first, since it is the only thing that cannot be had again; then
 * the account leaves the configuration; then its passwords, its cache and its secrets go. What of the
 * last is not reached, in a locked keyring for example, does no harm: ids are never used again. */

typedef struct
{
  char *account_id;
  char *queued;
} Removal;

static void
removal_free (gpointer data)
{
  Removal *removal = data;

  g_free (removal->account_id);
  g_free (removal->queued);
  g_free (removal);
}

static void
on_secret_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!postern_secret_store_remove_finish (POSTERN_SECRET_STORE (source), result, &error))
    g_info ("A secret of a removed account stays in the keyring: %s", error->message);
}

static void
on_secrets_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  PosternSecretStore *secrets = POSTERN_SECRET_STORE (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) keys = postern_secret_store_list_finish (secrets, result, &error);

  if (keys == NULL)
    {
      g_message ("The secrets of a removed account stay in the keyring: %s", error->message);
      return;
    }
  for (guint i = 0; i < keys->len; i++)
    {
      const PosternSecretKey *key = g_ptr_array_index (keys, i);

      postern_secret_store_remove_async (secrets,
                                         key->login,
                                         key->kind,
                                         key->id,
                                         on_secret_removed,
                                         NULL);
    }
}

static void
on_maildrop_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const Removal *removal = g_task_get_task_data (task);
  GError *error = NULL;

  if (!postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error))
    {
      g_prefix_error (&error, "The account is removed, but its cached mail is not: ");
      g_task_return_error (task, error);
      return;
    }
  postern_secret_store_list_async (postern_bridge_get_secrets (bridge),
                                   removal->account_id,
                                   on_secrets_listed,
                                   NULL);
  g_message ("Account %s was removed", removal->account_id);
  g_task_return_boolean (task, TRUE);
}

static void
on_passwords_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const Removal *removal = g_task_get_task_data (task);
  GError *error = NULL;

  if (!postern_password_table_revoke_finish (POSTERN_PASSWORD_TABLE (source), result, &error))
    {
      g_prefix_error (&error, "The account is removed, but its passwords are not: ");
      g_task_return_error (task, error);
      return;
    }
  postern_maildrop_store_remove_account_async (
      postern_store_get_maildrops (postern_bridge_get_store (bridge)),
      removal->account_id,
      on_maildrop_removed,
      g_object_ref (task));
}

static void
on_config_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const Removal *removal = g_task_get_task_data (task);
  GError *error = NULL;

  if (!postern_config_file_change_finish (POSTERN_CONFIG_FILE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  postern_password_table_remove_login_async (
      postern_store_get_passwords (postern_bridge_get_store (bridge)),
      removal->account_id,
      on_passwords_removed,
      g_object_ref (task));
}

static void
leave_config (GTask *task)
{
  PosternBridge *bridge = g_task_get_source_object (task);
  const Removal *removal = g_task_get_task_data (task);

  postern_config_file_remove_account_async (postern_bridge_get_config (bridge),
                                            removal->account_id,
                                            on_config_written,
                                            g_object_ref (task));
}

static void
on_queue_settled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (postern_queue_store_act_finish (POSTERN_QUEUE_STORE (source), result, &error) < 0)
    g_task_return_error (task, error);
  else
    leave_config (task);
}

static void
on_counted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternQueueStore *queue = POSTERN_QUEUE_STORE (source);
  const Removal *removal = g_task_get_task_data (task);
  GError *error = NULL;
  gint64 count = postern_queue_store_count_account_finish (queue, result, &error);

  if (count < 0)
    g_task_return_error (task, error);
  else if (count == 0)
    leave_config (task);
  else if (g_str_equal (removal->queued, "refuse"))
    g_task_return_new_error (task,
                             POSTERN_ERROR,
                             POSTERN_ERROR_BUSY,
                             count == 1
                                 ? "%" G_GINT64_FORMAT " message waits to leave through this "
                                   "account; discard it or hold it first"
                                 : "%" G_GINT64_FORMAT " messages wait to leave through this "
                                   "account; discard them or hold them first",
                             count);
  else
    postern_queue_store_act_account_async (queue,
                                           g_str_equal (removal->queued, "discard")
                                               ? POSTERN_QUEUE_ACTION_DISCARD
                                               : POSTERN_QUEUE_ACTION_HOLD,
                                           removal->account_id,
                                           on_queue_settled,
                                           g_steal_pointer (&task));
}

/**
 * postern_account_removal_async:
 * @queued: what becomes of mail that waits: "refuse", "discard" or "hold"
 *
 * Takes an account out. NOT_FOUND, INVALID, and BUSY with the count for "refuse".
 */
void
postern_account_removal_async (PosternBridge *bridge,
                               const char *account_id,
                               const char *queued,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (bridge, NULL, callback, user_data);
  Removal *removal;

  g_task_set_source_tag (task, postern_account_removal_async);
  if (postern_bridge_find_account (bridge, account_id) == NULL)
    {
      g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "No such account");
      return;
    }
  if (!g_str_equal (queued, "refuse") && !g_str_equal (queued, "discard") &&
      !g_str_equal (queued, "hold"))
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_INVALID,
                               "Waiting mail can be refused, discarded or held, not “%s”",
                               queued);
      return;
    }
  removal = g_new0 (Removal, 1);
  removal->account_id = g_strdup (account_id);
  removal->queued = g_strdup (queued);
  g_task_set_task_data (task, removal, removal_free);
  postern_queue_store_count_account_async (
      postern_store_get_queue (postern_bridge_get_store (bridge)),
      account_id,
      NULL,
      on_counted,
      g_steal_pointer (&task));
}

gboolean
postern_account_removal_finish (PosternBridge *bridge, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
