/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/mail-host.h"

G_BEGIN_DECLS

/**
 * PosternTestHost:
 *
 * A mail host for tests: one login, "user" with the password "right", and a maildrop in memory.
 * What it is to do wrong is set in its members; what happened to it is read there.
 */
#define POSTERN_TYPE_TEST_HOST (postern_test_host_get_type ())
G_DECLARE_FINAL_TYPE (PosternTestHost, postern_test_host, POSTERN, TEST_HOST, GObject)

struct _PosternTestHost
{
  GObject parent_instance;

  /* The maildrop */
  GPtrArray *messages;     /* (element-type GBytes) */
  GArray *deleted;         /* (element-type guint), by QUIT */
  gboolean has_no_listing; /* the first sync is not through */
  gboolean breaks_bodies;  /* a body ends with an error after half of it */
  gboolean is_in_memory;   /* bodies are GMemoryInputStreams */
  guint body_delay_ms;
  gsize octets_opened; /* of bodies, read so far */

  /* Submissions */
  GPtrArray *received;       /* (element-type GBytes): committed */
  PosternEnvelope *envelope; /* (nullable) of the last one begun */
  char *last_peer;           /* (nullable) "address hello esmtp secure" */
  PosternSmtpReply *refusal; /* (nullable) of begin_submission */
  guint64 max_size;
  guint commit_delay_ms;
  gsize full_at;       /* write() answers FALSE each time so many octets came; 0: never */
  gboolean stays_full; /* and it is never ready again */
  guint n_alive;       /* submissions that were begun and not finalized */
  guint n_discarded;   /* submissions that ended without a commit */
  guint n_overruns;    /* writes after FALSE and before ready */

  gboolean is_unavailable; /* check_login */
  guint n_checks;
};

PosternTestHost *postern_test_host_new (void);
void postern_test_host_add (PosternTestHost *self, const char *message, gssize length);

G_END_DECLS
