/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/tls-channel.h"

#include "net/tls-credentials-private.h"

#include "base/buffer.h"

#include <errno.h>
#include <string.h>

/* GnuTLS asks for the five octets of a record's head, then for its body, then once more to see that
 * there is nothing left: three system calls for a command of ten octets. So the transport is read
 * in pieces that hold a whole record, and what GnuTLS did not ask for yet waits in `ahead`, which
 * holds no memory when it is empty. */

#define MAX_RECORD  16384                  /* octets of plain text, RFC 8446 section 5.1 */
#define READ_OCTETS (MAX_RECORD + 256 + 5) /* the same on the wire, RFC 8446 section 5.2 */

struct _PosternTlsChannel
{
  gnutls_session_t session;
  PosternTlsCredentials *credentials;
  const PosternTransport *transport;
  gpointer owner;
  PosternBuffer ahead;
  gboolean is_sending; /* a record was not sent whole; the next write goes on with it */
};

static ssize_t
on_pull (gnutls_transport_ptr_t pointer, void *data, size_t length)
{
  PosternTlsChannel *self = pointer;
  gsize ahead = postern_buffer_length (&self->ahead);
  guint8 read[READ_OCTETS];
  gssize got;

  if (ahead > 0)
    {
      gsize taken = MIN (ahead, length);

      memcpy (data, postern_buffer_peek (&self->ahead), taken);
      postern_buffer_take (&self->ahead, taken);
      return (ssize_t) taken;
    }

  if (length >= sizeof read)
    {
      got = self->transport->receive (self->owner, data, length);
    }
  else
    {
      got = self->transport->receive (self->owner, read, sizeof read);
      if (got > 0)
        {
          gsize taken = MIN ((gsize) got, length);

          memcpy (data, read, taken);
          postern_buffer_append (&self->ahead, read + taken, (gsize) got - taken);
          got = (gssize) taken;
        }
    }
  if (got < 0)
    gnutls_transport_set_errno (self->session, errno);
  return got;
}

/* Only asked where GnuTLS would wait, which a non-blocking session never does. */
static int
on_pull_timeout (gnutls_transport_ptr_t pointer, unsigned int timeout_ms)
{
  return 1;
}

static ssize_t
on_push (gnutls_transport_ptr_t pointer, const giovec_t *pieces, int n_pieces)
{
  PosternTlsChannel *self = pointer;
  gssize sent = self->transport->send (self->owner, pieces, n_pieces);

  if (sent < 0)
    gnutls_transport_set_errno (self->session, errno);
  return sent;
}

/**
 * postern_tls_channel_new:
 * @alpn: (nullable): the protocol's name (RFC 7301), chosen when the peer offers it; a peer that
 *   offers others or none is served all the same
 *
 * Returns: (transfer full) (nullable): NULL when memory for it cannot be had.
 */
