/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "ipc/bus-connection.h"
#include "ipc/bus.h"

#include <glib/gi18n.h>
#include <stdio.h>

G_BEGIN_DECLS

/* What the program ends with. */
typedef enum
{
  POSTERN_EXIT_DONE = 0,
  POSTERN_EXIT_REFUSED = 1,
  POSTERN_EXIT_USAGE = 2,
  POSTERN_EXIT_NO_DAEMON = 3,
} PosternExit;

/**
 * PosternCli:
 *
 * One run of the program: what was asked for, where the answer goes, and the daemon once it was
 * found.
 */
typedef struct
{
  FILE *out;
  FILE *err;
  gboolean json;
  char *bus;            /* (owned) (nullable) of --bus */
  GPtrArray *arguments; /* (owned) of char *, without the command's own words and the options */
  GHashTable *options;  /* (owned) name -> value, "" for a flag */
  PosternBusConnection *daemon; /* (owned) (nullable) */
} PosternCli;

#define POSTERN_COMMAND_MAX_OPTIONS 6

typedef struct
{
  const char *name;    /* as typed: "queue list" */
  const char *operand; /* (nullable) what follows: NC_ ("argument", "ID…") */
  guint least;         /* how many of them */
  guint most;
  gboolean no_daemon;  /* works without one */
  const char *summary; /* a short imperative, translated where it is shown */
  const char *details; /* (nullable) further paragraphs */
  struct
  {
    const char *name;  /* without dashes; NULL ends the list */
    const char *value; /* (nullable) NC_ ("argument", …); a flag has none */
    const char *summary;
  } options[POSTERN_COMMAND_MAX_OPTIONS + 1];
  PosternExit (*run) (PosternCli *cli);
} PosternCommand;

/* One list a noun; a NULL name ends each. */
extern const PosternCommand postern_account_commands[];
extern const PosternCommand postern_config_commands[];
extern const PosternCommand postern_listener_commands[];
extern const PosternCommand postern_log_commands[];
extern const PosternCommand postern_password_commands[];
extern const PosternCommand postern_queue_commands[];
extern const PosternCommand postern_status_commands[];

static inline const char *
postern_cli_get_argument (PosternCli *cli, guint index)
{
  return index < cli->arguments->len ? g_ptr_array_index (cli->arguments, index) : NULL;
}

static inline const char *
postern_cli_get_option (PosternCli *cli, const char *name)
{
  return g_hash_table_lookup (cli->options, name);
}

static inline gboolean
postern_cli_has_option (PosternCli *cli, const char *name)
{
  return g_hash_table_contains (cli->options, name);
}

G_END_DECLS
