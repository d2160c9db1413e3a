/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-http"

#include "config.h"

#include "http/http-error.h"

#include "base/clock.h"
#include "base/error.h"

#include <string.h>

/* What a server may ask us to wait; more is a mistake of its clock or of its mind. */
#define MAX_RETRY_AFTER_US (24 * G_TIME_SPAN_HOUR)

static PosternError
code_of_tls_error (int code)
{
  switch ((GTlsError) code)
    {
    case G_TLS_ERROR_BAD_CERTIFICATE:
    case G_TLS_ERROR_BAD_CERTIFICATE_PASSWORD:
    case G_TLS_ERROR_CERTIFICATE_REQUIRED:
      return POSTERN_ERROR_TRUST;
    case G_TLS_ERROR_EOF:
      return POSTERN_ERROR_OFFLINE;
    case G_TLS_ERROR_UNAVAILABLE:
    case G_TLS_ERROR_MISC:
    case G_TLS_ERROR_NOT_TLS:
    case G_TLS_ERROR_HANDSHAKE:
    case G_TLS_ERROR_INAPPROPRIATE_FALLBACK:
    default:
      return POSTERN_ERROR_PROTOCOL;
    }
}

/**
 * postern_http_error_convert:
 * @error: (transfer full): of GIO or libsoup
 *
 * Returns: (transfer full): the same as POSTERN_ERROR: the network is OFFLINE, a bad certificate
 *   TRUST, nonsense PROTOCOL. G_IO_ERROR_CANCELLED and POSTERN_ERROR pass unchanged.
 */
GError *
postern_http_error_convert (GError *error)
{
  g_autoptr (GError) cause = error;
  PosternError code = POSTERN_ERROR_OFFLINE;

  if (cause->domain == POSTERN_ERROR || g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_steal_pointer (&cause);

  if (cause->domain == G_TLS_ERROR)
    code = code_of_tls_error (cause->code);
  else if (cause->domain == SOUP_SESSION_ERROR || cause->domain == SOUP_WEBSOCKET_ERROR ||
           g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
    code = POSTERN_ERROR_PROTOCOL;
  return g_error_new_literal (POSTERN_ERROR, code, cause->message);
}

/**
 * postern_http_check_status:
 * @message: one that was answered
 *
 * Returns: TRUE for 2xx. Otherwise 401 is CREDENTIALS, 403 FORBIDDEN, 404 and 410 NOT_FOUND, 413
 *   TOO_LARGE, 408, 429 and 5xx TEMPORARY (see postern_http_get_retry_after_us()), a proxy that
 *   wants a password OFFLINE, and all else PROTOCOL.
 */
gboolean
postern_http_check_status (SoupMessage *message, GError **error)
{
  guint status = soup_message_get_status (message);
  const char *host = g_uri_get_host (soup_message_get_uri (message));
  PosternError code;

  if (SOUP_STATUS_IS_SUCCESSFUL (status))
    return TRUE;

  if (status == SOUP_STATUS_UNAUTHORIZED)
    code = POSTERN_ERROR_CREDENTIALS;
  else if (status == SOUP_STATUS_FORBIDDEN)
    code = POSTERN_ERROR_FORBIDDEN;
  else if (status == SOUP_STATUS_NOT_FOUND || status == SOUP_STATUS_GONE)
    code = POSTERN_ERROR_NOT_FOUND;
  else if (status == SOUP_STATUS_PROXY_AUTHENTICATION_REQUIRED)
    code = POSTERN_ERROR_OFFLINE;
  else if (status == SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE)
    code = POSTERN_ERROR_TOO_LARGE;
  else if (status == SOUP_STATUS_REQUEST_TIMEOUT || status == 429 ||
           SOUP_STATUS_IS_SERVER_ERROR (status))
    code = POSTERN_ERROR_TEMPORARY;
  else
    code = POSTERN_ERROR_PROTOCOL;

  if (SOUP_STATUS_IS_REDIRECTION (status))
    g_set_error (
        error,
        POSTERN_ERROR,
        code,
        "%s points elsewhere (HTTP %u), which is not followed: %s",
        host,
        status,
        soup_message_headers_get_one (soup_message_get_response_headers (message), "Location"));
  else
    g_set_error (error,
                 POSTERN_ERROR,
                 code,
                 "%s answered HTTP %u %s",
                 host,
                 status,
                 soup_status_get_phrase (status));
  return FALSE;
}

/**
 * postern_http_get_retry_after_us:
 *
 * Returns: how long the server asked us to wait (RFC 9110 section 10.2.3), in microseconds, at most
 *   a day; 0 when it did not.
 */
gint64
postern_http_get_retry_after_us (SoupMessage *message)
{
  const char *value =
      soup_message_headers_get_one (soup_message_get_response_headers (message), "Retry-After");
  g_autoptr (GDateTime) date = NULL;
  guint64 seconds;

  if (value == NULL)
    return 0;
  if (g_ascii_string_to_unsigned (value, 10, 0, G_MAXINT32, &seconds, NULL))
    return MIN ((gint64) seconds * G_USEC_PER_SEC, MAX_RETRY_AFTER_US);
  date = soup_date_time_new_from_http_string (value);
  if (date == NULL)
    return 0;
  return CLAMP (g_date_time_to_unix (date) * G_USEC_PER_SEC - postern_clock_now_us (),
                0,
                MAX_RETRY_AFTER_US);
}
