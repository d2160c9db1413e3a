/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/queue-rows.h"

#include "base/error.h"
#include "base/random.h"

#include <string.h>

#define MAX_SUBJECT_CHARACTERS 200

/* Bodies are apart from the entries, so that a page of the list does not read them. The due index
 * holds only what waits. status_before is what a discarded entry was, for undo. */
const char *const postern_queue_schema[] = {
  "CREATE TABLE entries ("
  " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,"
  " status INTEGER NOT NULL, status_before INTEGER NOT NULL, status_since_us INTEGER NOT NULL,"
  " login TEXT, account TEXT, sender TEXT NOT NULL, ret TEXT, envid TEXT,"
  " smtputf8 INTEGER NOT NULL, eight_bit INTEGER NOT NULL,"
  " message_id TEXT, subject TEXT, size_octets INTEGER NOT NULL, received_at_us INTEGER NOT NULL,"
  " spooled INTEGER NOT NULL, step INTEGER NOT NULL, creation_id TEXT NOT NULL, blob_id TEXT,"
  " email_id TEXT, submission_id TEXT, attempts INTEGER NOT NULL,"
  " next_attempt_us INTEGER NOT NULL, error_code INTEGER NOT NULL, error_text TEXT);"
  "CREATE INDEX entries_due ON entries (account, next_attempt_us, status) WHERE status = 0;"
  "CREATE INDEX entries_held ON entries (account, status) WHERE status = 1;"
  "CREATE TABLE recipients ("
  " entry INTEGER NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL, notify TEXT,"
  " orcpt TEXT, delivery INTEGER NOT NULL, status TEXT, reason TEXT,"
  " PRIMARY KEY (entry, position)) WITHOUT ROWID;"
  "CREATE TABLE bodies (entry INTEGER PRIMARY KEY, data BLOB NOT NULL);"
  "CREATE TABLE passwords ("
  " id TEXT NOT NULL PRIMARY KEY, login TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL,"
  " created_us INTEGER NOT NULL, last_used_us INTEGER NOT NULL) WITHOUT ROWID",
  /* Drafts at the backend that no entry wants any more, until they are gone from there too. */
  "CREATE TABLE unwanted_drafts ("
  " account TEXT NOT NULL, email_id TEXT NOT NULL, PRIMARY KEY (account, email_id)) WITHOUT ROWID;"
  "CREATE INDEX entries_email ON entries (email_id) WHERE email_id IS NOT NULL",
};
const guint postern_queue_schema_length = G_N_ELEMENTS (postern_queue_schema);

#define ENTRY_COLUMNS                                                                              \
  "row, id, kind, status, status_since_us, login, account, sender, ret, envid, smtputf8, "         \
  "eight_bit, message_id, subject, size_octets, received_at_us, step, creation_id, blob_id, "      \
  "email_id, submission_id, attempts, next_attempt_us, error_code, error_text"

void
postern_queue_effect_clear (PosternQueueEffect *self)
{
  g_clear_pointer (&self->orphans, g_ptr_array_unref);
}

void
postern_queue_effect_note_status (PosternQueueEffect *effect, int from, int to)
{
  if (from >= 0 && from <= POSTERN_QUEUE_STATUS_LAST)
    effect->counts[from]--;
  if (to >= 0 && to <= POSTERN_QUEUE_STATUS_LAST)
    effect->counts[to]++;
}

static void
note_orphan (PosternQueueEffect *effect, const char *id)
{
  if (effect->orphans == NULL)
    effect->orphans = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (effect->orphans, g_strdup (id));
}

static char *
shorten_subject (const char *subject)
{
  g_autofree char *valid = NULL;

  if (subject == NULL)
    return NULL;
  valid = g_utf8_make_valid (subject, -1);
  if (g_utf8_strlen (valid, -1) <= MAX_SUBJECT_CHARACTERS)
    return g_steal_pointer (&valid);
  return g_utf8_substring (valid, 0, MAX_SUBJECT_CHARACTERS);
}

/**
 * postern_queue_rows_insert:
 * @entry: with its id
 * @body: (nullable): NULL when it is in the spool
 */
