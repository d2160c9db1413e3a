/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-ipc"

#include "config.h"

#include "ipc/object-tree.h"

#include "ipc/names.h"

/* GDBusObjectManagerServer knows one connection, and takes its objects off every connection when
 * it ends. We have the session bus and any number of peers, who come and go; so the object manager
 * (D-Bus specification, "Standard Interfaces") is done here, for all of them. The skeletons
 * themselves already speak to every connection that they are exported on. */

struct _PosternObjectTree
{
  GObject parent_instance;

  GHashTable *objects;     /* path -> GPtrArray of GDBusInterfaceSkeleton */
  GHashTable *connections; /* GDBusConnection -> GUINT of the manager's registration */
};

G_DEFINE_FINAL_TYPE (PosternObjectTree, postern_object_tree, G_TYPE_OBJECT)

#define MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"

static const char manager_xml[] =
    "<node><interface name='" MANAGER_INTERFACE "'>"
    "<method name='GetManagedObjects'>"
    "<arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
    "<signal name='InterfacesAdded'>"
    "<arg name='path' type='o'/><arg name='interfaces' type='a{sa{sv}}'/></signal>"
    "<signal name='InterfacesRemoved'>"
    "<arg name='path' type='o'/><arg name='interfaces' type='as'/></signal>"
    "</interface></node>";

static GDBusInterfaceInfo *
get_manager_info (void)
{
  static GDBusNodeInfo *node;

  if (node == NULL)
    node = g_dbus_node_info_new_for_xml (manager_xml, NULL);
  return node->interfaces[0];
}

static const char *
get_interface_name (GDBusInterfaceSkeleton *interface)
{
  return g_dbus_interface_skeleton_get_info (interface)->name;
}

static void
add_interface (GVariantBuilder *builder, GDBusInterfaceSkeleton *interface)
{
  g_autoptr (GVariant) properties = g_dbus_interface_skeleton_get_properties (interface);

  g_variant_builder_add (builder, "{s@a{sv}}", get_interface_name (interface), properties);
}

static void
answer_get_managed_objects (PosternObjectTree *self, GDBusMethodInvocation *invocation)
{
  GVariantBuilder builder;
  GHashTableIter iter;
  const char *path;
  GPtrArray *interfaces;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, (gpointer *) &path, (gpointer *) &interfaces))
    {
      g_variant_builder_open (&builder, G_VARIANT_TYPE ("{oa{sa{sv}}}"));
      g_variant_builder_add (&builder, "o", path);
      g_variant_builder_open (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
      for (guint i = 0; i < interfaces->len; i++)
        add_interface (&builder, g_ptr_array_index (interfaces, i));
      g_variant_builder_close (&builder);
      g_variant_builder_close (&builder);
    }
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(a{oa{sa{sv}}})", &builder));
}

static void
on_manager_call (GDBusConnection *connection,
                 const char *sender,
                 const char *path,
                 const char *interface,
                 const char *method,
                 GVariant *parameters,
                 GDBusMethodInvocation *invocation,
                 gpointer user_data)
{
  /* The only method there is; GDBus has checked. */
  answer_get_managed_objects (POSTERN_OBJECT_TREE (user_data), invocation);
}

static const GDBusInterfaceVTable manager_vtable = { .method_call = on_manager_call };

static void
emit_everywhere (PosternObjectTree *self, const char *signal, GVariant *parameters)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (parameters);
  GHashTableIter iter;
  GDBusConnection *connection;

  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, (gpointer *) &connection, NULL))
    g_dbus_connection_emit_signal (connection,
                                   NULL,
                                   POSTERN_BUS_PATH,
                                   MANAGER_INTERFACE,
                                   signal,
                                   owned,
                                   NULL);
}

static void
export_on (GDBusInterfaceSkeleton *interface, GDBusConnection *connection, const char *path)
{
  g_autoptr (GError) error = NULL;

  if (!g_dbus_interface_skeleton_export (interface, connection, path, &error))
    g_warning ("%s cannot be shown on the bus: %s", path, error->message);
}

/**
 * postern_object_tree_add:
 * @path: POSTERN_BUS_PATH or something below it
 * @interface: kept until the path is removed
 *
 * Shows @interface at @path on all connections, those to come included. Several may share a path.
 */
void
postern_object_tree_add (PosternObjectTree *self,
                         const char *path,
                         GDBusInterfaceSkeleton *interface)
{
  GPtrArray *interfaces = g_hash_table_lookup (self->objects, path);
  GVariantBuilder builder;
  GHashTableIter iter;
  GDBusConnection *connection;

  if (interfaces == NULL)
    {
      interfaces = g_ptr_array_new_with_free_func (g_object_unref);
      g_hash_table_insert (self->objects, g_strdup (path), interfaces);
    }
  g_ptr_array_add (interfaces, g_object_ref (interface));

  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, (gpointer *) &connection, NULL))
    export_on (interface, connection, path);

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  add_interface (&builder, interface);
  emit_everywhere (self, "InterfacesAdded", g_variant_new ("(oa{sa{sv}})", path, &builder));
}

/**
 * postern_object_tree_remove:
 *
 * Takes the object off every connection. What it last said goes out before. Nothing happens when
 * there is none.
 */
