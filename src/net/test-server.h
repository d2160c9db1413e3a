/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/mail-server.h"
#include "net/test-client.h"
#include "net/test-host.h"

G_BEGIN_DECLS

/**
 * PosternTestServer:
 *
 * A mail server over a test host, with all four doors open on ports of the system's choice.
 */
typedef struct
{
  PosternTestHost *host;
  PosternMailServer *server;
  char *ca_path;
  guint16 ports[POSTERN_N_SERVICES][2]; /* by service and security */
} PosternTestServer;

PosternTestServer *postern_test_server_new (const PosternServerLimits *limits);
void postern_test_server_free (PosternTestServer *self);

PosternTestClient *postern_test_server_connect (PosternTestServer *self,
                                                PosternService service,
                                                PosternSecurity security);
PosternTestClient *postern_test_server_log_in (PosternTestServer *self, PosternService service);
PosternTlsCredentials *postern_test_server_make_credentials (char **ca_path);
gsize postern_test_server_get_heap_octets (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternTestServer, postern_test_server_free)

G_END_DECLS