gboolean
postern_queue_rows_insert (PosternDatabase *database,
                           const PosternQueueEntry *entry,
                           GBytes *body,
                           PosternQueueEffect *effect,
                           GError **error)
{
  const PosternEnvelope *envelope = entry->envelope;
  g_autofree char *subject = shorten_subject (entry->subject);
  gint64 row;

  if (!postern_database_do (
          database,
          error,
          "INSERT INTO entries (id, kind, status, status_before, status_since_us, login, account,"
          " sender, ret, envid, smtputf8, eight_bit, message_id, subject, size_octets,"
          " received_at_us, spooled, step, creation_id, blob_id, email_id, submission_id,"
          " attempts, next_attempt_us, error_code, error_text)"
          " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
          "siiiisssssiissiiiissssiiis",
          entry->id,
          (gint64) entry->kind,
          (gint64) entry->status,
          (gint64) entry->status,
          entry->status_since_us != 0 ? entry->status_since_us : entry->received_at_us,
          entry->login_id,
          entry->account_id,
          envelope->sender,
          envelope->ret,
          envelope->envid,
          (gint64) envelope->smtputf8,
          (gint64) envelope->eight_bit,
          entry->message_id,
          subject,
          (gint64) entry->size_octets,
          entry->received_at_us,
          (gint64) (body == NULL),
          (gint64) entry->step,
          entry->creation_id != NULL ? entry->creation_id : entry->id,
          entry->blob_id,
          entry->email_id,
          entry->submission_id,
          (gint64) entry->attempts,
          entry->next_attempt_us != 0 ? entry->next_attempt_us : entry->received_at_us,
          (gint64) entry->error_code,
          entry->error_text))
    return FALSE;
  row = postern_database_last_row (database);

  for (guint i = 0; i < envelope->recipients->len; i++)
    {
      const PosternRecipient *address = g_ptr_array_index (envelope->recipients, i);
      const PosternQueueRecipient *state = g_ptr_array_index (entry->recipients, i);

      if (!postern_database_do (database,
                                error,
                                "INSERT INTO recipients (entry, position, address, notify, orcpt,"
                                " delivery, status, reason) VALUES (?,?,?,?,?,?,?,?)",
                                "iisssiss",
                                row,
                                (gint64) i,
                                address->address,
                                address->notify,
                                address->orcpt,
                                (gint64) state->delivery,
                                state->status,
                                state->reason))
        return FALSE;
    }
  if (body != NULL)
    {
      gsize length;
      const void *data = g_bytes_get_data (body, &length);

      /* An empty blob needs an address too, else it is NULL. */
      if (!postern_database_do (database,
                                error,
                                "INSERT INTO bodies (entry, data) VALUES (?, ?)",
                                "ib",
                                row,
                                length > 0 ? data : "",
                                length))
        return FALSE;
    }
  postern_queue_effect_note_status (effect, -1, entry->status);
  return TRUE;
}

static gboolean
load_recipients (PosternDatabase *database, gint64 row, PosternQueueEntry *entry, GError **error)
{
  sqlite3_stmt *query = postern_database_query (
      database,
      error,
      "SELECT address, notify, orcpt, delivery, status, reason FROM recipients"
      " WHERE entry = ? ORDER BY position",
      "i",
      row);
  int step;

  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      PosternRecipient *address =
          postern_envelope_add (entry->envelope, (const char *) sqlite3_column_text (query, 0));
      PosternQueueRecipient *state = g_new0 (PosternQueueRecipient, 1);

      address->notify = postern_database_dup_text (query, 1);
      address->orcpt = postern_database_dup_text (query, 2);
      state->delivery = (PosternDelivery) sqlite3_column_int (query, 3);
      state->status = postern_database_dup_text (query, 4);
      state->reason = postern_database_dup_text (query, 5);
      g_ptr_array_add (entry->recipients, state);
    }
  return step == 0;
}

