/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/password-table.h"
#include "store/store-writer.h"

G_BEGIN_DECLS

PosternPasswordTable *postern_password_table_load (PosternStoreWriter *writer, GError **error);
void postern_password_table_flush (PosternPasswordTable *self);

G_END_DECLS
