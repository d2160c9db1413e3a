/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/smtp-arguments.h"

#include "mail/address.h"

#include <string.h>

#define MAX_LINE 512 /* RFC 5321 section 4.5.3.1.4 */
/* What extensions add to MAIL: RFC 1870 section 3 (SIZE) 26, RFC 6152 section 2 (BODY) 17, RFC 6531
 * section 3.1 (SMTPUTF8) 10, RFC 4954 section 3 (AUTH) 500, and what RET and ENVID of RFC 3461
 * sections 4.3 and 4.4 can fill: " RET=FULL" 9, " ENVID=" with 100 octets 107. */
#define MAX_MAIL_LINE (MAX_LINE + 26 + 17 + 10 + 500 + 9 + 107)
/* To RCPT: RFC 6531 section 3.1 10, " NOTIFY=SUCCESS,FAILURE,DELAY" 29, " ORCPT=" with 500 507. */
#define MAX_RCPT_LINE (MAX_LINE + 10 + 29 + 507)
#define MAX_AUTH_LINE 12288 /* RFC 4954 section 4 */
#define MAX_NAME      255   /* octets, RFC 5321 section 4.5.3.1.2 */
#define MAX_ENVID     100   /* octets, RFC 3461 section 4.4 */
#define MAX_ORCPT     500   /* octets, RFC 3461 section 4.2 */

typedef struct
{
  char *keyword;
  char *value; /* (nullable): NULL without "=" */
} Parameter;

static gboolean
refuse (PosternSmtpReply **refusal, guint code, const char *enhanced, const char *text)
{
  *refusal = postern_smtp_reply_new (code, enhanced, text);
  return FALSE;
}

/* RFC 3461 section 4: '!' to '~' without '+' and '=', or "+" and two upper-case hex digits. Some
 * clients write them in lower case, which nobody misunderstands. */
static gboolean
is_xtext (const char *text)
{
  for (const char *c = text; *c != '\0'; c++)
    {
      if (*c < '!' || *c > '~' || *c == '=')
        return FALSE;
      if (*c != '+')
        continue;
      if (!g_ascii_isxdigit (c[1]) || !g_ascii_isxdigit (c[2]))
        return FALSE;
      c += 2;
    }
  return TRUE;
}

/* RFC 6533 section 3: in an utf-8 address type, UTF-8 or "\x{HEX}" may stand too. */
static gboolean
is_utf8_addr_xtext (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;
  for (const char *c = text; *c != '\0'; c++)
    if ((guchar) *c <= ' ' || *c == 0x7f)
      return FALSE;
  return TRUE;
}

static gboolean
is_orcpt (const char *text)
{
  const char *semicolon = strchr (text, ';');

  if (semicolon == NULL || semicolon == text || semicolon[1] == '\0' || strlen (text) > MAX_ORCPT)
    return FALSE;
  for (const char *c = text; c < semicolon; c++)
    if (!g_ascii_isalnum (*c) && *c != '-')
      return FALSE;
  if (g_ascii_strncasecmp (text, "utf-8;", 6) == 0)
    return is_utf8_addr_xtext (semicolon + 1);
  return is_xtext (semicolon + 1);
}

/* RFC 3461 section 4.1: NEVER stands alone, the others once each. */
static gboolean
is_notify (const char *text)
{
  static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };
  guint seen = 0;

  if (g_ascii_strcasecmp (text, "NEVER") == 0)
    return TRUE;
  for (;;)
    {
      gsize length = strcspn (text, ",");
      guint i = 0;

      while (i < G_N_ELEMENTS (words) &&
             (strlen (words[i]) != length || g_ascii_strncasecmp (text, words[i], length) != 0))
        i++;
      if (i == G_N_ELEMENTS (words) || (seen & 1u << i) != 0)
        return FALSE;
      seen |= 1u << i;
      if (text[length] == '\0')
        return TRUE;
      text += length + 1;
    }
}

