/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/bounce.h"

#include "base/clock.h"
#include "base/random.h"
#include "mail/date.h"
#include "mail/delivery-report.h"

#include <string.h>

/* RFC 3464, with the rules of RFC 3461 about who is told what. A bounce is a message of the queue like
 * any other, which goes into the sender's inbox. */

/* A header is at most this long when it was accepted; with RET=FULL, what is longer comes back
 * as its header alone, since the sender has it in Sent and memory is for all. */
#define ORIGINAL_MAX_OCTETS (256 * 1024)

typedef struct
{
  PosternQueueEntry *entry;
  GArray *recipients; /* (element-type PosternReportRecipient), strings lent by the entry */
  char *address;
  char *from;
  char *date;
  char *arrived;
  char *message_id;
  char *boundary;
  PosternDeliveryReport report;
  guint8 *original; /* (nullable) */
  GInputStream *body;
} Writing;

static void
writing_free (gpointer data)
{
  Writing *writing = data;

  postern_queue_entry_free (writing->entry);
  g_array_unref (writing->recipients);
  g_free (writing->address);
  g_free (writing->from);
  g_free (writing->date);
  g_free (writing->arrived);
  g_free (writing->message_id);
  g_free (writing->boundary);
  g_free (writing->original);
  g_clear_object (&writing->body);
  g_free (writing);
}

/* RFC 3461 section 4.1: without NOTIFY a failure is told and a success is not. */
static gboolean
is_to_be_told (const PosternRecipient *recipient, PosternDelivery delivery)
{
  switch (delivery)
    {
    case POSTERN_DELIVERY_FAILED:
      return recipient->notify == NULL || strstr (recipient->notify, "FAILURE") != NULL;
    case POSTERN_DELIVERY_SENT:
      return recipient->notify != NULL && strstr (recipient->notify, "SUCCESS") != NULL;
    case POSTERN_DELIVERY_PENDING:
    default:
      return FALSE;
    }
}

static GArray *
collect_recipients (const PosternQueueEntry *entry, GArray *news)
{
  GArray *recipients = g_array_new (FALSE, TRUE, sizeof (PosternReportRecipient));

  /* RFC 5321 section 4.5.5: nothing is ever told about a message that itself told something. */
  if (*entry->envelope->sender == '\0' || entry->kind != POSTERN_QUEUE_KIND_SUBMISSION)
    return recipients;
  for (guint i = 0; i < news->len; i++)
    {
      guint index = g_array_index (news, guint, i);
      const PosternRecipient *recipient = g_ptr_array_index (entry->envelope->recipients, index);
      const PosternQueueRecipient *outcome = g_ptr_array_index (entry->recipients, index);
      PosternReportRecipient reported = { .address = recipient->address,
                                          .orcpt = recipient->orcpt };

      if (!is_to_be_told (recipient, outcome->delivery))
        continue;
      if (outcome->delivery == POSTERN_DELIVERY_FAILED)
        {
          reported.action = POSTERN_REPORT_FAILED;
          reported.status =
              outcome->status != NULL && *outcome->status != '\0' ? outcome->status : "5.0.0";
          reported.diagnostic = outcome->reason;
        }
      else
        {
          /* This backend takes no NOTIFY, so what becomes of it there will not be told (RFC 3461
           * section 5.2.2). */
          reported.action = POSTERN_REPORT_RELAYED;
          reported.status = "2.0.0";
        }
      g_array_append_val (recipients, reported);
    }
  return recipients;
}

/**
 * postern_bounce_is_wanted:
 * @news: (element-type guint): the recipients whose outcome is new
 *
 * Returns: whether the sender is to be told about any of them
 */
gboolean
postern_bounce_is_wanted (const PosternQueueEntry *entry, GArray *news)
{
  g_autoptr (GArray) recipients = collect_recipients (entry, news);

  return recipients->len > 0;
}

static char *
domain_of (const char *address)
{
  const char *at = strrchr (address, '@');
  char *domain = at != NULL ? g_hostname_to_ascii (at + 1) : NULL;

  return domain != NULL ? domain : g_strdup ("localhost");
}

static GBytes *
write_report (Writing *writing, gsize original_octets)
{
  g_auto (PosternBuffer) out = { 0 };
  PosternReportOriginal original = { 0 };

  postern_delivery_report_begin (&writing->report, &out);
  if (original_octets > 0)
    postern_delivery_report_add (&writing->report,
                                 &original,
                                 writing->original,
                                 original_octets,
                                 &out);
  postern_delivery_report_end (&writing->report, &out);
  return g_bytes_new (postern_buffer_peek (&out), postern_buffer_length (&out));
}

