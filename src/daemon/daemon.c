/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/daemon.h"

#include "admin/health-server.h"
#include "base/error.h"
#include "bridge/bridge.h"
#include "config/config-file.h"
#include "daemon/account-objects.h"
#include "daemon/bridge-object.h"
#include "daemon/bus-server.h"
#include "daemon/jmap-service.h"
#include "daemon/job-book.h"
#include "daemon/listeners.h"
#include "daemon/lock-file.h"
#include "daemon/log-object.h"
#include "daemon/queue-object.h"
#include "daemon/wake-watch.h"
#include "ipc/bus-errors.h"
#include "ipc/names.h"
#include "net/certificate-authority.h"
#include "net/mail-server.h"
#include "secrets/file-store.h"
#include "secrets/keyring-store.h"
#include "store/store.h"

#include <errno.h>
#include <glib-unix.h>
#include <malloc.h>
#include <unistd.h>

#define DRAIN_MS     5000 /* how long sessions have to finish what they are at */
#define TRIM_SECONDS 60   /* after somebody was here, give memory back that nobody needs now */

struct _PosternDaemon
{
  char *state_dir;
  int lock_fd;

  PosternConfigFile *config;
  PosternStore *store;
  PosternSecretStore *secrets;
  PosternJmapService *service;
  PosternBridge *bridge;
  PosternMailServer *server;
  PosternCertificateAuthority *authority;
  PosternHealthServer *health;       /* (nullable) */
  guint16 health_port;               /* wanted; 0: none */
  PosternConfigSecrets secrets_kind; /* which store `secrets` is */

  PosternObjectTree *tree;
  PosternJobBook *jobs;
  PosternLogObject *log_object;
  PosternQueueObject *queue_object;
  PosternBridgeObject *bridge_object;
  PosternAccountObjects *account_objects;
  PosternListeners *listeners;
  PosternBusServer *bus; /* (nullable) */

  GMainLoop *loop;
  guint wake_id;
  guint trim_id;
  gboolean is_stopping;
  GError *error; /* (nullable): why it ended, when not on request */
};

static PosternSecretStore *
open_secrets (PosternConfigFile *config, const char *state_dir)
{
  g_autofree char *path = NULL;

  if (postern_config_file_get (config)->secrets == POSTERN_CONFIG_SECRETS_SECRET_SERVICE)
    return postern_keyring_store_new ();
  path = g_build_filename (state_dir, "secrets", NULL);
  return postern_file_store_new (path);
}

static gboolean
make_state_dir (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0700) == 0)
    return TRUE;
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_STORAGE,
               "Cannot make the folder %s: %s",
               path,
               g_strerror (errno));
  return FALSE;
}

static void stop (PosternDaemon *self);

static void
on_quit (gpointer user_data)
{
  stop (user_data);
}

static void
show_objects (PosternDaemon *self, PosternLogRing *log)
{
  self->tree = postern_object_tree_new ();
  self->jobs = postern_job_book_new (self->tree);
  self->log_object = postern_log_object_new (log, self->tree);
  self->queue_object = postern_queue_object_new (postern_store_get_queue (self->store), self->tree);
  self->bridge_object = postern_bridge_object_new (self->bridge,
                                                   self->tree,
                                                   self->jobs,
                                                   self->state_dir,
                                                   on_quit,
                                                   self);
  self->account_objects = postern_account_objects_new (self->bridge, self->tree, self->jobs);
  self->listeners = postern_listeners_new (self->server, self->config, self->tree);
}

/**
 * postern_daemon_new:
 *
 * Opens everything on disk, and nothing on the network.
 *
 * Returns: (transfer full) (nullable): POSTERN_ERROR_BUSY when another daemon has the state directory;
 *   STORAGE and NEWER when it cannot be used
 */
