/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-rows.h"

#include "base/error.h"
#include "store/maildrop-tombstones.h"

/* Rows are never used twice (AUTOINCREMENT): an old listing that still names one, and the file that
 * is called by it, can never mean another message. */
const char *const postern_maildrop_schema[] = {
  "CREATE TABLE accounts ("
  " number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, cursor TEXT,"
  " listed_at_us INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0);"
  "CREATE TABLE messages ("
  " row INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, email_id TEXT NOT NULL,"
  " blob_id TEXT NOT NULL, size_octets INTEGER NOT NULL, canonical_octets INTEGER,"
  " received_at_us INTEGER NOT NULL, UNIQUE (account, email_id));"
  "CREATE INDEX messages_order ON messages (account, received_at_us, email_id);"
  "CREATE INDEX messages_unsized ON messages (account) WHERE canonical_octets IS NULL;"
  "CREATE TABLE tombstones ("
  " account INTEGER NOT NULL, email_id TEXT NOT NULL, buried_us INTEGER NOT NULL,"
  " confirmed_us INTEGER, PRIMARY KEY (account, email_id)) WITHOUT ROWID;"
  "CREATE TABLE bodies ("
  " row INTEGER PRIMARY KEY, account INTEGER NOT NULL, octets INTEGER NOT NULL,"
  " used_at_us INTEGER NOT NULL);"
  "CREATE INDEX bodies_used ON bodies (used_at_us)",
};
const guint postern_maildrop_schema_length = G_N_ELEMENTS (postern_maildrop_schema);

/* Returns the number of an account, 0 when there is none, -1 with an error. */
gint64
postern_maildrop_rows_find_account (PosternDatabase *database,
                                    const char *account_id,
                                    GError **error)
{
  return postern_database_number (database,
                                  error,
                                  "SELECT number FROM accounts WHERE id = ?",
                                  "s",
                                  account_id);
}

static gboolean
find_or_add_account (PosternDatabase *database,
                     const char *account_id,
                     PosternMaildropEffect *effect,
                     GError **error)
{
  effect->account = postern_maildrop_rows_find_account (database, account_id, error);
  if (effect->account != 0)
    return effect->account > 0;
  if (!postern_database_do (database,
                            error,
                            "INSERT INTO accounts (id) VALUES (?)",
                            "s",
                            account_id))
    return FALSE;
  effect->account = postern_database_last_row (database);
  effect->is_new = TRUE;
  return TRUE;
}

static gboolean
find_account (PosternDatabase *database,
              const char *account_id,
              PosternMaildropEffect *effect,
              GError **error)
{
  effect->account = postern_maildrop_rows_find_account (database, account_id, error);
  if (effect->account == 0)
    g_set_error (error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_NOT_FOUND,
                 "Account %s has no maildrop yet",
                 account_id);
  return effect->account > 0;
}

PosternMaildropMessage *
postern_maildrop_rows_load_message (sqlite3_stmt *query)
{
  PosternMaildropMessage *message =
      postern_maildrop_message_new ((const char *) sqlite3_column_text (query, 1));

  message->row = (guint64) sqlite3_column_int64 (query, 0);
  message->blob_id = postern_database_dup_text (query, 2);
  message->size_octets = (guint64) sqlite3_column_int64 (query, 3);
  message->canonical_octets =
      sqlite3_column_type (query, 4) == SQLITE_NULL ? -1 : sqlite3_column_int64 (query, 4);
  message->received_at_us = sqlite3_column_int64 (query, 5);
  return message;
}

/* Returns -1 with an error, 0 when there is none. */
static int
load_one (PosternDatabase *database,
          sqlite3_stmt *query,
          PosternMaildropMessage **message,
          GError **error)
{
  int step = query == NULL ? -1 : postern_database_step (database, query, error);

  if (step > 0)
    {
      *message = postern_maildrop_rows_load_message (query);
      postern_database_end_query (query);
    }
  return step;
}

static int
find_message (PosternDatabase *database,
              gint64 account,
              const char *email_id,
              PosternMaildropMessage **message,
              GError **error)
{
  return load_one (database,
                   postern_database_query (database,
                                           error,
                                           "SELECT " POSTERN_MAILDROP_COLUMNS
                                           " FROM messages WHERE account = ? AND email_id = ?",
                                           "is",
                                           account,
                                           email_id),
                   message,
                   error);
}

/* A canonical size that is not known is NULL. */
static gboolean
write_message (PosternDatabase *database,
               gint64 account,
               const PosternMaildropMessage *message,
               GError **error)
{
  return postern_database_do (
      database,
      error,
      "INSERT INTO messages (account, email_id, blob_id, size_octets, canonical_octets,"
      " received_at_us) VALUES (?1, ?2, ?3, ?4, nullif (?5, -1), ?6)"
      " ON CONFLICT (account, email_id) DO UPDATE SET blob_id = ?3, size_octets = ?4,"
      " canonical_octets = nullif (?5, -1), received_at_us = ?6",
      "issiii",
      account,
      message->email_id,
      message->blob_id,
      (gint64) message->size_octets,
      message->canonical_octets,
      message->received_at_us);
}

