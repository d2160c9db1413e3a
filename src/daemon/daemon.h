/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "daemon/log-ring.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternDaemon:
 *
 * All rooms joined: what `posternd` is.
 */
typedef struct _PosternDaemon PosternDaemon;

typedef struct
{
  const char *config_path; /* (nullable): the usual one */
  const char *state_dir;   /* (nullable): the usual one */
  PosternLogRing *log;     /* lives as long as the process */
} PosternDaemonOptions;

PosternDaemon *postern_daemon_new (const PosternDaemonOptions *options, GError **error);
gboolean postern_daemon_run (PosternDaemon *self, GError **error);
void postern_daemon_free (PosternDaemon *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternDaemon, postern_daemon_free)

G_END_DECLS
