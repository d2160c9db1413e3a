/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/uidl.h"

#include "base/random.h"

#include <string.h>

#define MAX_UIDL 70 /* RFC 1939 section 7 */

static gboolean
is_unique_id (const char *text)
{
  gsize length = 0;

  for (; text[length] != '\0'; length++)
    {
      if (text[length] < 0x21 || text[length] > 0x7e || length == MAX_UIDL)
        return FALSE;
    }
  return length > 0;
}

/**
 * postern_uidl_from_email_id:
 * @email_id: a JMAP Email id, UTF-8
 *
 * The unique id of a message is computed from what the backend calls it and nothing else, so it is
 * the same on another machine and after the store was lost.
 * Returns: (transfer full): the id itself when POP3 can carry it, else its SHA-256 in base64url.
 */
char *
postern_uidl_from_email_id (const char *email_id)
{
  g_autoptr (GChecksum) checksum = NULL;
  guint8 digest[32];
  gsize length = sizeof digest;

  if (is_unique_id (email_id))
    return g_strdup (email_id);
  checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_checksum_update (checksum, (const guchar *) email_id, (gssize) strlen (email_id));
  g_checksum_get_digest (checksum, digest, &length);
  return postern_base64url (digest, sizeof digest);
}
