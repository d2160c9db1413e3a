/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/database.h"
#include "store/store-thread.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternStoreReader:
 *
 * The one thread that reads: bodies, pages of listings. A job does all its work in `prepare`; its
 * answer leaves at once and waits for no other.
 */
PosternStoreThread *postern_store_reader_new (void);

/**
 * PosternReadDatabase:
 *
 * A connection of the reader's thread, opened when it is first asked for.
 */
typedef struct _PosternReadDatabase PosternReadDatabase;

PosternReadDatabase *postern_read_database_new (const char *path);
PosternDatabase *postern_read_database_get (PosternReadDatabase *self, GError **error);
void postern_read_database_close (PosternReadDatabase *self);
void postern_read_database_free (PosternReadDatabase *self);

G_END_DECLS
