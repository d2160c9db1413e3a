/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/bridge.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/mail-host.h"

#define SWEEP_EVERY_SECONDS (6 * 60 * 60)

struct _PosternBridge
{
  GObject parent_instance;

  PosternConfigFile *config;
  PosternSecretStore *secrets;
  PosternStore *store;
  PosternMailService service;

  GPtrArray *accounts; /* (element-type PosternAccount), in the configuration's order */
  gboolean is_started;
  guint sweep_id;
};

static void postern_bridge_mail_host_init (PosternMailHostInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternBridge,
                               postern_bridge,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_MAIL_HOST,
                                                      postern_bridge_mail_host_init))

enum
{
  ACCOUNT_ADDED,
  ACCOUNT_REMOVED,
  CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
tell_changed (PosternBridge *self)
{
  g_signal_emit (self, signals[CHANGED], 0);
}

/* Accounts follow the configuration */

static void
add_account (PosternBridge *self, const PosternConfigAccount *config)
{
  g_autoptr (PosternBackend) backend = self->service.create_backend (self->service.service, config);
  PosternAccount *account = postern_account_new (config, backend, self->store, self->secrets);

  g_ptr_array_add (self->accounts, account);
  g_signal_connect_object (account, "changed", G_CALLBACK (tell_changed), self, G_CONNECT_SWAPPED);
  g_signal_emit (self, signals[ACCOUNT_ADDED], 0, account);
  if (self->is_started)
    postern_account_start (account);
}

static void
drop_account (PosternBridge *self, PosternAccount *account)
{
  g_autoptr (PosternAccount) kept = g_object_ref (account);

  g_ptr_array_remove (self->accounts, account);
  g_signal_handlers_disconnect_by_data (kept, self);
  postern_account_stop (kept);
  g_signal_emit (self, signals[ACCOUNT_REMOVED], 0, kept);
}

/* A backend is made for one server and one way to sign in. */
static gboolean
needs_new_backend (const PosternConfigAccount *before, const PosternConfigAccount *after)
{
  return !g_str_equal (before->url, after->url) || !g_str_equal (before->user, after->user) ||
         before->auth != after->auth;
}

static void
on_held (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *account_id = user_data;
  g_autoptr (GError) error = NULL;
  gint64 count = postern_queue_store_act_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (count < 0)
    g_warning ("Account %s is gone, and its messages cannot be held: %s",
               account_id,
               error->message);
  else if (count > 0)
    g_message ("Account %s is gone; %" G_GINT64_FORMAT " messages of it are held",
               account_id,
               count);
}

/* What waits for an account that is not there any more, since the file was edited or a message came in
 * while it was being removed, would wait unseen for ever. */
static void
hold_messages (PosternBridge *self, const char *account_id)
{
  postern_queue_store_act_account_async (postern_store_get_queue (self->store),
                                         POSTERN_QUEUE_ACTION_HOLD,
                                         account_id,
                                         on_held,
                                         g_strdup (account_id));
}

static void
follow_config (PosternBridge *self)
{
  PosternConfig *config = postern_config_file_get (self->config);

  for (guint i = self->accounts->len; i > 0; i--)
    {
      PosternAccount *account = g_ptr_array_index (self->accounts, i - 1);
      const PosternConfigAccount *before = postern_account_get_config (account);
      const PosternConfigAccount *after = postern_config_find_account (config, before->id);

      if (after == NULL)
        hold_messages (self, before->id);
      if (after == NULL || needs_new_backend (before, after))
        drop_account (self, account);
      else if (!postern_config_account_equal (before, after))
        postern_account_configure (account, after);
    }
  for (guint i = 0; i < config->accounts->len; i++)
    {
      const PosternConfigAccount *account = g_ptr_array_index (config->accounts, i);

      if (postern_bridge_find_account (self, account->id) == NULL)
        add_account (self, account);
    }
  postern_body_cache_set_limit (postern_store_get_bodies (self->store),
                                (guint64) config->cache_limit_mib << 20);
  tell_changed (self);
}

/* The queue */

static void
on_queue_changed (PosternBridge *self)
{
  for (guint i = 0; i < self->accounts->len; i++)
    postern_account_kick_queue (g_ptr_array_index (self->accounts, i));
}

/* What stopped with the disk goes on with it. */
static void
on_store_health_changed (PosternBridge *self)
{
  tell_changed (self);
  if (postern_store_is_healthy (self->store))
    postern_bridge_sync (self);
}

static void
on_swept (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  gint64 count = postern_queue_store_sweep_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (count < 0)
    g_warning ("Discarded messages could not be swept: %s", error->message);
  else if (count > 0)
    g_message ("%" G_GINT64_FORMAT " discarded messages are gone for good", count);
}

static void
sweep (PosternBridge *self)
{
  postern_queue_store_sweep_async (postern_store_get_queue (self->store),
                                   postern_clock_now_us (),
                                   on_swept,
                                   NULL);
}

/* A mailbox where nothing happens is never heard of, and is to be listed once a day all the same. */
static gboolean
on_sweep (gpointer user_data)
{
  PosternBridge *self = user_data;

  sweep (self);
  postern_bridge_sync (self);
  return G_SOURCE_CONTINUE;
}

/* Life */

/**
 * postern_bridge_new:
 * @config: loaded
 * @service: copied; what it refers to outlives the bridge
 */
PosternBridge *
postern_bridge_new (PosternConfigFile *config,
                    PosternSecretStore *secrets,
                    PosternStore *store,
                    const PosternMailService *service)
{
  PosternBridge *self = g_object_new (POSTERN_TYPE_BRIDGE, NULL);

  self->config = g_object_ref (config);
  self->secrets = g_object_ref (secrets);
  self->store = g_object_ref (store);
  self->service = *service;
  return self;
}

void
postern_bridge_start (PosternBridge *self)
{
  self->is_started = TRUE;
  g_signal_connect_object (self->config,
                           "changed",
                           G_CALLBACK (follow_config),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (self->config,
                           "problem-changed",
                           G_CALLBACK (tell_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (self->secrets,
                           "state-changed",
                           G_CALLBACK (tell_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (postern_store_get_queue (self->store),
                           "changed",
                           G_CALLBACK (on_queue_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (self->store,
                           "health-changed",
                           G_CALLBACK (on_store_health_changed),
                           self,
                           G_CONNECT_SWAPPED);
  follow_config (self);
  sweep (self);
  self->sweep_id = g_timeout_add_seconds (SWEEP_EVERY_SECONDS, on_sweep, self);
}

/**
 * postern_bridge_stop:
 *
 * Ends all work with the backends, for good. What the queue holds is where its last committed step
 * left it.
 */
void
postern_bridge_stop (PosternBridge *self)
{
  self->is_started = FALSE;
  g_clear_handle_id (&self->sweep_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->config, self);
  g_signal_handlers_disconnect_by_data (postern_store_get_queue (self->store), self);
  while (self->accounts->len > 0)
    drop_account (self, g_ptr_array_index (self->accounts, self->accounts->len - 1));
}

/**
 * postern_bridge_sync:
 *
 * Looks for new mail in all accounts, and tries to send what waits, now.
 */
void
postern_bridge_sync (PosternBridge *self)
{
  for (guint i = 0; i < self->accounts->len; i++)
    postern_account_sync (g_ptr_array_index (self->accounts, i));
}

/**
 * postern_bridge_look_again:
 *
 * The one path for whatever may have made our view of the world old: suspend and resume, a network
 * that changed, a clock that jumped.
 */
void
postern_bridge_look_again (PosternBridge *self)
{
  for (guint i = 0; i < self->accounts->len; i++)
    postern_account_look_again (g_ptr_array_index (self->accounts, i));
}

/**
 * postern_bridge_get_state:
 *
 * Returns: "starting", "running", "attention", "offline", as Bridge1 has them
 */
const char *
postern_bridge_get_state (PosternBridge *self)
{
  guint offline = 0;
  guint active = 0;

  if (!self->is_started)
    return "starting";
  if (postern_config_file_get_problem (self->config) != NULL ||
      !postern_store_is_healthy (self->store))
    return "attention";
  for (guint i = 0; i < self->accounts->len; i++)
    switch (postern_account_get_state (g_ptr_array_index (self->accounts, i)))
      {
      case POSTERN_ACCOUNT_SIGNED_OUT:
      case POSTERN_ACCOUNT_ATTENTION:
        return "attention";
      case POSTERN_ACCOUNT_OFFLINE:
        offline++;
        active++;
        break;
      case POSTERN_ACCOUNT_STARTING:
      case POSTERN_ACCOUNT_FIRST_SYNC:
      case POSTERN_ACCOUNT_CONNECTED:
        active++;
        break;
      case POSTERN_ACCOUNT_PAUSED:
      default:
        break;
      }
  return active > 0 && offline == active ? "offline" : "running";
}

/**
 * postern_bridge_get_accounts:
 *
 * Returns: (transfer none) (element-type PosternAccount)
 */
GPtrArray *
postern_bridge_get_accounts (PosternBridge *self)
{
  return self->accounts;
}

/**
 * postern_bridge_find_account:
 *
 * Returns: (transfer none) (nullable)
 */
PosternAccount *
postern_bridge_find_account (PosternBridge *self, const char *id)
{
  for (guint i = 0; i < self->accounts->len; i++)
    {
      PosternAccount *account = g_ptr_array_index (self->accounts, i);

      if (g_str_equal (postern_account_get_id (account), id))
        return account;
    }
  return NULL;
}

static gboolean
goes_by (const PosternConfigAccount *config, const char *address)
{
  if (g_ascii_strcasecmp (config->address, address) == 0)
    return TRUE;
  for (guint i = 0; config->aliases[i] != NULL; i++)
    if (g_ascii_strcasecmp (config->aliases[i], address) == 0)
      return TRUE;
  return FALSE;
}

/**
 * postern_bridge_find_address:
 * @address: an account's address or one of its aliases; case does not matter
 *
 * Returns: (transfer none) (nullable)
 */
PosternAccount *
postern_bridge_find_address (PosternBridge *self, const char *address)
{
  for (guint i = 0; i < self->accounts->len; i++)
    {
      PosternAccount *account = g_ptr_array_index (self->accounts, i);

      if (goes_by (postern_account_get_config (account), address))
        return account;
    }
  return NULL;
}

PosternConfigFile *
postern_bridge_get_config (PosternBridge *self)
{
  return self->config;
}

PosternSecretStore *
postern_bridge_get_secrets (PosternBridge *self)
{
  return self->secrets;
}

PosternStore *
postern_bridge_get_store (PosternBridge *self)
{
  return self->store;
}

const PosternMailService *
postern_bridge_get_service (PosternBridge *self)
{
  return &self->service;
}

/* As a mail host */

/* A right bridge password opens what is here, whatever the backend or the keyring say at the moment;
 * so there is nothing that could be unavailable. */
static PosternVerdict
bridge_check_login (PosternMailHost *host,
                    PosternService service,
                    const char *login,
                    PosternSecret *password,
                    PosternMailUser **user,
                    char **reason)
{
  PosternBridge *self = POSTERN_BRIDGE (host);
  PosternPasswordTable *passwords = postern_store_get_passwords (self->store);
  PosternAccount *account = postern_bridge_find_address (self, login);
  const PosternBridgePassword *used;

  /* A login that does not exist takes as long as a wrong password. */
  used = postern_password_table_check (passwords,
                                       account != NULL ? postern_account_get_id (account) : "",
                                       password);
  if (account == NULL || used == NULL)
    return POSTERN_VERDICT_WRONG;

  postern_password_table_touch (passwords, used->id, postern_clock_now_us ());
  *user = g_object_ref (POSTERN_MAIL_USER (account));
  return POSTERN_VERDICT_ACCEPTED;
}

static guint64
bridge_get_max_size (PosternMailHost *host)
{
  PosternBridge *self = POSTERN_BRIDGE (host);
  guint64 largest = 0;

  for (guint i = 0; i < self->accounts->len; i++)
    largest = MAX (largest, postern_account_get_max_size (g_ptr_array_index (self->accounts, i)));
  return largest;
}

static void
postern_bridge_mail_host_init (PosternMailHostInterface *iface)
{
  iface->check_login = bridge_check_login;
  iface->get_max_size = bridge_get_max_size;
}

static void
postern_bridge_dispose (GObject *object)
{
  PosternBridge *self = POSTERN_BRIDGE (object);

  g_clear_handle_id (&self->sweep_id, g_source_remove);
  g_clear_pointer (&self->accounts, g_ptr_array_unref);
  g_clear_object (&self->config);
  g_clear_object (&self->secrets);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (postern_bridge_parent_class)->dispose (object);
}

static void
postern_bridge_init (PosternBridge *self)
{
  self->accounts = g_ptr_array_new_with_free_func (g_object_unref);
}

static guint
new_signal (const char *name, guint n_params, GType param)
{
  return n_params == 0 ? g_signal_new (name,
                                       POSTERN_TYPE_BRIDGE,
                                       G_SIGNAL_RUN_LAST,
                                       0,
                                       NULL,
                                       NULL,
                                       NULL,
                                       G_TYPE_NONE,
                                       0)
                       : g_signal_new (name,
                                       POSTERN_TYPE_BRIDGE,
                                       G_SIGNAL_RUN_LAST,
                                       0,
                                       NULL,
                                       NULL,
                                       NULL,
                                       G_TYPE_NONE,
                                       1,
                                       param);
}

static void
postern_bridge_class_init (PosternBridgeClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_bridge_dispose;
  signals[ACCOUNT_ADDED] = new_signal ("account-added", 1, POSTERN_TYPE_ACCOUNT);
  signals[ACCOUNT_REMOVED] = new_signal ("account-removed", 1, POSTERN_TYPE_ACCOUNT);
  signals[CHANGED] = new_signal ("changed", 0, G_TYPE_NONE);
}
