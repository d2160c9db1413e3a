/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-emails.h"

#include "base/error.h"
#include "jmap/jmap-request.h"
#include "jmap/json-read.h"

/**
 * postern_jmap_emails_properties:
 *
 * Returns: (transfer full): no more than what this server knows: an unknown one fails the call
 */
JsonArray *
postern_jmap_emails_properties (const PosternJmapSession *session)
{
  static const char *const names[] = { "id", "blobId", "size", "receivedAt", "mailboxIds" };
  JsonArray *properties = postern_jmap_string_array (names, G_N_ELEMENTS (names));

  if (session->has_vendor)
    json_array_add_string_element (properties, "canonicalSize");
  return properties;
}

static gint64
parse_date_us (const char *text)
{
  g_autoptr (GDateTime) date = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  if (date == NULL)
    return 0;
  return g_date_time_to_unix (date) * G_USEC_PER_SEC + g_date_time_get_microsecond (date);
}

static PosternRemoteMessage *
make_message (JsonObject *email)
{
  const char *blob_id = postern_json_get_string (email, "blobId");
  gint64 size = postern_json_get_integer (email, "size", -1);
  PosternRemoteMessage *message;

  if (blob_id == NULL || size < 0)
    return NULL;
  message = g_new0 (PosternRemoteMessage, 1);
  message->email_id = g_strdup (postern_json_get_string (email, "id"));
  message->blob_id = g_strdup (blob_id);
  message->size_octets = (guint64) size;
  message->canonical_size_octets = MAX (-1, postern_json_get_integer (email, "canonicalSize", -1));
  message->received_at_us = parse_date_us (postern_json_get_string (email, "receivedAt"));
  return message;
}

/**
 * postern_jmap_emails_collect:
 * @ids: (nullable): those that Email/get was asked for
 * @answer: what it said
 *
 * Adds each to the messages or, when it is not in the inbox, to the removed. Each must be accounted
 * for, else POSTERN_ERROR_TEMPORARY: one that the server silently leaves out would be a message that
 * nobody ever sees.
 */
gboolean
postern_jmap_emails_collect (PosternSyncBatch *batch,
                             JsonArray *ids,
                             JsonObject *answer,
                             const char *inbox,
                             GError **error)
{
  g_autoptr (GHashTable) told = g_hash_table_new (g_str_hash, g_str_equal);
  JsonArray *list = postern_json_get_array (answer, "list");
  JsonArray *not_found = postern_json_get_array (answer, "notFound");

  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      JsonObject *email = postern_json_get_object_at (list, i);
      const char *id = postern_json_get_string (email, "id");
      JsonObject *mailboxes = postern_json_get_object (email, "mailboxIds");
      PosternRemoteMessage *message;

      if (id == NULL || !g_hash_table_add (told, (char *) id))
        continue;
      if (!postern_json_get_boolean (mailboxes, inbox, FALSE))
        g_ptr_array_add (batch->removed, g_strdup (id));
      else if ((message = make_message (email)) != NULL)
        g_ptr_array_add (batch->messages, message);
      else /* one that cannot be read must not hide the others */
        g_warning ("The server gives no size or no content for message %s", id);
    }
  for (guint i = 0; i < postern_json_get_length (not_found); i++)
    {
      const char *id = postern_json_get_string_at (not_found, i);

      if (id != NULL && g_hash_table_add (told, (char *) id))
        g_ptr_array_add (batch->removed, g_strdup (id));
    }

  for (guint i = 0; i < postern_json_get_length (ids); i++)
    {
      const char *id = postern_json_get_string_at (ids, i);

      if (id == NULL || !g_hash_table_contains (told, id))
        {
          g_set_error (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_TEMPORARY,
                       "The server named a message and then told nothing of it");
          return FALSE;
        }
    }
  return TRUE;
}
