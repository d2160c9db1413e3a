/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "ipc/object-tree.h"
#include "store/queue-store.h"

G_BEGIN_DECLS

typedef struct _PosternQueueObject PosternQueueObject;

PosternQueueObject *postern_queue_object_new (PosternQueueStore *queue, PosternObjectTree *tree);
void postern_queue_object_free (PosternQueueObject *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternQueueObject, postern_queue_object_free)

G_END_DECLS