PosternDaemon *
postern_daemon_new (const PosternDaemonOptions *options, GError **error)
{
  g_autoptr (PosternDaemon) self = g_new0 (PosternDaemon, 1);
  g_autofree char *lock_path = NULL;
  g_autofree char *tls_dir = NULL;
  g_autofree char *config_path = NULL;
  g_autoptr (GError) problem = NULL;
  PosternMailService service;

  self->lock_fd = -1;
  self->loop = g_main_loop_new (NULL, FALSE);
  self->state_dir = options->state_dir != NULL
                        ? g_canonicalize_filename (options->state_dir, NULL)
                        : g_build_filename (g_get_user_state_dir (), "postern", NULL);
  lock_path = g_build_filename (self->state_dir, "lock", NULL);
  if (!make_state_dir (self->state_dir, error))
    return NULL;
  self->lock_fd = postern_lock_file_take (lock_path, error);
  if (self->lock_fd < 0)
    return NULL;

  config_path = options->config_path != NULL ? g_canonicalize_filename (options->config_path, NULL)
                                             : postern_config_default_path ();
  self->config = postern_config_file_new (config_path);
  if (!postern_config_file_load (self->config, &problem))
    g_warning ("%s; nothing of it is used until it is mended", problem->message);
  self->store = postern_store_open (self->state_dir, error);
  if (self->store == NULL)
    return NULL;
  self->secrets = open_secrets (self->config, self->state_dir);
  self->secrets_kind = postern_config_file_get (self->config)->secrets;
  self->service = postern_jmap_service_new (error);
  if (self->service == NULL)
    return NULL;
  service = postern_jmap_service_get_mail_service (self->service);
  self->bridge = postern_bridge_new (self->config, self->secrets, self->store, &service);
  self->server = postern_mail_server_new (POSTERN_MAIL_HOST (self->bridge), NULL);
  tls_dir = g_build_filename (self->state_dir, "tls", NULL);
  self->authority = postern_certificate_authority_new (tls_dir, g_get_host_name ());

  postern_bus_errors_register ();
  show_objects (self, options->log);
  return g_steal_pointer (&self);
}

/* Starting */

static void
fail (PosternDaemon *self, const GError *error)
{
  if (self->error == NULL)
    self->error = g_error_copy (error);
  stop (self);
}

static void
on_bus_lost (const GError *error, gpointer user_data)
{
  fail (user_data, error);
}

static const char *
tell_health (gpointer user_data)
{
  PosternDaemon *self = user_data;

  return self->is_stopping ? "stopping" : postern_bridge_get_state (self->bridge);
}

static void
open_health (PosternDaemon *self)
{
  PosternConfig *config = postern_config_file_get (self->config);
  guint16 port = config->admin.enabled ? config->admin.port : 0;
  g_autoptr (GError) error = NULL;

  if (port == self->health_port)
    return;
  g_clear_pointer (&self->health, postern_health_server_free);
  self->health_port = port;
  if (port == 0)
    return;
  self->health = postern_health_server_new (port, tell_health, self, &error);
  if (self->health == NULL)
    g_warning ("%s", error->message);
}

/* Listeners and accounts follow the file by themselves. */
static void
on_config_changed (PosternDaemon *self)
{
  PosternConfigSecrets secrets = postern_config_file_get (self->config)->secrets;

  if (self->is_stopping)
    return;
  open_health (self);
  if (secrets != self->secrets_kind)
    g_warning ("The configuration names another place for secrets; it is used when Postern is "
               "started again, and secrets are not moved there");
}

static void
on_wake (gpointer user_data)
{
  PosternDaemon *self = user_data;

  postern_bridge_look_again (self->bridge);
}

static gboolean
on_trim (gpointer user_data)
{
  PosternDaemon *self = user_data;

  self->trim_id = 0;
  malloc_trim (0);
  return G_SOURCE_REMOVE;
}

static void
on_logged_in (PosternDaemon *self)
{
  if (self->trim_id == 0)
    self->trim_id = g_timeout_add_seconds (TRIM_SECONDS, on_trim, self);
}

static void
begin_serving (PosternDaemon *self)
{
  g_autoptr (GError) error = NULL;

  postern_listeners_open (self->listeners);
  open_health (self);
  postern_bridge_start (self->bridge);
  postern_config_file_watch (self->config);
  g_signal_connect_swapped (self->config, "changed", G_CALLBACK (on_config_changed), self);
  self->wake_id = postern_wake_watch_add (on_wake, self);
  g_signal_connect_swapped (self->server, "logged-in", G_CALLBACK (on_logged_in), self);
  /* Last, since who finds the name finds everything behind it. */
  self->bus =
      postern_bus_server_new (self->tree, POSTERN_BUS_NAME, self->state_dir, on_bus_lost, self);
  if (!postern_bus_server_start (self->bus, &error))
    {
      fail (self, error);
      return;
    }
  g_message ("Postern %s is up; its state is in %s", POSTERN_VERSION, self->state_dir);
  /* What starting needed is not needed again. */
  malloc_trim (0);
}