/* RFC 5321 section 4.1.2: Keyword ["=" value], the value without "=", space and control. */
static gboolean
is_parameter (const Parameter *parameter)
{
  for (const char *c = parameter->keyword; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && (*c != '-' || c == parameter->keyword))
      return FALSE;
  if (parameter->keyword[0] == '\0' || parameter->value == NULL)
    return parameter->keyword[0] != '\0';
  for (const char *c = parameter->value; *c != '\0'; c++)
    if ((guchar) *c <= ' ' || *c == 0x7f)
      return FALSE;
  return parameter->value[0] != '\0' && g_utf8_validate (parameter->value, -1, NULL);
}

/* Reads "FROM:" or "TO:", a path, and cuts what follows into parameters.
 * Returns: (transfer full) (element-type Parameter) (nullable) */
static GArray *
parse (const char *arguments,
       const char *label,
       char **mailbox,
       char **copy,
       PosternSmtpReply **refusal)
{
  g_autoptr (GArray) parameters = g_array_new (FALSE, FALSE, sizeof (Parameter));
  gsize length;
  char *rest;

  if (g_ascii_strncasecmp (arguments, label, strlen (label)) != 0)
    {
      *refusal = postern_smtp_reply_printf (501, "5.5.4", "Write %s<address>", label);
      return NULL;
    }
  arguments += strlen (label);
  arguments += strspn (arguments, " "); /* not allowed, and often sent */
  length = postern_address_scan_path (arguments, mailbox);
  if (length == 0 || (arguments[length] != '\0' && arguments[length] != ' '))
    {
      gboolean sender = g_str_has_prefix (label, "FROM");

      if (length > 0)
        g_clear_pointer (mailbox, g_free);
      refuse (refusal, 501, sender ? "5.1.7" : "5.1.3", "This is no address: write <name@domain>");
      return NULL;
    }

  rest = *copy = g_strdup (arguments + length);
  while (*(rest += strspn (rest, " ")) != '\0')
    {
      Parameter parameter = { .keyword = rest };

      rest += strcspn (rest, " ");
      if (*rest != '\0')
        *rest++ = '\0';
      parameter.value = strchr (parameter.keyword, '=');
      if (parameter.value != NULL)
        *parameter.value++ = '\0';
      if (!is_parameter (&parameter))
        {
          refuse (refusal, 501, "5.5.4", "A parameter is malformed: write KEYWORD=value");
          return NULL;
        }
      for (guint i = 0; i < parameters->len; i++)
        if (g_ascii_strcasecmp (g_array_index (parameters, Parameter, i).keyword,
                                parameter.keyword) == 0)
          {
            refuse (refusal, 501, "5.5.4", "A parameter is given twice");
            return NULL;
          }
      g_array_append_val (parameters, parameter);
    }
  return g_steal_pointer (&parameters);
}

static gboolean
is (const Parameter *parameter, const char *keyword)
{
  return g_ascii_strcasecmp (parameter->keyword, keyword) == 0;
}

static gboolean
value_is (const Parameter *parameter, const char *value)
{
  return parameter->value != NULL && g_ascii_strcasecmp (parameter->value, value) == 0;
}

