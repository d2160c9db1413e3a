/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-session.h"

#include "base/error.h"
#include "http/http-client.h"
#include "jmap/json-read.h"

#include <string.h>

/* What is assumed of a server that does not say, and the least believed of one that does. */
#define DEFAULT_CALLS    16
#define DEFAULT_OBJECTS  500
#define DEFAULT_REQUESTS 4
#define DEFAULT_UPLOAD   (30 * 1024 * 1024)
#define DEFAULT_REQUEST  (10 * 1024 * 1024)
#define MAX_BATCH        50
#define MAX_REQUESTS     8

/* A secure session never leads to a place that is not. */
static GUri *
resolve (GUri *base, const char *text, GError **error)
{
  g_autoptr (GUri) uri = NULL;

  if (text == NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "The JMAP session lacks an address that every server gives");
      return NULL;
    }
  uri = postern_http_uri_parse (base, text, error);
  if (uri != NULL && strcmp (g_uri_get_scheme (base), "https") == 0 &&
      strcmp (g_uri_get_scheme (uri), "https") != 0)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "The JMAP session names “%s”, which is not secure",
                   text);
      return NULL;
    }
  return g_steal_pointer (&uri);
}

static JsonObject *
get_account_capability (JsonObject *json, const char *account, const char *capability)
{
  JsonObject *entry = postern_json_get_object (postern_json_get_object (json, "accounts"), account);

  return postern_json_get_object (postern_json_get_object (entry, "accountCapabilities"),
                                  capability);
}

/* Servers list primary accounts for capabilities which the account then does not have. */
static const char *
find_account (JsonObject *json, const char *capability)
{
  JsonObject *primary = postern_json_get_object (json, "primaryAccounts");
  const char *account = postern_json_get_string (primary, capability);

  if (account == NULL || get_account_capability (json, account, capability) == NULL)
    return NULL;
  return account;
}

static guint
limit (JsonObject *core, const char *name, guint otherwise, guint most)
{
  gint64 value = postern_json_get_integer (core, name, otherwise);

  return (guint) CLAMP (value, 1, most);
}

static void
read_core (PosternJmapSession *self, JsonObject *capabilities)
{
  JsonObject *core = postern_json_get_object (capabilities, POSTERN_JMAP_URN_CORE);

  self->max_upload_octets =
      (guint64) MAX (0, postern_json_get_integer (core, "maxSizeUpload", DEFAULT_UPLOAD));
  self->max_request_octets =
      (guint64) MAX (1024, postern_json_get_integer (core, "maxSizeRequest", DEFAULT_REQUEST));
  self->max_calls = limit (core, "maxCallsInRequest", DEFAULT_CALLS, G_MAXINT32);
  self->max_objects_in_get = limit (core, "maxObjectsInGet", DEFAULT_OBJECTS, G_MAXINT32);
  self->max_objects_in_set = limit (core, "maxObjectsInSet", DEFAULT_OBJECTS, G_MAXINT32);
  self->max_requests = limit (core, "maxConcurrentRequests", DEFAULT_REQUESTS, MAX_REQUESTS);
  self->max_uploads = limit (core, "maxConcurrentUpload", DEFAULT_REQUESTS, MAX_REQUESTS);
}

static void
read_submission (PosternJmapSession *self, JsonObject *json)
{
  const char *account = find_account (json, POSTERN_JMAP_URN_SUBMISSION);
  JsonObject *extensions;
  g_autoptr (GList) names = NULL;

  if (account == NULL)
    return;
  if (strcmp (account, self->mail_account) != 0)
    {
      g_message ("The server sends mail for another account than it keeps it for: not supported");
      return;
    }
  self->submission_account = g_strdup (account);
  extensions =
      postern_json_get_object (get_account_capability (json, account, POSTERN_JMAP_URN_SUBMISSION),
                               "submissionExtensions");
  if (extensions == NULL)
    return;
  names = json_object_get_members (extensions);
  for (GList *name = names; name != NULL; name = name->next)
    g_hash_table_add (self->submission_extensions, g_ascii_strup (name->data, -1));
}

static void
read_websocket (PosternJmapSession *self, JsonObject *capabilities)
{
  JsonObject *websocket = postern_json_get_object (capabilities, POSTERN_JMAP_URN_WEBSOCKET);
  const char *url = postern_json_get_string (websocket, "url");
  g_autofree char *http_url = NULL;
  g_autoptr (GError) error = NULL;

  if (url == NULL || !postern_json_get_boolean (websocket, "supportsPush", FALSE))
    return;
  /* The same rules hold as for every other address: secure, or on this machine. */
  if (g_ascii_strncasecmp (url, "ws:", 3) == 0)
    http_url = g_strconcat ("http:", url + 3, NULL);
  else if (g_ascii_strncasecmp (url, "wss:", 4) == 0)
    http_url = g_strconcat ("https:", url + 4, NULL);
  else
    http_url = g_strdup (url);
  self->websocket_url = resolve (self->base, http_url, &error);
  if (self->websocket_url == NULL)
    g_info ("Push by WebSocket is left alone: %s", error->message);
}

