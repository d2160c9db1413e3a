/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-secrets"

#include "config.h"

#include "secrets/file-store.h"

#include "base/durable-file.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One line a secret, "login TAB kind TAB id TAB secret", below a first line that says what the file
 * is. Nothing is escaped: the first three never hold a tab, the secret is the rest of the line and holds no
 * line end. So the file can be searched where it lies, and every copy of it can be wiped.
 *
 * Each operation reads the file anew in a GIO thread, one at a time under `lock`: what a person
 * restored from a backup holds at once. */

#define HEADER     "# Postern secrets, version 1\n"
#define MAX_LENGTH (1024 * 1024)

struct _PosternFileStore
{
  GObject parent_instance;

  char *path;
  PosternSecretStoreState state;
  GMutex lock; /* over the file */
};

static void postern_file_store_iface_init (PosternSecretStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternFileStore,
                               postern_file_store,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_SECRET_STORE,
                                                      postern_file_store_iface_init))

typedef enum
{
  LOOKUP,
  STORE,
  REMOVE,
  LIST,
  UNLOCK, /* there is nothing to unlock, but the file may be in order again */
} Verb;

typedef struct
{
  Verb verb;
  PosternSecretKey *key;
  PosternSecret *secret; /* (nullable) to store */
  GTask *task;           /* (owned) whom to tell */
  gboolean refused;      /* the file cannot be used at all */
} Operation;

static void
operation_free (Operation *self)
{
  postern_secret_key_free (self->key);
  g_clear_pointer (&self->secret, postern_secret_unref);
  g_clear_object (&self->task);
  g_free (self);
}

/* --- the file (any thread, under lock) --------------------------------------------------------- */

static gboolean
refuse (GError **error, const char *path, const char *why)
{
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_KEYRING_ABSENT,
               "The file with the secrets, %s, is not used: %s",
               path,
               why);
  return FALSE;
}

static gboolean
check_file (int fd, const char *path, struct stat *status, GError **error)
{
  if (fstat (fd, status) < 0)
    return refuse (error, path, g_strerror (errno));
  if (!S_ISREG (status->st_mode))
    return refuse (error, path, "it is no regular file");
  if (status->st_uid != geteuid ())
    return refuse (error, path, "it belongs to another user");
  if ((status->st_mode & 077) != 0)
    return refuse (error,
                   path,
                   "others may read it. Change the passwords in it if that matters, then take "
                   "their right away with chmod 600");
  if (status->st_size > MAX_LENGTH)
    return refuse (error, path, "it is larger than 1 MiB");
  return TRUE;
}

/* Returns (transfer full): the text; just the header when there is no file yet. */
static PosternSecret *
read_file (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  PosternSecret *text = NULL;
  struct stat status;
  g_autofree char *buffer = NULL;
  gssize length;

  if (fd < 0 && errno == ENOENT)
    return postern_secret_new (HEADER, -1);
  if (fd < 0)
    {
      refuse (error, path, errno == ELOOP ? "it is a symbolic link" : g_strerror (errno));
      return NULL;
    }
  if (check_file (fd, path, &status, error))
    {
      buffer = g_malloc ((gsize) status.st_size + 1);
      length = read (fd, buffer, (gsize) status.st_size);
      if (length < 0)
        refuse (error, path, g_strerror (errno));
      else if ((gsize) length < strlen (HEADER) || memcmp (buffer, HEADER, strlen (HEADER)) != 0)
        refuse (error, path, "it does not begin with the line that such a file has");
      else
        text = postern_secret_new (buffer, length);
      postern_memory_wipe (buffer, (gsize) status.st_size);
    }
  close (fd);
  return text;
}

/* Steps over one line of `*rest`; FALSE at the end. */
static gboolean
next_line (const char **rest, const char **line, gsize *length)
{
  const char *end;

  if (**rest == '\0')
    return FALSE;
  end = strchrnul (*rest, '\n');
  *line = *rest;
  *length = (gsize) (end - *rest);
  *rest = *end == '\0' ? end : end + 1;
  return TRUE;
}

static char *
make_prefix (const PosternSecretKey *key)
{
  return g_strconcat (key->login, "\t", key->kind, "\t", key->id, "\t", NULL);
}

