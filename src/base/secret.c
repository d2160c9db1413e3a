/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-base"

#include "config.h"

#include "base/secret.h"

#include "base/random.h"

#include <string.h>

struct _PosternSecret
{
  gatomicrefcount references;
  gsize length;
  char text[]; /* NUL-terminated; may hold NULs that came from a peer */
};

/**
 * postern_secret_new:
 * @text: bytes to copy; the caller wipes its own copy
 * @length: in octets, or -1 when @text ends with NUL
 *
 * Returns: (transfer full): never NULL
 */
PosternSecret *
postern_secret_new (const char *text, gssize length)
{
  gsize octets = length < 0 ? strlen (text) : (gsize) length;
  PosternSecret *self = g_malloc (sizeof *self + octets + 1);

  g_atomic_ref_count_init (&self->references);
  self->length = octets;
  memcpy (self->text, text, octets);
  self->text[octets] = '\0';
  return self;
}

/**
 * postern_secret_new_random:
 * @prefix: what the secret begins with, so that a person and a scanner can tell what it is
 *
 * Returns: (transfer full): @prefix and 256 random bits in unpadded base64url.
 */
PosternSecret *
postern_secret_new_random (const char *prefix)
{
  guint8 bits[32];
  g_autofree char *encoded = NULL;
  g_autofree char *text = NULL;
  PosternSecret *self;

  postern_random_bytes (bits, sizeof bits);
  encoded = postern_base64url (bits, sizeof bits);
  text = g_strconcat (prefix, encoded, NULL);
  self = postern_secret_new (text, -1);
  postern_memory_wipe (bits, sizeof bits);
  postern_memory_wipe (encoded, strlen (encoded));
  postern_memory_wipe (text, strlen (text));
  return self;
}

PosternSecret *
postern_secret_ref (PosternSecret *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_secret_unref (PosternSecret *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;

  postern_memory_wipe (self->text, self->length);
  g_free (self);
}

/**
 * postern_secret_get_text:
 *
 * Returns: the secret, NUL-terminated. Lent: copy it only into something that is wiped too.
 */
const char *
postern_secret_get_text (const PosternSecret *self)
{
  return self->text;
}

gsize
postern_secret_get_length (const PosternSecret *self)
{
  return self->length;
}

/**
 * postern_secret_hash:
 * @hash: SHA-256 of the secret. Good for storing secrets of 256 random bits, which need no
 *   stretching; never for what a person chose.
 */
void
postern_secret_hash (const PosternSecret *self, guint8 hash[POSTERN_SECRET_HASH_LENGTH])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = POSTERN_SECRET_HASH_LENGTH;

  g_checksum_update (checksum, (const guchar *) self->text, (gssize) self->length);
  g_checksum_get_digest (checksum, hash, &length);
}

/**
 * postern_memory_equal:
 *
 * Returns: whether both are the same, in a time that depends on @length alone.
 */
gboolean
postern_memory_equal (const void *a, const void *b, gsize length)
{
  const volatile guint8 *left = a;
  const volatile guint8 *right = b;
  guint8 difference = 0;

  for (gsize i = 0; i < length; i++)
    difference |= left[i] ^ right[i];
  return difference == 0;
}

/**
 * postern_memory_wipe:
 *
 * Overwrites with zeros in a way that the compiler cannot leave out.
 */
void
postern_memory_wipe (void *data, gsize length)
{
  explicit_bzero (data, length);
}