/**
 * postern_jmap_session_new:
 * @read_from: the URL that finally answered; relative ones in @json are resolved against it
 *
 * Returns: (transfer full): POSTERN_ERROR_PROTOCOL when it is no session, CREDENTIALS when it shows
 *   no mail account: some servers answer so to a request whose credentials they do not know.
 */
PosternJmapSession *
postern_jmap_session_new (GUri *read_from, JsonObject *json, GError **error)
{
  g_autoptr (PosternJmapSession) self = g_new0 (PosternJmapSession, 1);
  JsonObject *capabilities = postern_json_get_object (json, "capabilities");
  const char *account = find_account (json, POSTERN_JMAP_URN_MAIL);
  const char *state = postern_json_get_string (json, "state");
  JsonObject *entry;

  self->base = g_uri_ref (read_from);
  self->submission_extensions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (capabilities == NULL || postern_json_get_object (json, "accounts") == NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "%s answers, but not with a JMAP session",
                   g_uri_get_host (read_from));
      return NULL;
    }
  if (account == NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_CREDENTIALS,
                   "%s shows no mailbox to these credentials",
                   g_uri_get_host (read_from));
      return NULL;
    }

  self->api_url = resolve (read_from, postern_json_get_string (json, "apiUrl"), error);
  if (self->api_url == NULL)
    return NULL;
  self->download_template = g_strdup (postern_json_get_string (json, "downloadUrl"));
  self->upload_template = g_strdup (postern_json_get_string (json, "uploadUrl"));
  self->event_source_template = g_strdup (postern_json_get_string (json, "eventSourceUrl"));

  self->state = g_strdup (state != NULL ? state : "");
  self->user = g_strdup (postern_json_get_string (json, "username"));
  self->mail_account = g_strdup (account);
  entry = postern_json_get_object (postern_json_get_object (json, "accounts"), account);
  self->is_read_only = postern_json_get_boolean (entry, "isReadOnly", FALSE);
  self->has_vendor = json_object_has_member (capabilities, POSTERN_JMAP_URN_VENDOR);
  read_core (self, capabilities);
  read_submission (self, json);
  read_websocket (self, capabilities);
  return g_steal_pointer (&self);
}

void
postern_jmap_session_free (PosternJmapSession *self)
{
  g_free (self->state);
  g_free (self->user);
  g_free (self->mail_account);
  g_free (self->submission_account);
  g_clear_pointer (&self->base, g_uri_unref);
  g_clear_pointer (&self->api_url, g_uri_unref);
  g_free (self->download_template);
  g_free (self->upload_template);
  g_free (self->event_source_template);
  g_clear_pointer (&self->websocket_url, g_uri_unref);
  g_clear_pointer (&self->submission_extensions, g_hash_table_unref);
  g_free (self);
}

/**
 * postern_jmap_session_to_info:
 *
 * Returns: (transfer full): the same in words that every backend has
 */
PosternBackendInfo *
postern_jmap_session_to_info (const PosternJmapSession *self)
{
  PosternBackendInfo *info = g_new0 (PosternBackendInfo, 1);

  info->account = g_strdup (self->mail_account);
  info->user = g_strdup (self->user);
  info->display_name = g_strdup (g_uri_get_host (self->base));
  info->max_upload_octets = self->max_upload_octets;
  info->max_batch = MIN (self->max_objects_in_set, MAX_BATCH);
  info->is_read_only = self->is_read_only;
  info->may_submit = self->submission_account != NULL && !self->is_read_only;
  info->has_canonical_size = self->has_vendor;
  info->has_submit_keys = self->has_vendor;
  info->tells_outcomes = g_hash_table_contains (self->submission_extensions, "DSN");
  return info;
}

static const char *
find_value (const char *const *names_and_values, const char *name, gsize length)
{
  for (; *names_and_values != NULL; names_and_values += 2)
    if (strlen (names_and_values[0]) == length && memcmp (names_and_values[0], name, length) == 0)
      return names_and_values[1];
  return "";
}

/**
 * postern_jmap_session_expand:
 * @uri_template: (nullable): of level 1 (RFC 6570 section 1.2)
 * @names_and_values: pairs, ended by NULL; a variable that is not there is empty
 *
 * Returns: (transfer full): POSTERN_ERROR_PROTOCOL when the server gave nothing usable
 */
GUri *
postern_jmap_session_expand (const PosternJmapSession *self,
                             const char *uri_template,
                             const char *const *names_and_values,
                             GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const char *rest = uri_template;

  while (rest != NULL && *rest != '\0')
    {
      const char *open = strchr (rest, '{');
      const char *close = open != NULL ? strchr (open, '}') : NULL;

      if (close == NULL)
        {
          g_string_append (text, rest);
          break;
        }
      g_string_append_len (text, rest, open - rest);
      g_string_append_uri_escaped (
          text,
          find_value (names_and_values, open + 1, (gsize) (close - open - 1)),
          NULL,
          FALSE);
      rest = close + 1;
    }
  return resolve (self->base, uri_template != NULL ? text->str : NULL, error);
}
