/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void postern_random_bytes (void *data, gsize length);
double postern_random_fraction (void);

#define POSTERN_ID_LENGTH 32
char *postern_random_id (void);

char *postern_base64url (const guint8 *data, gsize length);

/* Tests replace the source; NULL restores the kernel's. */
typedef void (*PosternRandomSource) (void *data, gsize length);
void postern_random_set_source (PosternRandomSource source);

G_END_DECLS
