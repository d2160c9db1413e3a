/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/account.h"

#include "base/error.h"
#include "bridge/account-sync.h"
#include "bridge/body-opener.h"
#include "bridge/outbox.h"
#include "bridge/queue-submission.h"
#include "bridge/sender-policy.h"
#include "net/mail-host.h"

/* What SIZE promises: an upload of the largest size less what we and the server may add (rulings,
 * "The Worker"). Until the server has told, what every server that we know takes. */
#define ADDED_OCTETS        (64 * 1024)
#define SIZE_UNKNOWN_OCTETS (25 * 1024 * 1024)

struct _PosternAccount
{
  GObject parent_instance;

  PosternConfigAccount *config;
  PosternBackend *backend;
  PosternStore *store;
  PosternSecretStore *secrets;
  PosternAccountSync *sync;
  PosternOutbox *outbox;
  PosternSenderPolicy *senders;

  gboolean is_started;
  gboolean has_secret;
  gboolean is_looking_up;
  GError *secret_error; /* (nullable): why there is no secret */
  gint64 agreed_us;     /* of the last listing that was noticed */

  /* Derived, see update_state(). */
  PosternAccountState state;
  GError *error; /* (nullable) */
};

static void postern_account_mail_user_init (PosternMailUserInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternAccount,
                               postern_account,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_MAIL_USER,
                                                      postern_account_mail_user_init))

static guint changed_signal;

static PosternMaildropStore *
maildrops (PosternAccount *self)
{
  return postern_store_get_maildrops (self->store);
}

static gboolean
is_listed (PosternAccount *self)
{
  g_autoptr (PosternListing) listing =
      postern_maildrop_store_ref_listing (maildrops (self), self->config->id);

  return listing != NULL;
}

/* State */

/* What is wrong, the gravest first: without a secret nothing else can be right. */
static const GError *
current_error (PosternAccount *self)
{
  const GError *reason = NULL;

  if (self->secret_error != NULL)
    return self->secret_error;
  if (postern_backend_get_connection (self->backend, &reason) == POSTERN_CONNECTION_OFFLINE &&
      reason != NULL)
    return reason;
  if (postern_account_sync_get_error (self->sync) != NULL)
    return postern_account_sync_get_error (self->sync);
  if (postern_outbox_get_error (self->outbox) != NULL)
    return postern_outbox_get_error (self->outbox);
  return postern_account_sync_get_removal_error (self->sync);
}

static PosternAccountState
derive_state (PosternAccount *self, const GError *error)
{
  if (self->config->paused)
    return POSTERN_ACCOUNT_PAUSED;
  if (error != NULL)
    return postern_account_state_from_error (error);
  if (!self->is_started || !self->has_secret)
    return POSTERN_ACCOUNT_STARTING;
  return is_listed (self) ? POSTERN_ACCOUNT_CONNECTED : POSTERN_ACCOUNT_FIRST_SYNC;
}

static void
update_state (PosternAccount *self)
{
  const GError *error = self->config->paused ? NULL : current_error (self);
  PosternAccountState state = derive_state (self, error);

  if (state != self->state)
    {
      if (error == NULL)
        g_info ("Account %s is %s",
                self->config->id,
                state == POSTERN_ACCOUNT_CONNECTED ? "connected" : "waiting");
      else
        g_message ("Account %s: %s", self->config->id, error->message);
    }
  self->state = state;
  if (error != self->error)
    {
      g_clear_error (&self->error);
      if (error != NULL)
        self->error = g_error_copy (error);
    }
  g_signal_emit (self, changed_signal, 0);
}

static void
on_part_changed (PosternAccount *self)
{
  update_state (self);
}

/* A listing that came to its end proves more than a push connection that did not come about: what
 * waits can be sent. */
static void
on_sync_changed (PosternAccount *self)
{
  gint64 agreed_us = postern_account_sync_get_last_us (self->sync);

  if (agreed_us != self->agreed_us && !self->config->paused)
    {
      self->agreed_us = agreed_us;
      postern_outbox_set_open (self->outbox, TRUE);
    }
  update_state (self);
}

static void
on_connection_changed (PosternAccount *self)
{
  PosternConnection connection = postern_backend_get_connection (self->backend, NULL);
  gboolean is_up =
      connection == POSTERN_CONNECTION_PUSH || connection == POSTERN_CONNECTION_POLLING;

  postern_outbox_set_open (self->outbox, is_up);
  update_state (self);
}

static void
on_backend_changed (PosternAccount *self)
{
  postern_account_sync_request (self->sync);
}

/* Secret */

