/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/test-host.h"

#include "base/error.h"
#include "mail/canonical-lines.h"

/* A body as a stream that counts what was read of it and may break. */

#define TEST_TYPE_BODY (test_body_get_type ())
G_DECLARE_FINAL_TYPE (TestBody, test_body, TEST, BODY, GInputStream)

struct _TestBody
{
  GInputStream parent_instance;
  PosternTestHost *host;
  GBytes *octets;
  gsize at;
};

G_DEFINE_FINAL_TYPE (TestBody, test_body, G_TYPE_INPUT_STREAM)

static gssize
test_body_read (GInputStream *stream,
                void *buffer,
                gsize count,
                GCancellable *cancellable,
                GError **error)
{
  TestBody *self = TEST_BODY (stream);
  gsize length;
  const guint8 *data = g_bytes_get_data (self->octets, &length);
  gsize end = self->host->breaks_bodies ? length / 2 : length;
  gsize taken = MIN (count, end - self->at);

  if (taken == 0 && self->host->breaks_bodies)
    {
      g_set_error_literal (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE, "The line was cut");
      return -1;
    }
  if (taken > 0)
    memcpy (buffer, data + self->at, taken);
  self->at += taken;
  g_atomic_pointer_add (&self->host->octets_opened, (gssize) taken);
  return (gssize) taken;
}

static void
test_body_finalize (GObject *object)
{
  TestBody *self = TEST_BODY (object);

  g_bytes_unref (self->octets);
  g_object_unref (self->host);
  G_OBJECT_CLASS (test_body_parent_class)->finalize (object);
}

static void
test_body_class_init (TestBodyClass *class)
{
  G_OBJECT_CLASS (class)->finalize = test_body_finalize;
  G_INPUT_STREAM_CLASS (class)->read_fn = test_body_read;
}

static void
test_body_init (TestBody *self)
{
}

/* A submission */

#define TEST_TYPE_SUBMISSION (test_submission_get_type ())
G_DECLARE_FINAL_TYPE (TestSubmission, test_submission, TEST, SUBMISSION, GObject)

struct _TestSubmission
{
  GObject parent_instance;
  PosternTestHost *host;
  GByteArray *octets;
  gsize since_full;
  gboolean is_full;
  gboolean is_committed;
  guint ready_source;
  PosternSubmissionReady ready;
  gpointer user_data;
};

static gboolean
on_drained (gpointer user_data)
{
  TestSubmission *self = user_data;

  self->ready_source = 0;
  self->is_full = FALSE;
  self->ready (self->user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
test_submission_write (PosternSubmission *submission, const guint8 *data, gsize length)
{
  TestSubmission *self = TEST_SUBMISSION (submission);

  self->host->n_overruns += self->is_full;
  g_byte_array_append (self->octets, data, (guint) length);
  self->since_full += length;
  if (self->host->full_at == 0 || self->since_full < self->host->full_at)
    return TRUE;

  self->since_full = 0;
  self->is_full = TRUE;
  if (!self->host->stays_full && self->ready_source == 0)
    self->ready_source = g_timeout_add (1, on_drained, self);
  return FALSE;
}

static gboolean
on_committed (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TestSubmission *self = g_task_get_source_object (task);

  self->is_committed = TRUE;
  g_ptr_array_add (self->host->received, g_byte_array_free_to_bytes (self->octets));
  self->octets = NULL;
  g_task_return_pointer (task,
                         postern_smtp_reply_new (250, "2.0.0", "Queued"),
                         (GDestroyNotify) postern_smtp_reply_free);
  return G_SOURCE_REMOVE;
}

static void
test_submission_commit_async (PosternSubmission *submission,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  TestSubmission *self = TEST_SUBMISSION (submission);

  g_timeout_add (self->host->commit_delay_ms,
                 on_committed,
                 g_task_new (self, NULL, callback, user_data));
}

static PosternSmtpReply *
test_submission_commit_finish (PosternSubmission *submission, GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}

static void
test_submission_init_interface (PosternSubmissionInterface *iface)
{
  iface->write = test_submission_write;
  iface->commit_async = test_submission_commit_async;
  iface->commit_finish = test_submission_commit_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestSubmission,
                               test_submission,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_SUBMISSION,
                                                      test_submission_init_interface))

static void
test_submission_finalize (GObject *object)
{
  TestSubmission *self = TEST_SUBMISSION (object);

  g_clear_handle_id (&self->ready_source, g_source_remove);
  self->host->n_alive--;
  self->host->n_discarded += !self->is_committed;
  if (self->octets != NULL)
    g_byte_array_unref (self->octets);
  g_object_unref (self->host);
  G_OBJECT_CLASS (test_submission_parent_class)->finalize (object);
}

static void
test_submission_class_init (TestSubmissionClass *class)
{
  G_OBJECT_CLASS (class)->finalize = test_submission_finalize;
}

static void
test_submission_init (TestSubmission *self)
{
  self->octets = g_byte_array_new ();
}

/* The user */

#define TEST_TYPE_USER (test_user_get_type ())
G_DECLARE_FINAL_TYPE (TestUser, test_user, TEST, USER, GObject)

struct _TestUser
{
  GObject parent_instance;
  PosternTestHost *host;
};

static PosternListing *
test_user_ref_listing (PosternMailUser *user, GError **error)
{
  PosternTestHost *host = TEST_USER (user)->host;
  PosternListing *listing;

  if (host->has_no_listing)
    {
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_TEMPORARY,
                           "The mailbox is still being listed");
      return NULL;
    }
  listing = postern_listing_new (host->messages->len);
  for (guint i = 0; i < host->messages->len; i++)
    {
      PosternCanonicalCounter counter = { 0 };
      g_autofree char *uidl = g_strdup_printf ("uidl-%u", i);
      gsize length;
      const guint8 *data = g_bytes_get_data (host->messages->pdata[i], &length);

      postern_canonical_counter_add (&counter, data, length);
      postern_listing_add (listing, i + 1, postern_canonical_counter_get_size (&counter), uidl);
    }
  return listing;
}

