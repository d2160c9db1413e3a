/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "mail/envelope.h"
#include "proto/smtp-reply.h"

G_BEGIN_DECLS

/* The shape of commands: what stands behind their verbs, and how long they may be. Whether their time
 * has come is the session's to say. */

PosternEnvelope *postern_smtp_parse_mail (const char *arguments,
                                          guint64 max_size_octets,
                                          PosternSmtpReply **refusal);
gboolean postern_smtp_parse_rcpt (const char *arguments,
                                  gboolean smtputf8,
                                  PosternRecipient *recipient,
                                  PosternSmtpReply **refusal);
gboolean postern_smtp_parse_bdat (const char *arguments, guint64 *octets, gboolean *last);

gboolean postern_smtp_is_hello (const char *name);
gsize postern_smtp_get_line_limit (const char *start,
                                   gsize length,
                                   gboolean logged_in,
                                   gboolean may_log_in,
                                   gboolean in_auth);

G_END_DECLS
