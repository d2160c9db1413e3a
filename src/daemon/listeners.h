/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "config/config-file.h"
#include "ipc/object-tree.h"
#include "net/mail-server.h"

G_BEGIN_DECLS

/**
 * PosternListeners:
 *
 * Opens the ports that the configuration names, keeps them as it says, and shows them on the bus.
 * A port that cannot be had is tried again by itself.
 */
typedef struct _PosternListeners PosternListeners;

PosternListeners *postern_listeners_new (PosternMailServer *server,
                                         PosternConfigFile *config,
                                         PosternObjectTree *tree);
void postern_listeners_open (PosternListeners *self);
void postern_listeners_free (PosternListeners *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternListeners, postern_listeners_free)

G_END_DECLS
