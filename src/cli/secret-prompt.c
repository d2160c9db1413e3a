/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/secret-prompt.h"

#include "base/error.h"
#include "ipc/secret-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Secrets come from a terminal or from standard input, never from the arguments or the
 * environment, which every process of the user can read. */

static volatile sig_atomic_t caught;

static void
on_signal (int number)
{
  caught = number;
}

/* One line, read octet by octet so that nothing behind it is taken from whoever reads on. */
static PosternSecret *
read_line (int fd, GError **error)
{
  char buffer[POSTERN_SECRET_FD_MAX];
  gsize length = 0;
  PosternSecret *secret = NULL;
  gboolean too_long = FALSE;
  gssize got;
  char octet;

  while ((got = read (fd, &octet, 1)) == 1 && octet != '\n')
    if (length == sizeof buffer)
      too_long = TRUE;
    else
      buffer[length++] = octet;
  if (length > 0 && buffer[length - 1] == '\r')
    length--;

  if (got < 0)
    g_set_error (error,
                 POSTERN_ERROR,
                 errno == EINTR ? POSTERN_ERROR_REFUSED : POSTERN_ERROR_INVALID,
                 "%s",
                 errno == EINTR ? _ ("Nothing was entered.") : g_strerror (errno));
  else if (too_long || memchr (buffer, '\0', length) != NULL)
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_INVALID,
                         _ ("This is no password or token."));
  else if (length == 0)
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_INVALID,
                         _ ("No password or token was given."));
  else
    secret = postern_secret_new (buffer, (gssize) length);
  postern_memory_wipe (buffer, sizeof buffer);
  return secret;
}

static PosternSecret *
ask_terminal (int fd, const char *question, GError **error)
{
  static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
  struct sigaction before[G_N_ELEMENTS (numbers)];
  struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: read() must end */
  struct termios saved;
  struct termios silent;
  PosternSecret *secret;
  g_autofree char *shown = g_strconcat (question, " ", NULL);

  if (tcgetattr (fd, &saved) < 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_FAILED,
                   /* Translators: %s is the system's reason. */
                   _ ("The terminal cannot be used: %s."),
                   g_strerror (errno));
      return NULL;
    }

  /* However this ends, the terminal must show again what is typed. */
  caught = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaction (numbers[i], &action, &before[i]);
  silent = saved;
  silent.c_lflag &= (tcflag_t) ~(ECHO | ECHONL);
  tcsetattr (fd, TCSAFLUSH, &silent);

  (void) !write (fd, shown, strlen (shown));
  secret = read_line (fd, error);
  (void) !write (fd, "\n", 1);

  tcsetattr (fd, TCSAFLUSH, &saved);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaction (numbers[i], &before[i], NULL);
  if (caught != 0)
    raise (caught);
  return secret;
}

/**
 * postern_secret_prompt:
 * @question: like "Password or token for jane@example.org:"
 *
 * Asks on the terminal without showing what is typed; when standard input is none, takes one line
 * of it.
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_INVALID when it is empty or too long
 */
PosternSecret *
postern_secret_prompt (const char *question, GError **error)
{
  PosternSecret *secret;
  int fd;

  if (!isatty (STDIN_FILENO))
    return read_line (STDIN_FILENO, error);

  fd = open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return ask_terminal (STDIN_FILENO, question, error);
  secret = ask_terminal (fd, question, error);
  close (fd);
  return secret;
}
