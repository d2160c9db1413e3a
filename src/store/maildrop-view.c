/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/maildrop-view.h"

#include "store/uidl.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* New mail nearly always comes behind all that is there, so the next listing is the old one without
 * what is gone and with the new at its end. Only when something belongs in between is the order
 * asked of the database.
 *
 * Each listing has a generation. A body whose message has left is still wanted by sessions that
 * began before; its file goes when no listing of that generation or an older one is alive. */

typedef struct
{
  guint64 generation; /* the last that has it */
  guint64 row;
} Departed;

/* Outlives the view for as long as a session shows one of its listings. */
typedef struct
{
  gatomicrefcount references;
  PosternStoreWriter *writer; /* (owned) */
  gint64 account;
  char *bodies_dir;

  GMutex mutex;
  GArray *alive;    /* (element-type guint64) generations, rising */
  GArray *departed; /* (element-type Departed), their generations rising */
} Generations;

struct _PosternMaildropView
{
  gint64 account;
  PosternListing *listing; /* (nullable) NULL until the first complete one */
  guint64 generation;
  Generations *generations;

  /* The key of the last message that was listed: one with a greater key goes to the end. */
  gint64 last_received_at_us;
  char *last_email_id; /* (nullable) */

  /* What happened since the last listing. */
  gboolean rebuild;
  GPtrArray *appended; /* (element-type PosternMaildropMessage) */
  GHashTable *hidden;  /* (element-type guint64) */
  GArray *gone;        /* (element-type guint64) */
};

