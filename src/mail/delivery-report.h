/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/buffer.h"

G_BEGIN_DECLS

typedef enum
{
  POSTERN_REPORT_FAILED,
  POSTERN_REPORT_DELAYED,
  POSTERN_REPORT_DELIVERED,
  POSTERN_REPORT_RELAYED,
} PosternReportAction;

/**
 * PosternReportRecipient:
 *
 * What became of one recipient (RFC 3464 section 2.3).
 */
typedef struct
{
  const char *address;
  const char *orcpt; /* (nullable): "rfc822;xtext" as RCPT gave it */
  PosternReportAction action;
  const char *status;     /* "5.1.1", RFC 3463 */
  const char *diagnostic; /* (nullable): what the other server said: "550 5.1.1 No such user" */
  const char *remote;     /* (nullable): the server that said so */
} PosternReportRecipient;

/**
 * PosternDeliveryReport:
 *
 * Everything a report says; lent while it is written.
 */
typedef struct
{
  const char *reporter;   /* name of this server */
  const char *from;       /* "Mail Delivery <postmaster@example.com>" */
  const char *to;         /* the sender of the message reported on; never "" (the caller's rule) */
  const char *date;       /* RFC 5322 */
  const char *message_id; /* with its brackets */
  const char *boundary;   /* random, 1 to 70 of letters and digits */
  const char *arrived;    /* (nullable): when we took the message, RFC 5322 */
  const char *envid;      /* (nullable): xtext, from MAIL */
  gboolean whole;         /* RET=FULL: the message comes along; else its header */
  gboolean eight_bit;     /* the message may hold octets above 127 */
  const PosternReportRecipient *recipients;
  gsize n_recipients;
} PosternDeliveryReport;

/**
 * PosternReportOriginal:
 *
 * The original on its way into a report. A value: zeroed is ready.
 */
typedef struct
{
  gboolean line_has_text;
  gboolean header_ended;
} PosternReportOriginal;

void postern_delivery_report_begin (const PosternDeliveryReport *self, PosternBuffer *out);
gboolean postern_delivery_report_add (const PosternDeliveryReport *self,
                                      PosternReportOriginal *original,
                                      const guint8 *data,
                                      gsize length,
                                      PosternBuffer *out);
void postern_delivery_report_end (const PosternDeliveryReport *self, PosternBuffer *out);

G_END_DECLS
