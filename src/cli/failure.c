/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/failure.h"

#include "cli/output.h"
#include "ipc/bus-errors.h"

#include <gio/gio.h>

/* Each failure is told as what happened (the daemon's sentence) and what to do next (by the code). */

static const struct
{
  PosternError code;
  const char *remedy;
} remedies[] = {
  { POSTERN_ERROR_FAILED, N_ ("Try again; “posternctl log” may tell more.") },
  { POSTERN_ERROR_TEMPORARY, N_ ("Try again in a few minutes.") },
  { POSTERN_ERROR_OFFLINE, N_ ("Check the network connection and the server's URL.") },
  { POSTERN_ERROR_CREDENTIALS,
    N_ ("Check the user name and the password or token, and try again.") },
  { POSTERN_ERROR_REFUSED, N_ ("The same will be refused again; change what the reason names.") },
  { POSTERN_ERROR_FORBIDDEN, N_ ("Ask whoever runs the server for the right to do this.") },
  { POSTERN_ERROR_TRUST,
    N_ ("Do not sign in before the server's certificate is in order; ask whoever runs it.") },
  { POSTERN_ERROR_PROTOCOL, N_ ("Check that the URL is that of a JMAP server.") },
  { POSTERN_ERROR_STALE, N_ ("List again, and repeat.") },
  { POSTERN_ERROR_TOO_LARGE, N_ ("Use something smaller.") },
  { POSTERN_ERROR_NOT_FOUND, N_ ("List what there is, and use an id from there.") },
  { POSTERN_ERROR_EXISTS, N_ ("Use the one that is there, or remove it first.") },
  { POSTERN_ERROR_INVALID, N_ ("Correct what the message names, and try again.") },
  { POSTERN_ERROR_BUSY, N_ ("Try again when it has ended.") },
  { POSTERN_ERROR_KEYRING_LOCKED,
    N_ ("Unlock it with “posternctl keyring unlock”, and try again.") },
  { POSTERN_ERROR_KEYRING_ABSENT,
    N_ ("Start a keyring (GNOME Keyring, KWallet, KeePassXC); on a machine without one set "
        "secrets.store to \"file\" in the configuration file.") },
  { POSTERN_ERROR_STORAGE, N_ ("Check the disk, then restart Postern.") },
  { POSTERN_ERROR_FULL, N_ ("Make room, and try again.") },
  { POSTERN_ERROR_NEWER, N_ ("Install the newer version again.") },
};

static const char *
find_remedy (const GError *error)
{
  PosternError code =
      error->domain == POSTERN_ERROR ? (PosternError) error->code : POSTERN_ERROR_FAILED;

  for (gsize i = 0; i < G_N_ELEMENTS (remedies); i++)
    if (remedies[i].code == code)
      return _ (remedies[i].remedy);
  return _ (remedies[0].remedy);
}

static void
tell (PosternCli *cli, const char *code, const char *message, const char *remedy)
{
  g_autofree char *safe = NULL;

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "error");
      json_builder_begin_object (builder);
      postern_json_add_string (builder, "code", code);
      postern_json_add_string (builder, "message", message);
      postern_json_add_string (builder, "remedy", remedy);
      json_builder_end_object (builder);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
      return;
    }
  safe = postern_output_dup_safe (message);
  fprintf (cli->err, "posternctl: %s\n%s\n", safe, remedy);
}

static gboolean
is_daemon_gone (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED);
}

static gboolean
is_other_version (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
}

/**
 * postern_cli_fail_with_remedy:
 * @remedy: what to do, better than the usual sentence for this code
 *
 * Tells the error, in words or as JSON.
 *
 * Returns: what the program shall end with
 */
PosternExit
postern_cli_fail_with_remedy (PosternCli *cli, const GError *error, const char *remedy)
{
  g_autoptr (GError) plain = g_error_copy (error);

  g_dbus_error_strip_remote_error (plain);
  if (is_daemon_gone (plain))
    {
      tell (cli,
            "NoDaemon",
            _ ("Postern ended before it had answered."),
            _ ("Start it with “posternd”, see what came of it, and try again."));
      return POSTERN_EXIT_NO_DAEMON;
    }
  if (is_other_version (plain))
    {
      tell (cli,
            "Protocol",
            _ ("The Postern that runs does not know this command."),
            _ ("It is of another version than posternctl: restart it."));
      return POSTERN_EXIT_REFUSED;
    }
  tell (cli, postern_bus_error_get_name (plain), plain->message, remedy);
  return POSTERN_EXIT_REFUSED;
}

/**
 * postern_cli_fail:
 *
 * As postern_cli_fail_with_remedy(), with the usual remedy.
 */
PosternExit
postern_cli_fail (PosternCli *cli, const GError *error)
{
  return postern_cli_fail_with_remedy (cli, error, find_remedy (error));
}

/**
 * postern_cli_fail_no_daemon:
 *
 * Tells that there is no daemon to ask.
 */
PosternExit
postern_cli_fail_no_daemon (PosternCli *cli, const GError *error)
{
  tell (cli,
        "NoDaemon",
        error->message,
        _ ("Start it with “posternd”, or open the Postern window."));
  return POSTERN_EXIT_NO_DAEMON;
}

/**
 * postern_cli_usage:
 *
 * Tells that what was typed makes no sense.
 */
PosternExit
postern_cli_usage (PosternCli *cli, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  tell (cli, "Usage", message, _ ("“posternctl help” lists the commands."));
  return POSTERN_EXIT_USAGE;
}