static Generations *
generations_ref (Generations *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

static void
generations_unref (Generations *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  postern_store_writer_unref (self->writer);
  g_free (self->bodies_dir);
  g_array_unref (self->alive);
  g_array_unref (self->departed);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

/* Removing files */

typedef struct
{
  PosternStoreJob job;
  Generations *generations; /* (owned) */
  GArray *rows;             /* (element-type guint64) */
} RemoveJob;

static void
remove_files (Generations *self, const GArray *rows)
{
  for (guint i = 0; i < rows->len; i++)
    {
      g_autofree char *path =
          postern_maildrop_view_dup_body_path (self->account,
                                               self->bodies_dir,
                                               g_array_index (rows, guint64, i));

      if (g_unlink (path) < 0 && errno != ENOENT)
        g_debug ("Removing %s: %s", path, g_strerror (errno));
    }
}

static void
do_remove (PosternStoreJob *job)
{
  RemoveJob *self = (RemoveJob *) job;

  remove_files (self->generations, self->rows);
}

static void
on_remove_done (PosternStoreJob *job)
{
  RemoveJob *self = (RemoveJob *) job;

  generations_unref (self->generations);
  g_array_unref (self->rows);
  g_free (self);
}

/* Those that no listing has any more. With the mutex held. */
static GArray *
take_departed (Generations *self)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint64 oldest = self->alive->len > 0 ? g_array_index (self->alive, guint64, 0) : G_MAXUINT64;
  guint count = 0;

  while (count < self->departed->len &&
         g_array_index (self->departed, Departed, count).generation < oldest)
    g_array_append_val (rows, g_array_index (self->departed, Departed, count++).row);
  if (count > 0)
    g_array_remove_range (self->departed, 0, count);
  return rows;
}

typedef struct
{
  Generations *generations; /* (owned) */
  guint64 generation;
} Release;

/* The last session with this listing has ended, on whichever thread. */
static void
on_listing_released (gpointer data)
{
  Release *release = data;
  Generations *self = release->generations;
  g_autoptr (GArray) rows = NULL;

  g_mutex_lock (&self->mutex);
  for (guint i = 0; i < self->alive->len; i++)
    {
      if (g_array_index (self->alive, guint64, i) == release->generation)
        {
          g_array_remove_index (self->alive, i);
          break;
        }
    }
  rows = take_departed (self);
  g_mutex_unlock (&self->mutex);

  if (rows->len > 0)
    {
      RemoveJob *job = g_new0 (RemoveJob, 1);

      job->job.prepare = do_remove;
      job->job.done = on_remove_done;
      job->generations = generations_ref (self);
      job->rows = g_steal_pointer (&rows);
      postern_store_writer_push (self->writer, &job->job);
    }
  generations_unref (self);
  g_free (release);
}

static void
adopt_listing (PosternMaildropView *self, PosternListing *listing)
{
  g_autoptr (PosternListing) old = g_steal_pointer (&self->listing);
  Release *release = g_new0 (Release, 1);

  self->listing = listing;
  self->generation++;
  release->generations = generations_ref (self->generations);
  release->generation = self->generation;
  postern_listing_set_release (listing, on_listing_released, release);
  g_mutex_lock (&self->generations->mutex);
  g_array_append_val (self->generations->alive, self->generation);
  g_mutex_unlock (&self->generations->mutex);
}

static void
part_with_gone (PosternMaildropView *self, guint64 last_generation)
{
  Generations *generations = self->generations;
  g_autoptr (GArray) rows = NULL;

  g_mutex_lock (&generations->mutex);
  for (guint i = 0; i < self->gone->len; i++)
    {
      Departed departed = { last_generation, g_array_index (self->gone, guint64, i) };

      g_array_append_val (generations->departed, departed);
    }
  rows = take_departed (generations);
  g_mutex_unlock (&generations->mutex);
  remove_files (generations, rows);
}

/* Building */

static int
compare_keys (gint64 a_received, const char *a_id, gint64 b_received, const char *b_id)
{
  if (a_received != b_received)
    return a_received < b_received ? -1 : 1;
  return strcmp (a_id, b_id);
}

static int
compare_messages (gconstpointer a, gconstpointer b)
{
  const PosternMaildropMessage *one = *(const PosternMaildropMessage *const *) a;
  const PosternMaildropMessage *two = *(const PosternMaildropMessage *const *) b;

  return compare_keys (one->received_at_us, one->email_id, two->received_at_us, two->email_id);
}

static void
list_message (PosternMaildropView *self,
              PosternListing *listing,
              guint64 row,
              const char *email_id,
              gint64 canonical_octets)
{
  g_autofree char *uidl = postern_uidl_from_email_id (email_id);

  postern_listing_add (listing, row, (guint64) canonical_octets, uidl);
}

static void
note_last (PosternMaildropView *self, gint64 received_at_us, const char *email_id)
{
  g_free (self->last_email_id);
  self->last_email_id = g_strdup (email_id);
  self->last_received_at_us = received_at_us;
}

static PosternListing *
build_from_database (PosternMaildropView *self, PosternDatabase *database, GError **error)
{
  g_autoptr (PosternListing) listing = NULL;
  sqlite3_stmt *query = postern_maildrop_rows_query_listed (database, self->account, error);
  g_autofree char *last_id = NULL;
  gint64 last_received_at_us = 0;
  guint expected = self->listing != NULL ? postern_listing_get_count (self->listing) : 0;
  int step;

  if (query == NULL)
    return NULL;
  listing = postern_listing_new (expected + 16);
  while ((step = postern_database_step (database, query, error)) > 0)
    {
      const char *email_id = (const char *) sqlite3_column_text (query, 1);

      list_message (self,
                    listing,
                    (guint64) sqlite3_column_int64 (query, 0),
                    email_id,
                    sqlite3_column_int64 (query, 2));
      g_free (last_id);
      last_id = g_strdup (email_id);
      last_received_at_us = sqlite3_column_int64 (query, 3);
    }
  if (step < 0)
    return NULL;
  note_last (self, last_received_at_us, last_id);
  return g_steal_pointer (&listing);
}

static PosternListing *
build_from_last (PosternMaildropView *self)
{
  guint count = postern_listing_get_count (self->listing);
  PosternListing *listing = postern_listing_new (count + self->appended->len);

  for (guint i = 0; i < count; i++)
    {
      guint64 row = postern_listing_get_row (self->listing, i);

      if (!g_hash_table_contains (self->hidden, &row))
        postern_listing_add (listing,
                             row,
                             postern_listing_get_size (self->listing, i),
                             postern_listing_get_uidl (self->listing, i));
    }
  for (guint i = 0; i < self->appended->len; i++)
    {
      const PosternMaildropMessage *message = g_ptr_array_index (self->appended, i);

      if (g_hash_table_contains (self->hidden, &message->row))
        continue;
      list_message (self, listing, message->row, message->email_id, message->canonical_octets);
      note_last (self, message->received_at_us, message->email_id);
    }
  return listing;
}

static gboolean
fits_behind (PosternMaildropView *self)
{
  const PosternMaildropMessage *first;

  if (self->listing == NULL || self->rebuild)
    return FALSE;
  g_ptr_array_sort (self->appended, compare_messages);
  if (self->appended->len == 0 || self->last_email_id == NULL)
    return TRUE;
  first = g_ptr_array_index (self->appended, 0);
  return compare_keys (first->received_at_us,
                       first->email_id,
                       self->last_received_at_us,
                       self->last_email_id) > 0;
}

static void
forget_changes (PosternMaildropView *self)
{
  self->rebuild = FALSE;
  g_ptr_array_set_size (self->appended, 0);
  g_hash_table_remove_all (self->hidden);
  g_array_set_size (self->gone, 0);
}

/**
 * postern_maildrop_view_take:
 *
 * Collects what a transaction has done; it counts at the next renewal.
 */
void
postern_maildrop_view_take (PosternMaildropView *self, PosternMaildropEffect *effect)
{
  self->rebuild |= effect->rebuild;
  if (effect->appended != NULL)
    g_ptr_array_extend_and_steal (self->appended, g_steal_pointer (&effect->appended));
  for (guint i = 0; effect->hidden != NULL && i < effect->hidden->len; i++)
    g_hash_table_add (self->hidden,
                      g_memdup2 (&g_array_index (effect->hidden, guint64, i), sizeof (guint64)));
  if (effect->gone != NULL)
    g_array_append_vals (self->gone, effect->gone->data, effect->gone->len);
}

/**
 * postern_maildrop_view_renew:
 *
 * Makes the listing that shows all that was collected, unless nothing has changed or the account
 * was never listed completely.
 */
gboolean
postern_maildrop_view_renew (PosternMaildropView *self, PosternDatabase *database, GError **error)
{
  guint64 old_generation = self->generation;
  PosternListing *listing = NULL;
  gboolean changes =
      self->rebuild || self->appended->len > 0 || g_hash_table_size (self->hidden) > 0;

  if (changes)
    {
      g_autofree char *cursor = NULL;
      gint64 listed_at_us;
      gboolean is_complete;

      if (!postern_maildrop_rows_get_account (database,
                                              self->account,
                                              &cursor,
                                              &listed_at_us,
                                              &is_complete,
                                              error))
        return FALSE;
      if (is_complete)
        {
          listing = fits_behind (self) ? build_from_last (self)
                                       : build_from_database (self, database, error);
          if (listing == NULL)
            return FALSE;
          adopt_listing (self, listing);
        }
    }
  part_with_gone (self, old_generation);
  forget_changes (self);
  return TRUE;
}

/**
 * postern_maildrop_view_get_listing:
 *
 * Returns: (transfer none) (nullable): NULL until there was a complete one.
 */
PosternListing *
postern_maildrop_view_get_listing (PosternMaildropView *self)
{
  return self->listing;
}

char *
postern_maildrop_view_dup_body_path (gint64 account, const char *bodies_dir, guint64 row)
{
  return g_strdup_printf ("%s/%" G_GINT64_FORMAT "/%" G_GUINT64_FORMAT, bodies_dir, account, row);
}

/**
 * postern_maildrop_view_new:
 *
 * Returns: (transfer full): without a listing; the first renewal reads it.
 */
PosternMaildropView *
postern_maildrop_view_new (PosternStoreWriter *writer, gint64 account, const char *bodies_dir)
{
  PosternMaildropView *self = g_new0 (PosternMaildropView, 1);
  Generations *generations = g_new0 (Generations, 1);

  g_atomic_ref_count_init (&generations->references);
  generations->writer = postern_store_writer_ref (writer);
  generations->account = account;
  generations->bodies_dir = g_strdup (bodies_dir);
  g_mutex_init (&generations->mutex);
  generations->alive = g_array_new (FALSE, FALSE, sizeof (guint64));
  generations->departed = g_array_new (FALSE, FALSE, sizeof (Departed));

  self->account = account;
  self->generations = generations;
  self->rebuild = TRUE;
  self->appended = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
  self->hidden = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->gone = g_array_new (FALSE, FALSE, sizeof (guint64));
  return self;
}

void
postern_maildrop_view_free (PosternMaildropView *self)
{
  g_clear_pointer (&self->listing, postern_listing_unref);
  generations_unref (self->generations);
  g_ptr_array_unref (self->appended);
  g_hash_table_unref (self->hidden);
  g_array_unref (self->gone);
  g_free (self->last_email_id);
  g_free (self);
}
