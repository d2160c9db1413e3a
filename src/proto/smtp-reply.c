/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/smtp-reply.h"

/* Replies may quote a peer or a server: what could end the line, or is not ASCII, becomes '?'. */
static PosternSmtpReply *
reply_take (guint code, const char *enhanced, char *text)
{
  PosternSmtpReply *self = g_new0 (PosternSmtpReply, 1);

  self->code = code;
  g_strlcpy (self->enhanced, enhanced, sizeof self->enhanced);
  for (char *c = text; *c != '\0'; c++)
    if (!g_ascii_isprint (*c))
      *c = '?';
  self->text = text;
  return self;
}

PosternSmtpReply *
postern_smtp_reply_new (guint code, const char *enhanced, const char *text)
{
  return reply_take (code, enhanced, g_strdup (text));
}

PosternSmtpReply *
postern_smtp_reply_printf (guint code, const char *enhanced, const char *format, ...)
{
  va_list arguments;
  char *text;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  return reply_take (code, enhanced, text);
}

void
postern_smtp_reply_free (PosternSmtpReply *self)
{
  g_free (self->text);
  g_free (self);
}