static gboolean
add_message (PosternDatabase *database,
             const PosternMaildropMessage *message,
             PosternMaildropEffect *effect,
             GError **error)
{
  gint64 buried;

  if (message->blob_id == NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "Message %s is not known, and nothing was said about it",
                   message->email_id);
      return FALSE;
    }
  if (!write_message (database, effect->account, message, error))
    return FALSE;
  if (message->canonical_octets < 0)
    return TRUE;
  buried = postern_maildrop_tombstones_has (database, effect->account, message->email_id, error);
  if (buried == 0)
    {
      PosternMaildropMessage listed = *message;

      listed.row = (guint64) postern_database_last_row (database);
      postern_maildrop_effect_note_appended (effect, &listed);
    }
  return buried >= 0;
}

static gboolean
update_message (PosternDatabase *database,
                const PosternMaildropMessage *old,
                const PosternMaildropMessage *new,
                PosternMaildropEffect *effect,
                GError **error)
{
  PosternMaildropMessage message = *new;
  gboolean same_bytes;

  if (new->blob_id == NULL)
    return TRUE;
  same_bytes = g_strcmp0 (old->blob_id, new->blob_id) == 0;
  if (same_bytes && message.canonical_octets < 0)
    message.canonical_octets = old->canonical_octets;
  if (same_bytes && message.canonical_octets == old->canonical_octets &&
      message.size_octets == old->size_octets && message.received_at_us == old->received_at_us)
    return TRUE;
  effect->rebuild |= message.canonical_octets != old->canonical_octets ||
                     message.received_at_us != old->received_at_us;
  return write_message (database, effect->account, &message, error);
}

static gboolean
put_message (PosternDatabase *database,
             const PosternMaildropMessage *message,
             PosternMaildropEffect *effect,
             GError **error)
{
  g_autoptr (PosternMaildropMessage) old = NULL;
  int found = find_message (database, effect->account, message->email_id, &old, error);

  if (found < 0)
    return FALSE;
  return found > 0 ? update_message (database, old, message, effect, error)
                   : add_message (database, message, effect, error);
}

static gboolean
remove_row (PosternDatabase *database, guint64 row, PosternMaildropEffect *effect, GError **error)
{
  gint64 octets = postern_database_number (database,
                                           error,
                                           "SELECT octets FROM bodies WHERE row = ?",
                                           "i",
                                           (gint64) row);

  if (octets < 0 ||
      !postern_database_do (database,
                            error,
                            "DELETE FROM bodies WHERE row = ?",
                            "i",
                            (gint64) row) ||
      !postern_database_do (database,
                            error,
                            "DELETE FROM messages WHERE row = ?",
                            "i",
                            (gint64) row))
    return FALSE;
  effect->cached_octets -= octets;
  postern_maildrop_effect_note_row (&effect->hidden, row);
  postern_maildrop_effect_note_row (&effect->gone, row);
  return TRUE;
}

static gboolean
remove_message (PosternDatabase *database,
                const char *email_id,
                PosternMaildropEffect *effect,
                GError **error)
{
  gint64 row =
      postern_database_number (database,
                               error,
                               "SELECT row FROM messages WHERE account = ? AND email_id = ?",
                               "is",
                               effect->account,
                               email_id);

  return row == 0 || (row > 0 && remove_row (database, (guint64) row, effect, error));
}

/* What the backend said was changed. */
gboolean
postern_maildrop_rows_apply (PosternDatabase *database,
                             const char *account_id,
                             GPtrArray *updated,
                             const char *const *removed_ids,
                             const char *cursor,
                             gint64 started_us,
                             gint64 now_us,
                             PosternMaildropEffect *effect,
                             GError **error)
{
  if (!find_or_add_account (database, account_id, effect, error) ||
      !postern_maildrop_tombstones_drop_old (database, started_us, effect, error))
    return FALSE;
  for (guint i = 0; removed_ids != NULL && removed_ids[i] != NULL; i++)
    {
      if (!remove_message (database, removed_ids[i], effect, error) ||
          !postern_maildrop_tombstones_confirm (database,
                                                effect->account,
                                                removed_ids[i],
                                                now_us,
                                                error))
        return FALSE;
    }
  for (guint i = 0; updated != NULL && i < updated->len; i++)
    {
      if (!put_message (database, g_ptr_array_index (updated, i), effect, error))
        return FALSE;
    }
  return postern_database_do (database,
                              error,
                              "UPDATE accounts SET cursor = ? WHERE number = ?",
                              "si",
                              cursor,
                              effect->account);
}

