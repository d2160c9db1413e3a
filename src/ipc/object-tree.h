/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternObjectTree:
 *
 * What the daemon shows on every connection at once: the session bus, and each peer of the
 * private socket. It answers org.freedesktop.DBus.ObjectManager at POSTERN_BUS_PATH.
 */
#define POSTERN_TYPE_OBJECT_TREE (postern_object_tree_get_type ())
G_DECLARE_FINAL_TYPE (PosternObjectTree, postern_object_tree, POSTERN, OBJECT_TREE, GObject)

PosternObjectTree *postern_object_tree_new (void);
void postern_object_tree_add (PosternObjectTree *self,
                              const char *path,
                              GDBusInterfaceSkeleton *interface);
void postern_object_tree_remove (PosternObjectTree *self, const char *path);
gboolean postern_object_tree_has (PosternObjectTree *self, const char *path);
void postern_object_tree_add_connection (PosternObjectTree *self, GDBusConnection *connection);
void postern_object_tree_remove_connection (PosternObjectTree *self, GDBusConnection *connection);
guint postern_object_tree_get_n_connections (PosternObjectTree *self);
void postern_object_tree_flush (PosternObjectTree *self);

G_END_DECLS
