/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-tombstones.h"

/* A tombstone hides its message from the moment QUIT committed it. When the backend confirms, the
 * message is removed, but an answer of the backend that was asked for before may still have it; so
 * the tombstone stays, dated, until an answer comes whose question is younger. */

/* A row that is no more needs none. */
gboolean
postern_maildrop_tombstones_add (PosternDatabase *database,
                                 gint64 account,
                                 guint64 row,
                                 gint64 now_us,
                                 GError **error)
{
  return postern_database_do (
      database,
      error,
      "INSERT INTO tombstones (account, email_id, buried_us)"
      " SELECT account, email_id, ?1 FROM messages WHERE row = ?2 AND account = ?3"
      " ON CONFLICT DO UPDATE SET buried_us = ?1, confirmed_us = NULL",
      "iii",
      now_us,
      (gint64) row,
      account);
}

/* Returns 0 or 1; -1 with an error. */
gint64
postern_maildrop_tombstones_has (PosternDatabase *database,
                                 gint64 account,
                                 const char *email_id,
                                 GError **error)
{
  return postern_database_number (
      database,
      error,
      "SELECT count (*) FROM tombstones WHERE account = ? AND email_id = ?",
      "is",
      account,
      email_id);
}

/* The backend has deleted the message. */
gboolean
postern_maildrop_tombstones_confirm (PosternDatabase *database,
                                     gint64 account,
                                     const char *email_id,
                                     gint64 now_us,
                                     GError **error)
{
  return postern_database_do (database,
                              error,
                              "UPDATE tombstones SET confirmed_us = ?"
                              " WHERE account = ? AND email_id = ? AND confirmed_us IS NULL",
                              "iis",
                              now_us,
                              account,
                              email_id);
}

/* Those whose confirmation is older than the question that was answered now have done their work.
 * If there is a message of that id, it came after the deletion, and is to be seen. */
gboolean
postern_maildrop_tombstones_drop_old (PosternDatabase *database,
                                      gint64 started_us,
                                      PosternMaildropEffect *effect,
                                      GError **error)
{
  gint64 hidden = postern_database_number (
      database,
      error,
      "SELECT count (*) FROM tombstones AS t WHERE account = ? AND confirmed_us < ? AND EXISTS"
      " (SELECT 1 FROM messages AS m WHERE m.account = t.account AND m.email_id = t.email_id)",
      "ii",
      effect->account,
      started_us);

  if (hidden < 0)
    return FALSE;
  effect->rebuild |= hidden > 0;
  return postern_database_do (database,
                              error,
                              "DELETE FROM tombstones WHERE account = ? AND confirmed_us < ?",
                              "ii",
                              effect->account,
                              started_us);
}

gint64
postern_maildrop_tombstones_count (PosternDatabase *database, gint64 account, GError **error)
{
  return postern_database_number (
      database,
      error,
      "SELECT count (*) FROM tombstones WHERE account = ? AND confirmed_us IS NULL",
      "i",
      account);
}

/* The message shows again. */
gboolean
postern_maildrop_tombstones_remove (PosternDatabase *database,
                                    gint64 account,
                                    const char *email_id,
                                    GError **error)
{
  return postern_database_do (database,
                              error,
                              "DELETE FROM tombstones WHERE account = ? AND email_id = ?",
                              "is",
                              account,
                              email_id);
}

gboolean
postern_maildrop_tombstones_remove_all (PosternDatabase *database, gint64 account, GError **error)
{
  return postern_database_do (database,
                              error,
                              "DELETE FROM tombstones WHERE account = ?",
                              "i",
                              account);
}