static gboolean
remove_unlisted (PosternDatabase *database,
                 GHashTable *listed,
                 PosternMaildropEffect *effect,
                 GError **error)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (guint64));
  sqlite3_stmt *query = postern_database_query (database,
                                                error,
                                                "SELECT row, email_id FROM messages"
                                                " WHERE account = ?",
                                                "i",
                                                effect->account);
  int step;

  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      guint64 row = (guint64) sqlite3_column_int64 (query, 0);

      if (!g_hash_table_contains (listed, (const char *) sqlite3_column_text (query, 1)))
        g_array_append_val (rows, row);
    }
  if (step < 0)
    return FALSE;
  for (guint i = 0; i < rows->len; i++)
    {
      if (!remove_row (database, g_array_index (rows, guint64, i), effect, error))
        return FALSE;
    }
  return TRUE;
}

/* What the backend has, all of it. */
gboolean
postern_maildrop_rows_replace (PosternDatabase *database,
                               const char *account_id,
                               GPtrArray *messages,
                               const char *cursor,
                               gint64 started_us,
                               gint64 now_us,
                               PosternMaildropEffect *effect,
                               GError **error)
{
  g_autoptr (GHashTable) listed = g_hash_table_new (g_str_hash, g_str_equal);

  effect->rebuild = TRUE;
  if (!find_or_add_account (database, account_id, effect, error) ||
      !postern_maildrop_tombstones_drop_old (database, started_us, effect, error))
    return FALSE;
  for (guint i = 0; i < messages->len; i++)
    {
      const PosternMaildropMessage *message = g_ptr_array_index (messages, i);

      g_hash_table_add (listed, message->email_id);
      if (!put_message (database, message, effect, error))
        return FALSE;
    }
  return remove_unlisted (database, listed, effect, error) &&
         postern_database_do (
             database,
             error,
             "UPDATE accounts SET cursor = ?, listed_at_us = ?, complete = 1 WHERE number = ?",
             "sii",
             cursor,
             started_us,
             effect->account);
}

int
postern_maildrop_rows_find_row (PosternDatabase *database,
                                gint64 account,
                                guint64 row,
                                PosternMaildropMessage **message,
                                GError **error)
{
  return load_one (database,
                   postern_database_query (database,
                                           error,
                                           "SELECT " POSTERN_MAILDROP_COLUMNS
                                           " FROM messages WHERE row = ? AND account = ?",
                                           "ii",
                                           (gint64) row,
                                           account),
                   message,
                   error);
}

void
postern_maildrop_rows_set_gone (GError **error)
{
  g_set_error_literal (error,
                       POSTERN_ERROR,
                       POSTERN_ERROR_NOT_FOUND,
                       "The message is not in the maildrop any more");
}

gboolean
postern_maildrop_rows_set_canonical (PosternDatabase *database,
                                     const char *account_id,
                                     guint64 row,
                                     guint64 canonical_octets,
                                     PosternMaildropEffect *effect,
                                     GError **error)
{
  g_autoptr (PosternMaildropMessage) message = NULL;
  gint64 old_octets;
  gint64 buried;
  int found;

  if (!find_account (database, account_id, effect, error))
    return FALSE;
  found = postern_maildrop_rows_find_row (database, effect->account, row, &message, error);
  if (found == 0)
    postern_maildrop_rows_set_gone (error);
  if (found <= 0)
    return FALSE;

  old_octets = message->canonical_octets;
  if (old_octets == (gint64) canonical_octets)
    return TRUE;
  message->canonical_octets = (gint64) canonical_octets;
  buried = postern_maildrop_tombstones_has (database, effect->account, message->email_id, error);
  if (buried < 0 || !write_message (database, effect->account, message, error))
    return FALSE;
  if (old_octets >= 0)
    effect->rebuild = TRUE;
  else if (buried == 0)
    postern_maildrop_effect_note_appended (effect, message);
  return TRUE;
}

gboolean
postern_maildrop_rows_remove_account (PosternDatabase *database,
                                      const char *account_id,
                                      PosternMaildropEffect *effect,
                                      GError **error)
{
  gint64 octets;

  effect->account = postern_maildrop_rows_find_account (database, account_id, error);
  if (effect->account <= 0)
    return effect->account == 0;
  octets = postern_database_number (database,
                                    error,
                                    "SELECT sum (octets) FROM bodies WHERE account = ?",
                                    "i",
                                    effect->account);
  effect->is_removed = TRUE;
  effect->cached_octets -= octets;
  return octets >= 0 &&
         postern_database_do (database,
                              error,
                              "DELETE FROM bodies WHERE account = ?",
                              "i",
                              effect->account) &&
         postern_database_do (database,
                              error,
                              "DELETE FROM messages WHERE account = ?",
                              "i",
                              effect->account) &&
         postern_maildrop_tombstones_remove_all (database, effect->account, error) &&
         postern_database_do (database,
                              error,
                              "DELETE FROM accounts WHERE number = ?",
                              "i",
                              effect->account);
}

