/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/mailbox-list.h"

#include "mail/address.h"

#include <string.h>

/* A recursive descent over RFC 5322 section 3.4, with the obsolete forms of section 4.4 and UTF-8
 * of RFC 6532. Whoever may send as an address is decided by what this finds, so what is not
 * understood is an error and never skipped. */

#define MAX_NESTING 32 /* our own: comments in comments */

static gboolean
is_atext (guchar c)
{
  return g_ascii_isalnum (c) || c >= 0x80 || (c != '\0' && strchr ("!#$%&'*+-/=?^_`{|}~", c));
}

/* Skips blanks and comments. */
static gboolean
skip_blanks (const char **at)
{
  guint depth = 0;

  for (;; (*at)++)
    {
      char c = **at;

      if (c == '(')
        {
          if (++depth > MAX_NESTING)
            return FALSE;
        }
      else if (depth > 0 && c == ')')
        depth--;
      else if (depth > 0 && c == '\\' && (*at)[1] != '\0')
        (*at)++;
      else if (c == '\0')
        return depth == 0;
      else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
        return TRUE;
    }
}

static gboolean
take (const char **at, char c)
{
  if (!skip_blanks (at) || **at != c)
    return FALSE;
  (*at)++;
  return TRUE;
}

static gboolean
sees (const char **at, char c)
{
  return skip_blanks (at) && **at == c;
}

/* word = atom / quoted-string; appends what it means. */
static gboolean
take_word (const char **at, GString *meaning)
{
  const char *start;

  if (!skip_blanks (at))
    return FALSE;
  start = *at;
  if (**at != '"')
    {
      while (is_atext ((guchar) * *at))
        (*at)++;
      g_string_append_len (meaning, start, *at - start);
      return *at > start;
    }

  for ((*at)++; **at != '"'; (*at)++)
    {
      if (**at == '\\')
        (*at)++;
      if (**at == '\0')
        return FALSE;
      if (**at != '\r' && **at != '\n')
        g_string_append_c (meaning, **at);
    }
  (*at)++;
  return TRUE;
}

/* word *("." word) */
static gboolean
take_local (const char **at, GString *local)
{
  for (;;)
    {
      if (!take_word (at, local))
        return FALSE;
      if (!take (at, '.'))
        return TRUE;
      g_string_append_c (local, '.');
    }
}

static gboolean
take_domain (const char **at, GString *domain)
{
  if (sees (at, '['))
    {
      const char *end = strchr (*at, ']');

      if (end == NULL)
        return FALSE;
      g_string_append_len (domain, *at, end + 1 - *at);
      *at = end + 1;
      return TRUE;
    }
  for (;;)
    {
      if (sees (at, '"') || !take_word (at, domain))
        return FALSE;
      if (!take (at, '.'))
        return TRUE;
      g_string_append_c (domain, '.');
    }
}

static gboolean
take_addr_spec (const char **at, GPtrArray *found)
{
  g_autoptr (GString) local = g_string_new (NULL);
  g_autoptr (GString) domain = g_string_new (NULL);
  g_autofree char *address = NULL;

  if (!take_local (at, local) || !take (at, '@') || !take_domain (at, domain))
    return FALSE;
  address = postern_address_join (local->str, domain->str);
  if (!postern_address_is_valid (address))
    return FALSE;
  g_ptr_array_add (found, g_steal_pointer (&address));
  return TRUE;
}

/* "<" [route ":"] addr-spec ">" */
static gboolean
take_angle (const char **at, GPtrArray *found)
{
  if (!take (at, '<'))
    return FALSE;
  if (sees (at, '@') || sees (at, ','))
    {
      for (;;)
        {
          g_autoptr (GString) route = g_string_new (NULL);

          if (take (at, ','))
            continue;
          if (take (at, ':'))
            break;
          if (!take (at, '@') || !take_domain (at, route))
            return FALSE;
        }
    }
  return take_addr_spec (at, found) && take (at, '>');
}

static gboolean take_mailbox (const char **at, GPtrArray *found, gboolean group_allowed);

/* What stands behind the name of a group: [mailbox-list] ";" */
static gboolean
take_group (const char **at, GPtrArray *found)
{
  for (;;)
    {
      if (take (at, ';'))
        return TRUE;
      if (take (at, ','))
        continue;
      if (!take_mailbox (at, found, FALSE) || !(sees (at, ',') || sees (at, ';')))
        return FALSE;
    }
}

static gboolean
take_mailbox (const char **at, GPtrArray *found, gboolean group_allowed)
{
  g_autoptr (GString) phrase = g_string_new (NULL);
  const char *start = *at;

  if (take_addr_spec (at, found))
    return TRUE;

  *at = start;
  for (;;)
    {
      if (sees (at, '<'))
        return take_angle (at, found);
      if (group_allowed && *at > start && take (at, ':'))
        return phrase->len > 0 && take_group (at, found);
      if (phrase->len > 0 && take (at, '.')) /* "John Q. Public" */
        continue;
      if (!take_word (at, phrase))
        return FALSE;
      if (phrase->len == 0) /* "" is a name too */
        g_string_append_c (phrase, ' ');
    }
}

/**
 * postern_mailbox_list_parse:
 * @value: of a From, To or such field, folded or not
 *
 * Returns: (transfer full) (element-type utf8) (nullable): the addresses, those in groups too, as
 *   mail/address writes them; none for an empty group. NULL when the value is not a list of
 *   addresses in every octet.
 */
GPtrArray *
postern_mailbox_list_parse (const char *value)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  const char *at = value;
  gboolean any = FALSE;

  for (;;)
    {
      if (!skip_blanks (&at))
        return NULL;
      if (*at == '\0')
        return any ? g_steal_pointer (&found) : NULL;
      if (take (&at, ','))
        continue;
      if (!take_mailbox (&at, found, TRUE))
        return NULL;
      any = TRUE;
      if (!skip_blanks (&at) || (*at != ',' && *at != '\0'))
        return NULL;
    }
}
