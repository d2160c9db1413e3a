/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-cli"

#include "config.h"

#include "base/error.h"
#include "cli/bridge-client.h"
#include "cli/failure.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 200 /* what Queue1.List gives at most */

/* --- list ------------------------------------------------------------------------------------------------------- */

static GVariant *
make_filter (PosternCli *cli)
{
  static const char *const keys[] = { "status", "search" };
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

/* All pages; when the queue changed between two of them, from the start again, so that none is
 * missed or doubled. A queue that never rests is taken as it comes. */
static GPtrArray *
list_entries (PosternCli *cli, PosternBusQueue *queue, GError **error)
{
  g_autoptr (GVariant) filter = make_filter (cli);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  guint64 first_generation = 0;
  guint attempts = 0;
  guint total;

  do
    {
      g_autoptr (GVariant) entries = NULL;
      guint64 generation;

      if (!postern_bus_queue_call_list_sync (queue,
                                             filter,
                                             found->len,
                                             PAGE,
                                             G_DBUS_CALL_FLAGS_NONE,
                                             POSTERN_CALL_TIMEOUT_MS,
                                             &entries,
                                             &total,
                                             &generation,
                                             NULL,
                                             error))
        return NULL;
      if (found->len > 0 && generation != first_generation && attempts++ < 3)
        {
          g_ptr_array_set_size (found, 0);
          total = 1;
          continue;
        }
      first_generation = generation;
      for (gsize i = 0; i < g_variant_n_children (entries); i++)
        g_ptr_array_add (found, g_variant_get_child_value (entries, i));
      if (g_variant_n_children (entries) == 0)
        break;
    }
  while (found->len < total);
  return g_steal_pointer (&found);
}

/* What --status takes and the daemon says, in words for a person; recipients have the last one too. */
static const char *
describe_status (const char *status)
{
  static const struct
  {
    const char *status;
    const char *shown;
  } words[] = {
    { "waiting", NC_ ("message", "waiting") }, { "held", NC_ ("message", "held") },
    { "failed", NC_ ("message", "failed") },   { "discarded", NC_ ("message", "discarded") },
    { "sent", NC_ ("message", "sent") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i].status, status))
      return g_dpgettext2 (NULL, "message", words[i].shown);
  return status;
}

static void
print_entries (PosternCli *cli, GPtrArray *entries)
{
  const char *const headings[] = { C_ ("column", "ID"),       C_ ("column", "STATUS"),
                                   C_ ("column", "RECEIVED"), C_ ("column", "FROM"),
                                   C_ ("column", "SUBJECT"),  C_ ("column", "SIZE"),
                                   C_ ("column", "REASON"),   NULL };
  g_autoptr (PosternTable) table = postern_table_new (headings);

  for (guint i = 0; i < entries->len; i++)
    {
      GVariant *entry = g_ptr_array_index (entries, i);
      const char *sender = postern_properties_get_string (entry, "sender");
      g_autofree char *received =
          postern_output_dup_time (postern_properties_get_integer (entry, "received_at"));
      g_autofree char *size =
          postern_output_dup_size ((guint64) postern_properties_get_integer (entry, "size"));

      postern_table_add (
          table,
          postern_properties_get_string (entry, "id"),
          describe_status (postern_properties_get_string (entry, "status")),
          received,
          *sender == '\0' ? "<>" : sender,
          postern_properties_get_string (entry, "subject"),
          size,
          postern_failure_describe (postern_properties_get_string (entry, "last_code"),
                                    postern_properties_get_string (entry, "last_error")),
          NULL);
    }
  postern_table_print (table, cli->out);
}

static void
print_entries_json (PosternCli *cli, GPtrArray *entries)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "entries");
  json_builder_begin_array (builder);
  for (guint i = 0; i < entries->len; i++)
    {
      json_builder_begin_object (builder);
      postern_json_add_properties (builder, g_ptr_array_index (entries, i));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
}

static PosternExit
do_list (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusQueue) queue = postern_bridge_new_queue (cli, &error);
  g_autoptr (GPtrArray) entries = NULL;

  if (queue != NULL)
    entries = list_entries (cli, queue, &error);
  if (entries == NULL)
    return postern_cli_fail (cli, error);
  if (cli->json)
    print_entries_json (cli, entries);
  else if (entries->len == 0)
    postern_output_line (cli,
                         "%s",
                         postern_cli_has_option (cli, "status") ||
                                 postern_cli_has_option (cli, "search")
                             ? _ ("No message in the queue is like this.")
                             : _ ("Nothing is waiting to be sent."));
  else
    print_entries (cli, entries);
  return POSTERN_EXIT_DONE;
}

/* --- show ------------------------------------------------------------------------------------------------------ */