/* The current row of a query of ENTRY_COLUMNS, still without recipients. */
static PosternQueueEntry *
load_entry (sqlite3_stmt *query, gint64 *row)
{
  g_autoptr (PosternEnvelope) envelope =
      postern_envelope_new ((const char *) sqlite3_column_text (query, 7));
  PosternQueueEntry *entry;

  envelope->ret = postern_database_dup_text (query, 8);
  envelope->envid = postern_database_dup_text (query, 9);
  envelope->smtputf8 = sqlite3_column_int (query, 10);
  envelope->eight_bit = sqlite3_column_int (query, 11);
  entry = postern_queue_entry_new (envelope);
  *row = sqlite3_column_int64 (query, 0);
  entry->id = postern_database_dup_text (query, 1);
  entry->kind = (PosternQueueKind) sqlite3_column_int (query, 2);
  entry->status = (PosternQueueStatus) sqlite3_column_int (query, 3);
  entry->status_since_us = sqlite3_column_int64 (query, 4);
  entry->login_id = postern_database_dup_text (query, 5);
  entry->account_id = postern_database_dup_text (query, 6);
  entry->message_id = postern_database_dup_text (query, 12);
  entry->subject = postern_database_dup_text (query, 13);
  entry->size_octets = (guint64) sqlite3_column_int64 (query, 14);
  entry->received_at_us = sqlite3_column_int64 (query, 15);
  entry->step = (PosternQueueStep) sqlite3_column_int (query, 16);
  entry->creation_id = postern_database_dup_text (query, 17);
  entry->blob_id = postern_database_dup_text (query, 18);
  entry->email_id = postern_database_dup_text (query, 19);
  entry->submission_id = postern_database_dup_text (query, 20);
  entry->attempts = (guint) sqlite3_column_int (query, 21);
  entry->next_attempt_us = sqlite3_column_int64 (query, 22);
  entry->error_code = sqlite3_column_int (query, 23);
  entry->error_text = postern_database_dup_text (query, 24);
  return entry;
}

static gboolean
remove_row (PosternDatabase *database, gint64 row, GError **error)
{
  return postern_database_do (database, error, "DELETE FROM bodies WHERE entry = ?", "i", row) &&
         postern_database_do (database,
                              error,
                              "DELETE FROM recipients WHERE entry = ?",
                              "i",
                              row) &&
         postern_database_do (database, error, "DELETE FROM entries WHERE row = ?", "i", row);
}

static gboolean
update_recipients (PosternDatabase *database,
                   gint64 row,
                   const PosternQueueEntry *entry,
                   GError **error)
{
  for (guint i = 0; i < entry->recipients->len; i++)
    {
      const PosternQueueRecipient *state = g_ptr_array_index (entry->recipients, i);

      /* Most do not change from one step to the next. */
      if (!postern_database_do (database,
                                error,
                                "UPDATE recipients SET delivery = ?1, status = ?2, reason = ?3"
                                " WHERE entry = ?4 AND position = ?5 AND"
                                " (delivery, status, reason) IS NOT (?1, ?2, ?3)",
                                "issii",
                                (gint64) state->delivery,
                                state->status,
                                state->reason,
                                row,
                                (gint64) i))
        return FALSE;
    }
  return TRUE;
}

static gboolean
note_draft (PosternDatabase *database, gint64 row, GError **error)
{
  return postern_database_do (database,
                              error,
                              "INSERT OR IGNORE INTO unwanted_drafts (account, email_id)"
                              " SELECT account, email_id FROM entries WHERE row = ? AND kind = 0"
                              " AND account IS NOT NULL AND email_id IS NOT NULL",
                              "i",
                              row);
}

/**
 * postern_queue_rows_abandon_draft:
 *
 * An entry that is not to be sent now gives up its draft, which is then to be removed at the backend;
 * sent after all, it is imported anew. One whose submission may have arrived keeps it, since only the
 * draft can tell.
 */
gboolean
postern_queue_rows_abandon_draft (PosternDatabase *database, gint64 row, GError **error)
{
  gint64 is_draft = postern_database_number (
      database,
      error,
      "SELECT count (*) FROM entries WHERE row = ? AND kind = 0 AND step = 2",
      "i",
      row);

  if (is_draft <= 0)
    return is_draft == 0;
  return note_draft (database, row, error) &&
         postern_database_do (
             database,
             error,
             "UPDATE entries SET step = 0, blob_id = NULL, email_id = NULL WHERE row = ?",
             "i",
             row);
}

/**
 * postern_queue_rows_update:
 * @entry: as whoever delivers it has found it
 *
 * What a person has done to it meanwhile stays, unless it was sent: then it is done, whatever they
 * wanted. One that was about to be submitted is not, and has not come further than its draft.
 */
