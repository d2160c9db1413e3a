/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/queue-submission.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "mail/date.h"
#include "mail/encoded-word.h"
#include "mail/header-scan.h"
#include "mail/message-filter.h"

#include <time.h>

/* The bytes pass through the filter, which makes them fit to leave, and go on to the queue; the header
 * is looked at as it will leave. Whatever is wrong is told at the end: SMTP has no earlier place. */

struct _PosternQueueSubmission
{
  GObject parent_instance;

  PosternSenderPolicy *senders;
  PosternQueueEntry *entry;
  PosternMessageFilter *filter;
  PosternHeaderScan *scan;
  PosternQueueWriter *writer; /* (nullable) NULL once committed */
};

static void postern_queue_submission_submission_init (PosternSubmissionInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternQueueSubmission,
                               postern_queue_submission,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_SUBMISSION,
                                                      postern_queue_submission_submission_init))

static char *
date_now (void)
{
  gint64 now_us = postern_clock_now_us ();
  time_t now = (time_t) (now_us / G_USEC_PER_SEC);
  struct tm local;

  /* GDateTime looks at the file of the time zone each time. */
  localtime_r (&now, &local);
  return postern_date_format (now_us, (int) (local.tm_gmtoff / 60));
}

/* The right-hand side is the sender's domain: it is theirs, so the whole is unique. */
static char *
new_message_id (const char *address)
{
  g_autofree char *left = postern_random_id ();
  const char *at = strrchr (address, '@');
  g_autofree char *domain = at != NULL ? g_hostname_to_ascii (at + 1) : NULL;

  return g_strdup_printf ("<%s@%s>", left, domain != NULL ? domain : "localhost");
}

/**
 * postern_queue_submission_new:
 * @address: the account's own
 * @ready: see PosternSubmission
 *
 * Returns: (transfer full)
 */
PosternSubmission *
postern_queue_submission_new (PosternQueueStore *queue,
                              PosternSenderPolicy *senders,
                              const char *account_id,
                              const char *address,
                              const PosternEnvelope *envelope,
                              PosternSubmissionReady ready,
                              gpointer user_data)
{
  PosternQueueSubmission *self = g_object_new (POSTERN_TYPE_QUEUE_SUBMISSION, NULL);
  g_autofree char *date = date_now ();
  g_autofree char *message_id = new_message_id (address);
  /* No Received line: the Worker's binding refuses trace headers. */
  const PosternMessageFilterOptions options = { .date = date, .message_id = message_id };

  self->senders = g_object_ref (senders);
  self->filter = postern_message_filter_new (&options);
  self->scan = postern_header_scan_new ();
  self->writer = postern_queue_store_begin (queue, ready, user_data);
  self->entry = postern_queue_entry_new (envelope);
  self->entry->kind = POSTERN_QUEUE_KIND_SUBMISSION;
  self->entry->login_id = g_strdup (account_id);
  self->entry->account_id = g_strdup (account_id);
  return POSTERN_SUBMISSION (self);
}

static gboolean
pass_on (PosternQueueSubmission *self, const PosternBuffer *filtered)
{
  const guint8 *data = postern_buffer_peek (filtered);
  gsize length = postern_buffer_length (filtered);

  if (length == 0)
    return TRUE;
  if (postern_header_scan_get_state (self->scan) == POSTERN_HEADER_OPEN)
    postern_header_scan_feed (self->scan, data, length);
  return postern_queue_writer_append (self->writer, data, length);
}

static gboolean
submission_write (PosternSubmission *submission, const guint8 *data, gsize length)
{
  PosternQueueSubmission *self = POSTERN_QUEUE_SUBMISSION (submission);
  g_auto (PosternBuffer) filtered = { 0 };

  postern_message_filter_feed (self->filter, data, length, &filtered);
  return pass_on (self, &filtered);
}

/* The commit */

static void
return_reply (GTask *task, PosternSmtpReply *reply)
{
  g_task_return_pointer (task, reply, (GDestroyNotify) postern_smtp_reply_free);
}