/* QUIT: a row that is no more needs no tombstone. */
gboolean
postern_maildrop_rows_bury (PosternDatabase *database,
                            const char *account_id,
                            const guint64 *rows,
                            gsize n_rows,
                            gint64 now_us,
                            PosternMaildropEffect *effect,
                            GError **error)
{
  if (!find_account (database, account_id, effect, error))
    return FALSE;
  for (gsize i = 0; i < n_rows; i++)
    {
      if (!postern_maildrop_tombstones_add (database, effect->account, rows[i], now_us, error))
        return FALSE;
      postern_maildrop_effect_note_row (&effect->hidden, rows[i]);
    }
  return TRUE;
}

/* The backend has deleted them. */
gboolean
postern_maildrop_rows_confirm (PosternDatabase *database,
                               const char *account_id,
                               const char *const *email_ids,
                               gint64 now_us,
                               PosternMaildropEffect *effect,
                               GError **error)
{
  if (!find_account (database, account_id, effect, error))
    return FALSE;
  for (guint i = 0; email_ids[i] != NULL; i++)
    {
      if (!postern_maildrop_tombstones_confirm (database,
                                                effect->account,
                                                email_ids[i],
                                                now_us,
                                                error) ||
          !remove_message (database, email_ids[i], effect, error))
        return FALSE;
    }
  return TRUE;
}

/* The backend forbids it: they show again. */
gboolean
postern_maildrop_rows_forget (PosternDatabase *database,
                              const char *account_id,
                              const char *const *email_ids,
                              PosternMaildropEffect *effect,
                              GError **error)
{
  if (!find_account (database, account_id, effect, error))
    return FALSE;
  for (guint i = 0; email_ids[i] != NULL; i++)
    {
      if (!postern_maildrop_tombstones_remove (database, effect->account, email_ids[i], error))
        return FALSE;
    }
  effect->rebuild = TRUE;
  return TRUE;
}

gboolean
postern_maildrop_rows_add_body (PosternDatabase *database,
                                const char *account_id,
                                guint64 row,
                                guint64 size_octets,
                                gint64 now_us,
                                PosternMaildropEffect *effect,
                                GError **error)
{
  gint64 old_octets;

  if (!find_account (database, account_id, effect, error))
    return FALSE;
  old_octets = postern_database_number (database,
                                        error,
                                        "SELECT octets FROM bodies WHERE row = ?",
                                        "i",
                                        (gint64) row);
  if (old_octets < 0 ||
      !postern_database_do (database,
                            error,
                            "INSERT OR REPLACE INTO bodies (row, account, octets, used_at_us)"
                            " SELECT row, account, ?1, ?2 FROM messages"
                            " WHERE row = ?3 AND account = ?4",
                            "iiii",
                            (gint64) size_octets,
                            now_us,
                            (gint64) row,
                            effect->account))
    return FALSE;
  if (postern_database_changes (database) == 0)
    {
      postern_maildrop_rows_set_gone (error);
      return FALSE;
    }
  effect->cached_octets += (gint64) size_octets - old_octets;
  return TRUE;
}

/* The columns are row, email id, canonical size, date; in message order. */
sqlite3_stmt *
postern_maildrop_rows_query_listed (PosternDatabase *database, gint64 account, GError **error)
{
  return postern_database_query (
      database,
      error,
      "SELECT row, email_id, canonical_octets, received_at_us FROM messages WHERE account = ?1"
      " AND canonical_octets IS NOT NULL AND email_id NOT IN"
      " (SELECT email_id FROM tombstones WHERE account = ?1)"
      " ORDER BY received_at_us, email_id",
      "i",
      account);
}

gboolean
postern_maildrop_rows_get_account (PosternDatabase *database,
                                   gint64 account,
                                   char **cursor,
                                   gint64 *listed_at_us,
                                   gboolean *is_complete,
                                   GError **error)
{
  sqlite3_stmt *query = postern_database_query (
      database,
      error,
      "SELECT cursor, listed_at_us, complete FROM accounts WHERE number = ?",
      "i",
      account);
  int step = query == NULL ? -1 : postern_database_step (database, query, error);

  if (step <= 0)
    return FALSE;
  *cursor = postern_database_dup_text (query, 0);
  *listed_at_us = sqlite3_column_int64 (query, 1);
  *is_complete = sqlite3_column_int (query, 2);
  postern_database_end_query (query);
  return TRUE;
}
