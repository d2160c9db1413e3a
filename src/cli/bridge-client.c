/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/bridge-client.h"

#include "base/error.h"
#include "ipc/bus-errors.h"
#include "ipc/names.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PROXY_FLAGS                                                                                \
  (G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS |         \
   G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START)

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (result);
}

/**
 * postern_bridge_connect:
 *
 * Finds the daemon: where --bus or POSTERN_BUS say, else wherever it may be.
 *
 * Returns: FALSE with POSTERN_ERROR_OFFLINE when none runs.
 */
gboolean
postern_bridge_connect (PosternCli *cli, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  const char *address = cli->bus != NULL ? cli->bus : g_getenv ("POSTERN_BUS");

  if (address != NULL && !g_dbus_is_supported_address (address, NULL))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_OFFLINE,
                   /* Translators: %s is what was given with --bus. */
                   _ ("“%s” is no D-Bus address, like unix:path=/run/user/1000/postern/bus."),
                   address);
      return FALSE;
    }
  postern_bus_connect_async (address, NULL, NULL, on_connected, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  cli->daemon = postern_bus_connect_finish (result, error);
  return cli->daemon != NULL;
}

PosternBusBridge *
postern_bridge_new_proxy (PosternCli *cli, GError **error)
{
  return postern_bus_bridge_proxy_new_sync (cli->daemon->connection,
                                            PROXY_FLAGS,
                                            cli->daemon->name,
                                            POSTERN_BUS_PATH,
                                            NULL,
                                            error);
}

PosternBusQueue *
postern_bridge_new_queue (PosternCli *cli, GError **error)
{
  return postern_bus_queue_proxy_new_sync (cli->daemon->connection,
                                           PROXY_FLAGS,
                                           cli->daemon->name,
                                           POSTERN_BUS_PATH,
                                           NULL,
                                           error);
}

/* With signals, for those who follow it. */
PosternBusLog *
postern_bridge_new_log (PosternCli *cli, GError **error)
{
  return postern_bus_log_proxy_new_sync (cli->daemon->connection,
                                         G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES |
                                             G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                                         cli->daemon->name,
                                         POSTERN_BUS_PATH,
                                         NULL,
                                         error);
}

PosternBusAccount *
postern_bridge_new_account_at (PosternCli *cli, const char *path, GError **error)
{
  return postern_bus_account_proxy_new_sync (cli->daemon->connection,
                                             PROXY_FLAGS,
                                             cli->daemon->name,
                                             path,
                                             NULL,
                                             error);
}

/* --- objects ----------------------------------------------------------------------------------------- */

void
postern_bridge_object_free (PosternBridgeObject *self)
{
  g_free (self->path);
  g_variant_unref (self->properties);
  g_free (self);
}

/* Listeners have numbers: 10 comes after 9. Accounts are in order of their address. */
static int
compare_objects (gconstpointer a, gconstpointer b)
{
  const PosternBridgeObject *left = *(PosternBridgeObject *const *) a;
  const PosternBridgeObject *right = *(PosternBridgeObject *const *) b;
  int order = g_strcmp0 (postern_properties_get_string (left->properties, "Address"),
                         postern_properties_get_string (right->properties, "Address"));

  if (order != 0 && strstr (left->path, "/accounts/") != NULL)
    return order;
  if (strlen (left->path) != strlen (right->path))
    return strlen (left->path) < strlen (right->path) ? -1 : 1;
  return strcmp (left->path, right->path);
}

/**
 * postern_bridge_list:
 * @interface: its short name, like "Account1"
 *
 * Returns: (transfer full) (nullable) (element-type PosternBridgeObject): all objects that have it
 */
