/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/error.h"

G_BEGIN_DECLS

void postern_bus_errors_register (void);
const char *postern_bus_error_get_name (const GError *error);
gboolean postern_bus_error_parse_name (const char *name, PosternError *code);

G_END_DECLS
