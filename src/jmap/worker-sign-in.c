/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/worker-sign-in.h"

#include "base/error.h"
#include "http/http-error.h"
#include "jmap/json-read.h"

/* The one thing that a bridge needs of a Worker beside JMAP: a token for an address and a password, so
 * that the password is asked for once and kept nowhere. */

#define ANSWER_MAX_OCTETS (64 * 1024)
#define TOKEN_NAME_MAX    100 /* characters, worker/API.md "POST sign-in" */

void
postern_worker_info_free (PosternWorkerInfo *self)
{
  g_free (self->version);
  g_clear_pointer (&self->api, g_uri_unref);
  g_free (self);
}

/* "0.1.0" against "0.2": number by number, what is missing counts as 0. */
static gboolean
is_older (const char *version, const char *least)
{
  g_auto (GStrv) ours = g_strsplit (version, ".", 4);
  g_auto (GStrv) theirs = g_strsplit (least, ".", 4);

  for (guint i = 0; i < 4 && (ours[i] != NULL || theirs[i] != NULL); i++)
    {
      guint64 our = ours[i] != NULL ? g_ascii_strtoull (ours[i], NULL, 10) : 0;
      guint64 their = theirs[i] != NULL ? g_ascii_strtoull (theirs[i], NULL, 10) : 0;

      if (our != their)
        return our < their;
      if (ours[i] == NULL || theirs[i] == NULL)
        break;
    }
  return FALSE;
}

static gboolean
is_same_origin (GUri *one, GUri *other)
{
  return g_str_equal (g_uri_get_scheme (one), g_uri_get_scheme (other)) &&
         g_ascii_strcasecmp (g_uri_get_host (one), g_uri_get_host (other)) == 0 &&
         g_uri_get_port (one) == g_uri_get_port (other);
}

static PosternWorkerInfo *
read_info (SoupMessage *message, GBytes *body, GError **error)
{
  g_autoptr (JsonObject) object = NULL;
  g_autoptr (GUri) api = NULL;
  const char *least;
  PosternWorkerInfo *info;

  /* A Worker that is only busy must not be taken for another server. */
  if ((SOUP_STATUS_IS_SERVER_ERROR (soup_message_get_status (message)) ||
       soup_message_get_status (message) == 429) &&
      !postern_http_check_status (message, error))
    return NULL;
  /* Whatever else answers here is not a Worker, which is no error: it may speak JMAP all the same. */
  if (soup_message_get_status (message) == SOUP_STATUS_OK && postern_http_message_is_json (message))
    object = postern_json_parse (body, NULL);
  if (object == NULL || g_strcmp0 (postern_json_get_string (object, "name"), "Postern") != 0 ||
      postern_json_get_string (object, "apiUrl") == NULL)
    {
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_NOT_FOUND,
                           "This server is not a Postern Worker");
      return NULL;
    }
  least = postern_json_get_string (object, "leastBridgeVersion");
  if (least != NULL && is_older (POSTERN_VERSION, least))
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_NEWER,
                   "This Worker needs Postern %s or newer; this is %s. Update Postern first",
                   least,
                   POSTERN_VERSION);
      return NULL;
    }
  api = postern_http_uri_parse (soup_message_get_uri (message),
                                postern_json_get_string (object, "apiUrl"),
                                error);
  if (api == NULL)
    return NULL;
  /* The password goes to the server that the person named, and nowhere else. */
  if (!is_same_origin (api, soup_message_get_uri (message)))
    {
      g_set_error_literal (error,
                           POSTERN_ERROR,
                           POSTERN_ERROR_PROTOCOL,
                           "This Worker names another server for signing in; that is not followed");
      return NULL;
    }
  info = g_new0 (PosternWorkerInfo, 1);
  info->version = g_strdup (postern_json_get_string (object, "version"));
  info->api = g_steal_pointer (&api);
  return info;
}

static void
on_probed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  SoupMessage *message = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) body =
      postern_http_client_fetch_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  PosternWorkerInfo *info = body != NULL ? read_info (message, body, &error) : NULL;

  if (info == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, info, (GDestroyNotify) postern_worker_info_free);
}

/**
 * postern_worker_probe_async:
 * @url: of the server, as a person may give it
 *
 * Asks whether a server is a Postern Worker. No credentials are shown.
 */