static PosternSecret *
find_secret (PosternSecret *text, const PosternSecretKey *key)
{
  g_autofree char *prefix = make_prefix (key);
  gsize prefix_length = strlen (prefix);
  const char *rest = postern_secret_get_text (text);
  const char *line;
  gsize length;

  while (next_line (&rest, &line, &length))
    if (length > prefix_length && memcmp (line, prefix, prefix_length) == 0)
      return postern_secret_new (line + prefix_length, (gssize) (length - prefix_length));
  return NULL;
}

static GPtrArray *
find_keys (PosternSecret *text, const char *login)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_secret_key_free);
  const char *rest = postern_secret_get_text (text);
  const char *line;
  gsize length;

  while (next_line (&rest, &line, &length))
    {
      const char *kind = memchr (line, '\t', length);
      const char *id = kind == NULL ? NULL : memchr (kind + 1, '\t', length - (kind + 1 - line));
      const char *end = id == NULL ? NULL : memchr (id + 1, '\t', length - (id + 1 - line));

      if (end != NULL && (gsize) (kind - line) == strlen (login) &&
          memcmp (line, login, strlen (login)) == 0)
        {
          g_autofree char *kind_text = g_strndup (kind + 1, (gsize) (id - kind - 1));
          g_autofree char *id_text = g_strndup (id + 1, (gsize) (end - id - 1));

          g_ptr_array_add (keys, postern_secret_key_new (login, kind_text, id_text));
        }
    }
  return keys;
}

/* Writes the file without the key's line, and with a new one when there is a secret. */
static gboolean
rewrite (PosternFileStore *self, PosternSecret *text, const Operation *operation, GError **error)
{
  g_autofree char *prefix = make_prefix (operation->key);
  gsize prefix_length = strlen (prefix);
  gsize room = postern_secret_get_length (text) + prefix_length + 2 +
               (operation->secret == NULL ? 0 : postern_secret_get_length (operation->secret));
  /* Of its final size from the start, so that no copy is left behind by growing. */
  g_autofree char *buffer = g_malloc (room);
  char *end = buffer;
  const char *rest = postern_secret_get_text (text);
  const char *line;
  gsize length;
  gboolean ok;

  while (next_line (&rest, &line, &length))
    if (length <= prefix_length || memcmp (line, prefix, prefix_length) != 0)
      {
        end = mempcpy (end, line, length);
        *end++ = '\n';
      }
  if (operation->secret != NULL)
    {
      end = mempcpy (end, prefix, prefix_length);
      end = mempcpy (end,
                     postern_secret_get_text (operation->secret),
                     postern_secret_get_length (operation->secret));
      *end++ = '\n';
    }
  ok = postern_durable_file_write (self->path, buffer, (gsize) (end - buffer), error);
  postern_memory_wipe (buffer, room);
  return ok;
}

static void
act (PosternFileStore *self, Operation *operation, GTask *work)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) text = read_file (self->path, &error);
  PosternSecret *found;

  operation->refused = text == NULL;
  if (text == NULL)
    {
      g_task_return_error (work, g_steal_pointer (&error));
      return;
    }

  switch (operation->verb)
    {
    case LOOKUP:
      found = find_secret (text, operation->key);
      if (found != NULL)
        g_task_return_pointer (work, found, (GDestroyNotify) postern_secret_unref);
      else
        g_task_return_new_error (work,
                                 POSTERN_ERROR,
                                 POSTERN_ERROR_NOT_FOUND,
                                 "There is no such secret");
      return;
    case LIST:
      g_task_return_pointer (work,
                             find_keys (text, operation->key->login),
                             (GDestroyNotify) g_ptr_array_unref);
      return;
    case STORE:
    case REMOVE:
      if (rewrite (self, text, operation, &error))
        g_task_return_pointer (work, NULL, NULL);
      else
        g_task_return_error (work, g_steal_pointer (&error));
      return;
    case UNLOCK:
    default:
      g_task_return_pointer (work, NULL, NULL);
    }
}

static void
act_in_thread (GTask *work, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  PosternFileStore *self = POSTERN_FILE_STORE (source);

  g_mutex_lock (&self->lock);
  act (self, task_data, work);
  g_mutex_unlock (&self->lock);
}

/* --- operations (main context) ------------------------------------------------------------------ */

static void
set_state (PosternFileStore *self, PosternSecretStoreState state)
{
  if (self->state == state)
    return;
  self->state = state;
  g_signal_emit_by_name (self, "state-changed");
}

