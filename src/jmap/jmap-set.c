/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-set.h"

#include "base/error.h"
#include "jmap/json-read.h"

static const struct
{
  const char *type;
  PosternError code;
} set_errors[] = {
  { "notFound", POSTERN_ERROR_NOT_FOUND },   { "blobNotFound", POSTERN_ERROR_NOT_FOUND },
  { "forbidden", POSTERN_ERROR_FORBIDDEN },  { "accountReadOnly", POSTERN_ERROR_FORBIDDEN },
  { "overQuota", POSTERN_ERROR_FULL },       { "tooLarge", POSTERN_ERROR_TOO_LARGE },
  { "invalidEmail", POSTERN_ERROR_INVALID }, { "invalidProperties", POSTERN_ERROR_INVALID },
  { "alreadyExists", POSTERN_ERROR_EXISTS },
};

/**
 * postern_jmap_set_error_to_error:
 * @set_error: (nullable): of notCreated, notUpdated or notDestroyed
 *
 * Returns: (transfer full): what is not known, or not there, is TEMPORARY
 */
GError *
postern_jmap_set_error_to_error (JsonObject *set_error)
{
  const char *type = postern_json_get_string (set_error, "type");
  const char *description = postern_json_get_string (set_error, "description");
  PosternError code = POSTERN_ERROR_TEMPORARY;

  if (set_error == NULL)
    return g_error_new (POSTERN_ERROR, code, "The server did not say what became of it");
  for (gsize i = 0; i < G_N_ELEMENTS (set_errors); i++)
    if (g_strcmp0 (type, set_errors[i].type) == 0)
      code = set_errors[i].code;
  return g_error_new (POSTERN_ERROR,
                      code,
                      "%s%s%s",
                      type != NULL ? type : "An error without a type",
                      description != NULL ? ": " : "",
                      description != NULL ? description : "");
}

gboolean
postern_jmap_set_error_is (JsonObject *set_error, const char *type)
{
  return g_strcmp0 (postern_json_get_string (set_error, "type"), type) == 0;
}

/**
 * postern_jmap_patch_mailbox:
 *
 * Adds to a patch object that the email is, or is not, in a mailbox.
 */
void
postern_jmap_patch_mailbox (JsonObject *patch, const char *mailbox_id, gboolean is_in)
{
  g_autofree char *path = g_strconcat ("mailboxIds/", mailbox_id, NULL);

  if (is_in)
    json_object_set_boolean_member (patch, path, TRUE);
  else
    json_object_set_null_member (patch, path);
}
