/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/login-throttle.h"

#include "base/clock.h"
#include "base/random.h"

#include <string.h>

/* The table has a fixed size and costs the same work for every login, known or not: a login's keyed
 * hash chooses a row, and whoever has failed least in that row makes room for a new one. So a
 * flood of invented logins wipes out single failures at most, and nobody can choose logins that
 * fall into one row, since the key is random.
 *
 * A mail program with an old password tries it again every few minutes, for ever. That is no
 * guessing, and must not lock out the program beside it that has the right one: a wrong password
 * that was just seen does not count again. */

#define ROWS           256
#define PLACES         8 /* in a row */
#define REMEMBERED     4 /* wrong passwords of a login */
#define FREE_FAILURES  10
#define LOCK_US        (5 * 60 * G_USEC_PER_SEC)
#define FORGET_US      (15 * 60 * G_USEC_PER_SEC)
#define FIRST_DELAY_MS 250
#define MOST_DELAY_MS  8000
#define KEY_OCTETS     32
#define ID_OCTETS      16

typedef struct
{
  guint8 id[ID_OCTETS];
  gint64 last_us; /* monotonic; 0: nobody is here */
  guint failures;
  guint64 passwords[REMEMBERED]; /* keyed hashes */
} Place;

struct _PosternLoginThrottle
{
  guint8 key[KEY_OCTETS];
  Place places[ROWS][PLACES];
};

PosternLoginThrottle *
postern_login_throttle_new (void)
{
  PosternLoginThrottle *self = g_new0 (PosternLoginThrottle, 1);

  postern_random_bytes (self->key, sizeof self->key);
  return self;
}

void
postern_login_throttle_free (PosternLoginThrottle *self)
{
  postern_memory_wipe (self, sizeof *self);
  g_free (self);
}

static void
identify (PosternLoginThrottle *self,
          const char *login,
          PosternExposure exposure,
          const char *proved_address,
          guint8 digest[32])
{
  g_autoptr (GHmac) hmac = g_hmac_new (G_CHECKSUM_SHA256, self->key, sizeof self->key);
  guint8 tag = (guint8) exposure;
  gsize length = 32;

  g_hmac_update (hmac, &tag, 1);
  /* With its NUL, so that login and address cannot be told apart wrongly. */
  g_hmac_update (hmac, (const guchar *) login, (gssize) strlen (login) + 1);
  if (proved_address != NULL)
    g_hmac_update (hmac, (const guchar *) proved_address, -1);
  g_hmac_get_digest (hmac, digest, &length);
}

static guint64
hash_password (PosternLoginThrottle *self, const PosternSecret *password)
{
  g_autoptr (GHmac) hmac = g_hmac_new (G_CHECKSUM_SHA256, self->key, sizeof self->key);
  guint8 digest[32];
  gsize length = sizeof digest;
  guint64 hash;

  g_hmac_update (hmac,
                 (const guchar *) postern_secret_get_text (password),
                 (gssize) postern_secret_get_length (password));
  g_hmac_get_digest (hmac, digest, &length);
  memcpy (&hash, digest, sizeof hash);
  return hash;
}

/* Returns the login's place, or with @vacate the one that it may have. */
static Place *
look_up (PosternLoginThrottle *self, const guint8 digest[32], gboolean vacate)
{
  Place *row = self->places[digest[ID_OCTETS]];
  Place *found = NULL;
  Place *weakest = &row[0];
  gint64 forget_us = postern_clock_monotonic_us () - FORGET_US;

  for (guint i = 0; i < PLACES; i++)
    {
      if (row[i].last_us < forget_us)
        memset (&row[i], 0, sizeof row[i]);
      if (row[i].last_us != 0 && postern_memory_equal (row[i].id, digest, ID_OCTETS))
        found = &row[i];
      if (row[i].failures < weakest->failures ||
          (row[i].failures == weakest->failures && row[i].last_us < weakest->last_us))
        weakest = &row[i];
    }
  if (found == NULL && vacate)
    {
      found = weakest;
      memset (found, 0, sizeof *found);
      memcpy (found->id, digest, ID_OCTETS);
    }
  return found;
}

static gboolean
is_remembered (const Place *place, guint64 password)
{
  gboolean known = FALSE;

  for (guint i = 0; i < REMEMBERED; i++)
    known |= i < place->failures && place->passwords[i] == password;
  return known;
}

/**
 * postern_login_throttle_get_lock_s:
 * @proved_address: (nullable): the client's address, where somebody we trust vouches for it
 *
 * Returns: for how many seconds no password is looked at, right or wrong; 0 when it is.
 */
guint
postern_login_throttle_get_lock_s (PosternLoginThrottle *self,
                                   const char *login,
                                   PosternExposure exposure,
                                   const char *proved_address)
{
  guint8 digest[32];
  const Place *place;
  gint64 left_us;

  identify (self, login, exposure, proved_address, digest);
  place = look_up (self, digest, FALSE);
  if (place == NULL || place->failures < FREE_FAILURES)
    return 0;
  left_us = place->last_us + LOCK_US - postern_clock_monotonic_us ();
  return left_us <= 0 ? 0 : (guint) ((left_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
}

/**
 * postern_login_throttle_add_failure:
 *
 * Returns: how long the answer is to be held back, in milliseconds.
 */
guint
postern_login_throttle_add_failure (PosternLoginThrottle *self,
                                    const char *login,
                                    PosternExposure exposure,
                                    const char *proved_address,
                                    const PosternSecret *password)
{
  guint64 hash = hash_password (self, password);
  guint8 digest[32];
  Place *place;

  identify (self, login, exposure, proved_address, digest);
  place = look_up (self, digest, TRUE);
  if (!is_remembered (place, hash))
    {
      memmove (place->passwords + 1, place->passwords, (REMEMBERED - 1) * sizeof (guint64));
      place->passwords[0] = hash;
      place->failures = MIN (place->failures + 1, FREE_FAILURES);
      place->last_us = postern_clock_monotonic_us ();
    }
  return MIN (FIRST_DELAY_MS << (place->failures - 1), MOST_DELAY_MS);
}

/**
 * postern_login_throttle_forget:
 *
 * Somebody had the right password.
 */
void
postern_login_throttle_forget (PosternLoginThrottle *self,
                               const char *login,
                               PosternExposure exposure,
                               const char *proved_address)
{
  guint8 digest[32];
  Place *place;

  identify (self, login, exposure, proved_address, digest);
  place = look_up (self, digest, FALSE);
  if (place != NULL)
    memset (place, 0, sizeof *place);
}
