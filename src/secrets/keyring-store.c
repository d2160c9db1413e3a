/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-secrets"

#include "config.h"

#include "secrets/keyring-store.h"

#include "base/error.h"

#include <libsecret/secret.h>

/* What libsecret answers is not what we must tell. A lookup in a locked keyring ends with nothing and no
 * error, as if there were no password, and a keyring that was locked since its start shows no
 * items at all. So each operation first looks at the default collection: none means that there is no
 * keyring yet, locked means locked, and only of an open one is "nothing" believed.
 *
 * A keyring that was restarted leaves libsecret with the dead one's name for ever. So when the name
 * changes hands, or a call finds nobody, libsecret's service is dropped and the operation starts
 * over, once.
 *
 * A GCancellable that fires during a prompt makes libsecret never call back. So we pass none: an
 * operation that takes too long is answered by our own timer, and what comes later is dropped. */

#define SERVICE_NAME     "org.freedesktop.secrets"
#define CALL_TIMEOUT_S   10
#define PROMPT_TIMEOUT_S 120 /* a person is typing */

static const SecretSchema schema = {
  .name = "io.github.posternmail.Postern",
  .flags = SECRET_SCHEMA_NONE,
  .attributes = {
    { "login", SECRET_SCHEMA_ATTRIBUTE_STRING },
    { "kind", SECRET_SCHEMA_ATTRIBUTE_STRING },
    { "id", SECRET_SCHEMA_ATTRIBUTE_STRING },
    { NULL, 0 },
  },
};

struct _PosternKeyringStore
{
  GObject parent_instance;

  PosternSecretStoreState state;
  SecretCollection *collection; /* (nullable) watched for its lock */
  guint watch;                  /* of the service's name */
  GDBusConnection *connection;  /* (nullable) where `subscription` is */
  guint subscription;           /* to collections made and deleted */
};

static void postern_keyring_store_iface_init (PosternSecretStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (PosternKeyringStore,
                               postern_keyring_store,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (POSTERN_TYPE_SECRET_STORE,
                                                      postern_keyring_store_iface_init))

/* --- state -------------------------------------------------------------------------------------- */

static void
set_state (PosternKeyringStore *self, PosternSecretStoreState state)
{
  if (self->state == state)
    return;
  g_debug ("The keyring is %s now", postern_secret_store_state_get_name (state));
  self->state = state;
  g_signal_emit_by_name (self, "state-changed");
}

/* Not secret_collection_get_locked(), which is critical of a proxy whose keyring has just gone: that
 * one knows no properties any more, and opens nothing either. */
static gboolean
is_locked (SecretCollection *collection)
{
  g_autoptr (GVariant) locked =
      g_dbus_proxy_get_cached_property (G_DBUS_PROXY (collection), "Locked");

  return locked == NULL || g_variant_get_boolean (locked);
}

static void
read_lock (PosternKeyringStore *self)
{
  set_state (self,
             is_locked (self->collection) ? POSTERN_SECRET_STORE_LOCKED
                                          : POSTERN_SECRET_STORE_READY);
}

static void
on_locked_changed (SecretCollection *collection, GParamSpec *pspec, PosternKeyringStore *self)
{
  if (collection == self->collection)
    read_lock (self);
}

static void
set_collection (PosternKeyringStore *self, SecretCollection *collection)
{
  if (self->collection != NULL)
    g_signal_handlers_disconnect_by_data (self->collection, self);
  g_set_object (&self->collection, collection);
  if (collection == NULL)
    {
      set_state (self, POSTERN_SECRET_STORE_ABSENT);
      return;
    }
  g_signal_connect_object (collection, "notify::locked", G_CALLBACK (on_locked_changed), self, 0);
  read_lock (self);
}

/* --- one operation -------------------------------------------------------------------------------- */

typedef enum
{
  LOOK, /* only at the state */
  LOOKUP,
  STORE,
  REMOVE,
  LIST,
  UNLOCK,
} Verb;

/* Held by whichever libsecret call is under way; its task may be gone before that comes back. */
typedef struct
{
  PosternKeyringStore *self; /* (owned) */
  GTask *task;               /* (owned) (nullable) whom to tell; NULL: was told already */
  Verb verb;
  GHashTable *attributes; /* (owned) of the item, or of those to list */
  char *label;            /* (nullable) */
  PosternSecret *secret;  /* (owned) (nullable) */
  guint timer;
  gboolean started_over;
} Operation;

static void begin_operation (Operation *operation);

static void
operation_free (Operation *self)
{
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_object (&self->task);
  g_hash_table_unref (self->attributes);
  g_free (self->label);
  g_clear_pointer (&self->secret, postern_secret_unref);
  g_object_unref (self->self);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Operation, operation_free)

/* These answer the task, when it is still waiting. */

static void
tell_error (Operation *self, PosternError code, const char *message)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (task != NULL)
    g_task_return_new_error (task, POSTERN_ERROR, code, "%s", message);
}

