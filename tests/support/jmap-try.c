/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Takes the JMAP backend through its whole life against a real server, by hand:
 *
 *   jmap-try URL [USER] < token
 *
 * With USER the token is sent as a Basic password, else as Bearer. POSTERN_TRY_CA in the environment
 * names a file of certificate authorities that are trusted too. The mailbox should be a test
 * account: a message is imported into its inbox, sent to itself, fetched and removed again. */

#include "base/random.h"
#include "jmap/jmap-backend.h"

#include <stdio.h>
#include <string.h>

static GAsyncResult *last_result;
static guint n_changed;

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  last_result = g_object_ref (result);
}

static GAsyncResult *
wait_for_result (void)
{
  g_clear_object (&last_result);
  while (last_result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return last_result;
}

static void
must (gboolean is_good, const char *what, const GError *error)
{
  if (is_good)
    return;
  g_printerr ("%s: %s\n", what, error != NULL ? error->message : "not as it should be");
  exit (1);
}

static void
on_changed (PosternBackend *backend, gpointer user_data)
{
  n_changed++;
}

static void
wait_for_change (guint since)
{
  gint64 deadline_us = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  while (n_changed == since && g_get_monotonic_time () < deadline_us)
    g_main_context_iteration (NULL, FALSE) ? (void) 0 : g_usleep (1000);
  must (n_changed > since, "Waiting to be told of a change", NULL);
}

/* Returns: what came, all pages together; @cursor is moved on. */
static GPtrArray *
sync_all (PosternBackend *backend, char **cursor, guint *n_removed)
{
  GPtrArray *messages =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_remote_message_free);
  gboolean has_more = TRUE;

  *n_removed = 0;
  while (has_more)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PosternSyncBatch) batch = NULL;

      postern_backend_sync_async (backend, *cursor, NULL, on_done, NULL);
      batch = postern_backend_sync_finish (backend, wait_for_result (), &error);
      must (batch != NULL, "Syncing", error);
      if (batch->restart)
        g_ptr_array_set_size (messages, 0);
      while (batch->messages->len > 0)
        g_ptr_array_add (messages, g_ptr_array_steal_index (batch->messages, 0));
      *n_removed += batch->removed->len;
      has_more = batch->has_more;
      g_free (*cursor);
      *cursor = g_strdup (batch->cursor);
    }
  return messages;
}

static char *
upload (PosternBackend *backend, GBytes *mail)
{
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_bytes (mail);
  g_autoptr (GError) error = NULL;
  char *blob_id;

  postern_backend_upload_async (backend, content, g_bytes_get_size (mail), NULL, on_done, NULL);
  blob_id = postern_backend_upload_finish (backend, wait_for_result (), &error);
  must (blob_id != NULL, "Uploading", error);
  return blob_id;
}

static char *
import (PosternBackend *backend, const char *blob_id, PosternPlace target)
{
  PosternImport item = { .blob_id = blob_id, .target = target };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) results = NULL;
  PosternImportResult *result;

  postern_backend_import_async (backend, &item, 1, NULL, on_done, NULL);
  results = postern_backend_import_finish (backend, wait_for_result (), &error);
  must (results != NULL, "Importing", error);
  result = g_ptr_array_index (results, 0);
  must (result->email_id != NULL, "Importing one", result->error);
  return g_strdup (result->email_id);
}

static void
check_bytes (PosternBackend *backend, const PosternRemoteMessage *message, GBytes *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gssize octets = 1;

  postern_backend_fetch_async (backend,
                               message->blob_id,
                               message->size_octets,
                               NULL,
                               on_done,
                               NULL);
  stream = postern_backend_fetch_finish (backend, wait_for_result (), &error);
  must (stream != NULL, "Fetching", error);
  while (octets > 0)
    {
      static guint8 buffer[65536];

      g_input_stream_read_async (stream, buffer, sizeof buffer, 0, NULL, on_done, NULL);
      octets = g_input_stream_read_finish (stream, wait_for_result (), &error);
      must (octets >= 0, "Reading", error);
      g_byte_array_append (bytes, buffer, (guint) octets);
    }
  must (expected == NULL ||
            (bytes->len == g_bytes_get_size (expected) &&
             memcmp (bytes->data, g_bytes_get_data (expected, NULL), bytes->len) == 0),
        "Comparing the octets",
        NULL);
}

