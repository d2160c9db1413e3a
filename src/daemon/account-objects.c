/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/account-objects.h"

#include "base/error.h"
#include "bridge/account-check.h"
#include "bridge/account-setup.h"
#include "bridge/password-keeper.h"
#include "daemon/bus-call.h"
#include "ipc/bus-errors.h"
#include "ipc/bus.h"
#include "ipc/names.h"
#include "ipc/secret-fd.h"

#define COUNT_MS 1000

struct _PosternAccountObjects
{
  PosternBridge *bridge;
  PosternObjectTree *tree;
  PosternJobBook *jobs; /* lent */
  GHashTable *shown;    /* (element-type PosternAccount Shown) */
};

typedef struct
{
  PosternAccountObjects *objects; /* lent */
  PosternAccount *account;
  PosternBusAccount *skeleton;
  char *path;
  guint count_id;
} Shown;

/**
 * postern_account_object_path:
 *
 * Returns: (transfer full): where an account is on the bus
 */
char *
postern_account_object_path (const char *account_id)
{
  return g_strconcat (POSTERN_BUS_ACCOUNTS_PATH, "/", account_id, NULL);
}

/* What is told without being asked */

static void
on_waiting_counted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusAccount) skeleton = user_data;
  gint64 count =
      postern_queue_store_count_account_finish (POSTERN_QUEUE_STORE (source), result, NULL);

  if (count >= 0)
    postern_bus_account_set_waiting (skeleton, (guint) count);
}

static void
count_waiting (Shown *shown)
{
  postern_queue_store_count_account_async (
      postern_store_get_queue (postern_bridge_get_store (shown->objects->bridge)),
      postern_account_get_id (shown->account),
      NULL,
      on_waiting_counted,
      g_object_ref (shown->skeleton));
}

static void
tell (Shown *shown)
{
  PosternAccount *account = shown->account;
  const PosternConfigAccount *config = postern_account_get_config (account);
  const GError *error = postern_account_get_error (account);
  guint listed = 0;
  guint total = 0;

  postern_account_get_progress (account, &listed, &total);
  g_object_freeze_notify (G_OBJECT (shown->skeleton));
  postern_bus_account_set_id (shown->skeleton, config->id);
  postern_bus_account_set_address (shown->skeleton, config->address);
  postern_bus_account_set_aliases (shown->skeleton, (const char *const *) config->aliases);
  postern_bus_account_set_url (shown->skeleton, config->url);
  postern_bus_account_set_state (
      shown->skeleton,
      postern_account_state_get_name (postern_account_get_state (account)));
  postern_bus_account_set_detail (shown->skeleton, error != NULL ? error->message : "");
  postern_bus_account_set_code (shown->skeleton,
                                error != NULL ? postern_bus_error_get_name (error) : "");
  postern_bus_account_set_push (shown->skeleton, postern_account_get_push (account));
  postern_bus_account_set_messages (shown->skeleton, postern_account_get_messages (account));
  postern_bus_account_set_progress (shown->skeleton, g_variant_new ("(uu)", listed, total));
  postern_bus_account_set_last_sync (shown->skeleton, postern_account_get_last_sync_us (account));
  postern_bus_account_set_max_size (
      shown->skeleton,
      postern_backend_get_info (postern_account_get_backend (account)) != NULL
          ? postern_account_get_max_size (account)
          : 0);
  g_object_thaw_notify (G_OBJECT (shown->skeleton));
}

static gboolean
on_count (gpointer user_data)
{
  Shown *shown = user_data;

  shown->count_id = 0;
  count_waiting (shown);
  return G_SOURCE_REMOVE;
}

/* The queue may change a thousand times a second; nobody can read that. */
static void
on_queue_changed (Shown *shown)
{
  if (shown->count_id == 0)
    shown->count_id = g_timeout_add (COUNT_MS, on_count, shown);
}

/* Methods */