static void
tell_pointer (Operation *self, gpointer value, GDestroyNotify value_free)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (task != NULL)
    g_task_return_pointer (task, value, value_free);
  else
    value_free (value);
}

static void
tell_done (Operation *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

static void
tell_locked (Operation *self)
{
  tell_error (self,
              POSTERN_ERROR_KEYRING_LOCKED,
              self->verb == UNLOCK ? "The keyring was not unlocked" : "The keyring is locked");
}

static gboolean
is_nobody_there (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

/* A libsecret call has failed: starts over when the keyring may merely have been replaced. */
static void
on_call_failed (Operation *owned, const GError *error)
{
  g_autoptr (Operation) self = owned;
  g_autofree char *message = NULL;

  if (is_nobody_there (error) && !self->started_over)
    {
      self->started_over = TRUE;
      secret_service_disconnect ();
      begin_operation (g_steal_pointer (&self));
      return;
    }
  if (g_error_matches (error, SECRET_ERROR, SECRET_ERROR_IS_LOCKED))
    {
      tell_locked (self);
      return;
    }

  set_collection (self->self, NULL);
  message = g_strdup_printf ("There is no keyring: %s", error->message);
  tell_error (self, POSTERN_ERROR_KEYRING_ABSENT, message);
}

static char *
get_attribute (SecretItem *item, const char *name)
{
  g_autoptr (GHashTable) attributes = secret_item_get_attributes (item);

  return g_strdup (g_hash_table_lookup (attributes, name));
}

static PosternSecretKey *
make_key (SecretItem *item)
{
  g_autofree char *login = get_attribute (item, "login");
  g_autofree char *kind = get_attribute (item, "kind");
  g_autofree char *id = get_attribute (item, "id");

  return login == NULL || kind == NULL ? NULL
                                       : postern_secret_key_new (login, kind, id == NULL ? "" : id);
}

static void
tell_keys (Operation *self, GList *items)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_secret_key_free);

  for (GList *l = items; l != NULL; l = l->next)
    {
      PosternSecretKey *key = make_key (l->data);

      if (key != NULL)
        g_ptr_array_add (keys, key);
    }
  tell_pointer (self, keys, (GDestroyNotify) g_ptr_array_unref);
}

static void
tell_newest_secret (Operation *self, GList *items)
{
  g_autoptr (SecretValue) newest = NULL;
  guint64 modified = 0;
  gboolean locked = FALSE;
  const char *text;
  gsize length;

  /* Another program may have copied an item; what was written last is right. */
  for (GList *l = items; l != NULL; l = l->next)
    {
      g_autoptr (SecretValue) value = secret_item_get_secret (l->data);

      locked = locked || secret_item_get_locked (l->data);
      if (value == NULL || (newest != NULL && secret_item_get_modified (l->data) <= modified))
        continue;
      g_clear_pointer (&newest, secret_value_unref);
      newest = g_steal_pointer (&value);
      modified = secret_item_get_modified (l->data);
    }

  if (newest == NULL && locked)
    tell_locked (self);
  else if (newest == NULL)
    tell_error (self, POSTERN_ERROR_NOT_FOUND, "The keyring has no such secret");
  else
    {
      text = secret_value_get (newest, &length);
      tell_pointer (self,
                    postern_secret_new (text, (gssize) length),
                    (GDestroyNotify) postern_secret_unref);
    }
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Operation) self = user_data;
  g_autoptr (GError) error = NULL;
  GList *items = secret_service_search_finish (SECRET_SERVICE (source), result, &error);

  if (error != NULL)
    on_call_failed (g_steal_pointer (&self), error);
  else if (self->verb == LIST)
    tell_keys (self, items);
  else
    tell_newest_secret (self, items);
  g_list_free_full (items, g_object_unref);
}

static void
on_stored (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Operation) self = user_data;
  g_autoptr (GError) error = NULL;

  if (secret_service_store_finish (SECRET_SERVICE (source), result, &error))
    tell_done (self);
  else
    on_call_failed (g_steal_pointer (&self), error);
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Operation) self = user_data;
  g_autoptr (GError) error = NULL;

  /* FALSE without an error: there was none. */
  secret_service_clear_finish (SECRET_SERVICE (source), result, &error);
  if (error == NULL)
    tell_done (self);
  else
    on_call_failed (g_steal_pointer (&self), error);
}

static void
on_unlocked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Operation) self = user_data;
  g_autoptr (GError) error = NULL;
  int unlocked = secret_service_unlock_finish (SECRET_SERVICE (source), result, NULL, &error);

  if (error != NULL)
    on_call_failed (g_steal_pointer (&self), error);
  else if (unlocked == 0)
    tell_locked (self);
  else
    {
      /* The signal may still be on its way. */
      if (self->self->collection != NULL)
        set_state (self->self, POSTERN_SECRET_STORE_READY);
      tell_done (self);
    }
}

