/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "config/configuration.h"

G_BEGIN_DECLS

PosternConfig *
postern_config_parse (const char *text, gssize length, const char *name, GError **error);
PosternConfig *postern_config_parse_file (const char *path, GError **error);

G_END_DECLS
