/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-mail"

#include "config.h"

#include "mail/message-filter.h"

#include <string.h>

/* The header goes octet by octet through a small machine, the body in spans between line ends. What
 * a line of the header is, is decided as mail/header-scan says. All that is held back is the name
 * of the field at hand. */

#define MAX_NAME 998 /* RFC 5322 section 2.1.1: no line is longer, so no name is */

typedef enum
{
  START,  /* nothing of the line has come */
  NAME,   /* it may be the name of a field; it is held back */
  BLANKS, /* so, and blanks behind it */
  PASS,   /* of a field that stays */
  DROP,   /* of a field, or of an mbox line, that goes */
  BODY,
} Place;

struct _PosternMessageFilter
{
  char *received;
  char *date;       /* (nullable): to be added */
  char *message_id; /* (nullable): to be added */
  Place place;
  gboolean begun;     /* `received` is out */
  gboolean any_line;  /* a line has ended */
  gboolean any_field; /* a field has begun: what starts with a blank goes on with it */
  gboolean dropping;  /* that field is not wanted */
  gboolean after_cr;  /* its line end is out; an LF belongs to it */
  gboolean open_line; /* in the body: the last line has no end yet */
  gboolean saw_nul;
  GString *held;
};

/**
 * postern_message_filter_new:
 *
 * Returns: (transfer full): a filter for one message; @options is copied.
 */
PosternMessageFilter *
postern_message_filter_new (const PosternMessageFilterOptions *options)
{
  PosternMessageFilter *self = g_new0 (PosternMessageFilter, 1);

  self->received = g_strdup (options->received);
  self->date = g_strdup (options->date);
  self->message_id = g_strdup (options->message_id);
  self->held = g_string_new (NULL);
  return self;
}

void
postern_message_filter_free (PosternMessageFilter *self)
{
  g_free (self->received);
  g_free (self->date);
  g_free (self->message_id);
  g_string_free (self->held, TRUE);
  g_free (self);
}

static void
put (PosternBuffer *out, const char *text)
{
  postern_buffer_append (out, text, strlen (text));
}

static void
put_field (PosternBuffer *out, const char *name, const char *value)
{
  put (out, name);
  put (out, ": ");
  put (out, value);
  put (out, "\r\n");
}

static void
end_header (PosternMessageFilter *self, PosternBuffer *out)
{
  if (self->date != NULL)
    put_field (out, "Date", self->date);
  if (self->message_id != NULL)
    put_field (out, "Message-ID", self->message_id);
  put (out, "\r\n");
  self->place = BODY;
}

/* The body: all line ends become CRLF, in as few copies as the line ends allow. */
static void
pass_body (PosternMessageFilter *self, const guint8 *data, gsize length, PosternBuffer *out)
{
  const guint8 *end = data + length;
  const guint8 *start = data; /* of what is still to be copied */
  const guint8 *at = data;
  const guint8 *cr = NULL;

  if (length == 0)
    return;
  if (self->after_cr)
    {
      self->after_cr = FALSE;
      if (*at == '\n')
        start = ++at;
    }
  while (at < end)
    {
      const guint8 *lf;

      if (cr == NULL || cr < at)
        {
          cr = memchr (at, '\r', (gsize) (end - at));
          if (cr == NULL)
            cr = end;
        }
      lf = memchr (at, '\n', (gsize) (cr - at));
      if (lf == NULL && cr == end)
        break;
      if (lf == NULL && cr + 1 < end && cr[1] == '\n')
        {
          at = cr + 2;
          continue;
        }

      /* A bare LF or a bare CR, or a CR whose LF may be the next octet to come. */
      if (lf == NULL)
        {
          lf = cr;
          self->after_cr = cr + 1 == end;
        }
      postern_buffer_append (out, start, (gsize) (lf - start));
      put (out, "\r\n");
      start = at = lf + 1;
    }
  if (end > start)
    postern_buffer_append (out, start, (gsize) (end - start));
  self->open_line = end[-1] != '\n' && end[-1] != '\r';
}

/* What was held back, and all that follows, is no header. */
static void
begin_body (PosternMessageFilter *self, PosternBuffer *out)
{
  end_header (self, out);
  pass_body (self, (const guint8 *) self->held->str, self->held->len, out);
  g_string_truncate (self->held, 0);
}

