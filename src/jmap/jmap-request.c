/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-request.h"

#include "base/error.h"
#include "jmap/json-read.h"

#include <string.h>

PosternJmapRequest *
postern_jmap_request_new (void)
{
  PosternJmapRequest *self = g_new0 (PosternJmapRequest, 1);

  self->calls = json_array_new ();
  return self;
}

void
postern_jmap_request_free (PosternJmapRequest *self)
{
  json_array_unref (self->calls);
  g_free (self);
}

/**
 * postern_jmap_request_add:
 * @arguments: (transfer full):
 *
 * Returns: the call's number, for postern_jmap_set_reference() and postern_jmap_response_get()
 */
guint
postern_jmap_request_add (PosternJmapRequest *self, const char *method, JsonObject *arguments)
{
  guint number = json_array_get_length (self->calls);
  JsonArray *call = json_array_sized_new (3);
  g_autofree char *id = g_strdup_printf ("%u", number);

  json_array_add_string_element (call, method);
  json_array_add_object_element (call, arguments);
  json_array_add_string_element (call, id);
  json_array_add_array_element (self->calls, call);
  return number;
}

/**
 * postern_jmap_request_to_bytes:
 *
 * Returns: (transfer full): the Request object. `using` names no more than what the calls need: one
 *   URI that a server does not know fails the whole request.
 */
GBytes *
postern_jmap_request_to_bytes (const PosternJmapRequest *self)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *request = json_object_new ();
  JsonArray *using = json_array_new ();
  char *text;

  json_array_add_string_element (using, POSTERN_JMAP_URN_CORE);
  json_array_add_string_element (using, POSTERN_JMAP_URN_MAIL);
  if (self->uses_submission)
    json_array_add_string_element (using, POSTERN_JMAP_URN_SUBMISSION);
  if (self->uses_vendor)
    json_array_add_string_element (using, POSTERN_JMAP_URN_VENDOR);
  json_object_set_array_member (request, "using", using);
  json_object_set_array_member (request, "methodCalls", json_array_ref (self->calls));
  json_node_take_object (root, request);
  text = json_to_string (root, FALSE);
  return g_bytes_new_take (text, strlen (text));
}

/**
 * postern_jmap_arguments_new:
 *
 * Returns: (transfer full): an object with the account id
 */
JsonObject *
postern_jmap_arguments_new (const char *account)
{
  JsonObject *arguments = json_object_new ();

  json_object_set_string_member (arguments, "accountId", account);
  return arguments;
}

/**
 * postern_jmap_string_array:
 * @length: how many, or -1 when @strings ends with NULL
 *
 * Returns: (transfer full):
 */
JsonArray *
postern_jmap_string_array (const char *const *strings, gssize length)
{
  JsonArray *array = json_array_new ();

  for (gssize i = 0; length < 0 ? strings[i] != NULL : i < length; i++)
    json_array_add_string_element (array, strings[i]);
  return array;
}

/**
 * postern_jmap_set_reference:
 * @name: the argument, without "#"
 *
 * Lets an argument be what an earlier call of the same request gave (RFC 8620 section 3.7).
 */
void
postern_jmap_set_reference (JsonObject *arguments,
                            const char *name,
                            guint call,
                            const char *method,
                            const char *path)
{
  JsonObject *reference = json_object_new ();
  g_autofree char *key = g_strconcat ("#", name, NULL);
  g_autofree char *id = g_strdup_printf ("%u", call);

  json_object_set_string_member (reference, "resultOf", id);
  json_object_set_string_member (reference, "name", method);
  json_object_set_string_member (reference, "path", path);
  json_object_set_object_member (arguments, key, reference);
}

/**
 * postern_jmap_response_new:
 *
 * Returns: (transfer full): POSTERN_ERROR_PROTOCOL when @json is no Response object
 */
PosternJmapResponse *
postern_jmap_response_new (JsonObject *json, GError **error)
{
  JsonArray *responses = postern_json_get_array (json, "methodResponses");
  PosternJmapResponse *self;

  if (responses == NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_PROTOCOL,
                   "The server's answer has no method responses");
      return NULL;
    }
  self = g_new0 (PosternJmapResponse, 1);
  self->responses = json_array_ref (responses);
  self->session_state = g_strdup (postern_json_get_string (json, "sessionState"));
  return self;
}

void
postern_jmap_response_free (PosternJmapResponse *self)
{
  json_array_unref (self->responses);
  g_free (self->session_state);
  g_free (self);
}

/* By name and id: the implicit Email/set that follows a submission has the submission's id. */
static JsonObject *
find (PosternJmapResponse *self, guint call, const char *method)
{
  g_autofree char *id = g_strdup_printf ("%u", call);

  for (guint i = 0; i < json_array_get_length (self->responses); i++)
    {
      JsonNode *node = json_array_get_element (self->responses, i);
      JsonArray *response = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

      if (postern_json_get_length (response) == 3 &&
          g_strcmp0 (postern_json_get_string_at (response, 0), method) == 0 &&
          g_strcmp0 (postern_json_get_string_at (response, 2), id) == 0)
        return postern_json_get_object_at (response, 1);
    }
  return NULL;
}