PosternQueueRowUpdate
postern_queue_rows_update (PosternDatabase *database,
                           const PosternQueueEntry *entry,
                           gint64 now_us,
                           PosternQueueEffect *effect,
                           GError **error)
{
  gboolean done =
      entry->step == POSTERN_QUEUE_STEP_DONE && entry->status != POSTERN_QUEUE_STATUS_FAILED;
  gboolean withdrawn;
  PosternQueueStatus status;
  PosternQueueStatus status_now;
  PosternQueueStep step_now;
  PosternQueueStep step_new = entry->step;
  gint64 row;
  gboolean spooled;
  sqlite3_stmt *query =
      postern_database_query (database,
                              error,
                              "SELECT row, status, spooled, step FROM entries WHERE id = ?",
                              "s",
                              entry->id);
  int step = query == NULL ? -1 : postern_database_step (database, query, error);

  if (step < 0)
    return POSTERN_QUEUE_ROW_FAILED;
  if (step == 0)
    return POSTERN_QUEUE_ROW_WITHDRAWN;
  row = sqlite3_column_int64 (query, 0);
  status_now = (PosternQueueStatus) sqlite3_column_int (query, 1);
  spooled = sqlite3_column_int (query, 2);
  step_now = (PosternQueueStep) sqlite3_column_int (query, 3);
  postern_database_end_query (query);

  if (done)
    {
      if (!remove_row (database, row, error))
        return POSTERN_QUEUE_ROW_FAILED;
      postern_queue_effect_note_status (effect, status_now, -1);
      if (spooled)
        note_orphan (effect, entry->id);
      return POSTERN_QUEUE_ROW_UPDATED;
    }

  withdrawn = status_now != POSTERN_QUEUE_STATUS_WAITING;
  status = withdrawn ? status_now : entry->status;
  if (status_now == POSTERN_QUEUE_STATUS_HELD && entry->status == POSTERN_QUEUE_STATUS_FAILED)
    status = POSTERN_QUEUE_STATUS_FAILED;
  if (withdrawn && step_new == POSTERN_QUEUE_STEP_SUBMITTING && step_now < step_new)
    step_new = POSTERN_QUEUE_STEP_IMPORTED;
  if (!postern_database_do (
          database,
          error,
          "UPDATE entries SET status_since_us = CASE WHEN status = ?1 THEN status_since_us"
          " ELSE ?2 END, status = ?1, step = ?3, creation_id = ?4, blob_id = ?5, email_id = ?6,"
          " submission_id = ?7, attempts = ?8, next_attempt_us = ?9, error_code = ?10,"
          " error_text = ?11, status_before = CASE WHEN ?1 = 3 AND ?12 <> 0"
          " THEN ?12 ELSE status_before END"
          " WHERE row = ?13",
          "iiissssiiisii",
          (gint64) status,
          now_us,
          (gint64) step_new,
          entry->creation_id != NULL ? entry->creation_id : entry->id,
          entry->blob_id,
          entry->email_id,
          entry->submission_id,
          (gint64) entry->attempts,
          entry->next_attempt_us,
          (gint64) entry->error_code,
          entry->error_text,
          (gint64) entry->status, /* what restoring it leads back to */
          row) ||
      !update_recipients (database, row, entry, error))
    return POSTERN_QUEUE_ROW_FAILED;
  if ((status == POSTERN_QUEUE_STATUS_FAILED || status == POSTERN_QUEUE_STATUS_DISCARDED) &&
      !postern_queue_rows_abandon_draft (database, row, error))
    return POSTERN_QUEUE_ROW_FAILED;
  postern_queue_effect_note_status (effect, status_now, status);
  return withdrawn ? POSTERN_QUEUE_ROW_WITHDRAWN : POSTERN_QUEUE_ROW_UPDATED;
}

/* Reads the entries that a query yields; its statement may not be used by what reads recipients. */
static GPtrArray *
collect (PosternDatabase *database,
         sqlite3_stmt *query,
         guint limit,
         GHashTable *without,
         GError **error)
{
  g_autoptr (GPtrArray) entries =
      g_ptr_array_new_with_free_func ((GDestroyNotify) postern_queue_entry_free);
  int step = 0;

  if (query == NULL)
    return NULL;
  while (entries->len < limit && (step = postern_database_step (database, query, error)) > 0)
    {
      gint64 row;
      PosternQueueEntry *entry;

      if (without != NULL &&
          g_hash_table_contains (without, (const char *) sqlite3_column_text (query, 1)))
        continue;
      entry = load_entry (query, &row);
      g_ptr_array_add (entries, entry);
      if (!load_recipients (database, row, entry, error))
        {
          postern_database_end_query (query);
          return NULL;
        }
    }
  if (step < 0)
    return NULL;
  postern_database_end_query (query);
  return g_steal_pointer (&entries);
}