/* The colon has come: decides what becomes of the field whose name is held back. */
static void
begin_field (PosternMessageFilter *self, PosternBuffer *out)
{
  gsize length = strcspn (self->held->str, " \t");
  g_autofree char *name = g_ascii_strdown (self->held->str, (gssize) length);

  self->any_field = TRUE;
  self->dropping = strcmp (name, "bcc") == 0 || strcmp (name, "resent-bcc") == 0;
  self->place = self->dropping ? DROP : PASS;
  if (strcmp (name, "date") == 0)
    g_clear_pointer (&self->date, g_free);
  else if (strcmp (name, "message-id") == 0)
    g_clear_pointer (&self->message_id, g_free);
  if (!self->dropping)
    {
      postern_buffer_append (out, self->held->str, self->held->len);
      put (out, ":");
    }
  g_string_truncate (self->held, 0);
}

static gboolean
is_mbox_line (const PosternMessageFilter *self)
{
  return !self->any_line && strncmp (self->held->str, "From ", 5) == 0;
}

static void
end_line (PosternMessageFilter *self, PosternBuffer *out)
{
  switch (self->place)
    {
    case START:
      end_header (self, out);
      break;
    case NAME:
    case BLANKS:
      if (is_mbox_line (self))
        {
          g_string_truncate (self->held, 0);
          self->place = START;
          break;
        }
      begin_body (self, out);
      put (out, "\r\n");
      self->open_line = FALSE;
      break;
    case PASS:
      put (out, "\r\n");
      self->place = START;
      break;
    case DROP:
      self->place = START;
      break;
    case BODY:
      break;
    }
  self->any_line = TRUE;
}

static void
hold (PosternMessageFilter *self, char c, PosternBuffer *out)
{
  if (self->held->len == MAX_NAME)
    {
      begin_body (self, out);
      pass_body (self, (const guint8 *) &c, 1, out);
      return;
    }
  g_string_append_c (self->held, c);
}

/* One octet of the header that ends no line. */
static void
pass_header (PosternMessageFilter *self, char c, PosternBuffer *out)
{
  gboolean blank = c == ' ' || c == '\t';

  switch (self->place)
    {
    case START:
      if (blank && self->any_field)
        {
          self->place = self->dropping ? DROP : PASS;
          pass_header (self, c, out);
          return;
        }
      self->place = NAME;
      G_GNUC_FALLTHROUGH;
    case NAME:
      if (c == ':' && self->held->len > 0)
        {
          begin_field (self, out);
          return;
        }
      if (c > ' ' && c < 0x7f && c != ':')
        {
          hold (self, c, out);
          return;
        }
      if (blank && self->held->len > 0)
        {
          self->place = BLANKS;
          hold (self, c, out);
          return;
        }
      break;
    case BLANKS:
      if (c == ':')
        {
          begin_field (self, out);
          return;
        }
      if (blank)
        {
          hold (self, c, out);
          return;
        }
      if (is_mbox_line (self))
        {
          g_string_truncate (self->held, 0);
          self->place = DROP;
          return;
        }
      break;
    case PASS:
      postern_buffer_append (out, &c, 1);
      return;
    case DROP:
      return;
    case BODY:
      break;
    }
  begin_body (self, out);
  pass_body (self, (const guint8 *) &c, 1, out);
}

/**
 * postern_message_filter_feed:
 * @out: what leaves is appended: about @length octets, seldom more than twice as many
 */
void
postern_message_filter_feed (PosternMessageFilter *self,
                             const guint8 *data,
                             gsize length,
                             PosternBuffer *out)
{
  gsize i = 0;

  if (!self->saw_nul && length > 0)
    self->saw_nul = memchr (data, '\0', length) != NULL;
  if (!self->begun && self->received != NULL)
    {
      put (out, self->received);
      put (out, "\r\n");
    }
  self->begun = TRUE;

  for (; i < length && self->place != BODY; i++)
    {
      gboolean ends_crlf = self->after_cr && data[i] == '\n';

      self->after_cr = FALSE;
      if (ends_crlf)
        continue;
      if (data[i] != '\r' && data[i] != '\n')
        {
          pass_header (self, (char) data[i], out);
          continue;
        }
      end_line (self, out);
      self->after_cr = data[i] == '\r';
    }
  if (i < length)
    pass_body (self, data + i, length - i, out);
}

/**
 * postern_message_filter_finish:
 *
 * The message has ended: what is missing at its end is appended.
 */
void
postern_message_filter_finish (PosternMessageFilter *self, PosternBuffer *out)
{
  postern_message_filter_feed (self, NULL, 0, out);
  if (self->place != START && self->place != BODY)
    end_line (self, out);
  if (self->place == START)
    end_header (self, out);
  if (self->open_line)
    put (out, "\r\n");
}

/**
 * postern_message_filter_saw_nul:
 *
 * Returns: whether a NUL passed, which no message may hold (RFC 5322 section 2.2, and JMAP servers
 *   differ on it): to be refused with 554 5.6.0.
 */
gboolean
postern_message_filter_saw_nul (const PosternMessageFilter *self)
{
  return self->saw_nul;
}