GPtrArray *
postern_bridge_list (PosternCli *cli, const char *interface, GError **error)
{
  g_autofree char *full = g_strconcat (POSTERN_BUS_PREFIX, interface, NULL);
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GVariantIter) objects = NULL;
  GPtrArray *found;
  const char *path;
  GVariant *interfaces;

  answer = g_dbus_connection_call_sync (cli->daemon->connection,
                                        cli->daemon->name,
                                        POSTERN_BUS_PATH,
                                        "org.freedesktop.DBus.ObjectManager",
                                        "GetManagedObjects",
                                        NULL,
                                        G_VARIANT_TYPE ("(a{oa{sa{sv}}})"),
                                        G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                        POSTERN_CALL_TIMEOUT_MS,
                                        NULL,
                                        error);
  if (answer == NULL)
    return NULL;

  found = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_bridge_object_free);
  g_variant_get (answer, "(a{oa{sa{sv}}})", &objects);
  while (g_variant_iter_loop (objects, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      GVariant *properties = g_variant_lookup_value (interfaces, full, G_VARIANT_TYPE_VARDICT);

      if (properties != NULL)
        {
          PosternBridgeObject *object = g_new0 (PosternBridgeObject, 1);

          object->path = g_strdup (path);
          object->properties = properties;
          g_ptr_array_add (found, object);
        }
    }
  g_ptr_array_sort (found, compare_objects);
  return found;
}

const char *
postern_properties_get_string (GVariant *properties, const char *name)
{
  const char *text = "";

  g_variant_lookup (properties, name, "&s", &text);
  return text;
}

/* Of whatever integer type; 0 when it is not there. */
gint64
postern_properties_get_integer (GVariant *properties, const char *name)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (properties, name, NULL);

  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16))
    return g_variant_get_uint16 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return (gint64) g_variant_get_uint64 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return g_variant_get_int64 (value);
  return 0;
}

/**
 * postern_bridge_find_account:
 * @account: an id, or an address in any case
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_NOT_FOUND when there is none
 */
PosternBridgeObject *
postern_bridge_find_account (PosternCli *cli, const char *account, GError **error)
{
  g_autoptr (GPtrArray) accounts = postern_bridge_list (cli, "Account1", error);
  g_autofree char *folded = g_utf8_casefold (account, -1);

  if (accounts == NULL)
    return NULL;
  for (guint i = 0; i < accounts->len; i++)
    {
      PosternBridgeObject *object = g_ptr_array_index (accounts, i);
      g_autofree char *address =
          g_utf8_casefold (postern_properties_get_string (object->properties, "Address"), -1);

      if (g_str_equal (postern_properties_get_string (object->properties, "Id"), account) ||
          g_str_equal (address, folded))
        {
          g_ptr_array_set_free_func (accounts, NULL);
          g_ptr_array_remove_index (accounts, i);
          g_ptr_array_set_free_func (accounts, (GDestroyNotify) postern_bridge_object_free);
          return object;
        }
    }
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_NOT_FOUND,
               /* Translators: %s is an address, or what was typed for one. */
               _ ("There is no account %s."),
               account);
  return NULL;
}

PosternBusAccount *
postern_bridge_new_account (PosternCli *cli, const char *account, GError **error)
{
  g_autoptr (PosternBridgeObject) object = postern_bridge_find_account (cli, account, error);

  return object == NULL ? NULL : postern_bridge_new_account_at (cli, object->path, error);
}

/* --- jobs ---------------------------------------------------------------------------------------------- */

typedef struct
{
  PosternCli *cli;
  PosternBusJob *job;
  GMainLoop *loop;
  gboolean cancelled; /* asked to stop */
  gboolean lost;      /* the daemon went away */
} Wait;

static gboolean
is_running (PosternBusJob *job)
{
  const char *state = postern_bus_job_get_state (job);

  return state != NULL && g_str_equal (state, "running");
}