static void
begin_watching (PosternAccount *self)
{
  if (self->config->paused || !self->is_started || !self->has_secret)
    return;
  postern_backend_start_watching (self->backend);
  postern_account_sync_request (self->sync);
}

/**
 * postern_account_set_secret:
 * @secret: what the server is to be shown from now on
 */
void
postern_account_set_secret (PosternAccount *self, PosternSecret *secret)
{
  g_clear_error (&self->secret_error);
  self->has_secret = TRUE;
  postern_backend_set_credentials (self->backend, self->config->user, secret);
  begin_watching (self);
  update_state (self);
}

static void
on_secret (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternAccount) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) secret =
      postern_secret_store_lookup_finish (POSTERN_SECRET_STORE (source), result, &error);

  self->is_looking_up = FALSE;
  if (!self->is_started || self->has_secret)
    return;
  if (secret != NULL)
    {
      postern_account_set_secret (self, secret);
      return;
    }
  g_clear_error (&self->secret_error);
  if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
    self->secret_error = g_error_new_literal (POSTERN_ERROR,
                                              POSTERN_ERROR_CREDENTIALS,
                                              "The password for the server is not in the keyring; "
                                              "sign in again");
  else
    self->secret_error = g_steal_pointer (&error);
  update_state (self);
}

static void
look_up_secret (PosternAccount *self)
{
  if (self->has_secret || self->is_looking_up)
    return;
  self->is_looking_up = TRUE;
  postern_secret_store_lookup_async (self->secrets,
                                     self->config->id,
                                     POSTERN_SECRET_KIND_BACKEND,
                                     "",
                                     on_secret,
                                     g_object_ref (self));
}

static void
on_secrets_state_changed (PosternAccount *self)
{
  if (self->is_started &&
      postern_secret_store_get_state (self->secrets) == POSTERN_SECRET_STORE_READY)
    look_up_secret (self);
}

/* Life */

