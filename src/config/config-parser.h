/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "config/configuration.h"

G_BEGIN_DECLS

#define POSTERN_CONFIG_MAX_LENGTH (1024 * 1024) /* octets, of the file */

PosternConfig *postern_config_parse (const char *text,
                                     gsize length,
                                     const char *name,
                                     GPtrArray *remarks,
                                     GError **error);

G_END_DECLS
