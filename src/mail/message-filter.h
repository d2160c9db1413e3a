/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/buffer.h"

G_BEGIN_DECLS

/**
 * PosternMessageFilter:
 *
 * Makes a submission fit to leave (RFC 6409 section 8), as it passes by: Bcc and Resent-Bcc go, a
 * missing Date and Message-ID are added at the end of the header, every line end becomes CRLF, the
 * last line gets one. All other octets stay as they are. A line that is no field ends the header;
 * the missing empty line is put before it. A first line of an mbox file ("From ...") is dropped.
 */
typedef struct _PosternMessageFilter PosternMessageFilter;

typedef struct
{
  const char
      *received;    /* (nullable): a whole field to put first, folded by CRLF and a blank, without
                           * its last line end */
  const char *date; /* (nullable): the value when there is none */
  const char *message_id; /* (nullable): the value when there is none, with its brackets */
} PosternMessageFilterOptions;

PosternMessageFilter *postern_message_filter_new (const PosternMessageFilterOptions *options);
void postern_message_filter_free (PosternMessageFilter *self);

void postern_message_filter_feed (PosternMessageFilter *self,
                                  const guint8 *data,
                                  gsize length,
                                  PosternBuffer *out);
void postern_message_filter_finish (PosternMessageFilter *self, PosternBuffer *out);
gboolean postern_message_filter_saw_nul (const PosternMessageFilter *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternMessageFilter, postern_message_filter_free)

G_END_DECLS
