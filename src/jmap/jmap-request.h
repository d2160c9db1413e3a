/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-session.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * PosternJmapRequest:
 *
 * Method calls that travel together (RFC 8620 section 3.3). Call ids are "0", "1", … in the order
 * of adding.
 */
typedef struct
{
  JsonArray *calls;
  gboolean uses_submission;
  gboolean uses_vendor; /* set only for sessions that have it */
} PosternJmapRequest;

PosternJmapRequest *postern_jmap_request_new (void);
void postern_jmap_request_free (PosternJmapRequest *self);
guint
postern_jmap_request_add (PosternJmapRequest *self, const char *method, JsonObject *arguments);
GBytes *postern_jmap_request_to_bytes (const PosternJmapRequest *self);

/* Arguments are built with json-glib; these spare the usual three lines. */
JsonObject *postern_jmap_arguments_new (const char *account);
JsonArray *postern_jmap_string_array (const char *const *strings, gssize length);
void postern_jmap_set_reference (JsonObject *arguments,
                                 const char *name,
                                 guint call,
                                 const char *method,
                                 const char *path);

/**
 * PosternJmapResponse:
 */
typedef struct
{
  JsonArray *responses;
  char *session_state; /* (nullable) */
} PosternJmapResponse;

PosternJmapResponse *postern_jmap_response_new (JsonObject *json, GError **error);
void postern_jmap_response_free (PosternJmapResponse *self);
JsonObject *postern_jmap_response_get (PosternJmapResponse *self,
                                       guint call,
                                       const char *method,
                                       GError **error);
const char *postern_jmap_response_get_error_type (PosternJmapResponse *self, guint call);

void postern_jmap_set_method_error (GError **error, JsonObject *details);
GError *postern_jmap_problem_to_error (JsonObject *problem, guint status);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapRequest, postern_jmap_request_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternJmapResponse, postern_jmap_response_free)

G_END_DECLS
