/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "backend/backend.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternFakeBackend:
 *
 * A mail service in memory, for tests: it keeps what it is given, counts what it sends, and fails
 * where it is told to.
 */
#define POSTERN_TYPE_FAKE_BACKEND (postern_fake_backend_get_type ())
G_DECLARE_FINAL_TYPE (PosternFakeBackend, postern_fake_backend, POSTERN, FAKE_BACKEND, GObject)

typedef enum
{
  POSTERN_FAKE_UPLOAD,
  POSTERN_FAKE_IMPORT,
  POSTERN_FAKE_FIND,
  POSTERN_FAKE_SUBMIT,
  POSTERN_FAKE_SETTLE,
  POSTERN_FAKE_REMOVE,
  POSTERN_FAKE_SYNC,
  POSTERN_FAKE_FETCH,
  POSTERN_FAKE_N_CALLS,
} PosternFakeCall;

PosternFakeBackend *postern_fake_backend_new (void);

/* The next such call is not carried out / is carried out, but its answer is lost. */
void postern_fake_backend_fail_next (PosternFakeBackend *self, PosternFakeCall call, int code);
void postern_fake_backend_lose_next (PosternFakeBackend *self, PosternFakeCall call);
/* Submissions to this recipient get this SMTP code. */
void postern_fake_backend_refuse (PosternFakeBackend *self, const char *recipient, guint code);
/* The addresses that a refusal names are not quite those that were given. */
void postern_fake_backend_misname_refused (PosternFakeBackend *self);
/* Imports of messages that hold this text make the whole request fail. */
void postern_fake_backend_choke_on (PosternFakeBackend *self, const char *text);
/* Each removal gets this error; -1 for none. */
void postern_fake_backend_refuse_removals (PosternFakeBackend *self, int code);
/* It takes NOTIFY, and tells the outcomes by itself. */
void postern_fake_backend_tell_outcomes (PosternFakeBackend *self);
void postern_fake_backend_set_page (PosternFakeBackend *self, guint page);
void postern_fake_backend_forget_history (PosternFakeBackend *self);
void postern_fake_backend_hide_canonical_size (PosternFakeBackend *self);

const char *postern_fake_backend_deliver (PosternFakeBackend *self, const char *text);
void postern_fake_backend_destroy (PosternFakeBackend *self, const char *email_id);
/* As a service does that was restored from a backup: no change tells of it. */
void postern_fake_backend_forget (PosternFakeBackend *self, const char *email_id);
guint postern_fake_backend_count (PosternFakeBackend *self, PosternPlace place);
guint postern_fake_backend_count_sent (PosternFakeBackend *self, const char *recipient);
const char *postern_fake_backend_get_text (PosternFakeBackend *self, PosternPlace place, guint n);
guint postern_fake_backend_get_calls (PosternFakeBackend *self, PosternFakeCall call);

G_END_DECLS
