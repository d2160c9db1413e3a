/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/* Conversations as text. A file holds many cases; each begins with "== name option option...":
 *
 *   C: line      the client sends it, with CRLF       C| octets    the same without CRLF
 *   S: line      the server sent it
 *   ?: question  the session asked its driver         !: answer    what the driver says to the next
 *                                                                  question that needs an answer
 *   T:           TLS starts: what the client sent before and nobody consumed is lost
 *   E:           the driver's timer runs out          H:           the server stops
 *   M: size uid  a message of the maildrop            #            a comment
 *
 * Escapes: \r \n \t \0 \\ \xHH, and \*<n>c for n times the octet c. "C*7:" and "S*7:" stand for seven
 * lines. Each case is played with the client's octets in one piece, one by one, and cut in two at
 * every place (at some, with the option "sparse"), and must always give the same. */

#include <glib.h>
#include <string.h>

typedef enum
{
  SEGMENT_END,
  SEGMENT_TLS,
  SEGMENT_EXPIRE,
  SEGMENT_SHUT_DOWN,
} SegmentEnd;

typedef struct
{
  GString *octets;
  SegmentEnd end;
} Segment;

typedef struct
{
  char *name;
  char *options;
  GArray *segments;   /* (element-type Segment) */
  GPtrArray *answers; /* (element-type GString) */
  GPtrArray *messages;
  GString *expected;
  gsize length; /* octets of all segments */
} Transcript;

/* One playing of a transcript: what the driver sees of the wire. */
typedef struct
{
  const Transcript *transcript;
  gsize cut;   /* the second piece begins here; 0: none */
  gsize piece; /* octets a read gives at most; 0: no limit */
  guint segment;
  gsize at;          /* within the segment */
  gsize total;       /* read so far */
  GString *received; /* read and not consumed */
  GString *line;     /* of the server, without its end */
  GString *output;
  guint answer;
} Wire;

typedef void (*TranscriptPlayer) (Wire *wire);

static inline GString *
transcript_unescape (const char *text)
{
  GString *octets = g_string_new (NULL);

  for (const char *c = text; *c != '\0'; c++)
    {
      char *end;
      guint64 times;

      if (*c != '\\')
        {
          g_string_append_c (octets, *c);
          continue;
        }
      switch (*++c)
        {
        case 'r':
          g_string_append_c (octets, '\r');
          break;
        case 'n':
          g_string_append_c (octets, '\n');
          break;
        case 't':
          g_string_append_c (octets, '\t');
          break;
        case '0':
          g_string_append_c (octets, '\0');
          break;
        case 'x':
          g_assert_true (g_ascii_isxdigit (c[1]) && g_ascii_isxdigit (c[2]));
          g_string_append_c (
              octets,
              (char) (g_ascii_xdigit_value (c[1]) << 4 | g_ascii_xdigit_value (c[2])));
          c += 2;
          break;
        case '*':
          times = g_ascii_strtoull (c + 1, &end, 10);
          while (times-- > 0)
            g_string_append_c (octets, *end);
          c = end;
          break;
        default:
          g_assert_true (*c == '\\');
          g_string_append_c (octets, *c);
        }
    }
  return octets;
}

static inline void
transcript_escape (GString *to, const char *octets, gsize length)
{
  for (gsize i = 0; i < length; i++)
    {
      guchar c = (guchar) octets[i];

      if (c == '\r')
        g_string_append (to, "\\r");
      else if (c == '\n')
        g_string_append (to, "\\n");
      else if (c == '\t')
        g_string_append (to, "\\t");
      else if (c == '\0')
        g_string_append (to, "\\0");
      else if (c == '\\')
        g_string_append (to, "\\\\");
      else if (c < ' ' || c >= 0x7f)
        g_string_append_printf (to, "\\x%02x", c);
      else
        g_string_append_c (to, (char) c);
    }
}

static inline void
transcript_end_segment (Transcript *self, SegmentEnd end)
{
  Segment next = { g_string_new (NULL), SEGMENT_END };

  if (self->segments->len > 0)
    g_array_index (self->segments, Segment, self->segments->len - 1).end = end;
  g_array_append_val (self->segments, next);
}

