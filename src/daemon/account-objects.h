/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/bridge.h"
#include "daemon/job-book.h"
#include "ipc/object-tree.h"

G_BEGIN_DECLS

/**
 * PosternAccountObjects:
 *
 * The accounts of the bridge on the bus, each as long as it is there.
 */
typedef struct _PosternAccountObjects PosternAccountObjects;

PosternAccountObjects *
postern_account_objects_new (PosternBridge *bridge, PosternObjectTree *tree, PosternJobBook *jobs);
void postern_account_objects_free (PosternAccountObjects *self);
char *postern_account_object_path (const char *account_id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternAccountObjects, postern_account_objects_free)

G_END_DECLS
