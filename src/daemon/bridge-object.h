/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/bridge.h"
#include "daemon/job-book.h"
#include "ipc/object-tree.h"

G_BEGIN_DECLS

/**
 * PosternBridgeObject:
 *
 * The daemon as a whole, on the bus.
 */
typedef struct _PosternBridgeObject PosternBridgeObject;

typedef void (*PosternBridgeObjectQuit) (gpointer user_data);

PosternBridgeObject *postern_bridge_object_new (PosternBridge *bridge,
                                                PosternObjectTree *tree,
                                                PosternJobBook *jobs,
                                                const char *state_dir,
                                                PosternBridgeObjectQuit quit,
                                                gpointer user_data);
void postern_bridge_object_set_ca_path (PosternBridgeObject *self, const char *path);
void postern_bridge_object_set_stopping (PosternBridgeObject *self);
void postern_bridge_object_free (PosternBridgeObject *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBridgeObject, postern_bridge_object_free)

G_END_DECLS
