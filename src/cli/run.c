/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/run.h"

#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "ipc/bus-errors.h"

#include <string.h>

/* What can be typed stands in the tables of the nouns; dispatch, the check of what follows, and
 * all help texts come from there. */

static const PosternCommand *const nouns[] = {
  postern_status_commands,   postern_account_commands, postern_password_commands,
  postern_queue_commands,    postern_log_commands,     postern_config_commands,
  postern_listener_commands,
};

static const struct
{
  const char *name;
  const char *value;
  const char *summary;
} common_options[] = {
  { "json", NULL, N_ ("print one JSON object") },
  { "bus", NC_ ("argument", "ADDRESS"), N_ ("where Postern is: a D-Bus address") },
  { "help", NULL, N_ ("tell how a command is used") },
  { "version", NULL, N_ ("tell the version") },
};

/* --- help ------------------------------------------------------------------------------------------------ */

/* Returns (transfer full): a word of the command line with what follows it, if anything does. */
static char *
dup_usage (const char *word, const char *argument)
{
  if (argument == NULL)
    return g_strdup (word);
  return g_strconcat (word, " ", g_dpgettext2 (NULL, "argument", argument), NULL);
}

static void
print_option (PosternCli *cli, const char *name, const char *value, const char *summary)
{
  g_autofree char *option = g_strconcat ("--", name, NULL);
  g_autofree char *left = dup_usage (option, value);

  postern_output_pair (cli, left, 24, _ (summary));
}

static void
print_common_options (PosternCli *cli)
{
  for (gsize i = 0; i < G_N_ELEMENTS (common_options); i++)
    print_option (cli, common_options[i].name, common_options[i].value, common_options[i].summary);
}

static void
print_overview (PosternCli *cli)
{
  fprintf (cli->out,
           "%s\n\n%s\n",
           /* Translators: what is in capitals stands for what one types. */
           _ ("Usage: posternctl COMMAND [OPTION…]"),
           _ ("Looks after Postern, the bridge between mail programs and mail behind HTTPS."));
  for (gsize n = 0; n < G_N_ELEMENTS (nouns); n++)
    {
      fputc ('\n', cli->out);
      for (const PosternCommand *command = nouns[n]; command->name != NULL; command++)
        {
          g_autofree char *left = dup_usage (command->name, command->operand);

          postern_output_pair (cli, left, 34, _ (command->summary));
        }
    }
  fprintf (cli->out, "\n%s\n", _ ("Options for every command:"));
  print_common_options (cli);
  fprintf (cli->out,
           "\n%s\n%s\n",
           _ ("“posternctl help COMMAND” tells more about one."),
           _ ("Ends with 0: done, 1: refused, 2: not understood, 3: Postern is not running."));
}

static void
print_command_help (PosternCli *cli, const PosternCommand *command)
{
  g_autofree char *words = dup_usage (command->name, command->operand);
  g_autofree char *usage =
      dup_usage (words, command->options[0].name == NULL ? NULL : NC_ ("argument", "[OPTION…]"));

  /* Translators: %s is a command with its arguments, like “queue show ID”. */
  fprintf (cli->out, _ ("Usage: posternctl %s"), usage);
  fprintf (cli->out, "\n\n%s\n", _ (command->summary));
  if (command->details != NULL)
    fprintf (cli->out, "\n%s\n", _ (command->details));
  if (command->options[0].name != NULL)
    fprintf (cli->out, "\n%s\n", _ ("Options:"));
  for (guint i = 0; command->options[i].name != NULL; i++)
    print_option (cli,
                  command->options[i].name,
                  command->options[i].value,
                  command->options[i].summary);
  fprintf (cli->out, "\n%s\n", _ ("Options for every command:"));
  print_common_options (cli);
}

/* --- what was typed ---------------------------------------------------------------------------------------- */