/* What goes on now, for a person who waits. */
static const char *
describe_step (const char *step)
{
  static const struct
  {
    const char *step;
    const char *shown;
  } steps[] = {
    { "discover", N_ ("Looking for the mail server…") },
    { "connect", N_ ("Connecting to the mail server…") },
    { "sign-in", N_ ("Signing in…") },
    { "save", N_ ("Saving the account…") },
    { "mailbox", N_ ("Looking into the mailbox…") },
    { "submission", N_ ("Trying whether mail can be sent…") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    if (g_str_equal (steps[i].step, step))
      return _ (steps[i].shown);
  return step;
}

static void
on_job_changed (PosternBusJob *job, GVariant *changed, GStrv invalidated, Wait *wait)
{
  const char *step = NULL;

  g_variant_lookup (changed, "Step", "&s", &step);
  if (step != NULL && *step != '\0' && !wait->cli->json && isatty (fileno (wait->cli->err)))
    fprintf (wait->cli->err, "%s\n", describe_step (step));
  if (!is_running (job))
    g_main_loop_quit (wait->loop);
}

static void
on_daemon_lost (GDBusConnection *connection, gboolean remote, GError *error, Wait *wait)
{
  wait->lost = TRUE;
  g_main_loop_quit (wait->loop);
}

static void
on_owner_changed (PosternBusJob *job, GParamSpec *pspec, Wait *wait)
{
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (job));

  if (owner == NULL)
    on_daemon_lost (NULL, TRUE, NULL, wait);
}

static gboolean
on_gave_up (gpointer user_data)
{
  Wait *wait = user_data;

  wait->lost = TRUE;
  g_main_loop_quit (wait->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupted (gpointer user_data)
{
  Wait *wait = user_data;

  if (wait->cancelled)
    return on_gave_up (wait); /* twice: the daemon takes too long to stop */
  wait->cancelled = TRUE;
  postern_bus_job_call_cancel (wait->job,
                               G_DBUS_CALL_FLAGS_NONE,
                               POSTERN_CALL_TIMEOUT_MS,
                               NULL,
                               NULL,
                               NULL);
  return G_SOURCE_CONTINUE;
}

static void
wait_for_end (Wait *wait)
{
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupted, wait);
  guint terminate = g_unix_signal_add (SIGTERM, on_interrupted, wait);

  g_signal_connect (wait->job, "g-properties-changed", G_CALLBACK (on_job_changed), wait);
  g_signal_connect (wait->job, "notify::g-name-owner", G_CALLBACK (on_owner_changed), wait);
  g_signal_connect (wait->cli->daemon->connection, "closed", G_CALLBACK (on_daemon_lost), wait);
  if (is_running (wait->job))
    g_main_loop_run (wait->loop);
  g_signal_handlers_disconnect_by_data (wait->cli->daemon->connection, wait);
  g_signal_handlers_disconnect_by_data (wait->job, wait);
  g_source_remove (interrupt);
  g_source_remove (terminate);
}

static GVariant *
take_result (Wait *wait, GError **error)
{
  const char *state = postern_bus_job_get_state (wait->job);
  const char *message = postern_bus_job_get_error_message (wait->job);
  g_autofree char *code = NULL;

  if (wait->lost || state == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The daemon went away");
  else if (g_str_equal (state, "done"))
    return g_variant_ref (postern_bus_job_get_result (wait->job));
  else if (g_str_equal (state, "cancelled"))
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_REFUSED,
                         _ ("It was cancelled; nothing was changed."));
  else
    {
      /* As if the call itself had failed with it. */
      code =
          g_strconcat (POSTERN_BUS_ERROR_PREFIX, postern_bus_job_get_error_code (wait->job), NULL);
      g_dbus_error_set_dbus_error (error, code, message == NULL ? "" : message, NULL);
    }
  return NULL;
}

/**
 * postern_bridge_wait_job:
 * @path: of a Job1
 *
 * Waits for its end; an interrupt from the terminal cancels it, a second one stops waiting.
 *
 * Returns: (transfer full) (nullable): its result, a{sv}; NULL with the error it failed with
 */
GVariant *
postern_bridge_wait_job (PosternCli *cli, const char *path, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (PosternBusJob) job = NULL;
  Wait wait = { cli, NULL, loop, FALSE, FALSE };

  /* The proxy listens before it reads, so no change is missed. */
  job = postern_bus_job_proxy_new_sync (cli->daemon->connection,
                                        G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                                        cli->daemon->name,
                                        path,
                                        NULL,
                                        error);
  if (job == NULL)
    return NULL;
  wait.job = job;
  wait_for_end (&wait);
  return take_result (&wait, error);
}
