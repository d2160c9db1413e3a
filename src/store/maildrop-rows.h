/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/database.h"
#include "store/maildrop-effect.h"

#include <glib.h>

/* The schema of maildrops.db and everything that is said to it, on the writer's or the reader's
 * thread. */

G_BEGIN_DECLS

extern const char *const postern_maildrop_schema[];
extern const guint postern_maildrop_schema_length;

#define POSTERN_MAILDROP_COLUMNS                                                                   \
  "row, email_id, blob_id, size_octets, canonical_octets, received_at_us"
PosternMaildropMessage *postern_maildrop_rows_load_message (sqlite3_stmt *query);
int postern_maildrop_rows_find_row (PosternDatabase *database,
                                    gint64 account,
                                    guint64 row,
                                    PosternMaildropMessage **message,
                                    GError **error);
void postern_maildrop_rows_set_gone (GError **error);
gint64 postern_maildrop_rows_find_account (PosternDatabase *database,
                                           const char *account_id,
                                           GError **error);

gboolean postern_maildrop_rows_apply (PosternDatabase *database,
                                      const char *account_id,
                                      GPtrArray *updated,
                                      const char *const *removed_ids,
                                      const char *cursor,
                                      gint64 started_us,
                                      gint64 now_us,
                                      PosternMaildropEffect *effect,
                                      GError **error);
gboolean postern_maildrop_rows_replace (PosternDatabase *database,
                                        const char *account_id,
                                        GPtrArray *messages,
                                        const char *cursor,
                                        gint64 started_us,
                                        gint64 now_us,
                                        PosternMaildropEffect *effect,
                                        GError **error);
gboolean postern_maildrop_rows_set_canonical (PosternDatabase *database,
                                              const char *account_id,
                                              guint64 row,
                                              guint64 canonical_octets,
                                              PosternMaildropEffect *effect,
                                              GError **error);
gboolean postern_maildrop_rows_remove_account (PosternDatabase *database,
                                               const char *account_id,
                                               PosternMaildropEffect *effect,
                                               GError **error);
gboolean postern_maildrop_rows_bury (PosternDatabase *database,
                                     const char *account_id,
                                     const guint64 *rows,
                                     gsize n_rows,
                                     gint64 now_us,
                                     PosternMaildropEffect *effect,
                                     GError **error);
gboolean postern_maildrop_rows_confirm (PosternDatabase *database,
                                        const char *account_id,
                                        const char *const *email_ids,
                                        gint64 now_us,
                                        PosternMaildropEffect *effect,
                                        GError **error);
gboolean postern_maildrop_rows_forget (PosternDatabase *database,
                                       const char *account_id,
                                       const char *const *email_ids,
                                       PosternMaildropEffect *effect,
                                       GError **error);

gboolean postern_maildrop_rows_add_body (PosternDatabase *database,
                                         const char *account_id,
                                         guint64 row,
                                         guint64 size_octets,
                                         gint64 now_us,
                                         PosternMaildropEffect *effect,
                                         GError **error);

sqlite3_stmt *
postern_maildrop_rows_query_listed (PosternDatabase *database, gint64 account, GError **error);
gboolean postern_maildrop_rows_get_account (PosternDatabase *database,
                                            gint64 account,
                                            char **cursor,
                                            gint64 *listed_at_us,
                                            gboolean *is_complete,
                                            GError **error);

G_END_DECLS
