/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/encoded-word.h"

#include <string.h>

/* RFC 2047: "=?charset?B?…?=" and "=?charset?Q?…?=" in a header field, for showing it to a person.
 * What cannot be decoded is shown as it came. */

#define CHARSET_MAX 64 /* octets; a longer name is none */

static char *
decode_q (const char *text, gsize length, gsize *decoded_length)
{
  GString *decoded = g_string_sized_new (length);

  for (gsize i = 0; i < length; i++)
    if (text[i] == '_') /* section 4.2 (2): a blank, whatever the charset */
      g_string_append_c (decoded, ' ');
    else if (text[i] == '=' && i + 2 < length && g_ascii_isxdigit (text[i + 1]) &&
             g_ascii_isxdigit (text[i + 2]))
      {
        g_string_append_c (
            decoded,
            (char) (g_ascii_xdigit_value (text[i + 1]) * 16 + g_ascii_xdigit_value (text[i + 2])));
        i += 2;
      }
    else
      g_string_append_c (decoded, text[i]);
  *decoded_length = decoded->len;
  return g_string_free (decoded, FALSE);
}

static char *
decode_b (const char *text, gsize length, gsize *decoded_length)
{
  g_autofree char *copy = g_strndup (text, length);

  return (char *) g_base64_decode (copy, decoded_length);
}

/* Appends what the encoded word at @word says, and returns how long it is there; 0 when there is none. */
static gsize
append_word (GString *out, const char *word)
{
  const char *charset = word + 2;
  const char *encoding;
  const char *text;
  const char *end;
  g_autofree char *name = NULL;
  g_autofree char *octets = NULL;
  g_autofree char *utf8 = NULL;
  gsize length = 0;

  if (!g_str_has_prefix (word, "=?") || (encoding = strchr (charset, '?')) == NULL ||
      encoding - charset > CHARSET_MAX || encoding == charset || encoding[1] == '\0' ||
      encoding[2] != '?')
    return 0;
  text = encoding + 3;
  end = strstr (text, "?=");
  if (end == NULL || strcspn (text, " \t\r\n") < (gsize) (end - text))
    return 0;

  if (g_ascii_toupper (encoding[1]) == 'B')
    octets = decode_b (text, (gsize) (end - text), &length);
  else if (g_ascii_toupper (encoding[1]) == 'Q')
    octets = decode_q (text, (gsize) (end - text), &length);
  else
    return 0;
  name = g_strndup (charset, (gsize) (encoding - charset));
  if (strchr (name, '*') != NULL) /* RFC 2231 section 5: a language may follow */
    *strchr (name, '*') = '\0';
  utf8 = g_convert (octets, (gssize) length, "UTF-8", name, NULL, NULL, NULL);
  if (utf8 == NULL)
    return 0;
  g_string_append (out, utf8);
  return (gsize) (end + 2 - word);
}

static gsize
blanks (const char *text)
{
  return strspn (text, " \t\r\n");
}

/**
 * postern_encoded_word_decode:
 * @value: of an unstructured field, folded or not, in any charset
 *
 * Returns: (transfer full): the same for a person: one line of valid UTF-8 without control characters
 */
char *
postern_encoded_word_decode (const char *value)
{
  GString *out = g_string_new (NULL);
  g_autofree char *valid = NULL;
  gboolean after_word = FALSE;

  while (*value != '\0')
    {
      gsize skipped = blanks (value);
      gsize length;
      gsize before = out->len;

      /* Section 6.2: blanks between two encoded words are not shown. */
      if (skipped > 0)
        g_string_append_c (out, ' ');
      length = append_word (out, value + skipped);
      if (length > 0 && after_word && skipped > 0)
        g_string_erase (out, (gssize) before, 1);
      after_word = length > 0;
      value += skipped + length;
      if (length > 0)
        continue;
      if (*value != '\0')
        g_string_append_c (out, *value++);
      while (*value != '\0' && blanks (value) == 0 && !g_str_has_prefix (value, "=?"))
        g_string_append_c (out, *value++);
    }
  valid = g_utf8_make_valid (out->str, (gssize) out->len);
  g_string_free (out, TRUE);
  for (char *c = valid; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  return g_strdup (g_strstrip (valid));
}
