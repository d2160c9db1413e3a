/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternSmtpReply:
 *
 * One reply to an SMTP command: what happened, why, what to do next, in one line of ASCII.
 */
typedef struct
{
  guint code;        /* RFC 5321 section 4.2 */
  char enhanced[12]; /* "4.7.0", RFC 3463; "" where RFC 2034 has none */
  char *text;        /* without CR or LF */
} PosternSmtpReply;

PosternSmtpReply *postern_smtp_reply_new (guint code, const char *enhanced, const char *text);
PosternSmtpReply *
postern_smtp_reply_printf (guint code, const char *enhanced, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
void postern_smtp_reply_free (PosternSmtpReply *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSmtpReply, postern_smtp_reply_free)

G_END_DECLS
