/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "mail/listing.h"

G_BEGIN_DECLS

/**
 * PosternPop3View:
 *
 * A maildrop as one session sees it: the listing, less what it has marked as deleted (RFC 1939
 * section 5). A value: zeroed is ready.
 */
typedef struct
{
  PosternListing *listing; /* (nullable): NULL before login */
  guint8 *deleted;         /* (nullable): one bit a message */
  guint n_deleted;
  guint64 deleted_octets;
} PosternPop3View;

void postern_pop3_view_open (PosternPop3View *self, PosternListing *listing);
void postern_pop3_view_clear (PosternPop3View *self);

guint postern_pop3_view_get_count (const PosternPop3View *self);
guint64 postern_pop3_view_get_octets (const PosternPop3View *self);
gboolean postern_pop3_view_is_deleted (const PosternPop3View *self, guint index);
void postern_pop3_view_delete (PosternPop3View *self, guint index);
void postern_pop3_view_restore (PosternPop3View *self);
GArray *postern_pop3_view_list_deleted (const PosternPop3View *self);

G_END_DECLS
