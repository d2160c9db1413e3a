/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternRecipient:
 *
 * One RCPT TO, as the client gave it. The DSN parameters are kept as they came, already checked,
 * xtext still encoded (RFC 3461 section 4).
 */
typedef struct
{
  char *address; /* without brackets; UTF-8 */
  char *notify;  /* (nullable) "NEVER", or of "SUCCESS,FAILURE,DELAY" */
  char *orcpt;   /* (nullable) "rfc822;xtext" */
} PosternRecipient;

/**
 * PosternEnvelope:
 *
 * Who sends and who receives: what MAIL and RCPT said. The header has no say in it.
 */
typedef struct
{
  char *sender;                 /* without brackets; "" is the null sender */
  GPtrArray *recipients;        /* (element-type PosternRecipient) */
  char *ret;                    /* (nullable) "FULL" or "HDRS" */
  char *envid;                  /* (nullable) xtext */
  gboolean smtputf8;            /* RFC 6531 */
  gboolean eight_bit;           /* BODY=8BITMIME, RFC 6152 */
  guint64 declared_size_octets; /* SIZE=, 0 when not given */
} PosternEnvelope;

PosternEnvelope *postern_envelope_new (const char *sender);
PosternEnvelope *postern_envelope_copy (const PosternEnvelope *self);
void postern_envelope_free (PosternEnvelope *self);
PosternRecipient *postern_envelope_add (PosternEnvelope *self, const char *address);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternEnvelope, postern_envelope_free)

G_END_DECLS
