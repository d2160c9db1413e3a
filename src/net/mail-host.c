/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/mail-host.h"

G_DEFINE_INTERFACE (PosternSubmission, postern_submission, G_TYPE_OBJECT)
G_DEFINE_INTERFACE (PosternMailUser, postern_mail_user, G_TYPE_OBJECT)
G_DEFINE_INTERFACE (PosternMailHost, postern_mail_host, G_TYPE_OBJECT)

static void
postern_submission_default_init (PosternSubmissionInterface *iface)
{
}

static void
postern_mail_user_default_init (PosternMailUserInterface *iface)
{
}

static void
postern_mail_host_default_init (PosternMailHostInterface *iface)
{
}
