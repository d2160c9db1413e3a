/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/output.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>

#define PAGE 200 /* what Log1.Read gives at most */

typedef struct
{
  PosternCli *cli;
  PosternBusLog *log;
  GVariant *filter;
  guint64 last;         /* read up to here */
  GPtrArray *lines;     /* (nullable) of char *: kept, instead of printed, for --lines */
  JsonBuilder *builder; /* (nullable) takes the records of a list that has an end */
  GMainLoop *loop;
  GError *error; /* that ended following */
  gboolean stop;
} Reading;

static GVariant *
make_filter (PosternCli *cli)
{
  static const char *const keys[] = { "level", "search" };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (postern_cli_has_option (cli, keys[i]))
      g_variant_builder_add (&builder,
                             "{sv}",
                             keys[i],
                             g_variant_new_string (postern_cli_get_option (cli, keys[i])));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static char *
dup_line (gint64 time_us, const char *level, const char *domain, const char *message)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) local = utc == NULL ? NULL : g_date_time_to_local (utc);
  g_autofree char *time =
      local == NULL ? g_strdup ("?") : g_date_time_format (local, "%Y-%m-%d %H:%M:%S");
  g_autofree char *safe = postern_output_dup_safe (message);
  const char *room = g_str_has_prefix (domain, "postern-") ? domain + strlen ("postern-") : domain;

  return g_strdup_printf ("%s  %-7s  %-8s  %s", time, level, room, safe);
}

static void
add_json_record (JsonBuilder *builder,
                 guint64 serial,
                 gint64 time_us,
                 const char *level,
                 const char *domain,
                 const char *message)
{
  json_builder_begin_object (builder);
  postern_json_add_int (builder, "serial", (gint64) serial);
  postern_json_add_int (builder, "time", time_us);
  postern_json_add_string (builder, "level", level);
  postern_json_add_string (builder, "domain", domain);
  postern_json_add_string (builder, "message", message);
  json_builder_end_object (builder);
}

static void
take_record (Reading *self,
             guint64 serial,
             gint64 time_us,
             const char *level,
             const char *domain,
             const char *message)
{
  g_autoptr (JsonBuilder) own = NULL;
  char *line;

  if (self->builder != NULL)
    add_json_record (self->builder, serial, time_us, level, domain, message);
  else if (self->cli->json)
    {
      /* Following has no end, so each record is an object of its own, on its own line. */
      own = json_builder_new ();
      add_json_record (own, serial, time_us, level, domain, message);
      postern_output_json (self->cli, own);
    }
  else
    {
      line = dup_line (time_us, level, domain, message);
      if (self->lines != NULL)
        g_ptr_array_add (self->lines, line);
      else
        {
          fprintf (self->cli->out, "%s\n", line);
          g_free (line);
        }
    }
}

/* Reads to the end of what there is. */
static gboolean
read_on (Reading *self, GError **error)
{
  gboolean more = TRUE;

  while (more)
    {
      g_autoptr (GVariant) records = NULL;
      GVariantIter iter;
      guint64 last;
      guint64 serial;
      gint64 time_us;
      const char *level;
      const char *domain;
      const char *message;

      if (!postern_bus_log_call_read_sync (self->log,
                                           self->filter,
                                           self->last,
                                           PAGE,
                                           G_DBUS_CALL_FLAGS_NONE,
                                           POSTERN_CALL_TIMEOUT_MS,
                                           &records,
                                           &last,
                                           NULL,
                                           error))
        return FALSE;
      g_variant_iter_init (&iter, records);
      while (
          g_variant_iter_loop (&iter, "(tx&s&s&s)", &serial, &time_us, &level, &domain, &message))
        take_record (self, serial, time_us, level, domain, message);
      more = g_variant_n_children (records) == PAGE && last > self->last;
      self->last = last;
    }
  fflush (self->cli->out);
  return TRUE;
}

/* --- following ---------------------------------------------------------------------------------------------------- */