static gboolean
on_sync (PosternBusAccount *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Shown *shown = user_data;

  postern_account_sync (shown->account);
  postern_bus_account_complete_sync (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_test (PosternBusAccount *skeleton,
         GDBusMethodInvocation *invocation,
         const char *job_id,
         gpointer user_data)
{
  Shown *shown = user_data;
  g_autofree char *path = NULL;
  GError *error = NULL;
  g_autoptr (PosternJob) job =
      postern_job_book_begin (shown->objects->jobs, job_id, "test-account", &path, &error);

  if (job == NULL)
    {
      postern_bus_call_reply_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  postern_bus_account_complete_test (skeleton, invocation, path);
  postern_account_check_run (shown->account, job);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_password_added (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  g_autoptr (PosternSecret) password = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  GError *error = NULL;
  g_autofree char *id =
      postern_password_keeper_add_finish (POSTERN_BRIDGE (source), result, &password, &error);

  if (id != NULL)
    fds = postern_secret_fd_list_new (password, &error);
  if (fds == NULL)
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_account_complete_add_password (call->skeleton,
                                               call->invocation,
                                               fds,
                                               id,
                                               g_variant_new_handle (0));
}

static gboolean
on_add_password (PosternBusAccount *skeleton,
                 GDBusMethodInvocation *invocation,
                 GUnixFDList *fds,
                 const char *name,
                 gpointer user_data)
{
  Shown *shown = user_data;

  postern_password_keeper_add_async (shown->objects->bridge,
                                     postern_account_get_id (shown->account),
                                     name,
                                     on_password_added,
                                     postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_list_passwords (PosternBusAccount *skeleton,
                   GDBusMethodInvocation *invocation,
                   gpointer user_data)
{
  Shown *shown = user_data;
  g_autoptr (GPtrArray) passwords = postern_password_table_list (
      postern_store_get_passwords (postern_bridge_get_store (shown->objects->bridge)),
      postern_account_get_id (shown->account));
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ssxx)"));
  for (guint i = 0; i < passwords->len; i++)
    {
      const PosternBridgePassword *password = g_ptr_array_index (passwords, i);

      g_variant_builder_add (&builder,
                             "(ssxx)",
                             password->id,
                             password->name,
                             password->created_us,
                             password->last_used_us);
    }
  postern_bus_account_complete_list_passwords (skeleton,
                                               invocation,
                                               g_variant_builder_end (&builder));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_password_looked_up (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  GError *error = NULL;
  g_autoptr (PosternSecret) password =
      postern_secret_store_lookup_finish (POSTERN_SECRET_STORE (source), result, &error);
  g_autoptr (GUnixFDList) fds = NULL;

  if (password != NULL)
    fds = postern_secret_fd_list_new (password, &error);
  if (fds == NULL)
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_account_complete_show_password (call->skeleton,
                                                call->invocation,
                                                fds,
                                                g_variant_new_handle (0));
}

static gboolean
on_show_password (PosternBusAccount *skeleton,
                  GDBusMethodInvocation *invocation,
                  GUnixFDList *fds,
                  const char *id,
                  gpointer user_data)
{
  Shown *shown = user_data;

  postern_secret_store_lookup_async (postern_bridge_get_secrets (shown->objects->bridge),
                                     postern_account_get_id (shown->account),
                                     POSTERN_SECRET_KIND_BRIDGE_PASSWORD,
                                     id,
                                     on_password_looked_up,
                                     postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_password_revoked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  GError *error = NULL;

  if (!postern_password_keeper_revoke_finish (POSTERN_BRIDGE (source), result, &error))
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_account_complete_revoke_password (call->skeleton, call->invocation);
}

static gboolean
on_revoke_password (PosternBusAccount *skeleton,
                    GDBusMethodInvocation *invocation,
                    const char *id,
                    gpointer user_data)
{
  Shown *shown = user_data;

  postern_password_keeper_revoke_async (shown->objects->bridge,
                                        postern_account_get_id (shown->account),
                                        id,
                                        on_password_revoked,
                                        postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_signed_in (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBusCall) call = user_data;
  GError *error = NULL;

  if (!postern_account_sign_in_finish (POSTERN_BRIDGE (source), result, &error))
    postern_bus_call_reply_error (call->invocation, error);
  else
    postern_bus_account_complete_set_secret (call->skeleton, call->invocation, NULL);
}

static gboolean
on_set_secret (PosternBusAccount *skeleton,
               GDBusMethodInvocation *invocation,
               GUnixFDList *fds,
               GVariant *handle,
               const char *kind,
               gpointer user_data)
{
  Shown *shown = user_data;
  GError *error = NULL;
  g_autoptr (PosternSecret) secret = postern_secret_fd_list_read (fds, handle, &error);

  if (secret == NULL)
    postern_bus_call_reply_error (invocation, error);
  else
    postern_account_sign_in_async (shown->objects->bridge,
                                   postern_account_get_id (shown->account),
                                   kind,
                                   secret,
                                   on_signed_in,
                                   postern_bus_call_new (skeleton, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Coming and going */

static void
shown_free (gpointer data)
{
  Shown *shown = data;

  g_clear_handle_id (&shown->count_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (
      postern_store_get_queue (postern_bridge_get_store (shown->objects->bridge)),
      shown);
  g_signal_handlers_disconnect_by_data (shown->account, shown);
  g_signal_handlers_disconnect_by_data (shown->skeleton, shown);
  postern_object_tree_remove (shown->objects->tree, shown->path);
  g_object_unref (shown->skeleton);
  g_object_unref (shown->account);
  g_free (shown->path);
  g_free (shown);
}

static void
on_account_added (PosternBridge *bridge, PosternAccount *account, gpointer user_data)
{
  PosternAccountObjects *self = user_data;
  Shown *shown = g_new0 (Shown, 1);
  PosternBusAccount *skeleton = postern_bus_account_skeleton_new ();

  shown->objects = self;
  shown->account = g_object_ref (account);
  shown->skeleton = skeleton;
  shown->path = postern_account_object_path (postern_account_get_id (account));
  g_signal_connect (skeleton, "handle-sync", G_CALLBACK (on_sync), shown);
  g_signal_connect (skeleton, "handle-test", G_CALLBACK (on_test), shown);
  g_signal_connect (skeleton, "handle-add-password", G_CALLBACK (on_add_password), shown);
  g_signal_connect (skeleton, "handle-list-passwords", G_CALLBACK (on_list_passwords), shown);
  g_signal_connect (skeleton, "handle-show-password", G_CALLBACK (on_show_password), shown);
  g_signal_connect (skeleton, "handle-revoke-password", G_CALLBACK (on_revoke_password), shown);
  g_signal_connect (skeleton, "handle-set-secret", G_CALLBACK (on_set_secret), shown);
  g_signal_connect_swapped (account, "changed", G_CALLBACK (tell), shown);
  g_signal_connect_swapped (postern_store_get_queue (postern_bridge_get_store (bridge)),
                            "changed",
                            G_CALLBACK (on_queue_changed),
                            shown);
  g_hash_table_replace (self->shown, account, shown);
  tell (shown);
  count_waiting (shown);
  postern_object_tree_add (self->tree, shown->path, G_DBUS_INTERFACE_SKELETON (skeleton));
}

static void
on_account_removed (PosternBridge *bridge, PosternAccount *account, gpointer user_data)
{
  PosternAccountObjects *self = user_data;

  g_hash_table_remove (self->shown, account);
}

static void
on_listing_changed (PosternMaildropStore *store, const char *account_id, gpointer user_data)
{
  PosternAccountObjects *self = user_data;
  PosternAccount *account = postern_bridge_find_account (self->bridge, account_id);
  Shown *shown = account != NULL ? g_hash_table_lookup (self->shown, account) : NULL;

  if (shown != NULL)
    tell (shown);
}

/**
 * postern_account_objects_new:
 * @bridge: not started yet, so that no account is missed
 * @jobs: outlives this
 */
PosternAccountObjects *
postern_account_objects_new (PosternBridge *bridge, PosternObjectTree *tree, PosternJobBook *jobs)
{
  PosternAccountObjects *self = g_new0 (PosternAccountObjects, 1);

  self->bridge = g_object_ref (bridge);
  self->tree = g_object_ref (tree);
  self->jobs = jobs;
  self->shown = g_hash_table_new_full (NULL, NULL, NULL, shown_free);
  g_signal_connect (bridge, "account-added", G_CALLBACK (on_account_added), self);
  g_signal_connect (bridge, "account-removed", G_CALLBACK (on_account_removed), self);
  g_signal_connect (postern_store_get_maildrops (postern_bridge_get_store (bridge)),
                    "listing-changed",
                    G_CALLBACK (on_listing_changed),
                    self);
  return self;
}

void
postern_account_objects_free (PosternAccountObjects *self)
{
  g_signal_handlers_disconnect_by_data (
      postern_store_get_maildrops (postern_bridge_get_store (self->bridge)),
      self);
  g_signal_handlers_disconnect_by_data (self->bridge, self);
  g_hash_table_unref (self->shown);
  g_object_unref (self->tree);
  g_object_unref (self->bridge);
  g_free (self);
}