static void
remove_one (PosternBackend *backend, const char *id, PosternPlace from, PosternRemoveMode mode)
{
  const char *const ids[] = { id, "no-such-email", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) results = NULL;

  postern_backend_remove_async (backend, ids, from, mode, NULL, on_done, NULL);
  results = postern_backend_remove_finish (backend, wait_for_result (), &error);
  must (results != NULL && results->len == 2, "Removing", error);
  for (guint i = 0; i < results->len; i++)
    {
      PosternRemoval *removal = g_ptr_array_index (results, i);

      must (removal->error == NULL, removal->email_id, removal->error);
    }
}

static PosternSubmitResult *
submit (PosternBackend *backend,
        const char *key,
        const char *email_id,
        const char *from,
        const char *to,
        gboolean keep_copy,
        GPtrArray **results)
{
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new (from);
  PosternOutgoing item = { .key = key,
                           .email_id = email_id,
                           .from = from,
                           .envelope = envelope,
                           .keep_copy = keep_copy };

  postern_envelope_add (envelope, to);
  postern_backend_submit_async (backend, &item, 1, NULL, on_done, NULL);
  g_clear_pointer (results, g_ptr_array_unref);
  *results = postern_backend_submit_finish (backend, wait_for_result ());
  return g_ptr_array_index (*results, 0);
}

static PosternSettlement
settle (PosternBackend *backend, const char *id)
{
  const char *const ids[] = { id, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) settlements = NULL;

  postern_backend_settle_async (backend, ids, NULL, on_done, NULL);
  settlements = postern_backend_settle_finish (backend, wait_for_result (), &error);
  must (settlements != NULL && settlements->len == 1, "Settling", error);
  return g_array_index (settlements, PosternSettlement, 0);
}

static char *
get_own_address (PosternBackend *backend)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) identities = NULL;
  PosternIdentity *identity;

  postern_backend_list_identities_async (backend, NULL, on_done, NULL);
  identities = postern_backend_list_identities_finish (backend, wait_for_result (), &error);
  must (identities != NULL && identities->len > 0, "Listing identities", error);
  identity = g_ptr_array_index (identities, 0);
  return g_strdup (identity->address);
}

static GBytes *
make_mail (const char *address, const char *id)
{
  char *text = g_strdup_printf ("From: %s\r\nTo: %s\r\nSubject: jmap-try\r\n"
                                "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                                "Message-ID: <%s@try.test>\r\n\r\n.dot\r\nlast line\r\n",
                                address,
                                address,
                                id);

  return g_bytes_new_take (text, strlen (text));
}

