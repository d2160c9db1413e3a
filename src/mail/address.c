/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/address.h"

#include <string.h>

/* RFC 5321 section 4.5.3.1 gives 64 to the local part and 255 to the domain. Addresses that lists
 * make up for bounces are longer than 64 before the "@" and do work, so only the sum is held to. */
#define MAX_ADDRESS 320 /* octets */

static gboolean
is_atext (guchar c)
{
  /* RFC 5322 section 3.2.3, with RFC 6532 section 3.2 */
  return g_ascii_isalnum (c) || c >= 0x80 || (c != '\0' && strchr ("!#$%&'*+-/=?^_`{|}~", c));
}

/* Returns the length of a local part at @text, 0 when there is none. */
static gsize
scan_local (const char *text)
{
  gsize at = 0;

  if (text[0] == '"')
    {
      for (at = 1; text[at] != '"'; at++)
        {
          /* RFC 5321 section 4.1.2: qtextSMTP and quoted-pairSMTP */
          if (text[at] == '\\')
            at++;
          if ((guchar) text[at] < 0x20 || text[at] == 0x7f)
            return 0;
        }
      return at + 1;
    }

  for (;;)
    {
      gsize start = at;

      while (is_atext ((guchar) text[at]))
        at++;
      if (at == start)
        return 0;
      if (text[at] != '.')
        return at;
      at++;
    }
}

/* Returns the length of a domain or address literal at @text, 0 when there is none. */
static gsize
scan_domain (const char *text)
{
  gsize at = 0;

  if (text[0] == '[')
    {
      for (at = 1; text[at] != ']'; at++)
        if (text[at] < 0x21 || text[at] > 0x7e || text[at] == '[' || text[at] == '\\')
          return 0;
      return at > 1 ? at + 1 : 0;
    }

  for (;;)
    {
      gsize start = at;

      /* The underscore is in no standard, and in names people have. */
      while (g_ascii_isalnum (text[at]) || (guchar) text[at] >= 0x80 || text[at] == '_' ||
             (text[at] == '-' && at > start))
        at++;
      if (at == start || text[at - 1] == '-' || at - start > 63 * 4)
        return 0;
      if (text[at] != '.')
        return at;
      at++;
    }
}

static gsize
scan_mailbox (const char *text)
{
  gsize local = scan_local (text);
  gsize domain;

  if (local == 0 || text[local] != '@')
    return 0;
  domain = scan_domain (text + local + 1);
  if (domain == 0 || local + 1 + domain > MAX_ADDRESS ||
      !g_utf8_validate (text, (gssize) (local + 1 + domain), NULL))
    return 0;
  return local + 1 + domain;
}

/**
 * postern_address_scan_path:
 * @text: begins with "<"
 * @mailbox: (out) (transfer full): what the brackets hold; "" for "<>"
 *
 * Reads a reverse-path or forward-path (RFC 5321 section 4.1.2). A source route is left out, as
 * section 3.3 allows.
 * Returns: how many octets the path has, 0 when it is none.
 */
gsize
postern_address_scan_path (const char *text, char **mailbox)
{
  gsize at = 1;
  gsize length;

  if (text[0] != '<')
    return 0;
  if (text[1] == '>')
    {
      *mailbox = g_strdup ("");
      return 2;
    }

  while (text[at] == '@')
    {
      length = scan_domain (text + at + 1);
      if (length == 0)
        return 0;
      at += 1 + length;
      if (text[at] != ',' && text[at] != ':')
        return 0;
      if (text[at++] == ',' && text[at] != '@')
        return 0;
    }

  length = scan_mailbox (text + at);
  if (length == 0 || text[at + length] != '>')
    return 0;
  *mailbox = g_strndup (text + at, length);
  return at + length + 1;
}

gboolean
postern_address_is_valid (const char *address)
{
  gsize length = scan_mailbox (address);

  return length > 0 && address[length] == '\0';
}

/**
 * postern_address_is_ascii:
 *
 * Returns: FALSE when the address can only travel with SMTPUTF8 (RFC 6531).
 */
gboolean
postern_address_is_ascii (const char *address)
{
  return g_str_is_ascii (address);
}

/**
 * postern_address_join:
 * @local: the meaning of the local part, quotes and backslashes taken off
 *
 * Returns: (transfer full): the address, the local part quoted if and only if it must be. It is
 *   valid only if its parts were.
 */
