/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternListing:
 *
 * What a POP3 session sees of a maildrop: an immutable, reference-counted array in message order.
 * Sessions share it, and a newer one takes its place for those that come later. It costs under 64
 * octets a message. It may be read on any thread.
 *
 * Message numbers are positions in this array (RFC 1939 section 4), counted from 0 here and from 1
 * on the wire; they are never an id of the store.
 */
typedef struct _PosternListing PosternListing;

PosternListing *postern_listing_new (guint expected);
void postern_listing_add (PosternListing *self, guint64 row, guint64 size_octets, const char *uidl);
void postern_listing_set_release (PosternListing *self, GDestroyNotify release, gpointer data);

PosternListing *postern_listing_ref (PosternListing *self);
void postern_listing_unref (PosternListing *self);

guint postern_listing_get_count (const PosternListing *self);
guint64 postern_listing_get_row (const PosternListing *self, guint index);
guint64 postern_listing_get_size (const PosternListing *self, guint index);
const char *postern_listing_get_uidl (const PosternListing *self, guint index);
guint64 postern_listing_get_total (const PosternListing *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternListing, postern_listing_unref)

G_END_DECLS
