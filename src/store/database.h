/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <sqlite3.h>

G_BEGIN_DECLS

/**
 * PosternDatabase:
 *
 * One SQLite connection with its prepared statements, used by one thread at a time.
 */
typedef struct _PosternDatabase PosternDatabase;

PosternDatabase *postern_database_open (const char *path,
                                        const char *const *migrations,
                                        guint n_migrations,
                                        GError **error);
PosternDatabase *postern_database_reopen (const char *path,
                                          const char *const *migrations,
                                          guint n_migrations,
                                          GError **error);
PosternDatabase *postern_database_open_reader (const char *path, GError **error);
void postern_database_free (PosternDatabase *self);
void postern_database_abandon (PosternDatabase *self);

sqlite3_stmt *postern_database_query (PosternDatabase *self,
                                      GError **error,
                                      const char *sql,
                                      const char *types,
                                      ...);
int postern_database_step (PosternDatabase *self, sqlite3_stmt *query, GError **error);
void postern_database_end_query (sqlite3_stmt *query);
gboolean postern_database_do (PosternDatabase *self,
                              GError **error,
                              const char *sql,
                              const char *types,
                              ...);
gint64 postern_database_number (PosternDatabase *self,
                                GError **error,
                                const char *sql,
                                const char *types,
                                ...);
guint postern_database_changes (PosternDatabase *self);
gint64 postern_database_last_row (PosternDatabase *self);
gboolean postern_database_in_transaction (PosternDatabase *self);
gboolean postern_database_upkeep (PosternDatabase *self, GError **error);

char *postern_database_dup_text (sqlite3_stmt *query, int column);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternDatabase, postern_database_free)

G_END_DECLS
