/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend-types.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define POSTERN_JMAP_URN_CORE       "urn:ietf:params:jmap:core"
#define POSTERN_JMAP_URN_MAIL       "urn:ietf:params:jmap:mail"
#define POSTERN_JMAP_URN_SUBMISSION "urn:ietf:params:jmap:submission"
#define POSTERN_JMAP_URN_WEBSOCKET  "urn:ietf:params:jmap:websocket"

/* Ours, of a Postern Worker: the Email property `canonicalSize`, and creation ids of submissions
 * that are remembered for seven days. */
#define POSTERN_JMAP_URN_VENDOR "urn:io.github.posternmail:jmap:postern"

/**
 * PosternJmapSession:
 *
 * The session resource (RFC 8620 section 2) as read at one moment: immutable.
 */
typedef struct
{
  char *state;
  char *user;               /* (nullable) */
  char *mail_account;       /* with the mail capability; never NULL */
  char *submission_account; /* (nullable) NULL: it can not send */
  GUri *base;               /* where it was read from */
  GUri *api_url;
  char *download_template;
  char *upload_template;
  char *event_source_template;       /* (nullable) */
  GUri *websocket_url;               /* (nullable) https or http, only where it pushes */
  GHashTable *submission_extensions; /* (element-type utf8 -) upper-case EHLO names */
  guint64 max_upload_octets;
  guint64 max_request_octets;
  guint max_calls;
  guint max_objects_in_get;
  guint max_objects_in_set;
  guint max_requests;
  guint max_uploads;
  gboolean is_read_only;
  gboolean has_vendor; /* POSTERN_JMAP_URN_VENDOR may stand in `using` */
} PosternJmapSession;

PosternJmapSession *postern_jmap_session_new (GUri *read_from, JsonObject *json, GError **error);
void postern_jmap_session_free (PosternJmapSession *self);
PosternBackendInfo *postern_jmap_session_to_info (const PosternJmapSession *self);

GUri *postern_jmap_session_expand (const PosternJmapSession *self,
                                   const char *uri_template,
                                   const char *const *names_and_values,
                                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapSession, postern_jmap_session_free)

G_END_DECLS