static inline Transcript *
transcript_new (const char *title)
{
  Transcript *self = g_new0 (Transcript, 1);
  gsize name = strcspn (title, " ");

  self->name = g_strndup (title, name);
  self->options = g_strdup_printf ("%s ", title + name);
  self->segments = g_array_new (FALSE, FALSE, sizeof (Segment));
  self->answers = g_ptr_array_new ();
  self->messages = g_ptr_array_new ();
  self->expected = g_string_new (NULL);
  transcript_end_segment (self, SEGMENT_END);
  return self;
}

static inline void
transcript_add_line (Transcript *self, const char *line)
{
  Segment *segment = &g_array_index (self->segments, Segment, self->segments->len - 1);
  char kind = line[0];
  guint64 times = 1;
  gboolean bare;
  char *text;

  if (kind == '\0' || kind == '#')
    return;
  text = (char *) line + 1;
  if (*text == '*')
    times = g_ascii_strtoull (text + 1, &text, 10);
  bare = *text == '|';
  g_assert_true (bare || *text == ':');
  text++;
  if (*text == ' ')
    text++;

  for (; times > 0; times--)
    {
      GString *octets = transcript_unescape (text);

      switch (kind)
        {
        case 'C':
          if (!bare)
            g_string_append (octets, "\r\n");
          g_string_append_len (segment->octets, octets->str, (gssize) octets->len);
          self->length += octets->len;
          break;
        case 'S':
        case '?':
          /* Written again, so that one form of escapes is compared. */
          g_string_append_printf (self->expected, "%c: ", kind);
          transcript_escape (self->expected, octets->str, octets->len);
          g_string_append_c (self->expected, '\n');
          break;
        case '!':
          g_ptr_array_add (self->answers, octets);
          continue;
        case 'M':
          g_ptr_array_add (self->messages, g_strdup (text));
          break;
        case 'T':
          transcript_end_segment (self, SEGMENT_TLS);
          break;
        case 'E':
          transcript_end_segment (self, SEGMENT_EXPIRE);
          break;
        case 'H':
          transcript_end_segment (self, SEGMENT_SHUT_DOWN);
          break;
        default:
          g_error ("%s: unknown line: %s", self->name, line);
        }
      g_string_free (octets, TRUE);
    }
}

static inline gboolean
transcript_has_option (const Transcript *self, const char *option)
{
  g_autofree char *wanted = g_strdup_printf (" %s ", option);

  return strstr (self->options, wanted) != NULL;
}

/* Driver's side */

/* Reads; FALSE when this segment has nothing more. */
static inline gboolean
wire_read (Wire *self)
{
  const Segment *segment = &g_array_index (self->transcript->segments, Segment, self->segment);
  gsize length = segment->octets->len - self->at;

  if (length == 0)
    return FALSE;
  if (self->piece > 0)
    length = MIN (length, self->piece);
  if (self->cut > self->total)
    length = MIN (length, self->cut - self->total);
  g_string_append_len (self->received, segment->octets->str + self->at, (gssize) length);
  self->at += length;
  self->total += length;
  return TRUE;
}

/* Goes on to the next segment, what is left of this one being lost. */
static inline SegmentEnd
wire_end_segment (Wire *self)
{
  const Segment *segment = &g_array_index (self->transcript->segments, Segment, self->segment);

  if (segment->end == SEGMENT_END)
    return SEGMENT_END;
  self->total += segment->octets->len - self->at;
  self->at = 0;
  self->segment++;
  g_string_truncate (self->received, 0);
  return segment->end;
}

static inline void
wire_put (Wire *self, const void *data, gsize length)
{
  g_string_append_len (self->line, data, (gssize) length);
  for (;;)
    {
      const char *end = memmem (self->line->str, self->line->len, "\r\n", 2);

      if (end == NULL)
        return;
      g_string_append (self->output, "S: ");
      transcript_escape (self->output, self->line->str, (gsize) (end - self->line->str));
      g_string_append_c (self->output, '\n');
      g_string_erase (self->line, 0, end + 2 - self->line->str);
    }
}