static void
print_recipients (PosternCli *cli, GVariant *entry)
{
  const char *const headings[] = { C_ ("column", "RECIPIENT"),
                                   C_ ("column", "STATUS"),
                                   C_ ("column", "CODE"),
                                   C_ ("column", "ANSWER"),
                                   NULL };
  g_autoptr (GVariant) recipients =
      g_variant_lookup_value (entry, "recipients", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (PosternTable) table = postern_table_new (headings);

  if (recipients == NULL)
    return;
  for (gsize i = 0; i < g_variant_n_children (recipients); i++)
    {
      g_autoptr (GVariant) recipient = g_variant_get_child_value (recipients, i);

      postern_table_add (table,
                         postern_properties_get_string (recipient, "address"),
                         describe_status (postern_properties_get_string (recipient, "status")),
                         postern_properties_get_string (recipient, "code"),
                         postern_properties_get_string (recipient, "detail"),
                         NULL);
    }
  fputc ('\n', cli->out);
  postern_table_print (table, cli->out);
}

static void
print_entry (PosternCli *cli, GVariant *entry)
{
  const char *answer = postern_properties_get_string (entry, "last_error");
  const char *reason =
      postern_failure_describe (postern_properties_get_string (entry, "last_code"), answer);
  gint64 next_us = postern_properties_get_integer (entry, "next_attempt_at");
  const char *sender = postern_properties_get_string (entry, "sender");
  g_autofree char *received =
      postern_output_dup_time (postern_properties_get_integer (entry, "received_at"));
  g_autofree char *next = postern_output_dup_time (next_us);
  g_autofree char *size =
      postern_output_dup_size ((guint64) postern_properties_get_integer (entry, "size"));
  g_autofree char *attempts =
      g_strdup_printf ("%d", (int) postern_properties_get_integer (entry, "attempts"));

  postern_output_line (cli, "%s", postern_properties_get_string (entry, "id"));
  postern_output_field (cli,
                        C_ ("field", "Status"),
                        describe_status (postern_properties_get_string (entry, "status")));
  postern_output_field (cli, C_ ("field", "From"), *sender == '\0' ? "<>" : sender);
  postern_output_field (cli,
                        C_ ("field", "Subject"),
                        postern_properties_get_string (entry, "subject"));
  postern_output_field (cli, C_ ("field", "Size"), size);
  postern_output_field (cli, C_ ("field", "Received"), received);
  postern_output_field (cli, C_ ("field", "Attempts"), attempts);
  if (next_us > 0)
    postern_output_field (cli, C_ ("field", "Next attempt"), next);
  if (*reason != '\0')
    postern_output_field (cli, C_ ("field", "Last reason"), reason);
  if (*answer != '\0' && !g_str_equal (answer, reason))
    /* Translators: beside it stands what Postern has said in English. */
    postern_output_field (cli, C_ ("field", "Details"), answer);
  print_recipients (cli, entry);
}

static PosternExit
do_show (PosternCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusQueue) queue = postern_bridge_new_queue (cli, &error);
  g_autoptr (GVariant) entry = NULL;
  g_autoptr (JsonBuilder) builder = NULL;

  if (queue == NULL || !postern_bus_queue_call_get_sync (queue,
                                                         postern_cli_get_argument (cli, 0),
                                                         G_DBUS_CALL_FLAGS_NONE,
                                                         POSTERN_CALL_TIMEOUT_MS,
                                                         &entry,
                                                         NULL,
                                                         &error))
    return postern_cli_fail (cli, error);
  if (!cli->json)
    {
      print_entry (cli, entry);
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_properties (builder, entry);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

/* --- retry, hold, discard, restore -------------------------------------------------------------------------------- */

typedef gboolean (*ActOnIds) (PosternBusQueue *queue,
                              const char *const *ids,
                              GDBusCallFlags flags,
                              int timeout_ms,
                              guint *count,
                              GCancellable *cancellable,
                              GError **error);

static PosternExit
tell_count (PosternCli *cli, guint count)
{
  guint asked = cli->arguments->len;
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (GError) error = NULL;

  if (asked > 0 && count == 0)
    {
      g_set_error_literal (&error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_NOT_FOUND,
                           _ ("No such message is in the queue in a state for this."));
      return postern_cli_fail (cli, error);
    }
  if (cli->json)
    {
      builder = json_builder_new ();
      json_builder_begin_object (builder);
      postern_json_add_int (builder, "count", count);
      json_builder_end_object (builder);
      postern_output_json (cli, builder);
    }
  else if (asked == 0 && count == 0)
    postern_output_line (cli, "%s", _ ("Nothing is waiting to be sent."));
  else if (asked == 0 || asked == count)
    postern_output_line (cli,
                         /* Translators: on how many messages what was asked for was done. */
                         ngettext ("Done for %u message.", "Done for %u messages.", count),
                         count);
  else
    postern_output_line (
        cli,
        /* Translators: the second number is how many were named, and rules the plural. */
        ngettext ("Done for %u of %u message; it is in no state for it.",
                  "Done for %u of %u messages; the others are in no state for it.",
                  asked),
        count,
        asked);
  return POSTERN_EXIT_DONE;
}

static PosternExit
act_on_ids (PosternCli *cli, ActOnIds act)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternBusQueue) queue = postern_bridge_new_queue (cli, &error);
  g_autofree const char **ids = g_new0 (const char *, cli->arguments->len + 1);
  guint count = 0;

  for (guint i = 0; i < cli->arguments->len; i++)
    ids[i] = postern_cli_get_argument (cli, i);
  if (queue == NULL ||
      !act (queue, ids, G_DBUS_CALL_FLAGS_NONE, POSTERN_CALL_TIMEOUT_MS, &count, NULL, &error))
    return postern_cli_fail (cli, error);
  return tell_count (cli, count);
}

