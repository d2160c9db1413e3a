/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"

G_BEGIN_DECLS

PosternSecret *postern_secret_prompt (const char *question, GError **error);

G_END_DECLS