static inline void G_GNUC_PRINTF (2, 3) wire_note (Wire *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (self->line->len > 0)
    {
      g_string_append (self->output, "S| ");
      transcript_escape (self->output, self->line->str, self->line->len);
      g_string_append_c (self->output, '\n');
      g_string_truncate (self->line, 0);
    }
  g_string_append (self->output, "?: ");
  transcript_escape (self->output, text, strlen (text));
  g_string_append_c (self->output, '\n');
}

static inline const GString *
wire_answer (Wire *self)
{
  if (self->answer == self->transcript->answers->len)
    g_error ("%s: no answer left; so far:\n%s", self->transcript->name, self->output->str);
  return g_ptr_array_index (self->transcript->answers, self->answer++);
}

static inline void
transcript_play_once (const Transcript *self, TranscriptPlayer player, gsize cut, gsize piece)
{
  Wire wire = { .transcript = self, .cut = cut, .piece = piece };

  wire.received = g_string_new (NULL);
  wire.line = g_string_new (NULL);
  wire.output = g_string_new (NULL);
  player (&wire);
  if (wire.line->len > 0)
    wire_note (&wire, "and no line end");
  if (strcmp (wire.output->str, self->expected->str) != 0)
    {
      g_printerr ("%s, cut %" G_GSIZE_FORMAT ", piece %" G_GSIZE_FORMAT ": wanted\n%s\ngot\n%s\n",
                  self->name,
                  cut,
                  piece,
                  self->expected->str,
                  wire.output->str);
      g_test_fail ();
    }
  if (wire.answer != self->answers->len)
    {
      g_printerr ("%s: %u answers were not asked for\n",
                  self->name,
                  self->answers->len - wire.answer);
      g_test_fail ();
    }
  g_string_free (wire.received, TRUE);
  g_string_free (wire.line, TRUE);
  g_string_free (wire.output, TRUE);
}

static TranscriptPlayer transcript_player;

static inline void
transcript_test (gconstpointer data)
{
  const Transcript *self = data;
  gsize step = transcript_has_option (self, "sparse") ? self->length / 97 + 1 : 1;

  transcript_play_once (self, transcript_player, 0, 0);
  transcript_play_once (self, transcript_player, 0, 1);
  for (gsize cut = 1; cut < self->length && !g_test_failed (); cut += step)
    transcript_play_once (self, transcript_player, cut, 0);
}

static inline void
transcript_free (gpointer data)
{
  Transcript *self = data;

  for (guint i = 0; i < self->segments->len; i++)
    g_string_free (g_array_index (self->segments, Segment, i).octets, TRUE);
  g_array_unref (self->segments);
  for (guint i = 0; i < self->answers->len; i++)
    g_string_free (g_ptr_array_index (self->answers, i), TRUE);
  g_ptr_array_unref (self->answers);
  for (guint i = 0; i < self->messages->len; i++)
    g_free (g_ptr_array_index (self->messages, i));
  g_ptr_array_unref (self->messages);
  g_string_free (self->expected, TRUE);
  g_free (self->name);
  g_free (self->options);
  g_free (self);
}

/* Adds each case of the file beside the test as @path/name. */
static inline void
transcript_add_tests (const char *file, const char *path, TranscriptPlayer player)
{
  g_autofree char *name = g_test_build_filename (G_TEST_DIST, file, NULL);
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  Transcript *transcript = NULL;

  transcript_player = player;
  g_file_get_contents (name, &contents, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *test = NULL;

      if (!g_str_has_prefix (lines[i], "== "))
        {
          if (transcript != NULL)
            transcript_add_line (transcript, lines[i]);
          continue;
        }
      transcript = transcript_new (lines[i] + 3);
      test = g_strdup_printf ("%s/%s", path, transcript->name);
      g_test_add_data_func_full (test, transcript, transcript_test, transcript_free);
    }
}
