/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-secrets"

#include "config.h"

#include "secrets/secret-store.h"

#include "base/error.h"

#include <string.h>

G_DEFINE_INTERFACE (PosternSecretStore, postern_secret_store, G_TYPE_OBJECT)

static void
postern_secret_store_default_init (PosternSecretStoreInterface *iface)
{
  g_signal_new ("state-changed",
                POSTERN_TYPE_SECRET_STORE,
                G_SIGNAL_RUN_LAST,
                0,
                NULL,
                NULL,
                NULL,
                G_TYPE_NONE,
                0);
}

PosternSecretKey *
postern_secret_key_new (const char *login, const char *kind, const char *id)
{
  PosternSecretKey *self = g_new0 (PosternSecretKey, 1);

  self->login = g_strdup (login);
  self->kind = g_strdup (kind);
  self->id = g_strdup (id);
  return self;
}

void
postern_secret_key_free (PosternSecretKey *self)
{
  g_free (self->login);
  g_free (self->kind);
  g_free (self->id);
  g_free (self);
}

/**
 * postern_secret_store_get_state:
 *
 * Returns: what was known last; answers at once
 */
PosternSecretStoreState
postern_secret_store_get_state (PosternSecretStore *self)
{
  return POSTERN_SECRET_STORE_GET_IFACE (self)->get_state (self);
}

/**
 * postern_secret_store_state_get_name:
 *
 * Returns: the state as Bridge1.KeyringState has it
 */
const char *
postern_secret_store_state_get_name (PosternSecretStoreState state)
{
  static const char *const names[] = { "absent", "locked", "ready" };

  return names[state];
}

static GTask *
begin (PosternSecretStore *self, gpointer tag, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, tag);
  return task;
}

/**
 * postern_secret_store_lookup_async:
 * @login: the id of an account
 * @kind: a POSTERN_SECRET_KIND
 * @id: "" where the kind has only one
 */
void
postern_secret_store_lookup_async (PosternSecretStore *self,
                                   const char *login,
                                   const char *kind,
                                   const char *id,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (PosternSecretKey) key = postern_secret_key_new (login, kind, id);

  POSTERN_SECRET_STORE_GET_IFACE (self)->lookup (
      self,
      key,
      begin (self, postern_secret_store_lookup_async, callback, user_data));
}

/**
 * postern_secret_store_lookup_finish:
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_NOT_FOUND only when the store is open and
 *   has no such secret; see PosternSecretStore for the others.
 */
PosternSecret *
postern_secret_store_lookup_finish (PosternSecretStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * postern_secret_store_store_async:
 * @label: what a person sees in their keyring, like "Postern: jane@example.org"
 * @secret: one line of text; replaces what was there
 *
 * When it has succeeded the secret is on disk.
 */
void
postern_secret_store_store_async (PosternSecretStore *self,
                                  const char *login,
                                  const char *kind,
                                  const char *id,
                                  const char *label,
                                  PosternSecret *secret,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (PosternSecretKey) key = postern_secret_key_new (login, kind, id);

  POSTERN_SECRET_STORE_GET_IFACE (self)->store (
      self,
      key,
      label,
      secret,
      begin (self, postern_secret_store_store_async, callback, user_data));
}

gboolean
postern_secret_store_store_finish (PosternSecretStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * postern_secret_store_remove_async:
 *
 * That it was not there is no error.
 */
void
postern_secret_store_remove_async (PosternSecretStore *self,
                                   const char *login,
                                   const char *kind,
                                   const char *id,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (PosternSecretKey) key = postern_secret_key_new (login, kind, id);

  POSTERN_SECRET_STORE_GET_IFACE (self)->remove (
      self,
      key,
      begin (self, postern_secret_store_remove_async, callback, user_data));
}

gboolean
postern_secret_store_remove_finish (PosternSecretStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * postern_secret_store_list_async:
 * @login: the id of an account
 */
void
postern_secret_store_list_async (PosternSecretStore *self,
                                 const char *login,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  POSTERN_SECRET_STORE_GET_IFACE (self)->list (
      self,
      login,
      begin (self, postern_secret_store_list_async, callback, user_data));
}

/**
 * postern_secret_store_list_finish:
 *
 * Returns: (transfer full) (nullable) (element-type PosternSecretKey): what there is for the login, in no
 *   order; may be empty
 */
GPtrArray *
postern_secret_store_list_finish (PosternSecretStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * postern_secret_store_unlock_async:
 *
 * Makes the keyring's prompt appear when it is locked; only when a person asked for it.
 */
void
postern_secret_store_unlock_async (PosternSecretStore *self,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  POSTERN_SECRET_STORE_GET_IFACE (self)->unlock (
      self,
      begin (self, postern_secret_store_unlock_async, callback, user_data));
}

gboolean
postern_secret_store_unlock_finish (PosternSecretStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