static gboolean
on_stop (gpointer user_data)
{
  Reading *self = user_data;

  self->stop = TRUE;
  g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_log_changed (PosternBusLog *log, guint64 last, Reading *self)
{
  if (self->stop || last <= self->last)
    return;
  /* Nobody reads us any more: as in “log --follow | head”. */
  if (!read_on (self, &self->error) || ferror (self->cli->out))
    on_stop (self);
}

static void
on_lost (Reading *self)
{
  if (self->error == NULL && !self->stop)
    g_set_error_literal (&self->error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The daemon went away");
  on_stop (self);
}

static void
on_closed (GDBusConnection *connection, gboolean remote, GError *error, Reading *self)
{
  on_lost (self);
}

static void
on_owner_changed (PosternBusLog *log, GParamSpec *pspec, Reading *self)
{
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (log));

  if (owner == NULL)
    on_lost (self);
}

static PosternExit
follow (Reading *self)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  guint interrupt = g_unix_signal_add (SIGINT, on_stop, self);
  guint terminate = g_unix_signal_add (SIGTERM, on_stop, self);
  PosternExit code = POSTERN_EXIT_DONE;

  self->loop = loop;
  g_signal_connect (self->log, "changed", G_CALLBACK (on_log_changed), self);
  g_signal_connect (self->log, "notify::g-name-owner", G_CALLBACK (on_owner_changed), self);
  g_signal_connect (self->cli->daemon->connection, "closed", G_CALLBACK (on_closed), self);
  /* What came between the first reading and the signals. */
  if (!read_on (self, &self->error))
    self->stop = TRUE;
  if (!self->stop)
    g_main_loop_run (loop);
  g_signal_handlers_disconnect_by_data (self->cli->daemon->connection, self);
  g_signal_handlers_disconnect_by_data (self->log, self);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  if (self->error != NULL)
    code = postern_cli_fail (self->cli, self->error);
  g_clear_error (&self->error);
  return code;
}

/* --- the command ---------------------------------------------------------------------------------------------------- */

static PosternExit
read_all (Reading *self, guint n_lines)
{
  PosternCli *cli = self->cli;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  gboolean following = postern_cli_has_option (cli, "follow");
  g_autoptr (JsonBuilder) builder = NULL;

  if (cli->json && !following)
    {
      builder = json_builder_new ();
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "records");
      json_builder_begin_array (builder);
    }
  self->builder = builder;
  self->lines = lines;
  if (!read_on (self, &error))
    return postern_cli_fail (cli, error);
  self->lines = NULL;
  self->builder = NULL;
  if (builder != NULL)
    {
      json_builder_end_array (builder);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
    }
  for (guint i = lines->len > n_lines ? lines->len - n_lines : 0; i < lines->len; i++)
    fprintf (cli->out, "%s\n", (const char *) g_ptr_array_index (lines, i));
  fflush (cli->out);
  return following ? follow (self) : POSTERN_EXIT_DONE;
}

static PosternExit
do_log (PosternCli *cli)
{
  const char *lines_text = postern_cli_get_option (cli, "lines");
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusLog) log = NULL;
  g_autoptr (GVariant) filter = make_filter (cli);
  Reading reading = { .cli = cli, .filter = filter };
  guint64 n_lines = G_MAXUINT;

  if (lines_text != NULL &&
      !g_ascii_string_to_unsigned (lines_text, 10, 0, G_MAXINT, &n_lines, NULL))
    /* Translators: %s is what was typed. */
    return postern_cli_usage (cli, _ ("--lines needs a number, not “%s”."), lines_text);
  log = postern_bridge_new_log (cli, &error);
  if (log == NULL)
    return postern_cli_fail (cli, error);
  reading.log = log;
  return read_all (&reading, (guint) n_lines);
}

const PosternCommand postern_log_commands[] = {
  { .name = "log",
    .summary = N_ ("Show what Postern has said lately"),
    .details = N_ ("The last 2,000 records are kept. With --json and --follow each record is an "
                   "object on a line of its own."),
    .options = { { "follow", NULL, N_ ("go on with what comes, until interrupted") },
                 { "level",
                   NC_ ("argument", "LEVEL"),
                   /* Translators: the words behind the colon are typed as they are; keep them. */
                   N_ ("these and graver ones: warning, message, info, debug") },
                 { "search", NC_ ("argument", "TEXT"), N_ ("only with this in the message") },
                 { "lines", NC_ ("argument", "N"), N_ ("only the last N") } },
    .run = do_log },
  { .name = NULL },
};
