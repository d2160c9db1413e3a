/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/bridge.h"
#include "bridge/job.h"

G_BEGIN_DECLS

/**
 * PosternAccountRequest:
 *
 * What a person gives to add an account.
 */
typedef struct
{
  char *address;
  char *url;           /* (nullable): the address's domain is asked */
  char *user;          /* (nullable): the address */
  char *kind;          /* what the secret is: "auto", "password" or "token" */
  char *password_name; /* of the first bridge password */
  PosternSecret *secret;
} PosternAccountRequest;

void postern_account_request_free (PosternAccountRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternAccountRequest, postern_account_request_free)

typedef struct
{
  char *account_id;
  char *password_id;
} PosternAccountSetup;

void postern_account_setup_free (PosternAccountSetup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternAccountSetup, postern_account_setup_free)

gboolean postern_account_setup_check (PosternBridge *bridge,
                                      const PosternAccountRequest *request,
                                      GError **error);
void postern_account_setup_async (PosternBridge *bridge,
                                  PosternAccountRequest *request,
                                  PosternJob *job,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
PosternAccountSetup *
postern_account_setup_finish (PosternBridge *bridge, GAsyncResult *result, GError **error);

void postern_account_sign_in_async (PosternBridge *bridge,
                                    const char *account_id,
                                    const char *kind,
                                    PosternSecret *secret,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
gboolean
postern_account_sign_in_finish (PosternBridge *bridge, GAsyncResult *result, GError **error);

G_END_DECLS
