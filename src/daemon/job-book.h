/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/job.h"
#include "ipc/object-tree.h"

G_BEGIN_DECLS

/**
 * PosternJobBook:
 *
 * Jobs on the bus, from their beginning until a minute after their end.
 */
typedef struct _PosternJobBook PosternJobBook;

PosternJobBook *postern_job_book_new (PosternObjectTree *tree);
void postern_job_book_free (PosternJobBook *self);
PosternJob *postern_job_book_begin (PosternJobBook *self,
                                    const char *id,
                                    const char *kind,
                                    char **path,
                                    GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJobBook, postern_job_book_free)

G_END_DECLS
