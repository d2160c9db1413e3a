/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/failure.h"

#include "cli/output.h"
#include "ipc/bus-errors.h"

#include <gio/gio.h>

/* Each failure is told as what happened and what to do next. What happened is the daemon's own
 * sentence, which knows best; but the daemon speaks English. To a person who reads another language
 * it is told by the code, in that language, and the daemon's sentence comes last, as the details. */

static const struct
{
  PosternError code;
  const char *what;
  const char *remedy;
} failures[] = {
  { POSTERN_ERROR_FAILED, N_ ("It failed."), N_ ("Try again; “posternctl log” may tell more.") },
  { POSTERN_ERROR_TEMPORARY,
    N_ ("The server cannot do it at the moment."),
    N_ ("Try again in a few minutes.") },
  { POSTERN_ERROR_OFFLINE,
    N_ ("The server cannot be reached."),
    N_ ("Check the network connection and the server's URL.") },
  { POSTERN_ERROR_CREDENTIALS,
    N_ ("The server does not accept the sign-in."),
    N_ ("Check the user name and the password or token, and try again.") },
  { POSTERN_ERROR_REFUSED,
    N_ ("It was refused."),
    N_ ("The same will be refused again; change what the reason names.") },
  { POSTERN_ERROR_FORBIDDEN,
    N_ ("The server does not allow this account to do it."),
    N_ ("Ask whoever runs the server for the right to do this.") },
  { POSTERN_ERROR_TRUST,
    N_ ("The server's certificate cannot be trusted. No password was sent."),
    N_ ("Do not sign in before the server's certificate is in order; ask whoever runs it.") },
  { POSTERN_ERROR_PROTOCOL,
    N_ ("The server answered what a JMAP mail server does not."),
    N_ ("Check that the URL is that of a JMAP server.") },
  { POSTERN_ERROR_STALE, N_ ("It has changed meanwhile."), N_ ("List again, and repeat.") },
  { POSTERN_ERROR_TOO_LARGE, N_ ("It is too large."), N_ ("Use something smaller.") },
  { POSTERN_ERROR_NOT_FOUND,
    N_ ("There is nothing of this name."),
    N_ ("List what there is, and use an id from there.") },
  { POSTERN_ERROR_EXISTS,
    N_ ("There is one already."),
    N_ ("Use the one that is there, or remove it first.") },
  { POSTERN_ERROR_INVALID,
    N_ ("Something that was given makes no sense."),
    N_ ("Correct what the message names, and try again.") },
  { POSTERN_ERROR_BUSY, N_ ("It is in use at the moment."), N_ ("Try again when it has ended.") },
  { POSTERN_ERROR_KEYRING_LOCKED,
    N_ ("The keyring is locked."),
    N_ ("Unlock it with “posternctl keyring unlock”, and try again.") },
  { POSTERN_ERROR_KEYRING_ABSENT,
    N_ ("No keyring was found, so passwords cannot be kept safely."),
    N_ ("Start a keyring (GNOME Keyring, KWallet, KeePassXC); on a machine without one set "
        "secrets.store to \"file\" in the configuration file.") },
  { POSTERN_ERROR_STORAGE,
    N_ ("The disk could not be read or written."),
    N_ ("Check the disk, then restart Postern.") },
  { POSTERN_ERROR_FULL, N_ ("There is no room left."), N_ ("Make room, and try again.") },
  { POSTERN_ERROR_NEWER,
    N_ ("A newer Postern has written this, and this one cannot read it."),
    N_ ("Install the newer version again.") },
};
G_STATIC_ASSERT (G_N_ELEMENTS (failures) == POSTERN_ERROR_LAST + 1);

static guint
find_failure (PosternError code)
{
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++)
    if (failures[i].code == code)
      return i;
  return 0;
}

static PosternError
get_code (const GError *error)
{
  return error->domain == POSTERN_ERROR ? (PosternError) error->code : POSTERN_ERROR_FAILED;
}

