/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/sender-policy.h"
#include "net/mail-host.h"
#include "store/queue-store.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternQueueSubmission:
 *
 * A message on its way from a mail program into the queue: a #PosternSubmission.
 */
#define POSTERN_TYPE_QUEUE_SUBMISSION (postern_queue_submission_get_type ())
G_DECLARE_FINAL_TYPE (PosternQueueSubmission,
                      postern_queue_submission,
                      POSTERN,
                      QUEUE_SUBMISSION,
                      GObject)

PosternSubmission *postern_queue_submission_new (PosternQueueStore *queue,
                                                 PosternSenderPolicy *senders,
                                                 const char *account_id,
                                                 const char *address,
                                                 const PosternEnvelope *envelope,
                                                 PosternSubmissionReady ready,
                                                 gpointer user_data);

G_END_DECLS
