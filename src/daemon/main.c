/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "base/error.h"
#include "daemon/daemon.h"
#include "daemon/early-types.h"

#include <locale.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LOG_RECORDS 2000
#define LOG_OCTETS  (256 * 1024)

/* Passwords and mail pass through this process: no core file shall have them. */
static void
forbid_core_files (void)
{
  const struct rlimit none = { 0, 0 };

  setrlimit (RLIMIT_CORE, &none);
}

/* Each thread with an arena of its own would hold on to what it once needed, for ever. Blocks of
 * 256 KiB pass while a large message does; mapped anew each time, they cost two thirds of the speed. */
#define RETAINED_OCTETS (1024 * 1024)

static void
keep_memory_small (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_TRIM_THRESHOLD, RETAINED_OCTETS);
  mallopt (M_MMAP_THRESHOLD, RETAINED_OCTETS);
}

int
main (int argc, char *argv[])
{
  g_autofree char *config_path = NULL;
  g_autofree char *state_dir = NULL;
  gboolean is_verbose = FALSE;
  gboolean shows_version = FALSE;
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &config_path, "The configuration file", "FILE" },
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &state_dir, "Where everything is kept", "FOLDER" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &is_verbose, "Say more in the journal", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &shows_version, "Show the version and exit", NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (PosternLogRing) log = NULL;
  g_autoptr (PosternDaemon) daemon = NULL;
  g_autoptr (GError) error = NULL;

  keep_memory_small ();
  /* File names as the person writes them, but a log in English, the system's own words included. */
  setlocale (LC_CTYPE, "");
  umask (0077);
  g_option_context_set_summary (
      context,
      "The mail bridge: serves POP3 and SMTP on this machine for mail behind HTTPS.\n"
      "Accounts are added with posternctl.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("posternd: %s\n", error != NULL ? error->message : "too many arguments");
      return 2;
    }
  if (shows_version)
    {
      g_print ("posternd %s\n", POSTERN_VERSION);
      return 0;
    }

  forbid_core_files ();
  log = postern_log_ring_new (LOG_RECORDS, LOG_OCTETS);
  postern_log_ring_install (log, is_verbose);
  postern_early_types_ensure ();
  daemon = postern_daemon_new (
      &(PosternDaemonOptions){ .config_path = config_path, .state_dir = state_dir, .log = log },
      &error);
  if (daemon == NULL || !postern_daemon_run (daemon, &error))
    {
      g_printerr ("posternd: %s\n", error->message);
      return g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_BUSY) ? 3 : 1;
    }
  return 0;
}
