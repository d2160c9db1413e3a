/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-base"

#include "config.h"

#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static PosternRandomSource source_override;

/**
 * postern_random_bytes:
 *
 * Fills @data from the kernel's generator. There is no failure to handle: on every kernel we run
 * on, getrandom() of an initialised pool cannot fail, and going on without randomness would be
 * worse than ending.
 */
void
postern_random_bytes (void *data, gsize length)
{
  guint8 *next = data;

  if (source_override != NULL)
    {
      source_override (data, length);
      return;
    }

  while (length > 0)
    {
      ssize_t got = getrandom (next, length, 0);

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        abort ();
      next += got;
      length -= (gsize) got;
    }
}

/**
 * postern_random_fraction:
 *
 * Returns: at least 0, below 1; for jitter.
 */
double
postern_random_fraction (void)
{
  guint32 bits;

  postern_random_bytes (&bits, sizeof bits);
  return bits / 4294967296.0;
}

/**
 * postern_random_id:
 *
 * Returns: (transfer full): 128 random bits as 32 lower-case hexadecimal digits. Nobody can guess
 *   one, and two never meet.
 */
char *
postern_random_id (void)
{
  static const char digits[] = "0123456789abcdef";
  guint8 bits[POSTERN_ID_LENGTH / 2];
  char *id = g_malloc (POSTERN_ID_LENGTH + 1);

  postern_random_bytes (bits, sizeof bits);
  for (gsize i = 0; i < sizeof bits; i++)
    {
      id[2 * i] = digits[bits[i] >> 4];
      id[2 * i + 1] = digits[bits[i] & 15];
    }
  id[POSTERN_ID_LENGTH] = '\0';
  return id;
}

/**
 * postern_base64url:
 *
 * Returns: (transfer full): @data in the URL-safe alphabet of RFC 4648 section 5, unpadded.
 */
char *
postern_base64url (const guint8 *data, gsize length)
{
  char *text = g_base64_encode (data, length);

  for (char *c = text; *c != '\0'; c++)
    {
      if (*c == '+')
        *c = '-';
      else if (*c == '/')
        *c = '_';
      else if (*c == '=')
        {
          *c = '\0';
          break;
        }
    }
  return text;
}

void
postern_random_set_source (PosternRandomSource source)
{
  source_override = source;
}