static void
store (Operation *self, SecretService *service)
{
  SecretValue *value = secret_value_new (postern_secret_get_text (self->secret),
                                         (gssize) postern_secret_get_length (self->secret),
                                         "text/plain");

  secret_service_store (service,
                        &schema,
                        self->attributes,
                        SECRET_COLLECTION_DEFAULT,
                        self->label,
                        value,
                        NULL,
                        on_stored,
                        self);
  secret_value_unref (value);
}

static void
unlock (Operation *self, SecretService *service, SecretCollection *collection)
{
  g_autoptr (GList) objects = g_list_append (NULL, collection);

  secret_service_unlock (service, objects, NULL, on_unlocked, self);
}

/* The keyring is there and open, or is to be opened. */
static void
act (Operation *owned, SecretService *service, SecretCollection *collection)
{
  g_autoptr (Operation) self = owned;
  GHashTable *attributes = self->attributes;
  SecretSearchFlags flags = SECRET_SEARCH_ALL;
  gboolean locked = is_locked (collection);

  if (self->verb == UNLOCK && !locked)
    tell_done (self);
  else if (self->verb == UNLOCK)
    unlock (g_steal_pointer (&self), service, collection);
  else if (locked)
    tell_locked (self);
  else if (self->verb == STORE)
    store (g_steal_pointer (&self), service);
  else if (self->verb == REMOVE)
    secret_service_clear (service, &schema, attributes, NULL, on_removed, g_steal_pointer (&self));
  else
    {
      if (self->verb == LOOKUP)
        flags |= SECRET_SEARCH_LOAD_SECRETS;
      secret_service_search (service,
                             &schema,
                             attributes,
                             flags,
                             NULL,
                             on_found,
                             g_steal_pointer (&self));
    }
}

static void
on_collection_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Operation) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (SecretCollection) collection = NULL;

  collection = secret_collection_for_alias_finish (result, &error);
  if (error != NULL)
    {
      on_call_failed (g_steal_pointer (&self), error);
      return;
    }
  set_collection (self->self, collection);
  if (self->task == NULL)
    return; /* it took too long: whoever asked has given up, so nothing may be done any more */
  if (collection == NULL)
    tell_error (self,
                POSTERN_ERROR_KEYRING_ABSENT,
                "The keyring service runs, but no default keyring was made yet");
  else
    act (g_steal_pointer (&self), secret_collection_get_service (collection), collection);
}

static void
on_service (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Operation) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (SecretService) service = secret_service_get_finish (result, &error);

  if (service == NULL)
    on_call_failed (g_steal_pointer (&self), error);
  else
    secret_collection_for_alias (service,
                                 SECRET_COLLECTION_DEFAULT,
                                 SECRET_COLLECTION_NONE,
                                 NULL,
                                 on_collection_found,
                                 g_steal_pointer (&self));
}

static void
begin_operation (Operation *operation)
{
  secret_service_get (SECRET_SERVICE_OPEN_SESSION, NULL, on_service, operation);
}

static gboolean
on_timeout (gpointer user_data)
{
  Operation *self = user_data;

  self->timer = 0;
  tell_error (self,
              POSTERN_ERROR_KEYRING_LOCKED,
              self->verb == UNLOCK ? "The keyring was not unlocked in time"
                                   : "The keyring does not answer");
  return G_SOURCE_REMOVE;
}

static Operation *
operation_new (PosternKeyringStore *self, Verb verb, GTask *task)
{
  Operation *operation = g_new0 (Operation, 1);

  operation->self = g_object_ref (self);
  operation->verb = verb;
  operation->task = task;
  operation->attributes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  operation->timer = g_timeout_add_seconds (verb == UNLOCK ? PROMPT_TIMEOUT_S : CALL_TIMEOUT_S,
                                            on_timeout,
                                            operation);
  return operation;
}

static Operation *
operation_new_for_key (PosternSecretStore *store_iface,
                       Verb verb,
                       const PosternSecretKey *key,
                       GTask *task)
{
  Operation *operation = operation_new (POSTERN_KEYRING_STORE (store_iface), verb, task);

  g_hash_table_insert (operation->attributes, (gpointer) "login", g_strdup (key->login));
  g_hash_table_insert (operation->attributes, (gpointer) "kind", g_strdup (key->kind));
  g_hash_table_insert (operation->attributes, (gpointer) "id", g_strdup (key->id));
  return operation;
}

static void
look (PosternKeyringStore *self)
{
  begin_operation (operation_new (self, LOOK, NULL));
}

/* --- the interface ---------------------------------------------------------------------------------- */

