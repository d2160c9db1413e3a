/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/tls-credentials.h"

#include <sys/uio.h>

G_BEGIN_DECLS

/**
 * PosternTransport:
 *
 * What TLS runs over. Both answer -1 with errno, EAGAIN when it cannot be done now; receive
 * answers 0 at the end.
 */
typedef struct
{
  gssize (*receive) (gpointer owner, void *data, gsize length);
  gssize (*send) (gpointer owner, const struct iovec *pieces, int n_pieces);
} PosternTransport;

/**
 * PosternTlsChannel:
 *
 * The server's end of one TLS session; never blocks.
 */
typedef struct _PosternTlsChannel PosternTlsChannel;

typedef enum
{
  POSTERN_TLS_OK,
  POSTERN_TLS_AGAIN,      /* when the transport can be read or written */
  POSTERN_TLS_FAILED,     /* the session is of no use any more */
  POSTERN_TLS_DISTRUSTED, /* the same: the peer does not trust our certificate and said so */
} PosternTlsStatus;

PosternTlsChannel *postern_tls_channel_new (PosternTlsCredentials *credentials,
                                            const char *alpn,
                                            const PosternTransport *transport,
                                            gpointer owner);
void postern_tls_channel_free (PosternTlsChannel *self);

PosternTlsStatus postern_tls_channel_handshake (PosternTlsChannel *self);
gssize postern_tls_channel_read (PosternTlsChannel *self, void *data, gsize length);
gssize postern_tls_channel_write (PosternTlsChannel *self, const void *data, gsize length);
PosternTlsStatus postern_tls_channel_end (PosternTlsChannel *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternTlsChannel, postern_tls_channel_free)

G_END_DECLS
