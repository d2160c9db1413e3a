/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/maildrop-store.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternMaildropEffect:
 *
 * What a transaction means for the listing of its account and for the bodies on disk.
 */
typedef struct
{
  gint64 account;      /* its number, 0 until known */
  gboolean is_new;     /* the account was not known before */
  gboolean is_removed; /* the account is gone */
  gboolean rebuild;    /* the listing is to be read anew */
  GPtrArray *appended; /* (nullable) (element-type PosternMaildropMessage) to be listed, each new */
  GArray *hidden;      /* (nullable) (element-type guint64) rows that are listed no more */
  GArray *gone;        /* (nullable) (element-type guint64) rows whose body may go */
  gint64 cached_octets; /* how many more are in the cache */
} PosternMaildropEffect;

void postern_maildrop_effect_clear (PosternMaildropEffect *self);
void postern_maildrop_effect_note_row (GArray **rows, guint64 row);
void postern_maildrop_effect_note_appended (PosternMaildropEffect *self,
                                            const PosternMaildropMessage *message);

G_END_DECLS
