/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli/output.h"

G_BEGIN_DECLS

/* Objects of the daemon, for people and for programs. */

void postern_accounts_print (PosternCli *cli, GPtrArray *accounts);
void postern_listeners_print (PosternCli *cli, GPtrArray *listeners);
void postern_objects_add_json (JsonBuilder *builder, const char *name, GPtrArray *objects);

G_END_DECLS