/* The command whose name the words begin with; the longest one wins. */
static const PosternCommand *
find_command (GPtrArray *words, guint *n_words)
{
  const PosternCommand *best = NULL;

  *n_words = 0;
  for (gsize n = 0; n < G_N_ELEMENTS (nouns); n++)
    for (const PosternCommand *command = nouns[n]; command->name != NULL; command++)
      {
        g_auto (GStrv) name = g_strsplit (command->name, " ", -1);
        guint length = g_strv_length (name);
        gboolean same = length <= words->len && length > *n_words;

        for (guint i = 0; same && i < length; i++)
          same = g_str_equal (name[i], g_ptr_array_index (words, i));
        if (same)
          {
            best = command;
            *n_words = length;
          }
      }
  return best;
}

/* Whether an option takes a value, for any command: the command is not known before its words
 * are, and they may stand behind options. */
static gboolean
takes_value (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (common_options); i++)
    if (g_str_equal (common_options[i].name, name))
      return common_options[i].value != NULL;
  for (gsize n = 0; n < G_N_ELEMENTS (nouns); n++)
    for (const PosternCommand *command = nouns[n]; command->name != NULL; command++)
      for (guint i = 0; command->options[i].name != NULL; i++)
        if (g_str_equal (command->options[i].name, name))
          return command->options[i].value != NULL;
  return FALSE;
}

static PosternExit
parse_option (PosternCli *cli, const char *const *words, guint *index)
{
  const char *word = words[*index] + 2;
  const char *equals = strchr (word, '=');
  g_autofree char *name =
      equals == NULL ? g_strdup (word) : g_strndup (word, (gsize) (equals - word));
  const char *value = equals == NULL ? "" : equals + 1;

  if (takes_value (name) && equals == NULL)
    {
      if (words[*index + 1] == NULL)
        /* Translators: --%s is an option as it is typed, like --status. */
        return postern_cli_usage (cli, _ ("--%s needs a value."), name);
      value = words[++*index];
    }
  else if (!takes_value (name) && equals != NULL)
    /* Translators: --%s is an option as it is typed, like --json. */
    return postern_cli_usage (cli, _ ("--%s takes no value."), name);
  g_hash_table_insert (cli->options, g_steal_pointer (&name), g_strdup (value));
  return POSTERN_EXIT_DONE;
}

static PosternExit
parse_words (PosternCli *cli, const char *const *words)
{
  gboolean only_words = FALSE;

  for (guint i = 0; words[i] != NULL; i++)
    if (!only_words && g_str_equal (words[i], "--"))
      only_words = TRUE;
    else if (!only_words && g_str_has_prefix (words[i], "--"))
      {
        PosternExit code = parse_option (cli, words, &i);

        if (code != POSTERN_EXIT_DONE)
          return code;
      }
    else if (!only_words && g_str_equal (words[i], "-h"))
      g_hash_table_insert (cli->options, g_strdup ("help"), g_strdup (""));
    else if (!only_words && words[i][0] == '-' && words[i][1] != '\0')
      /* Translators: %s is what was typed, like -x. */
      return postern_cli_usage (cli, _ ("There is no option %s."), words[i]);
    else
      g_ptr_array_add (cli->arguments, g_strdup (words[i]));
  cli->bus = g_strdup (postern_cli_get_option (cli, "bus"));
  return POSTERN_EXIT_DONE;
}

static gboolean
is_option_of (const PosternCommand *command, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (common_options); i++)
    if (g_str_equal (common_options[i].name, name))
      return TRUE;
  for (guint i = 0; command->options[i].name != NULL; i++)
    if (g_str_equal (command->options[i].name, name))
      return TRUE;
  return FALSE;
}

