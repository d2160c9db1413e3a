/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternTestClient:
 *
 * A mail program for tests, which blocks, so it lives on a thread of its own: see
 * postern_test_client_run().
 */
typedef struct _PosternTestClient PosternTestClient;

PosternTestClient *postern_test_client_new (guint16 port);
void postern_test_client_free (PosternTestClient *self);

void postern_test_client_send (PosternTestClient *self, const char *text);
void postern_test_client_send_octets (PosternTestClient *self, const void *data, gsize length);
char *postern_test_client_read_line (PosternTestClient *self);
void postern_test_client_expect (PosternTestClient *self, const char *pattern);
void postern_test_client_talk (PosternTestClient *self, const char *line, const char *pattern);
GBytes *postern_test_client_read_until (PosternTestClient *self, const char *end);
gsize postern_test_client_read_some (PosternTestClient *self, gsize most);
gboolean postern_test_client_has_ended (PosternTestClient *self);
gboolean postern_test_client_was_reset (PosternTestClient *self);
gboolean postern_test_client_start_tls (PosternTestClient *self, const char *ca_path);
const char *postern_test_client_get_alpn (PosternTestClient *self);
void postern_test_client_offer_alpn (PosternTestClient *self, const char *name);
void postern_test_client_half_close (PosternTestClient *self);
void postern_test_client_reset (PosternTestClient *self);

typedef void (*PosternTestScenario) (gpointer user_data);
void postern_test_client_run (PosternTestScenario scenario, gpointer user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternTestClient, postern_test_client_free)

G_END_DECLS