PosternAccount *
postern_account_new (const PosternConfigAccount *config,
                     PosternBackend *backend,
                     PosternStore *store,
                     PosternSecretStore *secrets)
{
  PosternAccount *self = g_object_new (POSTERN_TYPE_ACCOUNT, NULL);

  self->backend = g_object_ref (backend);
  self->store = g_object_ref (store);
  self->secrets = g_object_ref (secrets);
  self->sync = postern_account_sync_new (config->id, backend, store);
  self->outbox = postern_outbox_new (config->id, backend, store);
  self->senders = postern_sender_policy_new (backend);
  g_signal_connect_object (self->sync,
                           "changed",
                           G_CALLBACK (on_sync_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (self->outbox,
                           "changed",
                           G_CALLBACK (on_part_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (backend,
                           "changed",
                           G_CALLBACK (on_backend_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (backend,
                           "connection-changed",
                           G_CALLBACK (on_connection_changed),
                           self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (secrets,
                           "state-changed",
                           G_CALLBACK (on_secrets_state_changed),
                           self,
                           G_CONNECT_SWAPPED);
  postern_account_configure (self, config);
  return self;
}

/**
 * postern_account_configure:
 * @config: may differ from what it was in all but its id and URL
 */
void
postern_account_configure (PosternAccount *self, const PosternConfigAccount *config)
{
  PosternConfigAccount *copy = postern_config_account_copy (config);
  gboolean was_paused = self->config != NULL && self->config->paused;

  g_clear_pointer (&self->config, postern_config_account_free);
  self->config = copy;
  postern_sender_policy_configure (self->senders, copy);
  postern_outbox_configure (self->outbox, copy->address, copy->sent_copy);
  postern_account_sync_set_remove_mode (self->sync,
                                        copy->deletion == POSTERN_CONFIG_DELETION_TRASH
                                            ? POSTERN_REMOVE_TRASH
                                            : POSTERN_REMOVE_DESTROY);
  postern_account_sync_set_paused (self->sync, copy->paused);
  if (was_paused && !copy->paused)
    begin_watching (self);
  else if (!was_paused && copy->paused)
    {
      postern_backend_stop_watching (self->backend);
      postern_outbox_set_open (self->outbox, FALSE);
    }
  if (self->is_started)
    update_state (self);
}

void
postern_account_start (PosternAccount *self)
{
  self->is_started = TRUE;
  update_state (self);
  look_up_secret (self);
}

/**
 * postern_account_stop:
 *
 * Ends what is going on, for good. Sessions that are open keep their snapshot, and are refused what
 * they would send.
 */
void
postern_account_stop (PosternAccount *self)
{
  self->is_started = FALSE;
  postern_backend_stop_watching (self->backend);
  postern_outbox_stop (self->outbox);
  postern_account_sync_stop (self->sync);
  postern_sender_policy_close (self->senders);
}

/**
 * postern_account_sync:
 *
 * Looks for new mail, and tries to send what waits, now.
 */
void
postern_account_sync (PosternAccount *self)
{
  if (self->is_started)
    look_up_secret (self);
  if (self->config->paused || !self->has_secret)
    return;
  postern_backend_look_again (self->backend);
  postern_account_sync_request (self->sync);
  postern_outbox_kick (self->outbox);
}

/**
 * postern_account_look_again:
 *
 * The network, the clock or the power state is not what it was.
 */
void
postern_account_look_again (PosternAccount *self)
{
  if (self->is_started)
    look_up_secret (self);
  if (!self->config->paused && self->has_secret)
    postern_backend_look_again (self->backend);
}

void
postern_account_kick_queue (PosternAccount *self)
{
  postern_outbox_kick (self->outbox);
}

const char *
postern_account_get_id (PosternAccount *self)
{
  return self->config->id;
}

const PosternConfigAccount *
postern_account_get_config (PosternAccount *self)
{
  return self->config;
}

PosternBackend *
postern_account_get_backend (PosternAccount *self)
{
  return self->backend;
}

/**
 * postern_account_owns:
 *
 * Returns: whether mail from @address may leave through this account, as far as is known now
 */
gboolean
postern_account_owns (PosternAccount *self, const char *address)
{
  return postern_sender_policy_owns (self->senders, address);
}

PosternAccountState
postern_account_get_state (PosternAccount *self)
{
  return self->state;
}

/**
 * postern_account_get_error:
 *
 * Returns: (transfer none) (nullable): what is wrong, as a sentence with its code
 */
const GError *
postern_account_get_error (PosternAccount *self)
{
  return self->error;
}

/**
 * postern_account_get_push:
 *
 * Returns: how new mail is noticed: "push", "polling" or "none"
 */
const char *
postern_account_get_push (PosternAccount *self)
{
  switch (postern_backend_get_connection (self->backend, NULL))
    {
    case POSTERN_CONNECTION_PUSH:
      return "push";
    case POSTERN_CONNECTION_POLLING:
      return "polling";
    case POSTERN_CONNECTION_NONE:
    case POSTERN_CONNECTION_CONNECTING:
    case POSTERN_CONNECTION_OFFLINE:
    default:
      return "none";
    }
}

/**
 * postern_account_get_messages:
 *
 * Returns: how many POP3 serves
 */
guint
postern_account_get_messages (PosternAccount *self)
{
  g_autoptr (PosternListing) listing =
      postern_maildrop_store_ref_listing (maildrops (self), self->config->id);

  return listing == NULL ? 0 : postern_listing_get_count (listing);
}

void
postern_account_get_progress (PosternAccount *self, guint *listed, guint *total)
{
  postern_account_sync_get_progress (self->sync, listed, total);
}

gint64
postern_account_get_last_sync_us (PosternAccount *self)
{
  return postern_account_sync_get_last_us (self->sync);
}

/**
 * postern_account_get_max_size:
 *
 * Returns: the largest message that it sends, in octets
 */
guint64
postern_account_get_max_size (PosternAccount *self)
{
  const PosternBackendInfo *info = postern_backend_get_info (self->backend);

  if (info == NULL || info->max_upload_octets <= ADDED_OCTETS)
    return SIZE_UNKNOWN_OCTETS;
  return info->max_upload_octets - ADDED_OCTETS;
}

/* As a mail user */

static PosternListing *
account_ref_listing (PosternMailUser *user, GError **error)
{
  PosternAccount *self = POSTERN_ACCOUNT (user);
  PosternListing *listing = postern_maildrop_store_ref_listing (maildrops (self), self->config->id);

  if (listing == NULL)
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_TEMPORARY,
                         self->state == POSTERN_ACCOUNT_FIRST_SYNC
                             ? "The mailbox is being listed for the first time; try again soon"
                             : "The mailbox was never listed and its server is not reached; try "
                               "again later");
  return listing;
}

static void
on_body_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GInputStream *body = postern_body_opener_open_finish (result, &error);

  if (body == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, body, g_object_unref);
}

static void
account_open_body_async (PosternMailUser *user,
                         PosternListing *listing,
                         guint index,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  PosternAccount *self = POSTERN_ACCOUNT (user);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, account_open_body_async);
  postern_body_opener_open_async (self->store,
                                  self->backend,
                                  self->config->id,
                                  postern_listing_get_row (listing, index),
                                  cancellable,
                                  on_body_opened,
                                  task);
}

static GInputStream *
account_open_body_finish (PosternMailUser *user, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_tombstones_added (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternAccount *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_return_boolean (task, TRUE);
  if (self->has_secret)
    postern_account_sync_request (self->sync);
}

static void
account_delete_async (PosternMailUser *user,
                      PosternListing *listing,
                      const guint *indexes,
                      gsize n_indexes,
                      GAsyncReadyCallback callback,
                      gpointer user_data)
{
  PosternAccount *self = POSTERN_ACCOUNT (user);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autofree guint64 *rows = g_new (guint64, n_indexes);

  g_task_set_source_tag (task, account_delete_async);
  for (gsize i = 0; i < n_indexes; i++)
    rows[i] = postern_listing_get_row (listing, indexes[i]);
  postern_maildrop_store_add_tombstones_async (maildrops (self),
                                               self->config->id,
                                               rows,
                                               n_indexes,
                                               on_tombstones_added,
                                               g_steal_pointer (&task));
}

static gboolean
account_delete_finish (PosternMailUser *user, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static guint64
account_get_max_size (PosternMailUser *user)
{
  return postern_account_get_max_size (POSTERN_ACCOUNT (user));
}

static void
on_sender_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternSmtpReply *refusal =
      postern_sender_policy_check_finish (POSTERN_SENDER_POLICY (source), result);

  g_task_return_pointer (task, refusal, (GDestroyNotify) postern_smtp_reply_free);
}

static void
account_check_sender_async (PosternMailUser *user,
                            const PosternEnvelope *envelope,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  PosternAccount *self = POSTERN_ACCOUNT (user);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  const PosternBackendInfo *info = postern_backend_get_info (self->backend);

  g_task_set_source_tag (task, account_check_sender_async);
  if (!postern_store_has_room (self->store))
    g_task_return_pointer (
        task,
        postern_smtp_reply_new (452, "4.3.1", "The disk of this machine is nearly full; try later"),
        (GDestroyNotify) postern_smtp_reply_free);
  else if (info != NULL && !info->may_submit)
    g_task_return_pointer (
        task,
        postern_smtp_reply_new (550, "5.7.1", "The server of this account does not send mail"),
        (GDestroyNotify) postern_smtp_reply_free);
  else
    postern_sender_policy_check_async (self->senders,
                                       envelope->sender,
                                       on_sender_checked,
                                       g_steal_pointer (&task));
}

static PosternSmtpReply *
account_check_sender_finish (PosternMailUser *user, GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}

static PosternSubmission *
account_begin_submission (PosternMailUser *user,
                          const PosternEnvelope *envelope,
                          const PosternPeer *peer,
                          PosternSubmissionReady ready,
                          gpointer user_data,
                          PosternSmtpReply **refusal)
{
  PosternAccount *self = POSTERN_ACCOUNT (user);

  return postern_queue_submission_new (postern_store_get_queue (self->store),
                                       self->senders,
                                       self->config->id,
                                       self->config->address,
                                       envelope,
                                       ready,
                                       user_data);
}

static void
postern_account_mail_user_init (PosternMailUserInterface *iface)
{
  iface->ref_listing = account_ref_listing;
  iface->open_body_async = account_open_body_async;
  iface->open_body_finish = account_open_body_finish;
  iface->delete_async = account_delete_async;
  iface->delete_finish = account_delete_finish;
  iface->get_max_size = account_get_max_size;
  iface->check_sender_async = account_check_sender_async;
  iface->check_sender_finish = account_check_sender_finish;
  iface->begin_submission = account_begin_submission;
}

static void
postern_account_dispose (GObject *object)
{
  PosternAccount *self = POSTERN_ACCOUNT (object);

  g_clear_object (&self->sync);
  g_clear_object (&self->outbox);
  g_clear_object (&self->senders);
  g_clear_object (&self->backend);
  g_clear_object (&self->store);
  g_clear_object (&self->secrets);
  G_OBJECT_CLASS (postern_account_parent_class)->dispose (object);
}

static void
postern_account_finalize (GObject *object)
{
  PosternAccount *self = POSTERN_ACCOUNT (object);

  g_clear_pointer (&self->config, postern_config_account_free);
  g_clear_error (&self->secret_error);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (postern_account_parent_class)->finalize (object);
}

static void
postern_account_init (PosternAccount *self)
{
}

static void
postern_account_class_init (PosternAccountClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_account_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_account_finalize;
  changed_signal = g_signal_new ("changed",
                                 POSTERN_TYPE_ACCOUNT,
                                 G_SIGNAL_RUN_LAST,
                                 0,
                                 NULL,
                                 NULL,
                                 NULL,
                                 G_TYPE_NONE,
                                 0);
}
