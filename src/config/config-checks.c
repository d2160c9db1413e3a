/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-config"

#include "config.h"

#include "config/config-checks.h"

#include "base/error.h"

#include <string.h>

/* What a value must be like to make sense. Each check returns what is wrong, to be put behind the
 * value's name, or NULL. */

const char *
postern_config_check_address (const char *text)
{
  const char *at = strrchr (text, '@');

  if (at == NULL || at == text || at[1] == '\0' || strlen (text) > 254)
    return "must be an address like name@example.org";
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_iscntrl (c) || g_unichar_isspace (c) || strchr ("<>,;", (int) c) != NULL ||
          (c == '@' && p != at))
        return "must be an address like name@example.org";
    }
  return NULL;
}

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  if (address == NULL)
    return g_ascii_strcasecmp (host, "localhost") == 0;
  return g_inet_address_get_is_loopback (address);
}

const char *
postern_config_check_listener_address (const char *text)
{
  if (g_hostname_is_ip_address (text) && is_loopback (text))
    return NULL;
  return "must be a loopback address, \"127.0.0.1\" or \"::1\"";
}

const char *
postern_config_check_url (const char *text)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *host = uri == NULL ? NULL : g_uri_get_host (uri);

  if (host == NULL || *host == '\0')
    return "must be an https URL, like https://mail.example.org";
  if (g_uri_get_userinfo (uri) != NULL)
    return "must hold no user name or password; those are kept in the keyring";
  if (g_uri_get_fragment (uri) != NULL)
    return "must have no part behind a #";
  if (g_str_equal (g_uri_get_scheme (uri), "https") ||
      (g_str_equal (g_uri_get_scheme (uri), "http") && is_loopback (host)))
    return NULL;
  return "must be an https URL (http is allowed for this machine itself only)";
}

const char *
postern_config_check_id (const char *text)
{
  gsize length = strlen (text);

  if (length >= 1 && length <= 64 &&
      strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == length)
    return NULL;
  return "must be 1 to 64 letters, digits or _";
}

/**
 * postern_config_check_account:
 * @account: made by hand, not read from a file
 *
 * Returns: FALSE with POSTERN_ERROR_INVALID when the file must not hold such an account; the
 *   message names the member.
 */
gboolean
postern_config_check_account (const PosternConfigAccount *account, GError **error)
{
  const char *member = "id";
  const char *complaint = postern_config_check_id (account->id);

  if (complaint == NULL)
    {
      member = "address";
      complaint = postern_config_check_address (account->address);
    }
  for (char **alias = account->aliases; complaint == NULL && *alias != NULL; alias++)
    {
      member = "alias";
      complaint = postern_config_check_address (*alias);
    }
  if (complaint == NULL)
    {
      member = "url";
      complaint = postern_config_check_url (account->url);
    }
  if (complaint == NULL)
    return TRUE;
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_INVALID,
               "The account's %s %s",
               member,
               complaint);
  return FALSE;
}