static void
on_acted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Operation *operation = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  gpointer value = g_task_propagate_pointer (G_TASK (result), &error);
  GTask *task = operation->task;

  set_state (POSTERN_FILE_STORE (source),
             operation->refused ? POSTERN_SECRET_STORE_ABSENT : POSTERN_SECRET_STORE_READY);
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (operation->verb == LOOKUP)
    g_task_return_pointer (task, value, (GDestroyNotify) postern_secret_unref);
  else if (operation->verb == LIST)
    g_task_return_pointer (task, value, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_boolean (task, TRUE);
}

static void
start (PosternSecretStore *store,
       Verb verb,
       const PosternSecretKey *key,
       PosternSecret *secret,
       GTask *task)
{
  g_autoptr (GTask) work = g_task_new (store, NULL, on_acted, NULL);
  Operation *operation = g_new0 (Operation, 1);

  operation->verb = verb;
  operation->key = postern_secret_key_new (key->login, key->kind, key->id);
  operation->secret = secret == NULL ? NULL : postern_secret_ref (secret);
  operation->task = task;
  g_task_set_task_data (work, operation, (GDestroyNotify) operation_free);
  g_task_run_in_thread (work, act_in_thread);
}

static void
do_lookup (PosternSecretStore *store, const PosternSecretKey *key, GTask *task)
{
  start (store, LOOKUP, key, NULL, task);
}

static gboolean
is_word (const char *text)
{
  return strpbrk (text, "\t\n") == NULL;
}

static void
do_store (PosternSecretStore *store,
          const PosternSecretKey *key,
          const char *label,
          PosternSecret *secret,
          GTask *task)
{
  const char *text = postern_secret_get_text (secret);
  gsize length = postern_secret_get_length (secret);

  if (length == 0 || strlen (text) != length || strchr (text, '\n') != NULL ||
      !is_word (key->login) || !is_word (key->kind) || !is_word (key->id) || *key->login == '#')
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_INVALID,
                               "A secret must be one line of text");
      g_object_unref (task);
      return;
    }
  start (store, STORE, key, secret, task);
}

static void
do_remove (PosternSecretStore *store, const PosternSecretKey *key, GTask *task)
{
  start (store, REMOVE, key, NULL, task);
}

static void
do_list (PosternSecretStore *store, const char *login, GTask *task)
{
  g_autoptr (PosternSecretKey) key = postern_secret_key_new (login, "", "");

  start (store, LIST, key, NULL, task);
}

static void
do_unlock (PosternSecretStore *store, GTask *task)
{
  g_autoptr (PosternSecretKey) key = postern_secret_key_new ("", "", "");

  start (store, UNLOCK, key, NULL, task);
}

static PosternSecretStoreState
get_state (PosternSecretStore *store)
{
  return POSTERN_FILE_STORE (store)->state;
}

static void
postern_file_store_iface_init (PosternSecretStoreInterface *iface)
{
  iface->get_state = get_state;
  iface->lookup = do_lookup;
  iface->store = do_store;
  iface->remove = do_remove;
  iface->list = do_list;
  iface->unlock = do_unlock;
}

static void
postern_file_store_finalize (GObject *object)
{
  PosternFileStore *self = POSTERN_FILE_STORE (object);

  g_free (self->path);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (postern_file_store_parent_class)->finalize (object);
}

static void
postern_file_store_class_init (PosternFileStoreClass *class)
{
  G_OBJECT_CLASS (class)->finalize = postern_file_store_finalize;
}

static void
postern_file_store_init (PosternFileStore *self)
{
  g_mutex_init (&self->lock);
}

/**
 * postern_file_store_new:
 * @path: of a file that is made, with its folder, by the first secret
 *
 * Returns: (transfer full): "absent" when there is a file that must not be used, else "ready".
 */
PosternSecretStore *
postern_file_store_new (const char *path)
{
  PosternFileStore *self = g_object_new (POSTERN_TYPE_FILE_STORE, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSecret) text = read_file (path, &error);

  self->path = g_strdup (path);
  self->state = text == NULL ? POSTERN_SECRET_STORE_ABSENT : POSTERN_SECRET_STORE_READY;
  if (text == NULL)
    g_warning ("%s", error->message);
  return POSTERN_SECRET_STORE (self);
}
