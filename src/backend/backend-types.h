/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/error.h"
#include "mail/envelope.h"

/* What crosses the line between `bridge/` and a backend: plain values. */

G_BEGIN_DECLS

/**
 * PosternBackendInfo:
 *
 * What a service told about itself and this mailbox when it was last asked.
 */
typedef struct
{
  char *account;      /* the mailbox's name at the service; opaque, stable */
  char *user;         /* (nullable) who the service says we are, often the address */
  char *display_name; /* the service for a person: its product, or its host */
  guint64 max_upload_octets;
  guint max_batch;             /* items that one import, submit or remove had better not exceed */
  gboolean is_read_only;       /* nothing can be removed or imported */
  gboolean may_submit;         /* FALSE: this mailbox can be read, not sent from */
  gboolean has_canonical_size; /* PosternRemoteMessage.canonical_size_octets is known */
  gboolean has_submit_keys; /* a submission repeated with the same key within seven days is safe */
  gboolean tells_outcomes;  /* takes NOTIFY of RFC 3461, and reports by itself from then on */
} PosternBackendInfo;

PosternBackendInfo *postern_backend_info_copy (const PosternBackendInfo *self);
void postern_backend_info_free (PosternBackendInfo *self);

/**
 * PosternIdentity:
 *
 * An address that may be used as sender.
 */
typedef struct
{
  char *id;
  char *name;    /* (nullable) display name */
  char *address; /* UTF-8; "*@domain" stands for the whole domain */
} PosternIdentity;

void postern_identity_free (PosternIdentity *self);

/**
 * PosternRemoteMessage:
 *
 * A message in the inbox, as a listing names it.
 */
typedef struct
{
  char *email_id;
  char *blob_id; /* what fetch takes */
  guint64 size_octets;
  gint64 canonical_size_octets; /* with canonical line ends, unstuffed; -1: not known */
  gint64 received_at_us;        /* wall clock, UTC; 0 when the service did not say */
} PosternRemoteMessage;

void postern_remote_message_free (PosternRemoteMessage *self);

/**
 * PosternSyncBatch:
 *
 * One page of a complete listing (`is_full`), or one page of what changed since a cursor. Applying
 * a page twice, or one that names messages already known or already gone, must change nothing.
 *
 * Of a complete listing the pages are gathered, and `restart` throws away those gathered before;
 * when `has_more` is FALSE what was gathered, this page included, is the whole inbox and replaces
 * what was known. Then the cursor may be stored. The cursor of an earlier page of a complete
 * listing is only for the next call. The cursor of a page of changes may be stored with the page.
 */
typedef struct
{
  gboolean is_full;
  gboolean restart;    /* this page begins the listing, again perhaps */
  GPtrArray *messages; /* (element-type PosternRemoteMessage) now in the inbox, new or not */
  GPtrArray *removed;  /* (element-type utf8) email ids no longer in the inbox, known or not */
  char *cursor;        /* opaque text, under 1 KiB as a rule */
  gboolean has_more;   /* call sync again with this cursor at once */
  gint64 total;        /* messages that a complete listing will have; -1 when not known */
  gint64 done;         /* of those, listed up to and with this page */
} PosternSyncBatch;

PosternSyncBatch *postern_sync_batch_new (void);
void postern_sync_batch_free (PosternSyncBatch *self);

typedef enum
{
  POSTERN_PLACE_INBOX,
  POSTERN_PLACE_DRAFTS,
  POSTERN_PLACE_SENT,
  POSTERN_PLACE_TRASH,
} PosternPlace;

#define POSTERN_N_PLACES (POSTERN_PLACE_TRASH + 1)

typedef enum
{
  POSTERN_REMOVE_DESTROY, /* destroyed; one that is elsewhere too only leaves the place */
  POSTERN_REMOVE_TRASH,   /* moved to Trash; one that is elsewhere too only leaves the place */
  POSTERN_REMOVE_DESTROY_EVERYWHERE,
} PosternRemoveMode;

/**
 * PosternRemoval:
 */
typedef struct
{
  char *email_id;
  GError *error; /* (nullable) NULL: it is gone, or was before. FORBIDDEN: never, with the reason */
} PosternRemoval;

void postern_removal_free (PosternRemoval *self);

/**
 * PosternImport:
 *
 * An uploaded message that is to become an email. Lent for the call; the backend copies.
 */
typedef struct
{
  const char *blob_id;
  PosternPlace target;   /* INBOX for a bounce, DRAFTS for what will be submitted */
  gboolean is_seen;      /* drafts are always seen */
  gint64 received_at_us; /* 0: now */
} PosternImport;

/**
 * PosternImportResult:
 */
typedef struct
{
  char *email_id; /* (nullable) NULL on error */
  GError *error;  /* (nullable) NOT_FOUND: the blob is gone, upload again; INVALID: bad message */
  gboolean may_have_arrived; /* with an error: it may have been imported all the same */
} PosternImportResult;

void postern_import_result_free (PosternImportResult *self);

/**
 * PosternOutgoing:
 *
 * An imported email that is to be sent. Lent for the call; the backend copies.
 */
typedef struct
{
  const char *key;                 /* of postern_random_id(); a changed envelope needs a new one */
  const char *email_id;            /* a draft of import */
  const char *from;                /* the mailbox in the From header; picks the identity */
  const PosternEnvelope *envelope; /* recipients that are the same are sent to once */
  gboolean keep_copy;              /* leave it in Sent; otherwise it is destroyed when taken */
} PosternOutgoing;

/**
 * PosternSubmitResult:
 *
 * What became of one PosternOutgoing. Three cases:
 *   - `error` is NULL: the service has it, and bounces it if it must.
 *   - `error` is set, `may_have_arrived` FALSE: it was not sent to anybody. `code` and `enhanced`
 *     say in SMTP terms whether to try again (4xx) or give up (5xx). With `refused`, those
 *     recipients are never to be tried again, the others may be, from the same email with a new key.
 *   - `may_have_arrived`: the answer was lost. postern_backend_settle_async() tells, or, when
 *     has_submit_keys, the same submission with the same key.
 */
typedef struct
{
  GError *error; /* (nullable); its text is the service's own where there was one */
  gboolean may_have_arrived;
  guint code;         /* an SMTP reply code, 250 when taken; 0 while may_have_arrived */
  char enhanced[12];  /* RFC 3463, such as "5.7.1"; "" while may_have_arrived */
  GPtrArray *refused; /* (element-type utf8) (nullable) recipients the service refused */
} PosternSubmitResult;

void postern_submit_result_free (PosternSubmitResult *self);

typedef enum
{
  POSTERN_SETTLEMENT_UNSENT, /* still a draft: submit it */
  POSTERN_SETTLEMENT_SENT,
  POSTERN_SETTLEMENT_GONE, /* no such email: sent without a copy, or the copy was deleted since */
} PosternSettlement;

typedef enum
{
  POSTERN_CONNECTION_NONE,       /* not watched */
  POSTERN_CONNECTION_CONNECTING, /* for the first time */
  POSTERN_CONNECTION_PUSH,       /* the service tells at once */
  POSTERN_CONNECTION_POLLING,    /* it answers, but has to be asked */
  POSTERN_CONNECTION_OFFLINE,    /* it does not answer, or not to us: see the reason */
} PosternConnection;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBackendInfo, postern_backend_info_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternIdentity, postern_identity_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternRemoteMessage, postern_remote_message_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSyncBatch, postern_sync_batch_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternRemoval, postern_removal_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternImportResult, postern_import_result_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSubmitResult, postern_submit_result_free)

G_END_DECLS
