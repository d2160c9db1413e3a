/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-jmap"

#include "config.h"

#include "jmap/jmap-submission.h"

#include "base/error.h"
#include "jmap/json-read.h"

#include <string.h>

/* RFC 3461 section 4: "+" and two hexadecimal digits stand for an octet. JMAP wants the text that
 * was meant (RFC 8621 section 7). Returns: (transfer full) (nullable): NULL when it is no UTF-8. */
static char *
decode_xtext (const char *xtext)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (const char *at = xtext; *at != '\0'; at++)
    if (at[0] == '+' && g_ascii_isxdigit (at[1]) && g_ascii_isxdigit (at[2]))
      {
        g_string_append_c (
            text,
            (char) (g_ascii_xdigit_value (at[1]) << 4 | g_ascii_xdigit_value (at[2])));
        at += 2;
      }
    else
      g_string_append_c (text, *at);
  if (strlen (text->str) != text->len || !g_utf8_validate (text->str, -1, NULL))
    return NULL;
  return g_strdup (text->str);
}

static void
set_xtext (JsonObject *parameters, const char *name, const char *xtext)
{
  g_autofree char *text = xtext != NULL ? decode_xtext (xtext) : NULL;

  if (text != NULL)
    json_object_set_string_member (parameters, name, text);
}

/* @parameters: (transfer full) */
static JsonObject *
make_address (const char *address, JsonObject *parameters)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "email", address);
  if (json_object_get_size (parameters) > 0)
    json_object_set_object_member (object, "parameters", parameters);
  else
    {
      json_object_set_null_member (object, "parameters");
      json_object_unref (parameters);
    }
  return object;
}

static JsonObject *
make_sender (const PosternEnvelope *envelope, GHashTable *extensions)
{
  JsonObject *parameters = json_object_new ();

  if (envelope->smtputf8 && g_hash_table_contains (extensions, "SMTPUTF8"))
    json_object_set_null_member (parameters, "SMTPUTF8");
  if (envelope->eight_bit && g_hash_table_contains (extensions, "8BITMIME"))
    json_object_set_string_member (parameters, "BODY", "8BITMIME");
  if (g_hash_table_contains (extensions, "DSN"))
    {
      if (envelope->ret != NULL)
        json_object_set_string_member (parameters, "RET", envelope->ret);
      set_xtext (parameters, "ENVID", envelope->envid);
    }
  return make_address (envelope->sender, parameters);
}

/* The local part belongs to its host, which may tell cases apart; a domain does not. */
static char *
make_recipient_key (const char *address)
{
  const char *at = strrchr (address, '@');
  g_autofree char *domain = at != NULL ? g_utf8_casefold (at, -1) : NULL;

  return at != NULL ? g_strdup_printf ("%.*s%s", (int) (at - address), address, domain)
                    : g_strdup (address);
}

/**
 * postern_jmap_submission_envelope:
 * @extensions: (element-type utf8 -): EHLO names that the server takes; parameters of others are left out
 *
 * Returns: (transfer full): the Envelope object of RFC 8621 section 7, each recipient once
 */
JsonObject *
postern_jmap_submission_envelope (const PosternEnvelope *envelope, GHashTable *extensions)
{
  g_autoptr (GHashTable) told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gboolean has_dsn = g_hash_table_contains (extensions, "DSN");
  JsonObject *object = json_object_new ();
  JsonArray *recipients = json_array_new ();

  for (guint i = 0; i < envelope->recipients->len; i++)
    {
      const PosternRecipient *recipient = g_ptr_array_index (envelope->recipients, i);
      JsonObject *parameters;

      if (!g_hash_table_add (told, make_recipient_key (recipient->address)))
        continue;
      parameters = json_object_new ();
      if (has_dsn && recipient->notify != NULL)
        json_object_set_string_member (parameters, "NOTIFY", recipient->notify);
      if (has_dsn)
        set_xtext (parameters, "ORCPT", recipient->orcpt);
      json_array_add_object_element (recipients, make_address (recipient->address, parameters));
    }
  json_object_set_object_member (object, "mailFrom", make_sender (envelope, extensions));
  json_object_set_array_member (object, "rcptTo", recipients);
  return object;
}

static void
set_result (PosternSubmitResult *result,
            PosternError code,
            guint smtp_code,
            const char *enhanced,
            const char *type,
            const char *description)
{
  g_clear_error (&result->error);
  result->error = g_error_new (POSTERN_ERROR,
                               code,
                               "%s%s%s",
                               type != NULL ? type : "An error without a type",
                               description != NULL ? ": " : "",
                               description != NULL ? description : "");
  result->code = smtp_code;
  g_strlcpy (result->enhanced, enhanced, sizeof result->enhanced);
}

/**
 * postern_jmap_submission_failed:
 *
 * The request itself failed, so nothing was said of this message: it is to be tried again, whatever
 * the error's code would mean elsewhere.
 */
