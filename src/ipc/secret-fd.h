/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

#define POSTERN_SECRET_FD_MAX 4096 /* octets; what Bridge1 promises */

int postern_secret_fd_new (PosternSecret *secret, GError **error);
PosternSecret *postern_secret_fd_read (int fd, GError **error);

GUnixFDList *postern_secret_fd_list_new (PosternSecret *secret, GError **error);
PosternSecret *postern_secret_fd_list_read (GUnixFDList *list, GVariant *handle, GError **error);

G_END_DECLS