void
postern_object_tree_remove (PosternObjectTree *self, const char *path)
{
  g_autoptr (GPtrArray) interfaces = NULL;
  g_autofree char *stolen_path = NULL;
  GVariantBuilder names;

  if (!g_hash_table_steal_extended (self->objects,
                                    path,
                                    (gpointer *) &stolen_path,
                                    (gpointer *) &interfaces))
    return;

  g_variant_builder_init (&names, G_VARIANT_TYPE ("as"));
  for (guint i = 0; i < interfaces->len; i++)
    {
      GDBusInterfaceSkeleton *interface = g_ptr_array_index (interfaces, i);

      g_variant_builder_add (&names, "s", get_interface_name (interface));
      g_dbus_interface_skeleton_flush (interface);
      if (g_dbus_interface_skeleton_get_connection (interface) != NULL)
        g_dbus_interface_skeleton_unexport (interface);
    }
  emit_everywhere (self, "InterfacesRemoved", g_variant_new ("(oas)", stolen_path, &names));
}

gboolean
postern_object_tree_has (PosternObjectTree *self, const char *path)
{
  return g_hash_table_contains (self->objects, path);
}

static void
unexport_from (PosternObjectTree *self, GDBusConnection *connection)
{
  GHashTableIter iter;
  GPtrArray *interfaces;

  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &interfaces))
    for (guint i = 0; i < interfaces->len; i++)
      {
        GDBusInterfaceSkeleton *interface = g_ptr_array_index (interfaces, i);

        if (g_dbus_interface_skeleton_has_connection (interface, connection))
          g_dbus_interface_skeleton_unexport_from_connection (interface, connection);
      }
}

static void
on_connection_closed (GDBusConnection *connection,
                      gboolean remote_peer_vanished,
                      GError *error,
                      PosternObjectTree *self)
{
  postern_object_tree_remove_connection (self, connection);
}

/**
 * postern_object_tree_add_connection:
 * @connection: kept until it is closed or removed
 *
 * Shows everything on @connection. On a bus, own the name after this.
 */
void
postern_object_tree_add_connection (PosternObjectTree *self, GDBusConnection *connection)
{
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  const char *path;
  GPtrArray *interfaces;
  guint id;

  if (g_hash_table_contains (self->connections, connection))
    return;

  id = g_dbus_connection_register_object (connection,
                                          POSTERN_BUS_PATH,
                                          get_manager_info (),
                                          &manager_vtable,
                                          self,
                                          NULL,
                                          &error);
  if (id == 0)
    {
      g_warning ("The object manager cannot be shown on the bus: %s", error->message);
      return;
    }

  g_hash_table_insert (self->connections, g_object_ref (connection), GUINT_TO_POINTER (id));
  g_signal_connect_object (connection, "closed", G_CALLBACK (on_connection_closed), self, 0);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, (gpointer *) &path, (gpointer *) &interfaces))
    for (guint i = 0; i < interfaces->len; i++)
      export_on (g_ptr_array_index (interfaces, i), connection, path);
}

void
postern_object_tree_remove_connection (PosternObjectTree *self, GDBusConnection *connection)
{
  g_autoptr (GDBusConnection) owned = NULL;
  gpointer id;

  if (!g_hash_table_steal_extended (self->connections, connection, (gpointer *) &owned, &id))
    return;

  g_signal_handlers_disconnect_by_data (owned, self);
  g_dbus_connection_unregister_object (owned, GPOINTER_TO_UINT (id));
  unexport_from (self, owned);
}

guint
postern_object_tree_get_n_connections (PosternObjectTree *self)
{
  return g_hash_table_size (self->connections);
}

/**
 * postern_object_tree_flush:
 *
 * Sends property changes that wait for an idle moment, as before the end of the process.
 */
void
postern_object_tree_flush (PosternObjectTree *self)
{
  GHashTableIter iter;
  GPtrArray *interfaces;

  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &interfaces))
    for (guint i = 0; i < interfaces->len; i++)
      g_dbus_interface_skeleton_flush (g_ptr_array_index (interfaces, i));
}

static void
postern_object_tree_dispose (GObject *object)
{
  PosternObjectTree *self = POSTERN_OBJECT_TREE (object);
  g_autoptr (GList) connections = g_hash_table_get_keys (self->connections);

  for (GList *l = connections; l != NULL; l = l->next)
    postern_object_tree_remove_connection (self, l->data);
  g_hash_table_remove_all (self->objects);

  G_OBJECT_CLASS (postern_object_tree_parent_class)->dispose (object);
}

static void
postern_object_tree_finalize (GObject *object)
{
  PosternObjectTree *self = POSTERN_OBJECT_TREE (object);

  g_hash_table_unref (self->connections);
  g_hash_table_unref (self->objects);

  G_OBJECT_CLASS (postern_object_tree_parent_class)->finalize (object);
}

static void
postern_object_tree_class_init (PosternObjectTreeClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = postern_object_tree_dispose;
  object_class->finalize = postern_object_tree_finalize;
}

static void
postern_object_tree_init (PosternObjectTree *self)
{
  self->objects =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  self->connections = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
}

/**
 * postern_object_tree_new:
 *
 * Returns: (transfer full): with no object and no connection
 */
PosternObjectTree *
postern_object_tree_new (void)
{
  return g_object_new (POSTERN_TYPE_OBJECT_TREE, NULL);
}
