/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef enum
{
  POSTERN_HTTP_NO_PROXY = 1 << 0, /* never ask the desktop for a proxy: tests, loopback only */
} PosternHttpFlags;

typedef enum
{
  POSTERN_HTTP_REQUEST, /* an answer is due; a silence of a minute is an error */
  POSTERN_HTTP_STREAM,  /* it may be silent for long: whoever reads watches over it */
} PosternHttpKind;

/**
 * PosternHttpClient:
 *
 * The one HTTP client of a process, shared by all accounts: it follows no redirect, keeps no
 * cookie, repeats no request that may have arrived, and all its TLS connections share one list of
 * certificate authorities. Main context only. All its errors are POSTERN_ERROR, or
 * G_IO_ERROR_CANCELLED.
 */
#define POSTERN_TYPE_HTTP_CLIENT (postern_http_client_get_type ())
G_DECLARE_FINAL_TYPE (PosternHttpClient, postern_http_client, POSTERN, HTTP_CLIENT, GObject)

PosternHttpClient *
postern_http_client_new (PosternHttpFlags flags, const char *extra_ca_path, GError **error);

GUri *postern_http_uri_parse (GUri *base, const char *text, GError **error);
GUri *postern_http_dup_redirect (SoupMessage *message, GError **error);

SoupMessage *postern_http_message_new (const char *method, GUri *uri);
gboolean postern_http_message_may_have_arrived (SoupMessage *message);
gboolean postern_http_message_is_json (SoupMessage *message);

void postern_http_client_fetch_async (PosternHttpClient *self,
                                      SoupMessage *message,
                                      gsize max_octets,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
GBytes *
postern_http_client_fetch_finish (PosternHttpClient *self, GAsyncResult *result, GError **error);

void postern_http_client_open_async (PosternHttpClient *self,
                                     SoupMessage *message,
                                     PosternHttpKind kind,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
GInputStream *
postern_http_client_open_finish (PosternHttpClient *self, GAsyncResult *result, GError **error);

void postern_http_client_connect_websocket_async (PosternHttpClient *self,
                                                  SoupMessage *message,
                                                  const char *protocol,
                                                  GCancellable *cancellable,
                                                  GAsyncReadyCallback callback,
                                                  gpointer user_data);
SoupWebsocketConnection *postern_http_client_connect_websocket_finish (PosternHttpClient *self,
                                                                       GAsyncResult *result,
                                                                       GError **error);

G_END_DECLS
