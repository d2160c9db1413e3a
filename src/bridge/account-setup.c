/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/account-setup.h"

#include "base/error.h"
#include "base/random.h"
#include "bridge/password-keeper.h"
#include "mail/address.h"

/* Sign in; keep the secret; make the first bridge password; and only then write the account to the
 * configuration, which is what makes it one. Whatever fails on the way, what was kept before is taken
 * back: half an account is none. */

typedef struct
{
  PosternAccountRequest *request;
  PosternJob *job;
  PosternConfigAccount *account;
  char *password_id;
  GError *error; /* (nullable): why all is being taken back */
} Setup;

void
postern_account_request_free (PosternAccountRequest *self)
{
  g_free (self->address);
  g_free (self->url);
  g_free (self->user);
  g_free (self->kind);
  g_free (self->password_name);
  g_clear_pointer (&self->secret, postern_secret_unref);
  g_free (self);
}

void
postern_account_setup_free (PosternAccountSetup *self)
{
  g_free (self->account_id);
  g_free (self->password_id);
  g_free (self);
}

static void
setup_free (gpointer data)
{
  Setup *setup = data;

  postern_account_request_free (setup->request);
  g_object_unref (setup->job);
  g_clear_pointer (&setup->account, postern_config_account_free);
  g_free (setup->password_id);
  g_clear_error (&setup->error);
  g_free (setup);
}

/* Taking back */

static void
on_secret_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Setup *setup = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_secret_store_remove_finish (POSTERN_SECRET_STORE (source), result, &error))
    g_info ("A secret of no account stays in the keyring: %s", error->message);
  g_task_return_error (task, g_steal_pointer (&setup->error));
}

static void
on_password_revoked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = POSTERN_BRIDGE (source);
  const Setup *setup = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!postern_password_keeper_revoke_finish (bridge, result, &error))
    g_info ("A password of no account stays: %s", error->message);
  postern_secret_store_remove_async (postern_bridge_get_secrets (bridge),
                                     setup->account->id,
                                     POSTERN_SECRET_KIND_BACKEND,
                                     "",
                                     on_secret_removed,
                                     g_object_ref (task));
}

static void
take_back (GTask *task, GError *error)
{
  PosternBridge *bridge = g_task_get_source_object (task);
  Setup *setup = g_task_get_task_data (task);

  setup->error = error;
  if (setup->password_id != NULL)
    postern_password_keeper_revoke_async (bridge,
                                          setup->account->id,
                                          setup->password_id,
                                          on_password_revoked,
                                          g_object_ref (task));
  else
    postern_secret_store_remove_async (postern_bridge_get_secrets (bridge),
                                       setup->account->id,
                                       POSTERN_SECRET_KIND_BACKEND,
                                       "",
                                       on_secret_removed,
                                       g_object_ref (task));
}

/* Step by step */

static void
on_config_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Setup *setup = g_task_get_task_data (task);
  PosternAccountSetup *done;
  GError *error = NULL;

  if (!postern_config_file_change_finish (POSTERN_CONFIG_FILE (source), result, &error))
    {
      take_back (task, error);
      return;
    }
  done = g_new0 (PosternAccountSetup, 1);
  done->account_id = g_strdup (setup->account->id);
  done->password_id = g_strdup (setup->password_id);
  g_message ("Account %s was added", setup->account->id);
  g_task_return_pointer (task, done, (GDestroyNotify) postern_account_setup_free);
}

static void
on_password_made (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = POSTERN_BRIDGE (source);
  Setup *setup = g_task_get_task_data (task);
  GError *error = NULL;

  setup->password_id = postern_password_keeper_add_finish (bridge, result, NULL, &error);
  if (setup->password_id == NULL)
    take_back (task, error);
  else if (g_cancellable_set_error_if_cancelled (postern_job_get_cancellable (setup->job), &error))
    take_back (task, error);
  else
    postern_config_file_add_account_async (postern_bridge_get_config (bridge),
                                           setup->account,
                                           on_config_written,
                                           g_object_ref (task));
}

static void
on_secret_kept (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const Setup *setup = g_task_get_task_data (task);
  GError *error = NULL;

  if (!postern_secret_store_store_finish (POSTERN_SECRET_STORE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  postern_password_keeper_add_async (bridge,
                                     setup->account->id,
                                     setup->request->password_name,
                                     on_password_made,
                                     g_object_ref (task));
}

static void
on_signed_in (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const PosternMailService *service = postern_bridge_get_service (bridge);
  Setup *setup = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (PosternSignIn) signed_in = service->sign_in_finish (service->service, result, &error);
  g_autofree char *label = NULL;

  if (signed_in == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  postern_job_report (setup->job, 0.7, "save");
  setup->account = postern_config_account_new (setup->request->address, signed_in->url);
  g_free (setup->account->user);
  setup->account->user = g_strdup (signed_in->user);
  setup->account->auth = signed_in->auth;
  label = g_strdup_printf ("Postern: %s", setup->request->address);
  postern_secret_store_store_async (postern_bridge_get_secrets (bridge),
                                    setup->account->id,
                                    POSTERN_SECRET_KIND_BACKEND,
                                    "",
                                    label,
                                    signed_in->secret,
                                    on_secret_kept,
                                    g_object_ref (task));
}

static gboolean
check_kind (const char *kind, GError **error)
{
  if (g_str_equal (kind, "auto") || g_str_equal (kind, "password") || g_str_equal (kind, "token"))
    return TRUE;
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_INVALID,
               "A secret is a “password” or a “token”, not “%s”",
               kind);
  return FALSE;
}

/**
 * postern_account_setup_check:
 *
 * Returns: whether @request makes sense, as far as that is known here: INVALID, EXISTS
 */
gboolean
postern_account_setup_check (PosternBridge *bridge,
                             const PosternAccountRequest *request,
                             GError **error)
{
  if (!postern_address_is_valid (request->address))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "“%s” is not a mail address",
                   request->address);
      return FALSE;
    }
  if (postern_bridge_find_address (bridge, request->address) != NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_EXISTS,
                   "There is an account for %s already",
                   request->address);
      return FALSE;
    }
  return check_kind (request->kind, error);
}

