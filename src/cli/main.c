/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/run.h"

#include <locale.h>
#include <signal.h>

int
main (int argc, char *argv[])
{
  /* Set by the tests and by “meson devenv”: the catalogues of a build that is not installed. */
  const char *locale_dir = g_getenv ("POSTERN_LOCALE_DIR");

  setlocale (LC_ALL, "");
  bindtextdomain ("postern", locale_dir != NULL ? locale_dir : POSTERN_LOCALE_DIR);
  bind_textdomain_codeset ("postern", "UTF-8");
  textdomain ("postern");

  /* A daemon that ends while we write to it is an error, not our end. */
  signal (SIGPIPE, SIG_IGN);
  return (int) postern_cli_run ((const char *const *) argv + 1, stdout, stderr);
}