static gboolean
on_body_due (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TestUser *self = g_task_get_source_object (task);
  GBytes *octets = self->host->messages->pdata[GPOINTER_TO_UINT (g_task_get_task_data (task))];
  TestBody *body;

  if (g_task_return_error_if_cancelled (task))
    return G_SOURCE_REMOVE;
  if (self->host->is_in_memory)
    {
      g_task_return_pointer (task, g_memory_input_stream_new_from_bytes (octets), g_object_unref);
      return G_SOURCE_REMOVE;
    }
  body = g_object_new (TEST_TYPE_BODY, NULL);
  body->host = g_object_ref (self->host);
  body->octets = g_bytes_ref (octets);
  g_task_return_pointer (task, body, g_object_unref);
  return G_SOURCE_REMOVE;
}

static void
test_user_open_body_async (PosternMailUser *user,
                           PosternListing *listing,
                           guint index,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (user, cancellable, callback, user_data);

  g_task_set_task_data (task, GUINT_TO_POINTER (index), NULL);
  g_timeout_add (TEST_USER (user)->host->body_delay_ms, on_body_due, task);
}

static GInputStream *
test_user_open_body_finish (PosternMailUser *user, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
test_user_delete_async (PosternMailUser *user,
                        PosternListing *listing,
                        const guint *indexes,
                        gsize n_indexes,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (user, NULL, callback, user_data);

  g_array_append_vals (TEST_USER (user)->host->deleted, indexes, (guint) n_indexes);
  g_task_return_boolean (task, TRUE);
}

static gboolean
test_user_delete_finish (PosternMailUser *user, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static guint64
test_user_get_max_size (PosternMailUser *user)
{
  return TEST_USER (user)->host->max_size;
}

static void
test_user_check_sender_async (PosternMailUser *user,
                              const PosternEnvelope *envelope,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (user, NULL, callback, user_data);
  PosternSmtpReply *refusal = NULL;

  if (!g_str_has_prefix (envelope->sender, "user@"))
    refusal = postern_smtp_reply_new (550, "5.7.1", "This login does not own that address");
  g_task_return_pointer (task, refusal, (GDestroyNotify) postern_smtp_reply_free);
}

static PosternSmtpReply *
test_user_check_sender_finish (PosternMailUser *user, GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}

static PosternSubmission *
test_user_begin_submission (PosternMailUser *user,
                            const PosternEnvelope *envelope,
                            const PosternPeer *peer,
                            PosternSubmissionReady ready,
                            gpointer user_data,
                            PosternSmtpReply **refusal)
{
  PosternTestHost *host = TEST_USER (user)->host;
  TestSubmission *submission;

  g_clear_pointer (&host->envelope, postern_envelope_free);
  host->envelope = postern_envelope_copy (envelope);
  g_free (host->last_peer);
  host->last_peer = g_strdup_printf ("%s %s %s %s",
                                     peer->address,
                                     peer->hello,
                                     peer->esmtp ? "esmtp" : "smtp",
                                     peer->secure ? "secure" : "clear");
  if (host->refusal != NULL)
    {
      *refusal = postern_smtp_reply_new (host->refusal->code,
                                         host->refusal->enhanced,
                                         host->refusal->text);
      return NULL;
    }
  submission = g_object_new (TEST_TYPE_SUBMISSION, NULL);
  submission->host = g_object_ref (host);
  submission->ready = ready;
  submission->user_data = user_data;
  host->n_alive++;
  return POSTERN_SUBMISSION (submission);
}

static void
test_user_init_interface (PosternMailUserInterface *iface)
{
  iface->ref_listing = test_user_ref_listing;
  iface->open_body_async = test_user_open_body_async;
  iface->open_body_finish = test_user_open_body_finish;
  iface->delete_async = test_user_delete_async;
  iface->delete_finish = test_user_delete_finish;
  iface->get_max_size = test_user_get_max_size;
  iface->check_sender_async = test_user_check_sender_async;
  iface->check_sender_finish = test_user_check_sender_finish;
  iface->begin_submission = test_user_begin_submission;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestUser,
                               test_user,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_MAIL_USER,
                                                      test_user_init_interface))

static void
test_user_finalize (GObject *object)
{
  g_object_unref (TEST_USER (object)->host);
  G_OBJECT_CLASS (test_user_parent_class)->finalize (object);
}

static void
test_user_class_init (TestUserClass *class)
{
  G_OBJECT_CLASS (class)->finalize = test_user_finalize;
}

static void
test_user_init (TestUser *self)
{
}

/* The host */

static PosternVerdict
test_host_check_login (PosternMailHost *host,
                       PosternService service,
                       const char *login,
                       PosternSecret *password,
                       PosternMailUser **user,
                       char **reason)
{
  PosternTestHost *self = POSTERN_TEST_HOST (host);
  TestUser *found;

  self->n_checks++;
  if (self->is_unavailable)
    {
      *reason = g_strdup ("The keyring is locked");
      return POSTERN_VERDICT_UNAVAILABLE;
    }
  if (!g_str_has_prefix (login, "user") ||
      g_strcmp0 (postern_secret_get_text (password), "right") != 0)
    return POSTERN_VERDICT_WRONG;

  found = g_object_new (TEST_TYPE_USER, NULL);
  found->host = g_object_ref (self);
  *user = POSTERN_MAIL_USER (found);
  return POSTERN_VERDICT_ACCEPTED;
}

static guint64
test_host_get_max_size (PosternMailHost *host)
{
  return POSTERN_TEST_HOST (host)->max_size;
}

static void
test_host_init_interface (PosternMailHostInterface *iface)
{
  iface->check_login = test_host_check_login;
  iface->get_max_size = test_host_get_max_size;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternTestHost,
                               postern_test_host,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_MAIL_HOST,
                                                      test_host_init_interface))

PosternTestHost *
postern_test_host_new (void)
{
  return g_object_new (POSTERN_TYPE_TEST_HOST, NULL);
}

void
postern_test_host_add (PosternTestHost *self, const char *message, gssize length)
{
  g_ptr_array_add (self->messages,
                   g_bytes_new (message, length < 0 ? strlen (message) : (gsize) length));
}

static void
postern_test_host_finalize (GObject *object)
{
  PosternTestHost *self = POSTERN_TEST_HOST (object);

  g_ptr_array_unref (self->messages);
  g_ptr_array_unref (self->received);
  g_array_unref (self->deleted);
  g_clear_pointer (&self->envelope, postern_envelope_free);
  g_clear_pointer (&self->refusal, postern_smtp_reply_free);
  g_free (self->last_peer);
  G_OBJECT_CLASS (postern_test_host_parent_class)->finalize (object);
}

static void
postern_test_host_class_init (PosternTestHostClass *class)
{
  G_OBJECT_CLASS (class)->finalize = postern_test_host_finalize;
}

static void
postern_test_host_init (PosternTestHost *self)
{
  self->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  self->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  self->deleted = g_array_new (FALSE, FALSE, sizeof (guint));
  self->max_size = 26 * 1024 * 1024;
}
