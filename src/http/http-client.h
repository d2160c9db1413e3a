/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef enum
{
  POSTERN_HTTP_NO_PROXY = 1 << 0, /* never ask the desktop for a proxy: tests, loopback only */
} PosternHttpFlags;

/**
 * PosternHttpClient:
 *
 * The one HTTP client of a process, shared by all accounts: it follows no redirect, keeps no
 * cookie, repeats no request that may have arrived, and all its TLS connections share one list of
 * certificate authorities. Main context only.
 */
#define POSTERN_TYPE_HTTP_CLIENT (postern_http_client_get_type ())
G_DECLARE_FINAL_TYPE (PosternHttpClient, postern_http_client, POSTERN, HTTP_CLIENT, GObject)

PosternHttpClient *
postern_http_client_new (PosternHttpFlags flags, const char *extra_ca_path, GError **error);

G_END_DECLS
