/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/bridge-object.h"

#include "base/clock.h"
#include "base/error.h"
#include "bridge/account-removal.h"
#include "bridge/account-setup.h"
#include "daemon/account-objects.h"
#include "daemon/bus-call.h"
#include "ipc/bus.h"
#include "ipc/names.h"
#include "ipc/secret-fd.h"

struct _PosternBridgeObject
{
  PosternBridge *bridge;
  PosternJobBook *jobs; /* lent */
  PosternBusBridge *skeleton;
  PosternBridgeObjectQuit quit;
  gpointer user_data;
  gboolean is_stopping;
};

static void
tell (PosternBridgeObject *self)
{
  const char *problem = postern_config_file_get_problem (postern_bridge_get_config (self->bridge));
  PosternSecretStoreState keyring =
      postern_secret_store_get_state (postern_bridge_get_secrets (self->bridge));

  postern_bus_bridge_set_state (self->skeleton,
                                self->is_stopping ? "stopping"
                                                  : postern_bridge_get_state (self->bridge));
  postern_bus_bridge_set_keyring_state (self->skeleton,
                                        postern_secret_store_state_get_name (keyring));
  postern_bus_bridge_set_config_problem (self->skeleton, problem != NULL ? problem : "");
}

static gboolean
on_sync (PosternBusBridge *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  PosternBridgeObject *self = user_data;

  postern_bridge_sync (self->bridge);
  postern_bus_bridge_complete_sync (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Adding */

static void
on_account_set_up (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternJob) job = user_data;
  GError *error = NULL;
  g_autoptr (PosternAccountSetup) setup =
      postern_account_setup_finish (POSTERN_BRIDGE (source), result, &error);
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *path = NULL;

  if (setup == NULL)
    {
      postern_job_take_error (job, error);
      return;
    }
  path = postern_account_object_path (setup->account_id);
  g_variant_dict_insert (&dict, "account", "o", path);
  g_variant_dict_insert (&dict, "id", "s", setup->account_id);
  g_variant_dict_insert (&dict, "password_id", "s", setup->password_id);
  postern_job_end (job, g_variant_dict_end (&dict));
}

static char *
dup_option (GVariant *options, const char *name, const char *fallback)
{
  char *value = NULL;

  if (!g_variant_lookup (options, name, "s", &value) || *value == '\0')
    {
      g_free (value);
      return g_strdup (fallback);
    }
  return value;
}

static gboolean
on_add_account (PosternBusBridge *skeleton,
                GDBusMethodInvocation *invocation,
                GUnixFDList *fds,
                GVariant *options,
                GVariant *handle,
                const char *job_id,
                gpointer user_data)
{
  PosternBridgeObject *self = user_data;
  g_autoptr (PosternAccountRequest) request = g_new0 (PosternAccountRequest, 1);
  g_autoptr (PosternJob) job = NULL;
  g_autofree char *path = NULL;
  GError *error = NULL;

  request->address = dup_option (options, "address", "");
  request->url = dup_option (options, "url", NULL);
  request->user = dup_option (options, "user", NULL);
  request->kind = dup_option (options, "kind", "auto");
  request->password_name = dup_option (options, "password_name", "Mail program");
  request->secret = postern_secret_fd_list_read (fds, handle, &error);
  if (request->secret != NULL && postern_account_setup_check (self->bridge, request, &error))
    job = postern_job_book_begin (self->jobs, job_id, "add-account", &path, &error);
  if (job == NULL)
    {
      postern_bus_call_reply_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  postern_bus_bridge_complete_add_account (skeleton, invocation, NULL, path);
  postern_account_setup_async (self->bridge,
                               g_steal_pointer (&request),
                               job,
                               on_account_set_up,
                               g_object_ref (job));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* The other methods */

static void
on_account_gone (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  GError *error = NULL;

  if (!postern_account_removal_finish (POSTERN_BRIDGE (source), result, &error))
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_bridge_complete_remove_account (call->skeleton, call->invocation);
}

static gboolean
on_remove_account (PosternBusBridge *skeleton,
                   GDBusMethodInvocation *invocation,
                   const char *id,
                   const char *queued,
                   gpointer user_data)
{
  PosternBridgeObject *self = user_data;

  postern_account_removal_async (self->bridge,
                                 id,
                                 queued,
                                 on_account_gone,
                                 postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_reloaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  GError *error = NULL;

  if (!postern_config_file_reload_finish (POSTERN_CONFIG_FILE (source), result, &error))
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_bridge_complete_reload_config (call->skeleton, call->invocation);
}

static gboolean
on_reload_config (PosternBusBridge *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  PosternBridgeObject *self = user_data;

  postern_config_file_reload_async (postern_bridge_get_config (self->bridge),
                                    on_reloaded,
                                    postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_unlocked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  GError *error = NULL;

  if (!postern_secret_store_unlock_finish (POSTERN_SECRET_STORE (source), result, &error))
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_bridge_complete_unlock_keyring (call->skeleton, call->invocation);
}

static gboolean
on_unlock_keyring (PosternBusBridge *skeleton,
                   GDBusMethodInvocation *invocation,
                   gpointer user_data)
{
  PosternBridgeObject *self = user_data;

  postern_secret_store_unlock_async (postern_bridge_get_secrets (self->bridge),
                                     on_unlocked,
                                     postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_quit (PosternBusBridge *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  PosternBridgeObject *self = user_data;

  postern_bus_bridge_complete_quit (skeleton, invocation);
  self->quit (self->user_data);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/**
 * postern_bridge_object_new:
 * @jobs: outlives this
 * @quit: called when somebody asks us to end
 */
PosternBridgeObject *
postern_bridge_object_new (PosternBridge *bridge,
                           PosternObjectTree *tree,
                           PosternJobBook *jobs,
                           const char *state_dir,
                           PosternBridgeObjectQuit quit,
                           gpointer user_data)
{
  PosternBridgeObject *self = g_new0 (PosternBridgeObject, 1);
  PosternBusBridge *skeleton = postern_bus_bridge_skeleton_new ();

  self->bridge = g_object_ref (bridge);
  self->jobs = jobs;
  self->skeleton = skeleton;
  self->quit = quit;
  self->user_data = user_data;
  postern_bus_bridge_set_version (skeleton, POSTERN_VERSION);
  postern_bus_bridge_set_started_at (skeleton, postern_clock_now_us ());
  postern_bus_bridge_set_config_path (
      skeleton,
      postern_config_file_get_path (postern_bridge_get_config (bridge)));
  postern_bus_bridge_set_state_dir (skeleton, state_dir);
  postern_bus_bridge_set_ca_path (skeleton, "");
  g_signal_connect (skeleton, "handle-sync", G_CALLBACK (on_sync), self);
  g_signal_connect (skeleton, "handle-add-account", G_CALLBACK (on_add_account), self);
  g_signal_connect (skeleton, "handle-remove-account", G_CALLBACK (on_remove_account), self);
  g_signal_connect (skeleton, "handle-reload-config", G_CALLBACK (on_reload_config), self);
  g_signal_connect (skeleton, "handle-unlock-keyring", G_CALLBACK (on_unlock_keyring), self);
  g_signal_connect (skeleton, "handle-quit", G_CALLBACK (on_quit), self);
  g_signal_connect_swapped (bridge, "changed", G_CALLBACK (tell), self);
  tell (self);
  postern_object_tree_add (tree, POSTERN_BUS_PATH, G_DBUS_INTERFACE_SKELETON (skeleton));
  return self;
}

void
postern_bridge_object_set_ca_path (PosternBridgeObject *self, const char *path)
{
  postern_bus_bridge_set_ca_path (self->skeleton, path);
}

void
postern_bridge_object_set_stopping (PosternBridgeObject *self)
{
  self->is_stopping = TRUE;
  tell (self);
}

void
postern_bridge_object_free (PosternBridgeObject *self)
{
  g_signal_handlers_disconnect_by_data (self->bridge, self);
  g_signal_handlers_disconnect_by_data (self->skeleton, self);
  g_object_unref (self->skeleton);
  g_object_unref (self->bridge);
  g_free (self);
}
