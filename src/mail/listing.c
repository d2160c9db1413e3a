/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/listing.h"

typedef struct
{
  guint64 row;
  guint64 size_octets;
  guint32 uidl; /* where it starts in the pool */
} Message;

struct _PosternListing
{
  gatomicrefcount references;
  GArray *messages; /* (element-type Message) */
  GString *uidls;   /* all of them, each ended by NUL */
  guint64 total_octets;
  GDestroyNotify release;
  gpointer release_data;
};

/**
 * postern_listing_new:
 * @expected: how many messages will be added, when known
 *
 * Returns: (transfer full): an empty listing. It is filled by postern_listing_add() before anybody
 *   else sees it, and never changes after that.
 */
PosternListing *
postern_listing_new (guint expected)
{
  PosternListing *self = g_new0 (PosternListing, 1);

  g_atomic_ref_count_init (&self->references);
  self->messages = g_array_sized_new (FALSE, FALSE, sizeof (Message), expected);
  self->uidls = g_string_sized_new (expected * 33);
  return self;
}

/**
 * postern_listing_add:
 * @row: what the store calls it; means nothing to a client
 * @size_octets: with canonical line ends, so exactly what RETR sends before stuffing
 * @uidl: 1 to 70 octets of 0x21–0x7E (RFC 1939 section 7)
 */
void
postern_listing_add (PosternListing *self, guint64 row, guint64 size_octets, const char *uidl)
{
  Message message = { .row = row, .size_octets = size_octets, .uidl = (guint32) self->uidls->len };

  g_string_append (self->uidls, uidl);
  g_string_append_c (self->uidls, '\0');
  g_array_append_val (self->messages, message);
  self->total_octets += size_octets;
}

/**
 * postern_listing_set_release:
 * @release: called with @data when the last session that shows this listing has ended; on
 *   whichever thread that was
 */
void
postern_listing_set_release (PosternListing *self, GDestroyNotify release, gpointer data)
{
  self->release = release;
  self->release_data = data;
}

PosternListing *
postern_listing_ref (PosternListing *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_listing_unref (PosternListing *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;

  if (self->release != NULL)
    self->release (self->release_data);
  g_array_unref (self->messages);
  g_string_free (self->uidls, TRUE);
  g_free (self);
}

guint
postern_listing_get_count (const PosternListing *self)
{
  return self->messages->len;
}

guint64
postern_listing_get_row (const PosternListing *self, guint index)
{
  return g_array_index (self->messages, Message, index).row;
}

guint64
postern_listing_get_size (const PosternListing *self, guint index)
{
  return g_array_index (self->messages, Message, index).size_octets;
}

const char *
postern_listing_get_uidl (const PosternListing *self, guint index)
{
  return self->uidls->str + g_array_index (self->messages, Message, index).uidl;
}

/**
 * postern_listing_get_total:
 *
 * Returns: the sizes of all messages together, in octets.
 */
guint64
postern_listing_get_total (const PosternListing *self)
{
  return self->total_octets;
}