static gboolean
apply_mail (PosternEnvelope *envelope,
            const Parameter *parameter,
            guint64 max_size_octets,
            PosternSmtpReply **refusal)
{
  const char *value = parameter->value;

  if (is (parameter, "SIZE"))
    {
      /* RFC 1870 section 5: up to 20 digits; a number that is too large for us is too large. */
      if (value == NULL || strlen (value) > 20 || strspn (value, "0123456789") != strlen (value))
        return refuse (refusal, 501, "5.5.4", "SIZE takes a number of octets");
      if (!g_ascii_string_to_unsigned (value,
                                       10,
                                       0,
                                       G_MAXUINT64,
                                       &envelope->declared_size_octets,
                                       NULL))
        envelope->declared_size_octets = G_MAXUINT64;
      if (max_size_octets > 0 && envelope->declared_size_octets > max_size_octets)
        {
          *refusal = postern_smtp_reply_printf (552,
                                                "5.3.4",
                                                "A message may have %" G_GUINT64_FORMAT " octets",
                                                max_size_octets);
          return FALSE;
        }
      return TRUE;
    }
  if (is (parameter, "BODY"))
    {
      envelope->eight_bit = value_is (parameter, "8BITMIME");
      return envelope->eight_bit || value_is (parameter, "7BIT") ||
             refuse (refusal, 501, "5.5.4", "BODY is 7BIT or 8BITMIME here");
    }
  if (is (parameter, "SMTPUTF8"))
    {
      envelope->smtputf8 = TRUE;
      return value == NULL || refuse (refusal, 501, "5.5.4", "SMTPUTF8 takes no value");
    }
  if (is (parameter, "RET"))
    {
      if (!value_is (parameter, "FULL") && !value_is (parameter, "HDRS"))
        return refuse (refusal, 501, "5.5.4", "RET is FULL or HDRS");
      envelope->ret = g_ascii_strup (value, -1);
      return TRUE;
    }
  if (is (parameter, "ENVID"))
    {
      if (value == NULL || strlen (value) > MAX_ENVID || !is_xtext (value))
        return refuse (refusal, 501, "5.5.4", "ENVID takes up to 100 octets of xtext");
      envelope->envid = g_strdup (value);
      return TRUE;
    }
  if (is (parameter, "AUTH"))
    {
      /* RFC 4954 section 5: who wrote it originally. The login says that here, so it is unused. */
      return (value != NULL && (is_xtext (value) || strcmp (value, "<>") == 0)) ||
             refuse (refusal, 501, "5.5.4", "AUTH takes an address as xtext, or <>");
    }
  return refuse (refusal, 555, "5.5.4", "MAIL has a parameter that is not known here");
}

/**
 * postern_smtp_parse_mail:
 * @arguments: what follows "MAIL "
 * @max_size_octets: what SIZE= may ask for; 0: anything
 * @refusal: (out) (transfer full): set when NULL is returned
 *
 * Returns: (transfer full) (nullable): an envelope that has no recipients yet.
 */
PosternEnvelope *
postern_smtp_parse_mail (const char *arguments, guint64 max_size_octets, PosternSmtpReply **refusal)
{
  g_autoptr (PosternEnvelope) envelope = NULL;
  g_autoptr (GArray) parameters = NULL;
  g_autofree char *mailbox = NULL;
  g_autofree char *copy = NULL;

  parameters = parse (arguments, "FROM:", &mailbox, &copy, refusal);
  if (parameters == NULL)
    return NULL;
  envelope = postern_envelope_new (mailbox);
  for (guint i = 0; i < parameters->len; i++)
    if (!apply_mail (envelope, &g_array_index (parameters, Parameter, i), max_size_octets, refusal))
      return NULL;

  /* RFC 6531 section 3.5 */
  if (!envelope->smtputf8 && !postern_address_is_ascii (mailbox))
    {
      refuse (refusal, 553, "5.6.7", "This address needs SMTPUTF8 with MAIL");
      return NULL;
    }
  return g_steal_pointer (&envelope);
}

static gboolean
apply_rcpt (PosternRecipient *recipient, const Parameter *parameter, PosternSmtpReply **refusal)
{
  const char *value = parameter->value;

  if (is (parameter, "NOTIFY"))
    {
      if (value == NULL || !is_notify (value))
        return refuse (refusal, 501, "5.5.4", "NOTIFY is NEVER, or of SUCCESS,FAILURE,DELAY");
      recipient->notify = g_ascii_strup (value, -1);
      return TRUE;
    }
  if (is (parameter, "ORCPT"))
    {
      if (value == NULL || !is_orcpt (value))
        return refuse (refusal, 501, "5.5.4", "ORCPT takes an address type, ';' and xtext");
      recipient->orcpt = g_strdup (value);
      return TRUE;
    }
  return refuse (refusal, 555, "5.5.4", "RCPT has a parameter that is not known here");
}