static void
try_sending (PosternBackend *backend, const char *address, char **cursor, gboolean keep_copy)
{
  g_autofree char *id = postern_random_id ();
  g_autofree char *key = postern_random_id ();
  g_autofree char *other_key = postern_random_id ();
  g_autofree char *message_id = g_strdup_printf ("<%s@try.test>", id);
  g_autoptr (GBytes) mail = make_mail (address, id);
  g_autofree char *blob_id = upload (backend, mail);
  g_autofree char *email_id = import (backend, blob_id, POSTERN_PLACE_DRAFTS);
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GPtrArray) messages = NULL;
  g_autoptr (GError) error = NULL;
  PosternSubmitResult *result;
  guint before = n_changed;
  guint n_removed;

  must (settle (backend, email_id) == POSTERN_SETTLEMENT_UNSENT, "A draft is unsent", NULL);
  postern_backend_find_imported_async (backend,
                                       message_id,
                                       POSTERN_PLACE_DRAFTS,
                                       NULL,
                                       on_done,
                                       NULL);
  found = postern_backend_find_imported_finish (backend, wait_for_result (), &error);
  must (found != NULL && found->len == 1 && g_strcmp0 (found->pdata[0], email_id) == 0,
        "Finding it by its Message-ID",
        error);

  result = submit (backend, other_key, email_id, "somebody@else.invalid", address, TRUE, &results);
  must (result->error != NULL && !result->may_have_arrived, "A foreign sender is refused", NULL);
  printf ("refused as it should be: %u %s %s\n",
          result->code,
          result->enhanced,
          result->error->message);

  result = submit (backend, key, email_id, address, address, keep_copy, &results);
  must (result->error == NULL, "Submitting", result->error);
  must (settle (backend, email_id) ==
            (keep_copy ? POSTERN_SETTLEMENT_SENT : POSTERN_SETTLEMENT_GONE),
        "Settling what was sent",
        NULL);
  if (postern_backend_get_info (backend)->has_submit_keys)
    {
      result = submit (backend, key, email_id, address, address, keep_copy, &results);
      must (result->error == NULL, "Submitting again with the same key", result->error);
    }

  do
    {
      wait_for_change (before);
      before = n_changed;
      g_clear_pointer (&messages, g_ptr_array_unref);
      messages = sync_all (backend, cursor, &n_removed);
    }
  while (messages->len == 0);
  must (messages->len == 1, "It arrives once", NULL);
  check_bytes (backend, messages->pdata[0], NULL);
  remove_one (backend,
              ((PosternRemoteMessage *) messages->pdata[0])->email_id,
              POSTERN_PLACE_INBOX,
              keep_copy ? POSTERN_REMOVE_DESTROY : POSTERN_REMOVE_TRASH);
  if (keep_copy)
    remove_one (backend, email_id, POSTERN_PLACE_SENT, POSTERN_REMOVE_DESTROY_EVERYWHERE);
  printf ("sent %s a copy, received, removed\n", keep_copy ? "with" : "without");
}

static void
try_reading (PosternBackend *backend, const char *address, char **cursor)
{
  g_autofree char *id = postern_random_id ();
  g_autoptr (GBytes) mail = make_mail (address, id);
  g_autofree char *blob_id = upload (backend, mail);
  g_autofree char *email_id = import (backend, blob_id, POSTERN_PLACE_INBOX);
  g_autoptr (GPtrArray) messages = NULL;
  PosternRemoteMessage *message;
  guint n_removed;

  messages = sync_all (backend, cursor, &n_removed);
  must (messages->len == 1, "The import shows in the changes", NULL);
  message = messages->pdata[0];
  must (g_strcmp0 (message->email_id, email_id) == 0, "Its id", NULL);
  printf ("%s: %" G_GUINT64_FORMAT " octets, canonical %" G_GINT64_FORMAT "\n",
          message->email_id,
          message->size_octets,
          message->canonical_size_octets);
  check_bytes (backend, message, mail);
  remove_one (backend, email_id, POSTERN_PLACE_INBOX, POSTERN_REMOVE_DESTROY);
  g_clear_pointer (&messages, g_ptr_array_unref);
  messages = sync_all (backend, cursor, &n_removed);
  must (messages->len == 0 && n_removed >= 1, "The removal shows in the changes", NULL);
}

