/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "daemon/log-ring.h"
#include "ipc/object-tree.h"

G_BEGIN_DECLS

typedef struct _PosternLogObject PosternLogObject;

PosternLogObject *postern_log_object_new (PosternLogRing *ring, PosternObjectTree *tree);
void postern_log_object_free (PosternLogObject *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternLogObject, postern_log_object_free)

G_END_DECLS
