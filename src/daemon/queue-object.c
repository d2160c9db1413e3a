/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/queue-object.h"

#include "base/error.h"
#include "daemon/bus-call.h"
#include "ipc/bus-errors.h"
#include "ipc/bus.h"
#include "ipc/names.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixoutputstream.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#define TELL_MS  250 /* at most four signals a second */
#define MOST_IDS 1000

struct _PosternQueueObject
{
  PosternQueueStore *queue;
  PosternBusQueue *skeleton;
  guint tell_id;
};

/* An answer on its way: what the store was asked for, and who waits for it. */
typedef struct
{
  PosternBusQueue *skeleton;
  GDBusMethodInvocation *invocation;
  PosternQueueStore *queue;
  PosternQueueAction action;
  GOutputStream *file; /* (nullable) */
} Question;

static Question *
question_new (PosternQueueObject *self, GDBusMethodInvocation *invocation)
{
  Question *question = g_new0 (Question, 1);

  question->skeleton = g_object_ref (self->skeleton);
  question->queue = g_object_ref (self->queue);
  question->invocation = invocation;
  return question;
}

static void
question_free (Question *question)
{
  g_object_unref (question->skeleton);
  g_object_unref (question->queue);
  g_clear_object (&question->file);
  g_free (question);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Question, question_free)

/* Entries as the bus has them */

static const char *const status_names[] = { "waiting", "held", "failed", "discarded" };
static const char *const step_names[] = { "new", "uploaded", "imported", "submitting", "done" };
static const char *const delivery_names[] = { "waiting", "sent", "failed" };

static const char *
or_empty (const char *text)
{
  return text != NULL ? text : "";
}

static void
describe_entry (GVariantDict *dict, const PosternQueueEntry *entry)
{
  const char *code = "";

  if (entry->error_text != NULL)
    {
      g_autoptr (GError) error =
          g_error_new_literal (POSTERN_ERROR, entry->error_code, entry->error_text);

      code = postern_bus_error_get_name (error);
    }
  g_variant_dict_insert (dict, "id", "s", entry->id);
  g_variant_dict_insert (dict, "status", "s", status_names[entry->status]);
  g_variant_dict_insert (dict,
                         "kind",
                         "s",
                         entry->kind == POSTERN_QUEUE_KIND_IMPORT ? "bounce" : "message");
  g_variant_dict_insert (dict, "account", "s", or_empty (entry->account_id));
  g_variant_dict_insert (dict, "sender", "s", entry->envelope->sender);
  g_variant_dict_insert (dict, "subject", "s", or_empty (entry->subject));
  g_variant_dict_insert (dict, "size", "t", entry->size_octets);
  g_variant_dict_insert (dict, "received_at", "x", entry->received_at_us);
  g_variant_dict_insert (dict,
                         "next_attempt_at",
                         "x",
                         entry->status == POSTERN_QUEUE_STATUS_WAITING ? entry->next_attempt_us
                                                                       : (gint64) 0);
  g_variant_dict_insert (dict, "attempts", "u", entry->attempts);
  g_variant_dict_insert (dict, "step", "s", step_names[entry->step]);
  g_variant_dict_insert (dict, "last_code", "s", code);
  g_variant_dict_insert (dict, "last_error", "s", or_empty (entry->error_text));
}

static GVariant *
describe_recipients (const PosternQueueEntry *entry)
{
  GVariantBuilder recipients;

  g_variant_builder_init (&recipients, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < entry->recipients->len; i++)
    {
      const PosternRecipient *address = g_ptr_array_index (entry->envelope->recipients, i);
      const PosternQueueRecipient *outcome = g_ptr_array_index (entry->recipients, i);
      GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

      g_variant_dict_insert (&dict, "address", "s", address->address);
      g_variant_dict_insert (&dict, "status", "s", delivery_names[outcome->delivery]);
      g_variant_dict_insert (&dict, "code", "s", or_empty (outcome->status));
      g_variant_dict_insert (&dict, "detail", "s", or_empty (outcome->reason));
      g_variant_builder_add_value (&recipients, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&recipients);
}

/* List and Get */

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  PosternQueueStore *queue = POSTERN_QUEUE_STORE (source);
  GError *error = NULL;
  guint total = 0;
  g_autoptr (GPtrArray) entries = postern_queue_store_list_finish (queue, result, &total, &error);
  GVariantBuilder builder;

  if (entries == NULL)
    {
      postern_bus_call_reply_error (question->invocation, error);
      return;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < entries->len; i++)
    {
      const PosternQueueEntry *entry = g_ptr_array_index (entries, i);
      GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

      describe_entry (&dict, entry);
      g_variant_dict_insert (&dict, "recipients", "u", entry->envelope->recipients->len);
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  postern_bus_queue_complete_list (question->skeleton,
                                   question->invocation,
                                   g_variant_builder_end (&builder),
                                   total,
                                   postern_queue_store_get_generation (queue));
}

static gboolean
read_filter (GVariant *options, PosternQueueFilter *filter, GError **error)
{
  const char *status = NULL;

  filter->status = -1;
  g_variant_lookup (options, "search", "&s", &filter->text);
  g_variant_lookup (options, "account", "&s", &filter->account_id);
  if (!g_variant_lookup (options, "status", "&s", &status))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (status_names); i++)
    if (g_str_equal (status_names[i], status))
      {
        filter->status = (int) i;
        return TRUE;
      }
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_INVALID,
               "A status is waiting, held, failed or discarded, not “%s”",
               status);
  return FALSE;
}