/* From a file, as the queue does it: a stream that is not pollable. */
static void
try_large (PosternBackend *backend, const char *address, char **cursor)
{
  g_autofree char *id = postern_random_id ();
  g_autoptr (GBytes) head = make_mail (address, id);
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autoptr (GFileIOStream) file_stream = NULL;
  g_autoptr (GFile) file = g_file_new_tmp ("jmap-try-XXXXXX", &file_stream, NULL);
  g_autoptr (GFileInputStream) content = NULL;
  g_autoptr (GBytes) mail = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) messages = NULL;
  g_autofree char *blob_id = NULL;
  g_autofree char *email_id = NULL;
  gint64 begin_us;
  guint n_removed;

  g_byte_array_append (all, g_bytes_get_data (head, NULL), (guint) g_bytes_get_size (head));
  while (all->len < 24 * 1024 * 1024)
    g_byte_array_append (all, (const guint8 *) "a line of a long message, again and again\r\n", 43);
  mail = g_bytes_new (all->data, all->len);
  must (g_file_replace_contents (file,
                                 (char *) all->data,
                                 all->len,
                                 NULL,
                                 FALSE,
                                 0,
                                 NULL,
                                 NULL,
                                 &error),
        "Writing a file",
        error);
  content = g_file_read (file, NULL, &error);
  must (content != NULL, "Reading the file", error);

  begin_us = g_get_monotonic_time ();
  postern_backend_upload_async (backend, G_INPUT_STREAM (content), all->len, NULL, on_done, NULL);
  blob_id = postern_backend_upload_finish (backend, wait_for_result (), &error);
  must (blob_id != NULL, "Uploading a large one", error);
  printf ("%u octets up in %" G_GINT64_FORMAT " ms",
          all->len,
          (g_get_monotonic_time () - begin_us) / 1000);
  email_id = import (backend, blob_id, POSTERN_PLACE_INBOX);
  messages = sync_all (backend, cursor, &n_removed);
  must (messages->len == 1, "The large one shows", NULL);
  begin_us = g_get_monotonic_time ();
  check_bytes (backend, messages->pdata[0], mail);
  printf (", down in %" G_GINT64_FORMAT " ms\n", (g_get_monotonic_time () - begin_us) / 1000);
  remove_one (backend, email_id, POSTERN_PLACE_INBOX, POSTERN_REMOVE_DESTROY);
  g_clear_pointer (&messages, g_ptr_array_unref);
  messages = sync_all (backend, cursor, &n_removed);
  g_file_delete (file, NULL, NULL);
}

int
main (int argc, char *argv[])
{
  char token[512];
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternHttpClient) http =
      postern_http_client_new (POSTERN_HTTP_NO_PROXY, g_getenv ("POSTERN_TRY_CA"), &error);
  g_autoptr (PosternSecret) secret = NULL;
  g_autoptr (PosternBackend) backend = NULL;
  g_autoptr (PosternBackendInfo) info = NULL;
  g_autoptr (GPtrArray) messages = NULL;
  g_autofree char *cursor = NULL;
  g_autofree char *address = NULL;
  guint n_removed;

  if (argc < 2 || fgets (token, sizeof token, stdin) == NULL)
    {
      g_printerr ("usage: %s URL [USER] < token\n", argv[0]);
      return 2;
    }
  must (http != NULL, "Starting", error);
  secret = postern_secret_new (g_strchomp (token), -1);
  backend = POSTERN_BACKEND (
      postern_jmap_backend_new (http,
                                argv[1],
                                argc > 2 ? POSTERN_JMAP_AUTH_BASIC : POSTERN_JMAP_AUTH_BEARER));
  postern_backend_set_credentials (backend, argv[2], secret);
  g_signal_connect (backend, "changed", G_CALLBACK (on_changed), NULL);

  postern_backend_probe_async (backend, NULL, on_done, NULL);
  info = postern_backend_probe_finish (backend, wait_for_result (), &error);
  must (info != NULL, "Probing", error);
  address = get_own_address (backend);
  printf ("%s at %s, account %s, may %s, uploads up to %" G_GUINT64_FORMAT "\n",
          address,
          info->display_name,
          info->account,
          info->may_submit ? "send" : "not send",
          info->max_upload_octets);

  messages = sync_all (backend, &cursor, &n_removed);
  printf ("%u messages, cursor “%s”\n", messages->len, cursor);
  for (guint i = 0; i < messages->len; i++)
    check_bytes (backend, messages->pdata[i], NULL);
  try_reading (backend, address, &cursor);
  try_large (backend, address, &cursor);

  postern_backend_start_watching (backend);
  wait_for_change (0);
  printf ("watched by %s\n",
          postern_backend_get_connection (backend, NULL) == POSTERN_CONNECTION_PUSH ? "push"
                                                                                    : "asking");
  try_sending (backend, address, &cursor, TRUE);
  try_sending (backend, address, &cursor, FALSE);
  postern_backend_stop_watching (backend);
  g_clear_object (&last_result);
  return 0;
}