/**
 * postern_queue_rows_find_due:
 * @account_id: (nullable): NULL for all
 * @leased: (element-type utf8): ids to pass over
 */
GPtrArray *
postern_queue_rows_find_due (PosternDatabase *database,
                             const char *account_id,
                             guint limit,
                             gint64 now_us,
                             GHashTable *leased,
                             GError **error)
{
  /* Two texts, since the index serves the first as it is and the second only by sorting. */
  const char *sql = account_id != NULL ? "SELECT " ENTRY_COLUMNS " FROM entries WHERE status = 0"
                                         " AND account = ?2 AND next_attempt_us <= ?1"
                                         " ORDER BY next_attempt_us, row"
                                       : "SELECT " ENTRY_COLUMNS " FROM entries WHERE status = 0"
                                         " AND ?2 IS NULL AND next_attempt_us <= ?1"
                                         " ORDER BY next_attempt_us, row";

  return collect (database,
                  postern_database_query (database, error, sql, "is", now_us, account_id),
                  limit,
                  leased,
                  error);
}

/**
 * postern_queue_rows_next_due:
 *
 * Returns: when the first entry that is not leased is due; G_MAXINT64 when none waits; -1 with an
 *   error.
 */
gint64
postern_queue_rows_next_due (PosternDatabase *database,
                             const char *account_id,
                             GHashTable *leased,
                             GError **error)
{
  const char *sql = account_id != NULL ? "SELECT next_attempt_us, id FROM entries WHERE status = 0"
                                         " AND account = ? ORDER BY next_attempt_us"
                                       : "SELECT next_attempt_us, id FROM entries WHERE status = 0"
                                         " AND ? IS NULL ORDER BY next_attempt_us";
  sqlite3_stmt *query = postern_database_query (database, error, sql, "s", account_id);
  int step;

  if (query == NULL)
    return -1;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      gint64 due = sqlite3_column_int64 (query, 0);

      if (g_hash_table_contains (leased, (const char *) sqlite3_column_text (query, 1)))
        continue;
      postern_database_end_query (query);
      return due;
    }
  return step == 0 ? G_MAXINT64 : -1;
}

static void
set_not_found (GError **error, const char *id)
{
  g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND, "The queue has no message %s", id);
}

PosternQueueEntry *
postern_queue_rows_get (PosternDatabase *database, const char *id, GError **error)
{
  g_autoptr (GPtrArray) entries =
      collect (database,
               postern_database_query (database,
                                       error,
                                       "SELECT " ENTRY_COLUMNS " FROM entries WHERE id = ?",
                                       "s",
                                       id),
               1,
               NULL,
               error);

  if (entries == NULL)
    return NULL;
  if (entries->len == 0)
    {
      set_not_found (error, id);
      return NULL;
    }
  return g_ptr_array_steal_index (entries, 0);
}

static char *
like_pattern (const char *text)
{
  GString *pattern;

  if (text == NULL || *text == '\0')
    return NULL;
  pattern = g_string_new ("%");
  for (; *text != '\0'; text++)
    {
      if (strchr ("%_\\", *text) != NULL)
        g_string_append_c (pattern, '\\');
      g_string_append_c (pattern, *text);
    }
  g_string_append_c (pattern, '%');
  return g_string_free (pattern, FALSE);
}

#define FILTER                                                                                     \
  " FROM entries WHERE (status = ?1 OR (?1 < 0 AND status <> 3)) AND (?2 IS NULL OR account = "    \
  "?2) AND"                                                                                        \
  " (?3 IS NULL OR sender LIKE ?3 ESCAPE '\\' OR subject LIKE ?3 ESCAPE '\\' OR"                   \
  " error_text LIKE ?3 ESCAPE '\\' OR EXISTS (SELECT 1 FROM recipients WHERE entry = entries.row"  \
  " AND (address LIKE ?3 ESCAPE '\\' OR recipients.reason LIKE ?3 ESCAPE '\\')))"

/**
 * postern_queue_rows_list:
 *
 * One page, the newest first.
 */