void
postern_worker_probe_async (PosternHttpClient *http,
                            const char *url,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (http, cancellable, callback, user_data);
  g_autoptr (GUri) base = NULL;
  g_autoptr (GUri) uri = NULL;
  GError *error = NULL;
  SoupMessage *message;

  g_task_set_source_tag (task, postern_worker_probe_async);
  base = postern_http_uri_parse (NULL, url, &error);
  if (base != NULL)
    uri = postern_http_uri_parse (base, "/.well-known/postern", &error);
  if (uri == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  message = postern_http_message_new (SOUP_METHOD_GET, uri);
  g_task_set_task_data (task, message, g_object_unref);
  postern_http_client_fetch_async (http,
                                   message,
                                   ANSWER_MAX_OCTETS,
                                   cancellable,
                                   on_probed,
                                   g_steal_pointer (&task));
}

/**
 * postern_worker_probe_finish:
 *
 * Returns: (transfer full) (nullable): NOT_FOUND when it is another server; NEWER when it wants a newer
 *   bridge; TEMPORARY, OFFLINE, TRUST, INVALID
 */
PosternWorkerInfo *
postern_worker_probe_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Signing in */

static PosternSecret *
read_token (SoupMessage *message, GBytes *body, GError **error)
{
  g_autoptr (JsonObject) object =
      postern_http_message_is_json (message) ? postern_json_parse (body, NULL) : NULL;
  const char *token = object != NULL ? postern_json_get_string (object, "token") : NULL;
  const char *code = object != NULL ? postern_json_get_string (object, "code") : NULL;
  const char *detail = object != NULL ? postern_json_get_string (object, "detail") : NULL;

  if (soup_message_get_status (message) == SOUP_STATUS_CREATED && token != NULL)
    return postern_secret_new (token, -1);
  if (g_strcmp0 (code, "wrong-credentials") == 0)
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_CREDENTIALS,
                         "The server does not accept this address and password");
  else if (g_strcmp0 (code, "account-disabled") == 0 || g_strcmp0 (code, "limit-reached") == 0)
    g_set_error (error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_FORBIDDEN,
                 "The server does not let you sign in: %s",
                 detail != NULL ? detail : code);
  else if (g_strcmp0 (code, "too-many-attempts") == 0)
    g_set_error (error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_TEMPORARY,
                 "There were too many attempts to sign in: %s",
                 detail != NULL ? detail : "try again later");
  else if (postern_http_check_status (message, error))
    g_set_error_literal (error,
                         POSTERN_ERROR,
                         POSTERN_ERROR_PROTOCOL,
                         "The server did not answer the sign-in as a Postern Worker does");
  return NULL;
}

static void
on_signed_in (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  SoupMessage *message = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) body =
      postern_http_client_fetch_finish (POSTERN_HTTP_CLIENT (source), result, &error);
  PosternSecret *token = body != NULL ? read_token (message, body, &error) : NULL;

  if (token == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, token, (GDestroyNotify) postern_secret_unref);
}

static void
free_wiped (gpointer data)
{
  GString *text = data;

  postern_memory_wipe (text->str, text->len);
  g_string_free (text, TRUE);
}

static GBytes *
write_request (const char *address, PosternSecret *password, const char *name)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *cut = g_utf8_substring (name, 0, MIN (g_utf8_strlen (name, -1), TOKEN_NAME_MAX));
  GString *text = g_string_new (NULL);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "address");
  json_builder_add_string_value (builder, address);
  json_builder_set_member_name (builder, "password");
  json_builder_add_string_value (builder, postern_secret_get_text (password));
  json_builder_set_member_name (builder, "name");
  json_builder_add_string_value (builder, cut);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_to_gstring (generator, text);
  return g_bytes_new_with_free_func (text->str, text->len, free_wiped, text);
}

/**
 * postern_worker_sign_in_async:
 * @password: of the person; used for this request and forgotten
 * @name: what the list of tokens shows, so that a person can tell which program holds it
 *
 * Gets a token. Every repeat makes another one.
 */
void
postern_worker_sign_in_async (PosternHttpClient *http,
                              const PosternWorkerInfo *worker,
                              const char *address,
                              PosternSecret *password,
                              const char *name,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (http, cancellable, callback, user_data);
  g_autoptr (GUri) uri = NULL;
  g_autoptr (GBytes) request = NULL;
  GError *error = NULL;
  SoupMessage *message;

  g_task_set_source_tag (task, postern_worker_sign_in_async);
  if (!g_utf8_validate (postern_secret_get_text (password),
                        (gssize) postern_secret_get_length (password),
                        NULL))
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_INVALID,
                               "The password is not text in UTF-8");
      return;
    }
  uri = postern_http_uri_parse (worker->api, "sign-in", &error);
  if (uri == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  message = postern_http_message_new (SOUP_METHOD_POST, uri);
  request = write_request (address, password, name);
  soup_message_set_request_body_from_bytes (message, "application/json", request);
  g_task_set_task_data (task, message, g_object_unref);
  postern_http_client_fetch_async (http,
                                   message,
                                   ANSWER_MAX_OCTETS,
                                   cancellable,
                                   on_signed_in,
                                   g_steal_pointer (&task));
}

/**
 * postern_worker_sign_in_finish:
 *
 * Returns: (transfer full) (nullable): the token. CREDENTIALS; FORBIDDEN for a disabled user;
 *   TEMPORARY after too many attempts
 */
PosternSecret *
postern_worker_sign_in_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
