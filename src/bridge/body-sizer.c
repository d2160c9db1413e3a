/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/body-sizer.h"

#include "base/error.h"
#include "bridge/caching-stream.h"

#define AT_ONCE     4
#define PAGE        64
#define READ_OCTETS (64 * 1024)

struct _PosternBodySizer
{
  GObject parent_instance;

  char *account_id;
  PosternBackend *backend;
  PosternStore *store;
  GHashTable *hopeless; /* (element-type utf8): email ids whose body cannot be had */

  GTask *task;      /* (nullable): the run */
  GPtrArray *pages; /* (nullable) (element-type PosternMaildropMessage): left of this page */
  guint running;
  GError *error; /* (nullable): ends the run when those that run have ended */
};

G_DEFINE_FINAL_TYPE (PosternBodySizer, postern_body_sizer, G_TYPE_OBJECT)

typedef struct
{
  PosternBodySizer *sizer;
  PosternMaildropMessage *message;
  GInputStream *stream; /* (nullable) */
} Reading;

static void start_more (PosternBodySizer *self);

static void
reading_free (Reading *reading)
{
  g_object_unref (reading->sizer);
  postern_maildrop_message_free (reading->message);
  g_clear_object (&reading->stream);
  g_free (reading);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reading, reading_free)

PosternBodySizer *
postern_body_sizer_new (const char *account_id, PosternBackend *backend, PosternStore *store)
{
  PosternBodySizer *self = g_object_new (POSTERN_TYPE_BODY_SIZER, NULL);

  self->account_id = g_strdup (account_id);
  self->backend = g_object_ref (backend);
  self->store = g_object_ref (store);
  return self;
}

/* Takes over @error. One message that cannot be had is left out; anything else ends the run. */
static void
end_reading (Reading *reading, GError *error)
{
  PosternBodySizer *self = reading->sizer;

  self->running--;
  if (error != NULL && !postern_error_is_temporary (error))
    {
      g_info ("Account %s: a message cannot be listed, its body is not to be had: %s",
              self->account_id,
              error->message);
      g_hash_table_add (self->hopeless, g_strdup (reading->message->email_id));
      g_error_free (error);
    }
  else if (error != NULL && self->error == NULL)
    self->error = error;
  else
    g_clear_error (&error);
  start_more (self);
}

static void
on_size_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reading) reading = user_data;
  GError *error = NULL;

  postern_maildrop_store_change_finish (POSTERN_MAILDROP_STORE (source), result, &error);
  end_reading (reading, error);
}

static void
on_bytes (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reading) reading = user_data;
  PosternBodySizer *self = reading->sizer;
  GError *error = NULL;
  g_autoptr (GBytes) bytes =
      g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);
  PosternCachingStream *stream = POSTERN_CACHING_STREAM (source);

  if (bytes == NULL)
    end_reading (reading, error);
  else if (g_bytes_get_size (bytes) > 0)
    g_input_stream_read_bytes_async (G_INPUT_STREAM (source),
                                     READ_OCTETS,
                                     G_PRIORITY_LOW,
                                     g_task_get_cancellable (self->task),
                                     on_bytes,
                                     g_steal_pointer (&reading));
  else
    {
      PosternMaildropMessage *message = reading->message;

      postern_maildrop_store_set_canonical_size_async (
          postern_store_get_maildrops (self->store),
          self->account_id,
          message->row,
          (guint64) postern_caching_stream_get_canonical_size (stream),
          on_size_set,
          g_steal_pointer (&reading));
    }
}

static void
on_fetched (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Reading) reading = user_data;
  PosternBodySizer *self = reading->sizer;
  GError *error = NULL;
  g_autoptr (GInputStream) body =
      postern_backend_fetch_finish (POSTERN_BACKEND (source), result, &error);
  GInputStream *stream;

  if (body == NULL)
    {
      end_reading (reading, error);
      return;
    }
  stream = postern_caching_stream_new (body,
                                       postern_store_get_bodies (self->store),
                                       self->account_id,
                                       reading->message->row,
                                       reading->message->size_octets);
  reading->stream = stream;
  g_input_stream_read_bytes_async (stream,
                                   READ_OCTETS,
                                   G_PRIORITY_LOW,
                                   g_task_get_cancellable (self->task),
                                   on_bytes,
                                   g_steal_pointer (&reading));
}

static void
start_reading (PosternBodySizer *self, PosternMaildropMessage *message)
{
  Reading *reading = g_new0 (Reading, 1);

  self->running++;
  reading->sizer = g_object_ref (self);
  reading->message = message;
  postern_backend_fetch_async (self->backend,
                               message->blob_id,
                               message->size_octets,
                               g_task_get_cancellable (self->task),
                               on_fetched,
                               reading);
}

static void
end_run (PosternBodySizer *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  g_clear_pointer (&self->pages, g_ptr_array_unref);
  if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
on_unsized (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PosternBodySizer) self = user_data;
  g_autoptr (GPtrArray) found =
      postern_maildrop_store_find_unsized_finish (POSTERN_MAILDROP_STORE (source),
                                                  result,
                                                  &self->error);

  if (found == NULL)
    {
      end_run (self);
      return;
    }
  g_ptr_array_set_free_func (found, NULL);
  self->pages = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_maildrop_message_free);
  for (guint i = 0; i < found->len; i++)
    {
      PosternMaildropMessage *message = g_ptr_array_index (found, i);

      if (g_hash_table_contains (self->hopeless, message->email_id))
        postern_maildrop_message_free (message);
      else
        g_ptr_array_add (self->pages, message);
    }
  if (self->pages->len == 0)
    end_run (self);
  else
    start_more (self);
}

static void
look_for_more (PosternBodySizer *self)
{
  g_clear_pointer (&self->pages, g_ptr_array_unref);
  postern_maildrop_store_find_unsized_async (postern_store_get_maildrops (self->store),
                                             self->account_id,
                                             PAGE + g_hash_table_size (self->hopeless),
                                             g_task_get_cancellable (self->task),
                                             on_unsized,
                                             g_object_ref (self));
}

static void
start_more (PosternBodySizer *self)
{
  while (self->error == NULL && self->pages->len > 0 && self->running < AT_ONCE)
    start_reading (self, g_ptr_array_steal_index (self->pages, 0));
  if (self->running > 0)
    return;
  if (self->error != NULL)
    end_run (self);
  else
    look_for_more (self);
}

/**
 * postern_body_sizer_run_async:
 *
 * Reads whatever has no size yet. One run at a time.
 */
void
postern_body_sizer_run_async (PosternBodySizer *self,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_return_if_fail (self->task == NULL);

  self->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, postern_body_sizer_run_async);
  look_for_more (self);
}

gboolean
postern_body_sizer_run_finish (PosternBodySizer *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
postern_body_sizer_dispose (GObject *object)
{
  PosternBodySizer *self = POSTERN_BODY_SIZER (object);

  g_clear_object (&self->backend);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (postern_body_sizer_parent_class)->dispose (object);
}

static void
postern_body_sizer_finalize (GObject *object)
{
  PosternBodySizer *self = POSTERN_BODY_SIZER (object);

  g_free (self->account_id);
  g_hash_table_unref (self->hopeless);
  g_clear_pointer (&self->pages, g_ptr_array_unref);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (postern_body_sizer_parent_class)->finalize (object);
}

static void
postern_body_sizer_init (PosternBodySizer *self)
{
  self->hopeless = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
postern_body_sizer_class_init (PosternBodySizerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = postern_body_sizer_dispose;
  G_OBJECT_CLASS (klass)->finalize = postern_body_sizer_finalize;
}
