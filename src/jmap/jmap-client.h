/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend-types.h"
#include "http/http-client.h"
#include "jmap/jmap-credentials.h"
#include "jmap/jmap-request.h"
#include "jmap/jmap-session.h"

G_BEGIN_DECLS

/**
 * PosternJmapClient:
 *
 * One account at one JMAP server: holds its credentials, reads its session when needed, keeps
 * within its limits, and sends method calls.
 */
#define POSTERN_TYPE_JMAP_CLIENT (postern_jmap_client_get_type ())
G_DECLARE_FINAL_TYPE (PosternJmapClient, postern_jmap_client, POSTERN, JMAP_CLIENT, GObject)

PosternJmapClient *
postern_jmap_client_new (PosternHttpClient *http, const char *url, PosternJmapAuth auth);
void postern_jmap_client_set_credentials (PosternJmapClient *self,
                                          const char *user,
                                          PosternSecret *secret);
PosternHttpClient *postern_jmap_client_get_http (PosternJmapClient *self);

void postern_jmap_client_forget_session (PosternJmapClient *self);
void postern_jmap_client_ensure_session_async (PosternJmapClient *self,
                                               GCancellable *cancellable,
                                               GAsyncReadyCallback callback,
                                               gpointer user_data);
const PosternJmapSession *postern_jmap_client_ensure_session_finish (PosternJmapClient *self,
                                                                     GAsyncResult *result,
                                                                     GError **error);
const PosternJmapSession *postern_jmap_client_get_session (PosternJmapClient *self);
gboolean postern_jmap_client_has_session (PosternJmapClient *self);

/* The mailbox that stands for a place, learnt by jmap-folders and forgotten with the session. */
const char *postern_jmap_client_get_folder (PosternJmapClient *self, PosternPlace place);
void
postern_jmap_client_set_folder (PosternJmapClient *self, PosternPlace place, const char *folder_id);

/* Who may be sent as, learnt by jmap-identities and forgotten with the session. */
GPtrArray *postern_jmap_client_ref_identities (PosternJmapClient *self);
void postern_jmap_client_set_identities (PosternJmapClient *self, GPtrArray *identities);

guint postern_jmap_client_get_max_objects (PosternJmapClient *self);
gboolean postern_jmap_client_halve (PosternJmapClient *self, guint asked);
gint64 postern_jmap_client_get_not_before_us (PosternJmapClient *self);

SoupMessage *postern_jmap_client_new_message (PosternJmapClient *self,
                                              const char *method,
                                              GUri *uri,
                                              GError **error);
void postern_jmap_client_note_answer (PosternJmapClient *self, SoupMessage *message);

void postern_jmap_client_call_async (PosternJmapClient *self,
                                     PosternJmapRequest *request,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
PosternJmapResponse *postern_jmap_client_call_finish (PosternJmapClient *self,
                                                      GAsyncResult *result,
                                                      gboolean *may_have_arrived,
                                                      GError **error);

G_END_DECLS
