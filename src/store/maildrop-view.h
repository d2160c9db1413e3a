/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "mail/listing.h"
#include "store/maildrop-rows.h"
#include "store/store-writer.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternMaildropView:
 *
 * What the writer's thread makes of one account: the newest listing, and which files of bodies wait
 * until the listings that have them are released. Only that thread calls it, once it runs.
 */
typedef struct _PosternMaildropView PosternMaildropView;

PosternMaildropView *
postern_maildrop_view_new (PosternStoreWriter *writer, gint64 account, const char *bodies_dir);
void postern_maildrop_view_free (PosternMaildropView *self);

void postern_maildrop_view_take (PosternMaildropView *self, PosternMaildropEffect *effect);
gboolean
postern_maildrop_view_renew (PosternMaildropView *self, PosternDatabase *database, GError **error);
PosternListing *postern_maildrop_view_get_listing (PosternMaildropView *self);
char *postern_maildrop_view_dup_body_path (gint64 account, const char *bodies_dir, guint64 row);

G_END_DECLS
