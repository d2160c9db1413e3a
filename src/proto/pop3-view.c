/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/pop3-view.h"

void
postern_pop3_view_open (PosternPop3View *self, PosternListing *listing)
{
  self->listing = postern_listing_ref (listing);
}

void
postern_pop3_view_clear (PosternPop3View *self)
{
  postern_pop3_view_restore (self);
  g_clear_pointer (&self->listing, postern_listing_unref);
}

/**
 * postern_pop3_view_get_count:
 *
 * Returns: how many messages are not marked.
 */
guint
postern_pop3_view_get_count (const PosternPop3View *self)
{
  return postern_listing_get_count (self->listing) - self->n_deleted;
}

/**
 * postern_pop3_view_get_octets:
 *
 * Returns: the sizes of those together.
 */
guint64
postern_pop3_view_get_octets (const PosternPop3View *self)
{
  return postern_listing_get_total (self->listing) - self->deleted_octets;
}

gboolean
postern_pop3_view_is_deleted (const PosternPop3View *self, guint index)
{
  return self->deleted != NULL && (self->deleted[index / 8] & (1u << index % 8)) != 0;
}

/**
 * postern_pop3_view_delete:
 * @index: of a message that is not marked
 */
void
postern_pop3_view_delete (PosternPop3View *self, guint index)
{
  if (self->deleted == NULL)
    self->deleted = g_malloc0 (postern_listing_get_count (self->listing) / 8 + 1);
  self->deleted[index / 8] |= (guint8) (1u << index % 8);
  self->n_deleted++;
  self->deleted_octets += postern_listing_get_size (self->listing, index);
}

/* All marks go. */
void
postern_pop3_view_restore (PosternPop3View *self)
{
  g_clear_pointer (&self->deleted, g_free);
  self->n_deleted = 0;
  self->deleted_octets = 0;
}

/**
 * postern_pop3_view_list_deleted:
 *
 * Returns: (transfer full) (element-type guint): the indexes of the marked, ascending.
 */
GArray *
postern_pop3_view_list_deleted (const PosternPop3View *self)
{
  GArray *indexes = g_array_sized_new (FALSE, FALSE, sizeof (guint), self->n_deleted);

  for (guint i = 0; i < postern_listing_get_count (self->listing); i++)
    if (postern_pop3_view_is_deleted (self, i))
      g_array_append_val (indexes, i);
  return indexes;
}