static void
on_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternQueueSubmission *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;

  if (postern_queue_writer_commit_finish (result, &error))
    {
      g_info ("Message %s was accepted for %u recipients",
              self->entry->id,
              self->entry->envelope->recipients->len);
      return_reply (task,
                    postern_smtp_reply_printf (250, "2.0.0", "Queued as %s", self->entry->id));
      return;
    }
  g_warning ("A message was not accepted: %s", error->message);
  if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_FULL))
    return_reply (task,
                  postern_smtp_reply_new (452,
                                          "4.3.1",
                                          "The disk of this machine is nearly full; try later"));
  else
    return_reply (
        task,
        postern_smtp_reply_new (451, "4.3.0", "The message could not be stored; try later"));
}

static void
on_from_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternQueueSubmission *self = g_task_get_source_object (task);
  PosternSmtpReply *refusal =
      postern_sender_policy_check_finish (POSTERN_SENDER_POLICY (source), result);
  g_autofree char *subject = NULL;

  if (refusal != NULL)
    {
      return_reply (task, refusal);
      return;
    }
  g_free (self->entry->id);
  self->entry->id = g_strdup (postern_queue_writer_get_id (self->writer));
  self->entry->received_at_us = postern_clock_now_us ();
  self->entry->next_attempt_us = self->entry->received_at_us;
  self->entry->message_id = postern_header_scan_dup_message_id (self->scan);
  subject = postern_header_scan_dup_value (self->scan, "Subject");
  if (subject != NULL)
    self->entry->subject = postern_encoded_word_decode (subject);
  postern_queue_writer_commit_async (g_steal_pointer (&self->writer),
                                     self->entry,
                                     on_committed,
                                     g_steal_pointer (&task));
}

/* Returns (transfer full) (nullable): why these bytes cannot leave. */
static PosternSmtpReply *
check_content (PosternQueueSubmission *self, char **from)
{
  if (postern_header_scan_finish (self->scan) == POSTERN_HEADER_TOO_LARGE)
    return postern_smtp_reply_new (552, "5.3.4", "The header of this message is too long");
  if (postern_message_filter_saw_nul (self->filter))
    return postern_smtp_reply_new (554,
                                   "5.6.0",
                                   "The message holds a NUL octet; send binary data encoded");
  switch (postern_header_scan_get_from (self->scan, from))
    {
    case POSTERN_FROM_ONE:
      return NULL;
    case POSTERN_FROM_MISSING:
      return postern_smtp_reply_new (554, "5.6.0", "The message has no From field; add one");
    case POSTERN_FROM_SEVERAL:
      return postern_smtp_reply_new (554,
                                     "5.6.0",
                                     "The From field must name one mailbox, an address of yours");
    case POSTERN_FROM_MALFORMED:
    default:
      return postern_smtp_reply_new (554, "5.6.0", "The From field is not an address");
    }
}

static void
submission_commit_async (PosternSubmission *submission,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  PosternQueueSubmission *self = POSTERN_QUEUE_SUBMISSION (submission);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_auto (PosternBuffer) filtered = { 0 };
  g_autofree char *from = NULL;
  PosternSmtpReply *refusal;

  g_task_set_source_tag (task, submission_commit_async);
  postern_message_filter_finish (self->filter, &filtered);
  pass_on (self, &filtered);
  refusal = check_content (self, &from);
  if (refusal != NULL)
    return_reply (task, refusal);
  else
    postern_sender_policy_check_async (self->senders,
                                       from,
                                       on_from_checked,
                                       g_steal_pointer (&task));
}

static PosternSmtpReply *
submission_commit_finish (PosternSubmission *submission, GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}

static void
postern_queue_submission_submission_init (PosternSubmissionInterface *iface)
{
  iface->write = submission_write;
  iface->commit_async = submission_commit_async;
  iface->commit_finish = submission_commit_finish;
}

static void
postern_queue_submission_finalize (GObject *object)
{
  PosternQueueSubmission *self = POSTERN_QUEUE_SUBMISSION (object);

  g_clear_pointer (&self->writer, postern_queue_writer_free);
  postern_queue_entry_free (self->entry);
  postern_message_filter_free (self->filter);
  postern_header_scan_free (self->scan);
  g_object_unref (self->senders);
  G_OBJECT_CLASS (postern_queue_submission_parent_class)->finalize (object);
}

static void
postern_queue_submission_init (PosternQueueSubmission *self)
{
}

static void
postern_queue_submission_class_init (PosternQueueSubmissionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_queue_submission_finalize;
}
