/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/body-opener.h"

#include "base/error.h"
#include "bridge/caching-stream.h"

typedef struct
{
  PosternBackend *backend;
  char *account_id;
  guint64 row;
} Opening;

static void
opening_free (gpointer data)
{
  Opening *opening = data;

  g_object_unref (opening->backend);
  g_free (opening->account_id);
  g_free (opening);
}

typedef struct
{
  GTask *task;
  guint64 size_octets;
} Fetch;

static void
on_fetched (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Fetch *fetch = user_data;
  g_autoptr (GTask) task = fetch->task;
  PosternStore *store = g_task_get_source_object (task);
  const Opening *opening = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GInputStream) body =
      postern_backend_fetch_finish (POSTERN_BACKEND (source), result, &error);

  if (body == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task,
                           postern_caching_stream_new (body,
                                                       postern_store_get_bodies (store),
                                                       opening->account_id,
                                                       opening->row,
                                                       fetch->size_octets),
                           g_object_unref);
}

static void
on_looked_up (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Opening *opening = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (PosternMaildropMessage) message =
      postern_maildrop_store_lookup_finish (POSTERN_MAILDROP_STORE (source), result, &error);
  Fetch *fetch;

  if (message == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  fetch = g_new0 (Fetch, 1);
  fetch->task = g_steal_pointer (&task);
  fetch->size_octets = message->size_octets;
  postern_backend_fetch_async (opening->backend,
                               message->blob_id,
                               message->size_octets,
                               cancellable,
                               on_fetched,
                               fetch);
}

static void
on_cache_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternStore *store = g_task_get_source_object (task);
  const Opening *opening = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  g_autoptr (GError) error = NULL;
  GInputStream *body = postern_body_cache_open_finish (POSTERN_BODY_CACHE (source), result, &error);

  if (body != NULL)
    {
      g_task_return_pointer (task, body, g_object_unref);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    return;
  if (!g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
    g_info ("A cached message cannot be read, so it is fetched again: %s", error->message);
  postern_maildrop_store_lookup_async (postern_store_get_maildrops (store),
                                       opening->account_id,
                                       opening->row,
                                       cancellable,
                                       on_looked_up,
                                       g_steal_pointer (&task));
}

/**
 * postern_body_opener_open_async:
 * @row: of a message of the account's listing
 *
 * Opens the exact bytes of a message: from the cache, or from the backend while they are being
 * cached.
 */
void
postern_body_opener_open_async (PosternStore *store,
                                PosternBackend *backend,
                                const char *account_id,
                                guint64 row,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);
  Opening *opening = g_new0 (Opening, 1);

  g_task_set_source_tag (task, postern_body_opener_open_async);
  opening->backend = g_object_ref (backend);
  opening->account_id = g_strdup (account_id);
  opening->row = row;
  g_task_set_task_data (task, opening, opening_free);
  postern_body_cache_open_async (postern_store_get_bodies (store),
                                 account_id,
                                 row,
                                 cancellable,
                                 on_cache_opened,
                                 g_steal_pointer (&task));
}

/**
 * postern_body_opener_open_finish:
 *
 * Returns: (transfer full) (nullable): a stream to be read asynchronously. NOT_FOUND when the backend
 *   has it no more; else what PosternBackend says
 */
GInputStream *
postern_body_opener_open_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