static PosternExit
do_retry (PosternCli *cli)
{
  gboolean all = postern_cli_has_option (cli, "all");

  if (all == (cli->arguments->len > 0))
    return postern_cli_usage (cli, "%s", _ ("“queue retry” needs either ids or --all."));
  return act_on_ids (cli, postern_bus_queue_call_retry_sync);
}

static PosternExit
do_hold (PosternCli *cli)
{
  return act_on_ids (cli, postern_bus_queue_call_hold_sync);
}

static PosternExit
do_discard (PosternCli *cli)
{
  return act_on_ids (cli, postern_bus_queue_call_discard_sync);
}

static PosternExit
do_restore (PosternCli *cli)
{
  return act_on_ids (cli, postern_bus_queue_call_restore_sync);
}

/* --- save ---------------------------------------------------------------------------------------------------------- */

static int
create_file (const char *path, GError **error)
{
  /* Mail is private, and nothing that is there is overwritten. */
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  if (fd < 0)
    g_set_error (error,
                 POSTERN_ERROR,
                 errno == EEXIST ? POSTERN_ERROR_EXISTS : POSTERN_ERROR_STORAGE,
                 /* Translators: a file, and the system's reason. */
                 _ ("%s cannot be made: %s."),
                 path,
                 g_strerror (errno));
  return fd;
}

static gboolean
save_to (PosternCli *cli, int fd, GError **error)
{
  g_autoptr (PosternBusQueue) queue = postern_bridge_new_queue (cli, error);
  g_autoptr (GUnixFDList) fds = NULL;

  if (queue == NULL)
    return FALSE;
  fds = g_unix_fd_list_new ();
  return g_unix_fd_list_append (fds, fd, error) >= 0 &&
         postern_bus_queue_call_save_message_sync (queue,
                                                   postern_cli_get_argument (cli, 0),
                                                   g_variant_new_handle (0),
                                                   G_DBUS_CALL_FLAGS_NONE,
                                                   POSTERN_CALL_TIMEOUT_MS,
                                                   fds,
                                                   NULL,
                                                   NULL,
                                                   error);
}

static PosternExit
do_save (PosternCli *cli)
{
  const char *path = postern_cli_get_argument (cli, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  int fd = create_file (path, &error);
  gboolean ok;

  if (fd < 0)
    return postern_cli_fail_with_remedy (cli, error, _ ("Name another file."));
  ok = save_to (cli, fd, &error);
  close (fd);
  if (!ok)
    {
      unlink (path);
      return postern_cli_fail (cli, error);
    }
  if (!cli->json)
    {
      /* Translators: %s is a file. */
      postern_output_line (cli, _ ("The message was saved to %s."), path);
      return POSTERN_EXIT_DONE;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  postern_json_add_string (builder, "file", path);
  json_builder_end_object (builder);
  postern_output_json (cli, builder);
  return POSTERN_EXIT_DONE;
}

#define MANY 1000 /* what Queue1 takes in one call */

const PosternCommand postern_queue_commands[] = {
  { .name = "queue list",
    .summary = N_ ("List the messages that have not left"),
    /* Translators: the four words are typed as they are; add yours in parentheses. */
    .details = N_ ("A status is waiting, held, failed or discarded; without one all but the "
                   "discarded messages are listed."),
    .options = { { "status", NC_ ("argument", "STATUS"), N_ ("only those in this status") },
                 { "search",
                   NC_ ("argument", "TEXT"),
                   N_ ("only with this in sender, recipients, subject or reasons") } },
    .run = do_list },
  { .name = "queue show",
    .operand = NC_ ("argument", "ID"),
    .least = 1,
    .most = 1,
    .summary = N_ ("Tell all about a message, recipient by recipient"),
    .run = do_show },
  { .name = "queue retry",
    .operand = NC_ ("argument", "ID…"),
    .most = MANY,
    .summary = N_ ("Try to send messages now"),
    .options = { { "all", NULL, N_ ("all that wait or have failed") } },
    .run = do_retry },
  { .name = "queue hold",
    .operand = NC_ ("argument", "ID…"),
    .least = 1,
    .most = MANY,
    .summary = N_ ("Keep messages back until they are retried"),
    .run = do_hold },
  { .name = "queue discard",
    .operand = NC_ ("argument", "ID…"),
    .least = 1,
    .most = MANY,
    .summary = N_ ("Throw messages away; they can be restored for a week"),
    .run = do_discard },
  { .name = "queue restore",
    .operand = NC_ ("argument", "ID…"),
    .least = 1,
    .most = MANY,
    .summary = N_ ("Take discarded messages back, as they were before"),
    .run = do_restore },
  { .name = "queue save",
    .operand = NC_ ("argument", "ID FILE"),
    .least = 2,
    .most = 2,
    .summary = N_ ("Save a message to a new file"),
    .run = do_save },
  { .name = NULL },
};