PosternTlsChannel *
postern_tls_channel_new (PosternTlsCredentials *credentials,
                         const char *alpn,
                         const PosternTransport *transport,
                         gpointer owner)
{
  g_autoptr (PosternTlsChannel) self = g_new0 (PosternTlsChannel, 1);

  self->credentials = postern_tls_credentials_ref (credentials);
  self->transport = transport;
  self->owner = owner;
  if (gnutls_init (&self->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
      gnutls_priority_set (self->session, credentials->priority) < 0 ||
      gnutls_credentials_set (self->session, GNUTLS_CRD_CERTIFICATE, credentials->certificate) <
          0 ||
      gnutls_session_ticket_enable_server (self->session, &credentials->ticket_key) < 0)
    return NULL;

  if (alpn != NULL)
    {
      gnutls_datum_t name = { .data = (unsigned char *) alpn,
                              .size = (unsigned int) strlen (alpn) };

      gnutls_alpn_set_protocols (self->session, &name, 1, 0);
    }
  /* The server times the handshake itself. */
  gnutls_handshake_set_timeout (self->session, GNUTLS_INDEFINITE_TIMEOUT);
  gnutls_transport_set_ptr (self->session, self);
  gnutls_transport_set_pull_function (self->session, on_pull);
  gnutls_transport_set_pull_timeout_function (self->session, on_pull_timeout);
  gnutls_transport_set_vec_push_function (self->session, on_push);
  return g_steal_pointer (&self);
}

/**
 * postern_tls_channel_free:
 *
 * Ends the session without a word; see postern_tls_channel_end() for the polite way.
 */
void
postern_tls_channel_free (PosternTlsChannel *self)
{
  if (self->session != NULL)
    gnutls_deinit (self->session);
  postern_tls_credentials_unref (self->credentials);
  postern_buffer_clear (&self->ahead);
  g_free (self);
}

static gboolean
is_again (gssize code)
{
  return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED;
}

static gboolean
is_distrust (gnutls_alert_description_t alert)
{
  return alert == GNUTLS_A_UNKNOWN_CA || alert == GNUTLS_A_BAD_CERTIFICATE ||
         alert == GNUTLS_A_CERTIFICATE_UNKNOWN || alert == GNUTLS_A_CERTIFICATE_EXPIRED;
}

PosternTlsStatus
postern_tls_channel_handshake (PosternTlsChannel *self)
{
  int code;

  do
    code = gnutls_handshake (self->session);
  while (code < 0 && !is_again (code) && !gnutls_error_is_fatal (code));

  if (code == 0)
    return POSTERN_TLS_OK;
  if (is_again (code))
    return POSTERN_TLS_AGAIN;

  g_debug ("TLS handshake: %s", gnutls_strerror (code));
  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED && is_distrust (gnutls_alert_get (self->session)))
    return POSTERN_TLS_DISTRUSTED;
  /* So that the peer can say why; whether it goes out does not matter. */
  gnutls_alert_send_appropriate (self->session, code);
  return POSTERN_TLS_FAILED;
}

/**
 * postern_tls_channel_read:
 *
 * Returns: octets put into @data; 0 at the end, with or without a close_notify: both protocols say
 *   themselves when they are through; -1 with errno, EAGAIN when nothing is there now.
 */
gssize
postern_tls_channel_read (PosternTlsChannel *self, void *data, gsize length)
{
  for (;;)
    {
      gssize code = gnutls_record_recv (self->session, data, length);

      if (code >= 0)
        return code;
      if (code == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
      if (is_again (code))
        errno = EAGAIN;
      else if (code == GNUTLS_E_REHANDSHAKE)
        {
          /* RFC 5246 section 7.2.2: TLS 1.2 lets the peer go on with the keys it has. */
          gnutls_alert_send (self->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
          continue;
        }
      else if (!gnutls_error_is_fatal ((int) code))
        continue;
      else
        {
          g_debug ("TLS read: %s", gnutls_strerror ((int) code));
          errno = EPROTO;
        }
      return -1;
    }
}

/**
 * postern_tls_channel_write:
 *
 * After EAGAIN the next call must begin with the same octets: they are partly on their way.
 *
 * Returns: octets of @data sent, at most one record; -1 with errno, EAGAIN when the transport is
 *   full.
 */
gssize
postern_tls_channel_write (PosternTlsChannel *self, const void *data, gsize length)
{
  gssize code = self->is_sending
                    ? gnutls_record_send (self->session, NULL, 0)
                    : gnutls_record_send (self->session, data, MIN (length, MAX_RECORD));

  self->is_sending = is_again (code);
  if (code >= 0)
    return code;

  errno = is_again (code) ? EAGAIN : EPROTO;
  return -1;
}

/**
 * postern_tls_channel_end:
 *
 * Sends close_notify (RFC 8446 section 6.1), behind all that was written.
 */
PosternTlsStatus
postern_tls_channel_end (PosternTlsChannel *self)
{
  int code = gnutls_bye (self->session, GNUTLS_SHUT_WR);

  return code == 0 ? POSTERN_TLS_OK : is_again (code) ? POSTERN_TLS_AGAIN : POSTERN_TLS_FAILED;
}