/**
 * postern_jmap_response_get:
 * @call: what postern_jmap_request_add() returned
 * @method: the name the answer must have
 *
 * Returns: (nullable): the arguments of that answer, lent. A method error as of
 *   postern_jmap_set_method_error(); POSTERN_ERROR_PROTOCOL when there is no answer at all.
 */
JsonObject *
postern_jmap_response_get (PosternJmapResponse *self,
                           guint call,
                           const char *method,
                           GError **error)
{
  JsonObject *arguments = find (self, call, method);
  JsonObject *details;

  if (arguments != NULL)
    return arguments;
  details = find (self, call, "error");
  if (details != NULL)
    {
      postern_jmap_set_method_error (error, details);
      g_prefix_error (error, "%s: ", method);
    }
  else
    g_set_error (error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_PROTOCOL,
                 "The server did not answer %s",
                 method);
  return NULL;
}

/**
 * postern_jmap_response_get_error_type:
 *
 * Returns: (nullable): the type of the method error that @call ended with; NULL when with none
 */
const char *
postern_jmap_response_get_error_type (PosternJmapResponse *self, guint call)
{
  return postern_json_get_string (find (self, call, "error"), "type");
}

static const struct
{
  const char *type;
  PosternError code;
} method_errors[] = {
  /* RFC 8620 section 3.6.2 */
  { "serverUnavailable", POSTERN_ERROR_TEMPORARY },
  { "serverFail", POSTERN_ERROR_TEMPORARY },
  { "serverPartialFail", POSTERN_ERROR_TEMPORARY },
  { "rateLimit", POSTERN_ERROR_TEMPORARY },
  { "unknownMethod", POSTERN_ERROR_PROTOCOL },
  { "invalidArguments", POSTERN_ERROR_PROTOCOL },
  { "invalidResultReference", POSTERN_ERROR_TEMPORARY },
  { "resultReference", POSTERN_ERROR_TEMPORARY },
  { "forbidden", POSTERN_ERROR_FORBIDDEN },
  { "accountReadOnly", POSTERN_ERROR_FORBIDDEN },
  { "accountNotFound", POSTERN_ERROR_CREDENTIALS },
  { "accountNotSupportedByMethod", POSTERN_ERROR_FORBIDDEN },
  /* sections 5.1 to 5.6 */
  { "requestTooLarge", POSTERN_ERROR_TOO_LARGE },
  { "stateMismatch", POSTERN_ERROR_BUSY },
  { "cannotCalculateChanges", POSTERN_ERROR_STALE },
  { "anchorNotFound", POSTERN_ERROR_NOT_FOUND },
};

/**
 * postern_jmap_set_method_error:
 * @details: arguments of an "error" response
 *
 * TOO_LARGE: fewer objects in one call. STALE: the state is of no use. BUSY: somebody changed it
 * meanwhile. What is not known is TEMPORARY, so that nothing is given up for it.
 */
void
postern_jmap_set_method_error (GError **error, JsonObject *details)
{
  const char *type = postern_json_get_string (details, "type");
  const char *description = postern_json_get_string (details, "description");
  PosternError code = POSTERN_ERROR_TEMPORARY;

  for (gsize i = 0; i < G_N_ELEMENTS (method_errors); i++)
    if (g_strcmp0 (type, method_errors[i].type) == 0)
      code = method_errors[i].code;
  g_set_error (error,
               POSTERN_ERROR,
               code,
               "%s%s%s",
               type != NULL ? type : "an error without a type",
               description != NULL ? ": " : "",
               description != NULL ? description : "");
}

/**
 * postern_jmap_problem_to_error:
 * @problem: problem details that refuse a whole request (RFC 8620 section 3.6.1)
 *
 * Returns: (transfer full) (nullable): TOO_LARGE when fewer objects or octets would pass, TEMPORARY
 *   when it was one request too many, PROTOCOL for what we should not have sent; NULL when the
 *   problem has no type of JMAP's.
 */
GError *
postern_jmap_problem_to_error (JsonObject *problem, guint status)
{
  const char *prefix = "urn:ietf:params:jmap:error:";
  const char *type = postern_json_get_string (problem, "type");
  const char *detail = postern_json_get_string (problem, "detail");
  const char *limit = postern_json_get_string (problem, "limit");
  PosternError code = POSTERN_ERROR_PROTOCOL;

  if (type == NULL || !g_str_has_prefix (type, prefix))
    return NULL;
  type += strlen (prefix);
  if (strcmp (type, "limit") == 0)
    code = limit != NULL &&
                   (g_str_has_prefix (limit, "maxObjects") || strcmp (limit, "maxSizeRequest") == 0)
               ? POSTERN_ERROR_TOO_LARGE
               : POSTERN_ERROR_TEMPORARY;
  return g_error_new (POSTERN_ERROR,
                      code,
                      "The server refused the request (HTTP %u, %s%s%s)%s%s",
                      status,
                      type,
                      limit != NULL ? " " : "",
                      limit != NULL ? limit : "",
                      detail != NULL ? ": " : "",
                      detail != NULL ? detail : "");
}
