/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli/command.h"

G_BEGIN_DECLS

PosternExit postern_cli_run (const char *const *words, FILE *out, FILE *err);

G_END_DECLS