static PosternExit
check_usage (PosternCli *cli, const PosternCommand *command)
{
  GHashTableIter iter;
  const char *name;

  g_hash_table_iter_init (&iter, cli->options);
  while (g_hash_table_iter_next (&iter, (gpointer *) &name, NULL))
    if (!is_option_of (command, name))
      /* Translators: a command as it is typed, like “queue list”, and an option. */
      return postern_cli_usage (cli, _ ("“%s” has no option --%s."), command->name, name);
  if (cli->arguments->len < command->least)
    return postern_cli_usage (
        cli,
        /* Translators: a command as it is typed, like “queue save”, and what must
                               * follow it, like ID FILE. */
        _ ("“%s” needs %s."),
        command->name,
        g_dpgettext2 (NULL, "argument", command->operand));
  if (cli->arguments->len > command->most)
    return postern_cli_usage (
        cli,
        /* Translators: a command as it is typed, and what was typed behind it. */
        _ ("“%s” does not take “%s”."),
        command->name,
        postern_cli_get_argument (cli, command->most));
  return POSTERN_EXIT_DONE;
}

/* --- running -------------------------------------------------------------------------------------------------- */

static PosternExit
print_version (PosternCli *cli)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      fprintf (cli->out, "posternctl %s\n", POSTERN_VERSION);
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder, "version", POSTERN_VERSION);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

static PosternExit
run_help (PosternCli *cli)
{
  const PosternCommand *command;
  guint n_words;

  if (cli->arguments->len > 0 && g_str_equal (postern_cli_get_argument (cli, 0), "help"))
    g_ptr_array_remove_index (cli->arguments, 0);
  command = find_command (cli->arguments, &n_words);
  if (command != NULL)
    print_command_help (cli, command);
  else if (cli->arguments->len == 0)
    print_overview (cli);
  else
    return postern_cli_usage (cli,
                              /* Translators: %s is what was typed. */
                              _ ("There is no command “%s”."),
                              postern_cli_get_argument (cli, 0));
  return POSTERN_EXIT_DONE;
}

static PosternExit
run_command (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  const PosternCommand *command;
  guint n_words;
  PosternExit code;

  command = find_command (cli->arguments, &n_words);
  if (command == NULL && cli->arguments->len == 0)
    return postern_cli_usage (cli, "%s", _ ("A command is missing."));
  if (command == NULL)
    {
      g_autofree char *typed = NULL;

      g_ptr_array_add (cli->arguments, NULL);
      typed = g_strjoinv (" ", (GStrv) cli->arguments->pdata);
      g_ptr_array_set_size (cli->arguments, (int) cli->arguments->len - 1);
      return postern_cli_usage (cli, _ ("There is no command “%s”."), typed);
    }
  g_ptr_array_remove_range (cli->arguments, 0, n_words);
  code = check_usage (cli, command);
  if (code != POSTERN_EXIT_DONE)
    return code;
  if (!command->no_daemon && !postern_bridge_connect (cli, &error))
    return postern_cli_fail_no_daemon (cli, error);
  return command->run (cli);
}

static void
clear_cli (PosternCli *cli)
{
  g_free (cli->bus);
  g_ptr_array_unref (cli->arguments);
  g_hash_table_unref (cli->options);
  g_clear_pointer (&cli->daemon, postern_bus_connection_free);
}

/**
 * postern_cli_run:
 * @words: what was typed behind the program's name, ended by NULL
 *
 * Returns: what the program shall end with
 */
PosternExit
postern_cli_run (const char *const *words, FILE *out, FILE *err)
{
  PosternCli cli = { .out = out, .err = err };
  PosternExit code;

  postern_bus_errors_register ();
  cli.arguments = g_ptr_array_new_with_free_func (g_free);
  cli.options = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  cli.json = g_strv_contains (words, "--json");

  code = parse_words (&cli, words);
  if (code == POSTERN_EXIT_DONE)
    {
      if (postern_cli_has_option (&cli, "version"))
        code = print_version (&cli);
      else if (postern_cli_has_option (&cli, "help") ||
               g_strcmp0 (postern_cli_get_argument (&cli, 0), "help") == 0)
        code = run_help (&cli);
      else
        code = run_command (&cli);
    }
  clear_cli (&cli);
  return code;
}