static void
on_certificate_changed (PosternDaemon *self)
{
  postern_mail_server_set_credentials (
      self->server,
      postern_certificate_authority_get_credentials (self->authority));
  postern_bridge_object_set_ca_path (self->bridge_object,
                                     postern_certificate_authority_get_ca_path (self->authority));
}

static void
on_certificate (GObject *source, GAsyncResult *result, gpointer user_data)
{
  PosternDaemon *self = user_data;
  PosternCertificateAuthority *authority = POSTERN_CERTIFICATE_AUTHORITY (source);
  g_autoptr (GError) error = NULL;

  if (self->is_stopping)
    return;
  if (postern_certificate_authority_ensure_finish (authority, result, &error))
    {
      on_certificate_changed (self);
      /* It is renewed in time, while we run. */
      g_signal_connect_swapped (authority, "changed", G_CALLBACK (on_certificate_changed), self);
    }
  else
    /* Without one there is no TLS, but mail on this machine still flows. */
    g_warning ("There is no certificate, so TLS is not offered: %s", error->message);
  begin_serving (self);
}

/* Stopping */

static void
on_store_closed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  PosternDaemon *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!postern_store_close_finish (POSTERN_STORE (source), result, &error))
    g_warning ("The store did not close well: %s", error->message);
  g_main_loop_quit (self->loop);
}

static void
on_drained (GObject *source, GAsyncResult *result, gpointer user_data)
{
  PosternDaemon *self = user_data;

  postern_mail_server_drain_finish (POSTERN_MAIL_SERVER (source), result);
  postern_mail_server_stop (self->server);
  postern_bridge_stop (self->bridge);
  postern_object_tree_flush (self->tree);
  postern_store_close_async (self->store, on_store_closed, self);
}

static void
stop (PosternDaemon *self)
{
  if (self->is_stopping)
    return;
  self->is_stopping = TRUE;
  g_message ("Stopping");
  postern_bridge_object_set_stopping (self->bridge_object);
  postern_mail_server_drain_async (self->server, DRAIN_MS, on_drained, self);
}

static gboolean
on_stop_signal (gpointer user_data)
{
  stop (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_hangup (gpointer user_data)
{
  PosternDaemon *self = user_data;

  postern_config_file_reload_async (self->config, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

/**
 * postern_daemon_run:
 *
 * Serves until SIGTERM, SIGINT, or somebody asks it to end.
 *
 * Returns: FALSE with @error when it ended for another reason
 */
gboolean
postern_daemon_run (PosternDaemon *self, GError **error)
{
  guint sources[] = { g_unix_signal_add (SIGTERM, on_stop_signal, self),
                      g_unix_signal_add (SIGINT, on_stop_signal, self),
                      g_unix_signal_add (SIGHUP, on_hangup, self) };

  postern_certificate_authority_ensure_async (self->authority, NULL, on_certificate, self);
  g_main_loop_run (self->loop);
  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  if (self->error != NULL)
    g_propagate_error (error, g_steal_pointer (&self->error));
  else
    return TRUE;
  return FALSE;
}

void
postern_daemon_free (PosternDaemon *self)
{
  g_clear_handle_id (&self->wake_id, g_source_remove);
  g_clear_handle_id (&self->trim_id, g_source_remove);
  g_clear_pointer (&self->bus, postern_bus_server_free);
  g_clear_pointer (&self->health, postern_health_server_free);
  g_clear_pointer (&self->listeners, postern_listeners_free);
  g_clear_pointer (&self->account_objects, postern_account_objects_free);
  g_clear_pointer (&self->bridge_object, postern_bridge_object_free);
  g_clear_pointer (&self->queue_object, postern_queue_object_free);
  g_clear_pointer (&self->log_object, postern_log_object_free);
  g_clear_pointer (&self->jobs, postern_job_book_free);
  g_clear_object (&self->tree);
  if (self->config != NULL)
    g_signal_handlers_disconnect_by_data (self->config, self);
  if (self->server != NULL)
    g_signal_handlers_disconnect_by_data (self->server, self);
  g_clear_object (&self->server);
  if (self->authority != NULL)
    g_signal_handlers_disconnect_by_data (self->authority, self);
  g_clear_object (&self->authority);
  g_clear_object (&self->bridge);
  g_clear_pointer (&self->service, postern_jmap_service_free);
  g_clear_object (&self->secrets);
  g_clear_object (&self->store);
  g_clear_object (&self->config);
  g_clear_error (&self->error);
  g_main_loop_unref (self->loop);
  if (self->lock_fd >= 0)
    close (self->lock_fd);
  g_free (self->state_dir);
  g_free (self);
}