/**
 * postern_smtp_parse_rcpt:
 * @arguments: what follows "RCPT "
 * @smtputf8: whether MAIL said so
 * @recipient: (out caller-allocates): its members are the caller's to free when TRUE is returned
 * @refusal: (out) (transfer full): set when FALSE is returned
 */
gboolean
postern_smtp_parse_rcpt (const char *arguments,
                         gboolean smtputf8,
                         PosternRecipient *recipient,
                         PosternSmtpReply **refusal)
{
  g_autoptr (GArray) parameters = NULL;
  g_autofree char *mailbox = NULL;
  g_autofree char *copy = NULL;
  gboolean good;

  memset (recipient, 0, sizeof *recipient);
  parameters = parse (arguments, "TO:", &mailbox, &copy, refusal);
  if (parameters == NULL)
    return FALSE;
  if (mailbox[0] == '\0')
    return refuse (refusal, 501, "5.1.3", "A recipient needs an address");
  if (!smtputf8 && !postern_address_is_ascii (mailbox))
    return refuse (refusal, 553, "5.6.7", "This address needs SMTPUTF8 with MAIL");

  good = TRUE;
  for (guint i = 0; i < parameters->len && good; i++)
    good = apply_rcpt (recipient, &g_array_index (parameters, Parameter, i), refusal);
  if (!good)
    {
      g_clear_pointer (&recipient->notify, g_free);
      g_clear_pointer (&recipient->orcpt, g_free);
      return FALSE;
    }
  recipient->address = g_steal_pointer (&mailbox);
  return TRUE;
}

/**
 * postern_smtp_parse_bdat:
 * @arguments: what follows "BDAT "
 *
 * Returns: FALSE when it cannot be told where the chunk ends (RFC 3030 section 2).
 */
gboolean
postern_smtp_parse_bdat (const char *arguments, guint64 *octets, gboolean *last)
{
  g_autofree char *number = NULL;
  gsize digits = strspn (arguments, "0123456789");
  const char *rest = arguments + digits;

  if (digits == 0)
    return FALSE;
  number = g_strndup (arguments, digits);
  if (!g_ascii_string_to_unsigned (number, 10, 0, G_MAXUINT64, octets, NULL))
    return FALSE;
  if (*rest != '\0' && *rest != ' ')
    return FALSE;
  rest += strspn (rest, " ");
  *last = g_ascii_strcasecmp (rest, "LAST") == 0;
  return *last || *rest == '\0';
}

/**
 * postern_smtp_is_hello:
 * @name: what follows "EHLO " or "HELO "
 *
 * Returns: whether it will do. A name or an address literal is due; clients send what their machine
 *   is called, so anything that is one word is taken. Nothing is decided by it.
 */
gboolean
postern_smtp_is_hello (const char *name)
{
  gsize length = strlen (name);

  for (gsize i = 0; i < length; i++)
    if ((guchar) name[i] <= ' ' || name[i] == 0x7f)
      return FALSE;
  return length > 0 && length <= MAX_NAME && g_utf8_validate (name, -1, NULL);
}

static gboolean
begins_with (const char *start, gsize length, const char *verb)
{
  gsize octets = strlen (verb);

  return length >= octets && g_ascii_strncasecmp (start, verb, octets) == 0;
}

/**
 * postern_smtp_get_line_limit:
 * @start: how the line begins
 * @length: octets of it that are known
 * @may_log_in: whether AUTH would be taken
 * @in_auth: whether the line is a response to a challenge
 *
 * Returns: how many octets the line may have, its end included. The long ones are only for those
 *   who can use them.
 */
gsize
postern_smtp_get_line_limit (const char *start,
                             gsize length,
                             gboolean logged_in,
                             gboolean may_log_in,
                             gboolean in_auth)
{
  if (logged_in && begins_with (start, length, "MAIL "))
    return MAX_MAIL_LINE;
  if (logged_in && begins_with (start, length, "RCPT "))
    return MAX_RCPT_LINE;
  if (!logged_in && may_log_in && (in_auth || begins_with (start, length, "AUTH ")))
    return MAX_AUTH_LINE;
  return MAX_LINE;
}
