/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

GError *postern_http_error_convert (GError *error);
gboolean postern_http_check_status (SoupMessage *message, GError **error);
gint64 postern_http_get_retry_after_us (SoupMessage *message);

G_END_DECLS
