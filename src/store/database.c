/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/database.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* How SQLite is used here:
 *
 * - WAL with synchronous=FULL: a commit is one write and one sync of the log. The log is folded
 *   into the database by postern_database_upkeep(), after the answers are out, and not within a
 *   commit that somebody waits for.
 * - Schema changes are numbered by user_version. A file with a higher number than we know was
 *   written by a newer version. It is recognised from its header, before SQLite touches it.
 * - Statements are prepared once and found again by the address of their text, which therefore is
 *   always a literal. */

#define CHECKPOINT_PAGES 2000 /* 8 MiB of log */
#define SPARE_PAGES      1024 /* free pages kept for the next messages; more is given back */
#define VACUUM_PAGES     256  /* at a time, so that nobody waits long */

struct _PosternDatabase
{
  sqlite3 *handle;
  char *name; /* the file's name, for messages */
  GHashTable *statements;
  int log_pages; /* in the log after the last commit */
};

static void
configure_library (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      /* Nobody asks SQLite for its memory statistics, and its lookaside memory is taken in advance
       * for each connection. If another library was here first, this is refused and no matter. */
      sqlite3_config (SQLITE_CONFIG_MEMSTATUS, 0);
      sqlite3_config (SQLITE_CONFIG_LOOKASIDE, 128, 64);
      sqlite3_config (SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
      g_once_init_leave (&once, 1);
    }
}

/* The codes that mean: this disk, or this file, cannot be relied upon now. */
static int
error_code (int result)
{
  switch (result & 0xff)
    {
    case SQLITE_FULL:
      return POSTERN_ERROR_FULL;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
    case SQLITE_ERROR:
      return POSTERN_ERROR_FAILED;
    default:
      return POSTERN_ERROR_STORAGE;
    }
}

static void
set_error (PosternDatabase *self, GError **error, int result)
{
  g_set_error (error,
               POSTERN_ERROR,
               error_code (result),
               "%s: %s (SQLite %d)",
               self->name,
               self->handle != NULL ? sqlite3_errmsg (self->handle) : sqlite3_errstr (result),
               self->handle != NULL ? sqlite3_extended_errcode (self->handle) : result);
}

static gboolean
execute (PosternDatabase *self, const char *sql, GError **error)
{
  int result = sqlite3_exec (self->handle, sql, NULL, NULL, NULL);

  if (result == SQLITE_OK)
    return TRUE;
  set_error (self, error, result);
  return FALSE;
}

static int
on_commit (void *data, sqlite3 *handle, const char *name, int pages)
{
  PosternDatabase *self = data;

  self->log_pages = pages;
  return SQLITE_OK;
}

/* Offset 60 of the header holds user_version, big-endian (SQLite file format, section 1.3). */
static gboolean
check_header (const char *path, const char *name, guint known, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  guint8 header[64];
  ssize_t got;
  guint32 version;

  if (fd < 0)
    return TRUE; /* a file that cannot be read is told by whoever opens it */
  got = pread (fd, header, sizeof header, 0);
  close (fd);
  if (got < (ssize_t) sizeof header)
    return TRUE;
  memcpy (&version, header + 60, sizeof version);
  version = GUINT32_FROM_BE (version);
  if (version <= known)
    return TRUE;
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_NEWER,
               "%s was written by a newer Postern (schema %u, this one knows %u). It was left as "
               "it is: install the newer version again",
               name,
               version,
               known);
  return FALSE;
}

static void
finalize_statement (gpointer data)
{
  sqlite3_finalize (data);
}

