/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "mail/envelope.h"

#include <glib.h>

G_BEGIN_DECLS

/* All of these are written to the database by number: new ones go to the end. */

typedef enum
{
  POSTERN_QUEUE_KIND_SUBMISSION, /* a login's message on its way out */
  POSTERN_QUEUE_KIND_IMPORT,     /* a message of our own, a bounce, on its way into the inbox */
} PosternQueueKind;

typedef enum
{
  POSTERN_QUEUE_STATUS_WAITING,   /* due at next_attempt_us */
  POSTERN_QUEUE_STATUS_HELD,      /* waits for a person */
  POSTERN_QUEUE_STATUS_FAILED,    /* given up, kept to be looked at */
  POSTERN_QUEUE_STATUS_DISCARDED, /* swept after seven days; until then it can be restored */
} PosternQueueStatus;

#define POSTERN_QUEUE_STATUS_LAST POSTERN_QUEUE_STATUS_DISCARDED

/* The enhanced code of a recipient that was given up for want of time (RFC 3463 section 3.5) */
#define POSTERN_QUEUE_EXPIRED "4.4.7"

/* How far delivery has come. Each step is committed before the next request goes out. */
typedef enum
{
  POSTERN_QUEUE_STEP_NEW,
  POSTERN_QUEUE_STEP_UPLOADED,   /* blob_id is known */
  POSTERN_QUEUE_STEP_IMPORTED,   /* email_id is known */
  POSTERN_QUEUE_STEP_SUBMITTING, /* the request may have arrived; email_id settles it */
  POSTERN_QUEUE_STEP_DONE,       /* handed over; the entry goes with its body */
} PosternQueueStep;

typedef enum
{
  POSTERN_DELIVERY_PENDING,
  POSTERN_DELIVERY_SENT,
  POSTERN_DELIVERY_FAILED,
} PosternDelivery;

/**
 * PosternQueueRecipient:
 *
 * What became of one recipient of the envelope.
 */
typedef struct
{
  PosternDelivery delivery;
  char *status; /* (nullable) enhanced status code, "5.1.1" (RFC 3463) */
  char *reason; /* (nullable) one line, as the backend said it */
} PosternQueueRecipient;

/**
 * PosternQueueEntry:
 *
 * One message of the queue without its bytes. A value: whoever has one may change it, and nothing
 * is kept until it is given to postern_queue_change_update().
 */
typedef struct
{
  char *id; /* 32 hexadecimal digits, for ever */
  PosternQueueKind kind;
  char *login_id;            /* who sent it */
  char *account_id;          /* whose backend carries it */
  PosternEnvelope *envelope; /* (owned) */
  GPtrArray *recipients;     /* (element-type PosternQueueRecipient) in the envelope's order */
  char *message_id;          /* (nullable) with its angle brackets as in the header */
  char *subject;             /* (nullable) for display; stored up to 200 characters */
  guint64 size_octets;       /* of the body; the store sets it */
  gint64 received_at_us;

  PosternQueueStatus status;
  gint64 status_since_us;
  PosternQueueStep step;
  char *creation_id;   /* what requests name it by: the id, until a failed entry is retried */
  char *blob_id;       /* (nullable) */
  char *email_id;      /* (nullable) */
  char *submission_id; /* (nullable) */
  guint attempts;
  gint64 next_attempt_us;
  int error_code;   /* PosternError of the last attempt; means something when error_text is set */
  char *error_text; /* (nullable) */
} PosternQueueEntry;

PosternQueueEntry *postern_queue_entry_new (const PosternEnvelope *envelope);
PosternQueueEntry *postern_queue_entry_copy (const PosternQueueEntry *self);
void postern_queue_entry_free (PosternQueueEntry *self);

void postern_queue_entry_set_error (PosternQueueEntry *self, const GError *error);
void postern_queue_entry_set_delivery (PosternQueueEntry *self,
                                       guint recipient,
                                       PosternDelivery delivery,
                                       const char *status,
                                       const char *reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternQueueEntry, postern_queue_entry_free)

G_END_DECLS