char *
postern_address_join (const char *local, const char *domain)
{
  g_autoptr (GString) address = NULL;
  gsize plain = scan_local (local);

  if (plain > 0 && local[0] != '"' && local[plain] == '\0')
    return g_strconcat (local, "@", domain, NULL);

  address = g_string_new ("\"");
  for (const char *c = local; *c != '\0'; c++)
    {
      if (*c == '"' || *c == '\\')
        g_string_append_c (address, '\\');
      g_string_append_c (address, *c);
    }
  g_string_append_printf (address, "\"@%s", domain);
  return g_string_free (g_steal_pointer (&address), FALSE);
}

/* Returns what a local part means, its quoting removed. */
static char *
unquote_local (const char *local, gsize length)
{
  g_autoptr (GString) meaning = g_string_sized_new (length);

  if (local[0] != '"')
    return g_strndup (local, length);
  for (gsize i = 1; i + 1 < length; i++)
    {
      if (local[i] == '\\')
        i++;
      g_string_append_c (meaning, local[i]);
    }
  return g_string_free (g_steal_pointer (&meaning), FALSE);
}

static char *
normalise_domain (const char *domain)
{
  g_autofree char *ascii = NULL;

  if (domain[0] == '[' || (ascii = g_hostname_to_ascii (domain)) == NULL)
    return g_ascii_strdown (domain, -1);
  return g_ascii_strdown (ascii, -1);
}

/**
 * postern_address_normalise:
 *
 * Returns: (transfer full) (nullable): the form to compare and to keep: domain in lower case and as
 *   A-label (RFC 5890), needless quotes off the local part, whose case stays since it belongs to
 *   the domain (RFC 5321 section 2.4). NULL when @address is no address,
 *   or its normal form would be none.
 */
char *
postern_address_normalise (const char *address)
{
  gsize local_length = scan_local (address);
  g_autofree char *local = NULL;
  g_autofree char *domain = NULL;
  g_autofree char *normal = NULL;

  if (!postern_address_is_valid (address))
    return NULL;
  local = unquote_local (address, local_length);
  domain = normalise_domain (address + local_length + 1);
  normal = postern_address_join (local, domain);
  /* An A-label is longer than what it stands for, and full-width signs become plain ones. */
  return postern_address_is_valid (normal) ? g_steal_pointer (&normal) : NULL;
}

/**
 * postern_address_same_recipient:
 * @a: a valid address
 * @b: a valid address
 *
 * Returns: whether a message to both would reach one mailbox twice: the local part octet by octet,
 *   the domain without regard to case. Called for each pair of a long envelope, hence without
 *   normalising.
 */
gboolean
postern_address_same_recipient (const char *a, const char *b)
{
  gsize local = scan_local (a);

  return strncmp (a, b, local + 1) == 0 && g_ascii_strcasecmp (a + local, b + local) == 0;
}

/**
 * postern_address_is_owned:
 * @owned: (array zero-terminated=1): addresses; "*@domain" stands for all of a domain, "*" for all
 *
 * Returns: whether somebody who owns @owned may send as @address: case ignored, domains as
 *   A-labels, a "+tag" allowed.
 */
gboolean
postern_address_is_owned (const char *address, const char *const *owned)
{
  gsize local_length = scan_local (address);
  g_autofree char *local = NULL;
  g_autofree char *domain = NULL;
  g_autofree char *folded = NULL;
  g_autofree char *untagged = NULL;
  char *tag;

  if (!postern_address_is_valid (address))
    return FALSE;
  local = unquote_local (address, local_length);
  domain = normalise_domain (address + local_length + 1);
  folded = g_utf8_casefold (local, -1);
  untagged = g_strdup (folded);
  tag = strchr (untagged, '+');
  if (tag != NULL && tag > untagged)
    *tag = '\0';

  for (; *owned != NULL; owned++)
    {
      const char *at = strrchr (*owned, '@');
      g_autofree char *owned_domain = NULL;
      g_autofree char *owned_local = NULL;
      g_autofree char *owned_folded = NULL;

      if (strcmp (*owned, "*") == 0)
        return TRUE;
      if (at == NULL || at == *owned)
        continue;
      owned_domain = normalise_domain (at + 1);
      if (strcmp (owned_domain, domain) != 0)
        continue;
      owned_local = unquote_local (*owned, (gsize) (at - *owned));
      if (strcmp (owned_local, "*") == 0)
        return TRUE;
      owned_folded = g_utf8_casefold (owned_local, -1);
      if (strcmp (owned_folded, folded) == 0 || strcmp (owned_folded, untagged) == 0)
        return TRUE;
    }
  return FALSE;
}
