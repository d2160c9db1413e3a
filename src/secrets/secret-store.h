/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Where passwords and tokens are kept. A secret is found by (login, kind, id); a login is the id of
 * an account, not its address. */
#define POSTERN_SECRET_KIND_BACKEND         "backend"         /* id "": for the JMAP server */
#define POSTERN_SECRET_KIND_BRIDGE_PASSWORD "bridge-password" /* id: of the password */

typedef enum
{
  POSTERN_SECRET_STORE_ABSENT, /* there is no keyring, or it has no collection yet */
  POSTERN_SECRET_STORE_LOCKED,
  POSTERN_SECRET_STORE_READY,
} PosternSecretStoreState;

typedef struct
{
  char *login;
  char *kind;
  char *id;
} PosternSecretKey;

PosternSecretKey *postern_secret_key_new (const char *login, const char *kind, const char *id);
void postern_secret_key_free (PosternSecretKey *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSecretKey, postern_secret_key_free)

/**
 * PosternSecretStore:
 *
 * Secrets that outlive the process: the Secret Service, or a file where that was chosen.
 *
 * ::state-changed: postern_secret_store_get_state() answers something else than before.
 *
 * Every call may fail with POSTERN_ERROR_KEYRING_LOCKED, KEYRING_ABSENT or STORAGE, and ends within
 * ten seconds (unlock: two minutes), whatever the other side does. No call but unlock ever makes a
 * prompt appear.
 */
#define POSTERN_TYPE_SECRET_STORE (postern_secret_store_get_type ())
G_DECLARE_INTERFACE (PosternSecretStore, postern_secret_store, POSTERN, SECRET_STORE, GObject)

struct _PosternSecretStoreInterface
{
  GTypeInterface parent_iface;

  PosternSecretStoreState (*get_state) (PosternSecretStore *self);
  /* Each ends by g_task_propagate_pointer() or _boolean() on the task that it was given. */
  void (*lookup) (PosternSecretStore *self, const PosternSecretKey *key, GTask *task);
  void (*store) (PosternSecretStore *self,
                 const PosternSecretKey *key,
                 const char *label,
                 PosternSecret *secret,
                 GTask *task);
  void (*remove) (PosternSecretStore *self, const PosternSecretKey *key, GTask *task);
  void (*list) (PosternSecretStore *self, const char *login, GTask *task);
  void (*unlock) (PosternSecretStore *self, GTask *task);
};

PosternSecretStoreState postern_secret_store_get_state (PosternSecretStore *self);
const char *postern_secret_store_state_get_name (PosternSecretStoreState state);

void postern_secret_store_lookup_async (PosternSecretStore *self,
                                        const char *login,
                                        const char *kind,
                                        const char *id,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
PosternSecret *
postern_secret_store_lookup_finish (PosternSecretStore *self, GAsyncResult *result, GError **error);

void postern_secret_store_store_async (PosternSecretStore *self,
                                       const char *login,
                                       const char *kind,
                                       const char *id,
                                       const char *label,
                                       PosternSecret *secret,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean
postern_secret_store_store_finish (PosternSecretStore *self, GAsyncResult *result, GError **error);

void postern_secret_store_remove_async (PosternSecretStore *self,
                                        const char *login,
                                        const char *kind,
                                        const char *id,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
gboolean
postern_secret_store_remove_finish (PosternSecretStore *self, GAsyncResult *result, GError **error);

void postern_secret_store_list_async (PosternSecretStore *self,
                                      const char *login,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
GPtrArray *
postern_secret_store_list_finish (PosternSecretStore *self, GAsyncResult *result, GError **error);

void postern_secret_store_unlock_async (PosternSecretStore *self,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
gboolean
postern_secret_store_unlock_finish (PosternSecretStore *self, GAsyncResult *result, GError **error);

G_END_DECLS