static void
on_original_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Writing *writing = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gsize octets = 0;

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &octets, &error))
    g_info ("A report goes without the original: %s", error->message);
  g_task_return_pointer (task, write_report (writing, octets), (GDestroyNotify) g_bytes_unref);
}

static void
on_body_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Writing *writing = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gsize octets = MIN (writing->entry->size_octets, ORIGINAL_MAX_OCTETS);

  writing->body =
      postern_queue_store_open_body_finish (POSTERN_QUEUE_STORE (source), result, &error);
  if (writing->body == NULL)
    {
      g_info ("A report goes without the original: %s", error->message);
      g_task_return_pointer (task, write_report (writing, 0), (GDestroyNotify) g_bytes_unref);
      return;
    }
  writing->original = g_malloc (octets);
  g_input_stream_read_all_async (writing->body,
                                 writing->original,
                                 octets,
                                 G_PRIORITY_DEFAULT,
                                 NULL,
                                 on_original_read,
                                 g_object_ref (task));
}

static void
fill_report (Writing *writing)
{
  const PosternEnvelope *envelope = writing->entry->envelope;
  PosternDeliveryReport *report = &writing->report;

  report->reporter = "postern";
  report->from = writing->from;
  report->to = envelope->sender;
  report->date = writing->date;
  report->message_id = writing->message_id;
  report->boundary = writing->boundary;
  report->arrived = writing->arrived;
  report->envid = envelope->envid;
  report->whole =
      g_strcmp0 (envelope->ret, "FULL") == 0 && writing->entry->size_octets <= ORIGINAL_MAX_OCTETS;
  report->eight_bit = TRUE;
  report->recipients = (const PosternReportRecipient *) (gpointer) writing->recipients->data;
  report->n_recipients = writing->recipients->len;
}

/**
 * postern_bounce_write_async:
 * @news: (element-type guint): the recipients whose outcome is new
 * @address: the account's own, in whose name the bridge writes
 *
 * Writes the report about @entry. Nothing is committed: whoever asked adds it to the queue together
 * with what it tells about.
 */
void
postern_bounce_write_async (PosternQueueStore *queue,
                            const PosternQueueEntry *entry,
                            GArray *news,
                            const char *address,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (queue, NULL, callback, user_data);
  g_autofree char *domain = domain_of (address);
  g_autofree char *unique = postern_random_id ();
  Writing *writing = g_new0 (Writing, 1);

  g_task_set_source_tag (task, postern_bounce_write_async);
  g_task_set_task_data (task, writing, writing_free);
  writing->entry = postern_queue_entry_copy (entry);
  writing->recipients = collect_recipients (writing->entry, news);
  if (writing->recipients->len == 0)
    {
      g_task_return_pointer (task, NULL, NULL);
      return;
    }
  writing->address = g_strdup (address);
  writing->from = g_strdup_printf ("Mail Delivery <postmaster@%s>", domain);
  writing->date = postern_date_format (postern_clock_now_us (), 0);
  writing->arrived = postern_date_format (entry->received_at_us, 0);
  writing->message_id = g_strdup_printf ("<%s@%s>", unique, domain);
  writing->boundary = postern_random_id ();
  fill_report (writing);
  postern_queue_store_open_body_async (queue,
                                       entry->id,
                                       NULL,
                                       on_body_opened,
                                       g_steal_pointer (&task));
}

/**
 * postern_bounce_write_finish:
 * @bounce: (out) (transfer full): what it is as an entry of the queue
 *
 * Returns: (transfer full) (nullable): its bytes; NULL, without an error, when nobody is to be told
 */
GBytes *
postern_bounce_write_finish (GAsyncResult *result, PosternQueueEntry **bounce, GError **error)
{
  const Writing *writing = g_task_get_task_data (G_TASK (result));
  GBytes *bytes = g_task_propagate_pointer (G_TASK (result), error);
  g_autoptr (PosternEnvelope) envelope = NULL;

  if (bytes == NULL)
    return NULL;
  envelope = postern_envelope_new ("");
  envelope->eight_bit = TRUE;
  postern_envelope_add (envelope, writing->entry->envelope->sender);
  *bounce = postern_queue_entry_new (envelope);
  (*bounce)->kind = POSTERN_QUEUE_KIND_IMPORT;
  (*bounce)->login_id = g_strdup (writing->entry->login_id);
  (*bounce)->account_id = g_strdup (writing->entry->account_id);
  (*bounce)->message_id = g_strdup (writing->message_id);
  (*bounce)->subject = g_strdup ("Undelivered mail");
  (*bounce)->received_at_us = postern_clock_now_us ();
  (*bounce)->next_attempt_us = (*bounce)->received_at_us;
  return bytes;
}