/**
 * postern_account_setup_async:
 * @request: (transfer full)
 * @job: shows the steps and carries the cancellation; the caller ends it
 *
 * Signs in to a server and makes an account of it. EXISTS and INVALID before anything is asked; then
 * what PosternBackend and PosternSecretStore say.
 */
void
postern_account_setup_async (PosternBridge *bridge,
                             PosternAccountRequest *request,
                             PosternJob *job,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  GCancellable *cancellable = postern_job_get_cancellable (job);
  const PosternMailService *service = postern_bridge_get_service (bridge);
  g_autoptr (GTask) task = g_task_new (bridge, cancellable, callback, user_data);
  Setup *setup = g_new0 (Setup, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, postern_account_setup_async);
  g_task_set_check_cancellable (task, FALSE);
  setup->request = request;
  setup->job = g_object_ref (job);
  g_task_set_task_data (task, setup, setup_free);
  if (!postern_account_setup_check (bridge, request, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  postern_job_report (job, 0.1, request->url == NULL ? "discover" : "connect");
  service->sign_in_async (service->service,
                          request->address,
                          request->url,
                          request->user,
                          request->kind,
                          request->secret,
                          cancellable,
                          on_signed_in,
                          g_steal_pointer (&task));
}

/**
 * postern_account_setup_finish:
 *
 * Returns: (transfer full) (nullable): the account, which is there now
 */
PosternAccountSetup *
postern_account_setup_finish (PosternBridge *bridge, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Signing in again */

typedef struct
{
  char *account_id;
  PosternSignIn *signed_in; /* (nullable) */
} Renewal;

static void
renewal_free (gpointer data)
{
  Renewal *renewal = data;

  g_free (renewal->account_id);
  g_clear_pointer (&renewal->signed_in, postern_sign_in_free);
  g_free (renewal);
}

static void
on_auth_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (postern_config_file_change_finish (POSTERN_CONFIG_FILE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
change_auth (PosternConfigEdit *edit, gpointer user_data, GError **error)
{
  return postern_config_edit_set_account (edit, user_data, error);
}

static void
on_renewed_secret_kept (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const Renewal *renewal = g_task_get_task_data (task);
  PosternAccount *account = postern_bridge_find_account (bridge, renewal->account_id);
  PosternConfigAccount *changed;
  GError *error = NULL;

  if (!postern_secret_store_store_finish (POSTERN_SECRET_STORE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (account == NULL)
    {
      g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "The account is gone");
      return;
    }
  if (postern_account_get_config (account)->auth == renewal->signed_in->auth)
    {
      postern_account_set_secret (account, renewal->signed_in->secret);
      g_task_return_boolean (task, TRUE);
      return;
    }
  /* Another way to sign in is another backend, which the changed configuration makes. */
  changed = postern_config_account_copy (postern_account_get_config (account));
  changed->auth = renewal->signed_in->auth;
  postern_config_file_change_async (postern_bridge_get_config (bridge),
                                    change_auth,
                                    changed,
                                    (GDestroyNotify) postern_config_account_free,
                                    on_auth_written,
                                    g_object_ref (task));
}

static void
on_signed_in_again (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternBridge *bridge = g_task_get_source_object (task);
  const PosternMailService *service = postern_bridge_get_service (bridge);
  Renewal *renewal = g_task_get_task_data (task);
  g_autofree char *label = NULL;
  GError *error = NULL;

  renewal->signed_in = service->sign_in_finish (service->service, result, &error);
  if (renewal->signed_in == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  label = g_strdup_printf ("Postern: %s", renewal->signed_in->user);
  postern_secret_store_store_async (postern_bridge_get_secrets (bridge),
                                    renewal->account_id,
                                    POSTERN_SECRET_KIND_BACKEND,
                                    "",
                                    label,
                                    renewal->signed_in->secret,
                                    on_renewed_secret_kept,
                                    g_object_ref (task));
}

/**
 * postern_account_sign_in_async:
 * @kind: what @secret is: "auto", "password" or "token"
 *
 * Gives an account another secret, once the server has taken it; until then the old one stays.
 */
void
postern_account_sign_in_async (PosternBridge *bridge,
                               const char *account_id,
                               const char *kind,
                               PosternSecret *secret,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  const PosternMailService *service = postern_bridge_get_service (bridge);
  g_autoptr (GTask) task = g_task_new (bridge, NULL, callback, user_data);
  PosternAccount *account = postern_bridge_find_account (bridge, account_id);
  const PosternConfigAccount *config;
  Renewal *renewal;
  GError *error = NULL;

  g_task_set_source_tag (task, postern_account_sign_in_async);
  if (account == NULL)
    {
      g_task_return_new_error (task, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "No such account");
      return;
    }
  if (!check_kind (kind, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  renewal = g_new0 (Renewal, 1);
  renewal->account_id = g_strdup (account_id);
  g_task_set_task_data (task, renewal, renewal_free);
  config = postern_account_get_config (account);
  service->sign_in_async (service->service,
                          config->address,
                          config->url,
                          config->user,
                          kind,
                          secret,
                          NULL,
                          on_signed_in_again,
                          g_steal_pointer (&task));
}

gboolean
postern_account_sign_in_finish (PosternBridge *bridge, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