void
postern_jmap_submission_failed (PosternSubmitResult *result, const GError *error)
{
  g_clear_error (&result->error);
  result->error = g_error_copy (error);
  if (error->domain == POSTERN_ERROR && !postern_error_is_temporary (error))
    result->error->code = POSTERN_ERROR_TEMPORARY;
  result->code = result->may_have_arrived ? 0 : 451;
  g_strlcpy (result->enhanced,
             result->may_have_arrived                                            ? ""
             : g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE)     ? "4.4.1"
             : g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS) ? "4.7.8"
                                                                                 : "4.3.0",
             sizeof result->enhanced);
}

/* "5.7.1 text" gives 5.7.1; text without an enhanced code gives FALSE (RFC 3463 section 2). */
static gboolean
read_enhanced (const char *text, char enhanced[12])
{
  gsize length;

  if (text == NULL)
    return FALSE;
  /* Some put the reply code before it. */
  if (g_ascii_isdigit (text[0]) && g_ascii_isdigit (text[1]) && g_ascii_isdigit (text[2]) &&
      (text[3] == ' ' || text[3] == '-'))
    text += 4;
  length = strspn (text, "0123456789.");
  if (length < 5 || length > 11 || (text[0] != '4' && text[0] != '5') || text[1] != '.' ||
      strchr (text + 2, '.') == NULL || strchr (text + 2, '.') >= text + length - 1 ||
      (text[length] != '\0' && text[length] != ' '))
    return FALSE;
  g_strlcpy (enhanced, text, length + 1);
  return TRUE;
}

static const struct
{
  const char *type;
  PosternError code;
  guint smtp_code;
  const char *enhanced;
} refusals[] = {
  { "noRecipients", POSTERN_ERROR_REFUSED, 554, "5.5.1" },
  { "forbiddenFrom", POSTERN_ERROR_REFUSED, 550, "5.7.1" },
  { "forbiddenMailFrom", POSTERN_ERROR_REFUSED, 550, "5.7.1" },
  { "invalidEmail", POSTERN_ERROR_REFUSED, 554, "5.6.0" },
  { "tooManyRecipients", POSTERN_ERROR_TEMPORARY, 452, "4.5.3" },
  { "tooLarge", POSTERN_ERROR_TOO_LARGE, 552, "5.3.4" },
  { "overQuota", POSTERN_ERROR_FULL, 452, "4.2.2" },
  { "emailNotFound", POSTERN_ERROR_NOT_FOUND, 451, "4.3.0" },
};

static void
refuse_recipients (PosternSubmitResult *result, JsonObject *set_error)
{
  JsonArray *list = postern_json_get_array (set_error, "invalidRecipients");

  set_result (result,
              POSTERN_ERROR_REFUSED,
              550,
              "5.1.1",
              "invalidRecipients",
              postern_json_get_string (set_error, "description"));
  for (guint i = 0; i < postern_json_get_length (list); i++)
    {
      const char *address = postern_json_get_string_at (list, i);

      if (address == NULL)
        continue;
      if (result->refused == NULL)
        result->refused = g_ptr_array_new_with_free_func (g_free);
      g_ptr_array_add (result->refused, g_strdup (address));
    }
}

static gboolean
names_recipients (JsonObject *set_error)
{
  JsonArray *properties = postern_json_get_array (set_error, "properties");

  for (guint i = 0; i < postern_json_get_length (properties); i++)
    if (g_strcmp0 (postern_json_get_string_at (properties, i), "envelope/rcptTo") == 0)
      return TRUE;
  return FALSE;
}

/**
 * postern_jmap_submission_refused:
 * @set_error: of notCreated
 *
 * Puts a refusal in SMTP terms: what a server says of its own next hop by that, what is about the
 * message or its addresses as permanent, and everything not known as "later".
 */
void
postern_jmap_submission_refused (PosternSubmitResult *result, JsonObject *set_error)
{
  const char *type = postern_json_get_string (set_error, "type");
  const char *description = postern_json_get_string (set_error, "description");
  char enhanced[12];

  if (g_strcmp0 (type, "invalidRecipients") == 0)
    {
      refuse_recipients (result, set_error);
      return;
    }
  if (g_strcmp0 (type, "invalidProperties") == 0 && names_recipients (set_error))
    {
      set_result (result, POSTERN_ERROR_REFUSED, 554, "5.5.1", type, description);
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++)
    if (g_strcmp0 (type, refusals[i].type) == 0)
      {
        set_result (result,
                    refusals[i].code,
                    refusals[i].smtp_code,
                    refusals[i].enhanced,
                    type,
                    description);
        return;
      }
  if ((g_strcmp0 (type, "forbiddenToSend") == 0 || g_strcmp0 (type, "smtpProtocolError") == 0) &&
      read_enhanced (description, enhanced))
    {
      set_result (result,
                  enhanced[0] == '5' ? POSTERN_ERROR_REFUSED : POSTERN_ERROR_TEMPORARY,
                  enhanced[0] == '5' ? 550 : 451,
                  enhanced,
                  type,
                  description);
      return;
    }
  set_result (result, POSTERN_ERROR_TEMPORARY, 451, "4.3.0", type, description);
}
