/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/socket.h"

#include "base/buffer.h"

G_BEGIN_DECLS

typedef struct _PosternConnection PosternConnection;

/**
 * PosternConnectionHandler:
 *
 * Called last, with nothing behind it: what it is told about may end the connection.
 */
typedef void (*PosternConnectionHandler) (gpointer owner);

/* What all connections of a server share. */
typedef struct
{
  PosternEpollSource *epoll;
  guint8 *scratch; /* where all of them read to, one after the other */
  gsize scratch_octets;
  GQueue ending; /* (element-type PosternConnection): saying good-bye on their own */
  guint n_owing; /* of those, such as have not said it all yet */
  void (*on_quiet) (gpointer owner); /* (nullable): none of them owes anything any more */
  gpointer owner;
  guint64 n_distrusted;    /* peers that hung up since they do not trust our certificate */
  gint64 distrust_told_us; /* monotonic; when that was last told */
  guint64 n_failed;        /* handshakes that failed for any reason, or took too long */
} PosternConnectionPool;

typedef enum
{
  POSTERN_FILL_SOME,  /* there is input now */
  POSTERN_FILL_NONE,  /* nothing now; the handler is called when there is */
  POSTERN_FILL_ENDED, /* the peer sends nothing more */
} PosternFill;

PosternConnection *postern_connection_new (PosternConnectionPool *pool,
                                           int fd,
                                           PosternConnectionHandler on_ready,
                                           gpointer owner);
void postern_connection_free (PosternConnection *self);
void postern_connection_end (PosternConnection *self);

void postern_connection_start_tls (PosternConnection *self,
                                   PosternTlsCredentials *credentials,
                                   const char *alpn,
                                   guint timeout_ms);
gboolean postern_connection_is_shaking_hands (const PosternConnection *self);
gboolean postern_connection_is_secure (const PosternConnection *self);
gboolean postern_connection_is_lost (const PosternConnection *self);

PosternFill postern_connection_fill (PosternConnection *self);
const guint8 *postern_connection_peek (const PosternConnection *self, gsize *length);
void postern_connection_take (PosternConnection *self, gsize length);
void postern_connection_keep_input (PosternConnection *self);
void postern_connection_wipe_input (PosternConnection *self);
void postern_connection_tell_again (PosternConnection *self);

PosternBuffer *postern_connection_get_output (PosternConnection *self);
gboolean postern_connection_flush (PosternConnection *self);
gboolean postern_connection_take_progress (PosternConnection *self);

void postern_connection_pool_init (PosternConnectionPool *self, PosternEpollSource *epoll);
void postern_connection_pool_clear (PosternConnectionPool *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternConnection, postern_connection_free)

G_END_DECLS