static void
do_lookup (PosternSecretStore *self, const PosternSecretKey *key, GTask *task)
{
  begin_operation (operation_new_for_key (self, LOOKUP, key, task));
}

static void
do_store (PosternSecretStore *self,
          const PosternSecretKey *key,
          const char *label,
          PosternSecret *secret,
          GTask *task)
{
  Operation *operation = operation_new_for_key (self, STORE, key, task);

  operation->label = g_strdup (label);
  operation->secret = postern_secret_ref (secret);
  begin_operation (operation);
}

static void
do_remove (PosternSecretStore *self, const PosternSecretKey *key, GTask *task)
{
  begin_operation (operation_new_for_key (self, REMOVE, key, task));
}

static void
do_list (PosternSecretStore *self, const char *login, GTask *task)
{
  Operation *operation = operation_new (POSTERN_KEYRING_STORE (self), LIST, task);

  g_hash_table_insert (operation->attributes, (gpointer) "login", g_strdup (login));
  begin_operation (operation);
}

static void
do_unlock (PosternSecretStore *self, GTask *task)
{
  begin_operation (operation_new (POSTERN_KEYRING_STORE (self), UNLOCK, task));
}

static PosternSecretStoreState
get_state (PosternSecretStore *self)
{
  return POSTERN_KEYRING_STORE (self)->state;
}

static void
postern_keyring_store_iface_init (PosternSecretStoreInterface *iface)
{
  iface->get_state = get_state;
  iface->lookup = do_lookup;
  iface->store = do_store;
  iface->remove = do_remove;
  iface->list = do_list;
  iface->unlock = do_unlock;
}

/* --- the service comes and goes ----------------------------------------------------------------------- */

/* The first login makes the default keyring some time after the service has started. */
static void
on_collections_changed (GDBusConnection *connection,
                        const char *sender,
                        const char *path,
                        const char *interface,
                        const char *signal,
                        GVariant *parameters,
                        gpointer user_data)
{
  look (POSTERN_KEYRING_STORE (user_data));
}

static void
unsubscribe (PosternKeyringStore *self)
{
  if (self->subscription != 0)
    g_dbus_connection_signal_unsubscribe (self->connection, self->subscription);
  self->subscription = 0;
  g_clear_object (&self->connection);
}

static void
on_name_appeared (GDBusConnection *connection,
                  const char *name,
                  const char *owner,
                  gpointer user_data)
{
  PosternKeyringStore *self = POSTERN_KEYRING_STORE (user_data);

  /* A program that carries mail outlives its bus. */
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  secret_service_disconnect ();
  unsubscribe (self);
  self->connection = g_object_ref (connection);
  self->subscription = g_dbus_connection_signal_subscribe (connection,
                                                           owner,
                                                           "org.freedesktop.Secret.Service",
                                                           NULL,
                                                           "/org/freedesktop/secrets",
                                                           NULL,
                                                           G_DBUS_SIGNAL_FLAGS_NONE,
                                                           on_collections_changed,
                                                           self,
                                                           NULL);
  look (self);
}

static void
on_name_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  PosternKeyringStore *self = POSTERN_KEYRING_STORE (user_data);

  if (connection != NULL)
    g_dbus_connection_set_exit_on_close (connection, FALSE);
  secret_service_disconnect ();
  unsubscribe (self);
  set_collection (self, NULL);
}

static void
postern_keyring_store_constructed (GObject *object)
{
  PosternKeyringStore *self = POSTERN_KEYRING_STORE (object);

  G_OBJECT_CLASS (postern_keyring_store_parent_class)->constructed (object);
  self->watch = g_bus_watch_name (G_BUS_TYPE_SESSION,
                                  SERVICE_NAME,
                                  G_BUS_NAME_WATCHER_FLAGS_NONE,
                                  on_name_appeared,
                                  on_name_vanished,
                                  self,
                                  NULL);
}

static void
postern_keyring_store_dispose (GObject *object)
{
  PosternKeyringStore *self = POSTERN_KEYRING_STORE (object);

  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  unsubscribe (self);
  if (self->collection != NULL)
    g_signal_handlers_disconnect_by_data (self->collection, self);
  g_clear_object (&self->collection);

  G_OBJECT_CLASS (postern_keyring_store_parent_class)->dispose (object);
}

static void
postern_keyring_store_class_init (PosternKeyringStoreClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->constructed = postern_keyring_store_constructed;
  object_class->dispose = postern_keyring_store_dispose;
}

static void
postern_keyring_store_init (PosternKeyringStore *self)
{
  self->state = POSTERN_SECRET_STORE_ABSENT;
}

/**
 * postern_keyring_store_new:
 *
 * Returns: (transfer full): "absent" until the service was found, which ::state-changed tells
 */
PosternSecretStore *
postern_keyring_store_new (void)
{
  return g_object_new (POSTERN_TYPE_KEYRING_STORE, NULL);
}