GPtrArray *
postern_queue_rows_list (PosternDatabase *database,
                         const PosternQueueFilter *filter,
                         guint offset,
                         guint limit,
                         guint *total,
                         GError **error)
{
  g_autofree char *pattern = like_pattern (filter->text);
  g_autoptr (GPtrArray) entries = NULL;
  gint64 count;

  /* Page and total are of one moment. */
  if (!postern_database_do (database, error, "BEGIN", ""))
    return NULL;
  count = postern_database_number (database,
                                   error,
                                   "SELECT count (*)" FILTER,
                                   "iss",
                                   (gint64) filter->status,
                                   filter->account_id,
                                   pattern);
  if (count >= 0)
    entries = collect (database,
                       postern_database_query (database,
                                               error,
                                               "SELECT " ENTRY_COLUMNS FILTER
                                               " ORDER BY row DESC LIMIT ?4 OFFSET ?5",
                                               "issii",
                                               (gint64) filter->status,
                                               filter->account_id,
                                               pattern,
                                               (gint64) limit,
                                               (gint64) offset),
                       limit,
                       NULL,
                       error);
  postern_database_do (database, NULL, "COMMIT", "");
  *total = (guint) MAX (count, 0);
  return g_steal_pointer (&entries);
}

gboolean
postern_queue_rows_count (PosternDatabase *database, PosternQueueCounts *counts, GError **error)
{
  sqlite3_stmt *query =
      postern_database_query (database,
                              error,
                              "SELECT status, count (*) FROM entries GROUP BY status",
                              "");
  int step;

  *counts = (PosternQueueCounts){ 0 };
  if (query == NULL)
    return FALSE;
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      int status = sqlite3_column_int (query, 0);

      if (status >= 0 && status <= POSTERN_QUEUE_STATUS_LAST)
        counts->by_status[status] = (guint) sqlite3_column_int (query, 1);
    }
  return step == 0;
}

gboolean
postern_queue_rows_remove_row (PosternDatabase *database,
                               gint64 row,
                               const char *id,
                               int status,
                               gboolean spooled,
                               PosternQueueEffect *effect,
                               GError **error)
{
  if (!note_draft (database, row, error) || !remove_row (database, row, error))
    return FALSE;
  postern_queue_effect_note_status (effect, status, -1);
  if (spooled)
    note_orphan (effect, id);
  return TRUE;
}

/**
 * postern_queue_rows_remove:
 *
 * Removes an entry if there is one.
 */
gboolean
postern_queue_rows_remove (PosternDatabase *database,
                           const char *id,
                           PosternQueueEffect *effect,
                           GError **error)
{
  sqlite3_stmt *query =
      postern_database_query (database,
                              error,
                              "SELECT row, status, spooled FROM entries WHERE id = ?",
                              "s",
                              id);
  int step = query == NULL ? -1 : postern_database_step (database, query, error);
  gint64 row;
  int status;
  gboolean spooled;

  if (step <= 0)
    return step == 0;
  row = sqlite3_column_int64 (query, 0);
  status = sqlite3_column_int (query, 1);
  spooled = sqlite3_column_int (query, 2);
  postern_database_end_query (query);
  return postern_queue_rows_remove_row (database, row, id, status, spooled, effect, error);
}

/**
 * postern_queue_rows_get_body:
 * @body: (out) (transfer full): NULL when the body is in the spool
 */
gboolean
postern_queue_rows_get_body (PosternDatabase *database,
                             const char *id,
                             GBytes **body,
                             GError **error)
{
  sqlite3_stmt *query = postern_database_query (database,
                                                error,
                                                "SELECT spooled, data FROM entries"
                                                " LEFT JOIN bodies ON entry = row WHERE id = ?",
                                                "s",
                                                id);
  int step = query == NULL ? -1 : postern_database_step (database, query, error);

  *body = NULL;
  if (step < 0)
    return FALSE;
  if (step == 0)
    {
      set_not_found (error, id);
      return FALSE;
    }
  if (!sqlite3_column_int (query, 0))
    {
      gsize length = (gsize) sqlite3_column_bytes (query, 1);

      *body = g_bytes_new (sqlite3_column_blob (query, 1), length);
    }
  postern_database_end_query (query);
  return TRUE;
}

gboolean
postern_queue_rows_is_spooled (PosternDatabase *database, const char *id, GError **error)
{
  return postern_database_number (database,
                                  error,
                                  "SELECT spooled FROM entries WHERE id = ?",
                                  "s",
                                  id) > 0;
}
