/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/database.h"
#include "store/maildrop-effect.h"

#include <glib.h>

/* What QUIT deleted and the backend has yet to delete. Inside a transaction of the caller. */

G_BEGIN_DECLS

gboolean postern_maildrop_tombstones_add (PosternDatabase *database,
                                          gint64 account,
                                          guint64 row,
                                          gint64 now_us,
                                          GError **error);
gint64 postern_maildrop_tombstones_has (PosternDatabase *database,
                                        gint64 account,
                                        const char *email_id,
                                        GError **error);
gboolean postern_maildrop_tombstones_confirm (PosternDatabase *database,
                                              gint64 account,
                                              const char *email_id,
                                              gint64 now_us,
                                              GError **error);
gboolean postern_maildrop_tombstones_drop_old (PosternDatabase *database,
                                               gint64 started_us,
                                               PosternMaildropEffect *effect,
                                               GError **error);
gboolean postern_maildrop_tombstones_remove (PosternDatabase *database,
                                             gint64 account,
                                             const char *email_id,
                                             GError **error);
gboolean
postern_maildrop_tombstones_remove_all (PosternDatabase *database, gint64 account, GError **error);
gint64
postern_maildrop_tombstones_count (PosternDatabase *database, gint64 account, GError **error);

G_END_DECLS
