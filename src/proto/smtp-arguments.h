/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "mail/envelope.h"
#include "proto/smtp-reply.h"

G_BEGIN_DECLS

/* What stands behind MAIL, RCPT and BDAT, without regard to the state of a session. */

PosternEnvelope *postern_smtp_parse_mail (const char *arguments,
                                          guint64 max_size_octets,
                                          PosternSmtpReply **refusal);
gboolean postern_smtp_parse_rcpt (const char *arguments,
                                  gboolean smtputf8,
                                  PosternRecipient *recipient,
                                  PosternSmtpReply **refusal);
gboolean postern_smtp_parse_bdat (const char *arguments, guint64 *octets, gboolean *last);

G_END_DECLS