static gboolean
on_list (PosternBusQueue *skeleton,
         GDBusMethodInvocation *invocation,
         GVariant *options,
         guint offset,
         guint limit,
         gpointer user_data)
{
  PosternQueueObject *self = user_data;
  PosternQueueFilter filter = { 0 };
  GError *error = NULL;

  if (!read_filter (options, &filter, &error))
    postern_bus_call_reply_error (invocation, error);
  else
    postern_queue_store_list_async (self->queue,
                                    &filter,
                                    offset,
                                    MIN (limit, POSTERN_QUEUE_PAGE_MAX),
                                    NULL,
                                    on_listed,
                                    question_new (self, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_got (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  GError *error = NULL;
  g_autoptr (PosternQueueEntry) entry =
      postern_queue_store_get_finish (POSTERN_QUEUE_STORE (source), result, &error);
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  if (entry == NULL)
    {
      postern_bus_call_reply_error (question->invocation, error);
      return;
    }
  describe_entry (&dict, entry);
  g_variant_dict_insert_value (&dict, "recipients", describe_recipients (entry));
  postern_bus_queue_complete_get (question->skeleton,
                                  question->invocation,
                                  g_variant_dict_end (&dict));
}

static gboolean
on_get (PosternBusQueue *skeleton,
        GDBusMethodInvocation *invocation,
        const char *id,
        gpointer user_data)
{
  PosternQueueObject *self = user_data;

  postern_queue_store_get_async (self->queue, id, NULL, on_got, question_new (self, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Actions */

static void
on_acted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  GError *error = NULL;
  gint64 count = postern_queue_store_act_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (count < 0)
    postern_bus_call_reply_error (question->invocation, error);
  else
    g_dbus_method_invocation_return_value (question->invocation,
                                           g_variant_new ("(u)", (guint) count));
}

static void
act (PosternQueueObject *self,
     GDBusMethodInvocation *invocation,
     PosternQueueAction action,
     const char *const *ids)
{
  if (g_strv_length ((char **) ids) > MOST_IDS)
    {
      g_dbus_method_invocation_return_error (invocation,
                                             POSTERN_ERROR,
                                             POSTERN_ERROR_INVALID,
                                             "At most %d messages at once",
                                             MOST_IDS);
      return;
    }
  postern_queue_store_act_async (self->queue,
                                 action,
                                 ids,
                                 on_acted,
                                 question_new (self, invocation));
}

static gboolean
on_retry (PosternBusQueue *skeleton,
          GDBusMethodInvocation *invocation,
          const char *const *ids,
          gpointer user_data)
{
  PosternQueueObject *self = user_data;

  if (ids[0] == NULL)
    postern_queue_store_act_account_async (self->queue,
                                           POSTERN_QUEUE_ACTION_RETRY,
                                           NULL,
                                           on_acted,
                                           question_new (self, invocation));
  else
    act (self, invocation, POSTERN_QUEUE_ACTION_RETRY, ids);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_hold (PosternBusQueue *skeleton,
         GDBusMethodInvocation *invocation,
         const char *const *ids,
         gpointer user_data)
{
  act (user_data, invocation, POSTERN_QUEUE_ACTION_HOLD, ids);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_discard (PosternBusQueue *skeleton,
            GDBusMethodInvocation *invocation,
            const char *const *ids,
            gpointer user_data)
{
  act (user_data, invocation, POSTERN_QUEUE_ACTION_DISCARD, ids);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_restore (PosternBusQueue *skeleton,
            GDBusMethodInvocation *invocation,
            const char *const *ids,
            gpointer user_data)
{
  act (user_data, invocation, POSTERN_QUEUE_ACTION_RESTORE, ids);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Saving */

static void
on_saved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  g_autoptr (GError) error = NULL;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, &error) < 0)
    g_dbus_method_invocation_return_error (question->invocation,
                                           POSTERN_ERROR,
                                           g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE)
                                               ? POSTERN_ERROR_FULL
                                               : POSTERN_ERROR_STORAGE,
                                           "The message could not be written: %s",
                                           error->message);
  else
    postern_bus_queue_complete_save_message (question->skeleton, question->invocation, NULL);
}

static void
on_body_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  GOutputStream *file = question->file;
  GError *error = NULL;
  g_autoptr (GInputStream) body =
      postern_queue_store_open_body_finish (POSTERN_QUEUE_STORE (source), result, &error);

  if (body == NULL)
    postern_bus_call_reply_error (question->invocation, error);
  else
    g_output_stream_splice_async (file,
                                  body,
                                  G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE |
                                      G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                  G_PRIORITY_LOW,
                                  NULL,
                                  on_saved,
                                  g_steal_pointer (&question));
}

/* A pipe nobody reads would keep the message open for ever, so only a file will do. */
static GOutputStream *
take_file (GUnixFDList *fds, GVariant *handle, GError **error)
{
  int fd = fds == NULL ? -1 : g_unix_fd_list_get (fds, g_variant_get_handle (handle), NULL);
  struct stat status;

  if (fd >= 0 && fstat (fd, &status) == 0 && S_ISREG (status.st_mode) &&
      (fcntl (fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
    return g_unix_output_stream_new (fd, TRUE);
  if (fd >= 0)
    g_close (fd, NULL);
  g_set_error_literal (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_INVALID,
                       "A message is saved into a regular file that is open for writing");
  return NULL;
}

static gboolean
on_save_message (PosternBusQueue *skeleton,
                 GDBusMethodInvocation *invocation,
                 GUnixFDList *fds,
                 const char *id,
                 GVariant *handle,
                 gpointer user_data)
{
  PosternQueueObject *self = user_data;
  GError *error = NULL;
  GOutputStream *file = take_file (fds, handle, &error);
  Question *question;

  if (file == NULL)
    {
      postern_bus_call_reply_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  question = question_new (self, invocation);
  question->file = file;
  postern_queue_store_open_body_async (self->queue, id, NULL, on_body_opened, question);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* What is told without being asked */

static gboolean
on_tell (gpointer user_data)
{
  PosternQueueObject *self = user_data;
  PosternQueueCounts counts;

  self->tell_id = 0;
  postern_queue_store_get_counts (self->queue, &counts);
  postern_bus_queue_set_waiting (self->skeleton, counts.by_status[POSTERN_QUEUE_STATUS_WAITING]);
  postern_bus_queue_set_held (self->skeleton, counts.by_status[POSTERN_QUEUE_STATUS_HELD]);
  postern_bus_queue_set_failed (self->skeleton, counts.by_status[POSTERN_QUEUE_STATUS_FAILED]);
  postern_bus_queue_set_discarded (self->skeleton,
                                   counts.by_status[POSTERN_QUEUE_STATUS_DISCARDED]);
  postern_bus_queue_emit_changed (self->skeleton, postern_queue_store_get_generation (self->queue));
  return G_SOURCE_REMOVE;
}

static void
on_changed (PosternQueueObject *self)
{
  if (self->tell_id == 0)
    self->tell_id = g_timeout_add (TELL_MS, on_tell, self);
}

PosternQueueObject *
postern_queue_object_new (PosternQueueStore *queue, PosternObjectTree *tree)
{
  PosternQueueObject *self = g_new0 (PosternQueueObject, 1);

  self->queue = g_object_ref (queue);
  self->skeleton = postern_bus_queue_skeleton_new ();
  g_signal_connect (self->skeleton, "handle-list", G_CALLBACK (on_list), self);
  g_signal_connect (self->skeleton, "handle-get", G_CALLBACK (on_get), self);
  g_signal_connect (self->skeleton, "handle-retry", G_CALLBACK (on_retry), self);
  g_signal_connect (self->skeleton, "handle-hold", G_CALLBACK (on_hold), self);
  g_signal_connect (self->skeleton, "handle-discard", G_CALLBACK (on_discard), self);
  g_signal_connect (self->skeleton, "handle-restore", G_CALLBACK (on_restore), self);
  g_signal_connect (self->skeleton, "handle-save-message", G_CALLBACK (on_save_message), self);
  g_signal_connect_swapped (queue, "changed", G_CALLBACK (on_changed), self);
  on_tell (self);
  postern_object_tree_add (tree, POSTERN_BUS_PATH, G_DBUS_INTERFACE_SKELETON (self->skeleton));
  return self;
}

void
postern_queue_object_free (PosternQueueObject *self)
{
  g_clear_handle_id (&self->tell_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->queue, self);
  g_signal_handlers_disconnect_by_data (self->skeleton, self);
  g_object_unref (self->skeleton);
  g_object_unref (self->queue);
  g_free (self);
}