static const char *
describe_code (PosternError code, const char *sentence)
{
  const char *what = failures[find_failure (code)].what;
  const char *translated = gettext (what);

  /* gettext() gives back its argument itself where there is no translation: the person reads English. */
  return translated == what && *sentence != '\0' ? sentence : translated;
}

/**
 * postern_failure_describe:
 * @code: as the daemon names it, like "Offline"; "" for none
 * @sentence: the daemon's, in English, of the same life as the result; "" for none
 *
 * Returns: (transfer none): what a person is told: the sentence, or where they read another language
 *   what the code means, in that language
 */
const char *
postern_failure_describe (const char *code, const char *sentence)
{
  PosternError parsed;

  return postern_bus_error_parse_name (code, &parsed) ? describe_code (parsed, sentence) : sentence;
}

static void
tell (PosternCli *cli,
      const char *code,
      const char *message,
      const char *remedy,
      const char *details)
{
  g_autofree char *safe = NULL;
  g_autofree char *safe_details = NULL;

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "error");
      json_builder_begin_object (builder);
      postern_json_add_string (builder, "code", code);
      postern_json_add_string (builder, "message", message);
      postern_json_add_string (builder, "remedy", remedy);
      if (details != NULL)
        postern_json_add_string (builder, "details", details);
      json_builder_end_object (builder);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
      return;
    }
  safe = postern_output_dup_safe (message);
  fprintf (cli->err, "posternctl: %s\n%s\n", safe, remedy);
  if (details != NULL)
    {
      safe_details = postern_output_dup_safe (details);
      /* Translators: %s is what Postern or a server has said, in English. */
      fprintf (cli->err, _ ("Details: %s"), safe_details);
      fputc ('\n', cli->err);
    }
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

static PosternExit
fail (PosternCli *cli, const GError *error, const char *remedy, gboolean is_english)
{
  g_autoptr (GError) plain = g_error_copy (error);
  const char *message;

  g_dbus_error_strip_remote_error (plain);
  if (is_daemon_gone (plain))
    {
      tell (cli,
            "NoDaemon",
            _ ("Postern ended before it had answered."),
            _ ("Start it with “posternd”, see what came of it, and try again."),
            NULL);
      return POSTERN_EXIT_NO_DAEMON;
    }
  if (is_other_version (plain))
    {
      tell (cli,
            "Protocol",
            _ ("The Postern that runs does not know this command."),
            _ ("It is of another version than posternctl: restart it."),
            NULL);
      return POSTERN_EXIT_REFUSED;
    }
  if (is_english || g_dbus_error_is_remote_error (error))
    message = describe_code (get_code (plain), plain->message);
  else
    message = plain->message;
  tell (cli,
        postern_bus_error_get_name (plain),
        message,
        remedy,
        message == plain->message || *plain->message == '\0' ? NULL : plain->message);
  return POSTERN_EXIT_REFUSED;
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
  return fail (cli, error, remedy, FALSE);
}

/**
 * postern_cli_fail_in_english:
 *
 * As postern_cli_fail_with_remedy(), for an error of a room that words errors for the daemon's log.
 */
PosternExit
postern_cli_fail_in_english (PosternCli *cli, const GError *error, const char *remedy)
{
  return fail (cli, error, remedy, TRUE);
}

/**
 * postern_cli_fail:
 *
 * As postern_cli_fail_with_remedy(), with the usual remedy.
 */
PosternExit
postern_cli_fail (PosternCli *cli, const GError *error)
{
  return postern_cli_fail_with_remedy (cli,
                                       error,
                                       _ (failures[find_failure (get_code (error))].remedy));
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
        _ ("Start it with “posternd”, or open the Postern window."),
        NULL);
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
  tell (cli, "Usage", message, _ ("“posternctl help” lists the commands."), NULL);
  return POSTERN_EXIT_USAGE;
}
