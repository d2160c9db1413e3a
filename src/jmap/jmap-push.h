/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "jmap/jmap-client.h"
#include "jmap/push-channel.h"

G_BEGIN_DECLS

/**
 * PosternJmapPush:
 *
 * Keeps itself told of changes in the best way the server has.
 *
 * Signals: "changed" () and "connection-changed" (), as PosternBackend has them.
 */
#define POSTERN_TYPE_JMAP_PUSH (postern_jmap_push_get_type ())
G_DECLARE_FINAL_TYPE (PosternJmapPush, postern_jmap_push, POSTERN, JMAP_PUSH, GObject)

PosternJmapPush *postern_jmap_push_new (PosternJmapClient *client, const PosternPushTiming *timing);
void postern_jmap_push_start (PosternJmapPush *self);
void postern_jmap_push_stop (PosternJmapPush *self);
void postern_jmap_push_begin_anew (PosternJmapPush *self);
void postern_jmap_push_look_again (PosternJmapPush *self);
void postern_jmap_push_note_state (PosternJmapPush *self, const char *email_state);
void postern_jmap_push_note_outcome (PosternJmapPush *self, const GError *error);
PosternConnection postern_jmap_push_get_connection (PosternJmapPush *self, const GError **reason);

G_END_DECLS