static PosternDatabase *
open_handle (const char *path, int flags, GError **error)
{
  g_autoptr (PosternDatabase) self = g_new0 (PosternDatabase, 1);
  int result;

  configure_library ();
  self->name = g_path_get_basename (path);
  self->statements = g_hash_table_new_full (NULL, NULL, NULL, finalize_statement);
  result = sqlite3_open_v2 (path, &self->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
  if (result != SQLITE_OK)
    {
      set_error (self, error, result);
      return NULL;
    }
  sqlite3_extended_result_codes (self->handle, 1);
  /* Only we write; whoever looks in with the sqlite3 program may hold a lock for a moment. */
  sqlite3_busy_timeout (self->handle, 5000);
  return g_steal_pointer (&self);
}

static gboolean
migrate (PosternDatabase *self, const char *const *migrations, guint n_migrations, GError **error)
{
  g_autoptr (GError) local = NULL;
  gint64 version = postern_database_number (self, &local, "PRAGMA user_version", "");

  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (version > n_migrations)
    {
      /* The number was still in the log when the header was looked at. */
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_NEWER,
                   "%s was written by a newer Postern (schema %" G_GINT64_FORMAT
                   ", this one knows %u). Install the newer version again",
                   self->name,
                   version,
                   n_migrations);
      return FALSE;
    }
  for (guint i = (guint) version; i < n_migrations; i++)
    {
      g_autofree char *sql =
          g_strdup_printf ("BEGIN IMMEDIATE; %s; PRAGMA user_version = %u; COMMIT",
                           migrations[i],
                           i + 1);

      if (!execute (self, sql, error))
        {
          g_prefix_error (error, "Changing to schema %u: ", i + 1);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
sync_directory_of (const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean synced = fd >= 0 && fsync (fd) == 0;

  if (!synced)
    g_set_error (error,
                 POSTERN_ERROR,
                 POSTERN_ERROR_STORAGE,
                 "%s: %s",
                 directory,
                 g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return synced;
}

/**
 * postern_database_open:
 * @migrations: SQL of each schema change, in order; the first makes the first schema
 *
 * Opens a database for writing, makes it when there is none, and brings its schema up to date. No
 * other connection of this process may have it open: closing any descriptor of a file gives up all
 * locks that the process has on it, and the header is looked at here (fcntl(2)).
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_NEWER when a newer version wrote it,
 *   STORAGE or FULL when the disk did not do it.
 */
PosternDatabase *
postern_database_open (const char *path,
                       const char *const *migrations,
                       guint n_migrations,
                       GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  int fd;

  if (!check_header (path, name, n_migrations, error))
    return NULL;

  /* SQLite would make it readable by others; the log and its index take the mode of this file. */
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_STORAGE, "%s: %s", path, g_strerror (errno));
      return NULL;
    }
  close (fd);
  return postern_database_reopen (path, migrations, n_migrations, error);
}

/**
 * postern_database_reopen:
 *
 * The same for one that this process had open before, and may have open for reading.
 */
PosternDatabase *
postern_database_reopen (const char *path,
                         const char *const *migrations,
                         guint n_migrations,
                         GError **error)
{
  g_autoptr (PosternDatabase) self = open_handle (path, SQLITE_OPEN_READWRITE, error);

  if (self == NULL)
    return NULL;
  if (!execute (self,
                "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;"
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216;"
                "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY",
                error))
    return NULL;
  sqlite3_wal_hook (self->handle, on_commit, self);
  /* If the last run ended in a failed sync, pages may be in the kernel's cache that are not on the
   * disk and that nobody would write again: folding the log writes and syncs them anew. */
  if (!migrate (self, migrations, n_migrations, error) ||
      !execute (self, "PRAGMA wal_checkpoint (TRUNCATE)", error) ||
      !sync_directory_of (path, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * postern_database_open_reader:
 *
 * Opens a second connection, which sees what was committed and changes nothing. The database must
 * be open for writing already.
 */
PosternDatabase *
postern_database_open_reader (const char *path, GError **error)
{
  g_autoptr (PosternDatabase) self = open_handle (path, SQLITE_OPEN_READONLY, error);

  if (self == NULL ||
      !execute (self, "PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY", error))
    return NULL;
  return g_steal_pointer (&self);
}

void
postern_database_free (PosternDatabase *self)
{
  g_clear_pointer (&self->statements, g_hash_table_unref);
  sqlite3_close_v2 (self->handle);
  g_free (self->name);
  g_free (self);
}

/**
 * postern_database_abandon:
 *
 * Closes without writing anything more: the log stays for the next one who opens.
 */
void
postern_database_abandon (PosternDatabase *self)
{
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  postern_database_free (self);
}

static sqlite3_stmt *
bind_query (PosternDatabase *self,
            GError **error,
            const char *sql,
            const char *types,
            va_list arguments)
{
  sqlite3_stmt *query = g_hash_table_lookup (self->statements, sql);
  int result = SQLITE_OK;

  if (query == NULL)
    {
      result = sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &query, NULL);
      if (result != SQLITE_OK)
        {
          set_error (self, error, result);
          return NULL;
        }
      g_hash_table_insert (self->statements, (gpointer) sql, query);
    }

  for (int i = 0; types[i] != '\0' && result == SQLITE_OK; i++)
    {
      switch (types[i])
        {
        case 's':
          result = sqlite3_bind_text (query, i + 1, va_arg (arguments, char *), -1, SQLITE_STATIC);
          break;
        case 'i':
          result = sqlite3_bind_int64 (query, i + 1, va_arg (arguments, gint64));
          break;
        case 'b':
          {
            const void *data = va_arg (arguments, const void *);
            gsize length = va_arg (arguments, gsize);

            result = sqlite3_bind_blob64 (query, i + 1, data, length, SQLITE_STATIC);
            break;
          }
        default:
          g_assert_not_reached ();
        }
    }
  if (result == SQLITE_OK)
    return query;
  set_error (self, error, result);
  postern_database_end_query (query);
  return NULL;
}

/**
 * postern_database_query:
 * @sql: a literal
 * @types: one letter for each parameter: `s` for a string that may be NULL, `i` for a gint64, `b`
 *   for a blob, which is two arguments, address and gsize
 *
 * Strings and blobs are lent until the query has ended.
 * Returns: (transfer none) (nullable): for postern_database_step(), which ends it at the last row;
 *   who leaves earlier calls postern_database_end_query().
 */
sqlite3_stmt *
postern_database_query (PosternDatabase *self,
                        GError **error,
                        const char *sql,
                        const char *types,
                        ...)
{
  va_list arguments;
  sqlite3_stmt *query;

  va_start (arguments, types);
  query = bind_query (self, error, sql, types, arguments);
  va_end (arguments);
  return query;
}

/**
 * postern_database_step:
 *
 * Returns: 1 when there is a row, 0 at the end, -1 with an error; after both the query has ended.
 */
int
postern_database_step (PosternDatabase *self, sqlite3_stmt *query, GError **error)
{
  int result = sqlite3_step (query);

  if (result == SQLITE_ROW)
    return 1;
  if (result != SQLITE_DONE)
    set_error (self, error, result);
  postern_database_end_query (query);
  return result == SQLITE_DONE ? 0 : -1;
}

void
postern_database_end_query (sqlite3_stmt *query)
{
  sqlite3_reset (query);
  sqlite3_clear_bindings (query);
}

/**
 * postern_database_do:
 *
 * Runs a statement to its end; rows it yields are passed over.
 */
gboolean
postern_database_do (PosternDatabase *self, GError **error, const char *sql, const char *types, ...)
{
  va_list arguments;
  sqlite3_stmt *query;
  int step;

  va_start (arguments, types);
  query = bind_query (self, error, sql, types, arguments);
  va_end (arguments);
  if (query == NULL)
    return FALSE;
  do
    step = postern_database_step (self, query, error);
  while (step > 0);
  return step == 0;
}

/**
 * postern_database_number:
 *
 * Returns: the first column of the first row; 0 when there is no row or it is NULL; -1 with an
 *   error, which must be looked at where -1 is a lawful answer.
 */
gint64
postern_database_number (PosternDatabase *self,
                         GError **error,
                         const char *sql,
                         const char *types,
                         ...)
{
  va_list arguments;
  sqlite3_stmt *query;
  gint64 number = 0;
  int step;

  va_start (arguments, types);
  query = bind_query (self, error, sql, types, arguments);
  va_end (arguments);
  if (query == NULL)
    return -1;
  step = postern_database_step (self, query, error);
  if (step < 0)
    return -1;
  if (step > 0)
    {
      number = sqlite3_column_int64 (query, 0);
      postern_database_end_query (query);
    }
  return number;
}

guint
postern_database_changes (PosternDatabase *self)
{
  return (guint) sqlite3_changes (self->handle);
}

gint64
postern_database_last_row (PosternDatabase *self)
{
  return sqlite3_last_insert_rowid (self->handle);
}

gboolean
postern_database_in_transaction (PosternDatabase *self)
{
  return !sqlite3_get_autocommit (self->handle);
}

/**
 * postern_database_upkeep:
 *
 * Folds a log that has grown into the database, and gives a bit of what was freed back to the disk.
 * Returns: FALSE with an error when a sync failed: close the database.
 */
gboolean
postern_database_upkeep (PosternDatabase *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  gint64 spare;
  int result;

  if (self->log_pages < CHECKPOINT_PAGES)
    return TRUE;
  self->log_pages = 0;

  spare = postern_database_number (self, &local, "PRAGMA freelist_count", "");
  if (spare > SPARE_PAGES + VACUUM_PAGES &&
      !postern_database_do (self,
                            &local,
                            "PRAGMA incremental_vacuum (" G_STRINGIFY (VACUUM_PAGES) ")",
                            ""))
    g_debug ("Giving back free pages: %s", local->message);

  result = sqlite3_wal_checkpoint_v2 (self->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  /* BUSY: a reader still needs the log; the next one folds it. */
  if (result == SQLITE_OK || (result & 0xff) == SQLITE_BUSY)
    return TRUE;
  set_error (self, error, result);
  return FALSE;
}

/**
 * postern_database_dup_text:
 *
 * Returns: (transfer full) (nullable): a column as text.
 */
char *
postern_database_dup_text (sqlite3_stmt *query, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (query, column));
}
