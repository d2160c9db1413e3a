/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBridgePassword:
 *
 * What is known of one bridge password without the keyring: never the password.
 */
typedef struct
{
  char *id;
  char *login_id;
  char *name; /* "Thunderbird on the laptop" */
  guint8 hash[POSTERN_SECRET_HASH_LENGTH];
  gint64 created_us;
  gint64 last_used_us; /* 0 when never */
} PosternBridgePassword;

/**
 * PosternPasswordTable:
 *
 * All bridge passwords, in memory and in `queue.db`, so that a login can be checked at once and
 * while the keyring is locked. Main context only.
 */
#define POSTERN_TYPE_PASSWORD_TABLE (postern_password_table_get_type ())
G_DECLARE_FINAL_TYPE (PosternPasswordTable,
                      postern_password_table,
                      POSTERN,
                      PASSWORD_TABLE,
                      GObject)

const PosternBridgePassword *postern_password_table_check (PosternPasswordTable *self,
                                                           const char *login_id,
                                                           PosternSecret *password);
GPtrArray *postern_password_table_list (PosternPasswordTable *self, const char *login_id);
void postern_password_table_touch (PosternPasswordTable *self, const char *id, gint64 now_us);

void postern_password_table_add_async (PosternPasswordTable *self,
                                       const char *login_id,
                                       const char *name,
                                       PosternSecret *password,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
char *postern_password_table_add_finish (PosternPasswordTable *self,
                                         GAsyncResult *result,
                                         GError **error);
void postern_password_table_revoke_async (PosternPasswordTable *self,
                                          const char *id,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);
void postern_password_table_remove_login_async (PosternPasswordTable *self,
                                                const char *login_id,
                                                GAsyncReadyCallback callback,
                                                gpointer user_data);
gboolean postern_password_table_revoke_finish (PosternPasswordTable *self,
                                               GAsyncResult *result,
                                               GError **error);

G_END_DECLS
