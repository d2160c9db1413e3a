/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/pop3-session.h"

#include "proto/command-line.h"
#include "proto/pop3-view.h"
#include "proto/sasl.h"
#include "proto/session-output.h"

#include <stdlib.h>
#include <string.h>

/* How it works: feed() gathers a line, looks its verb up in the table, asks the verb's check whether
 * it may happen, and lets the verb's handler act. A handler writes to `out`, and may leave one
 * thing pending: a question, a stream, a long list, TLS, the end. While something is pending no
 * line is taken, so answers leave in the order of the commands however they were pipelined.
 * Message numbers are positions in the listing, counted from 1. */

/* RFC 2449 section 4 allows 255; a name of 254 octets (RFC 5321 section 4.5.3.1.3) is to fit. */
#define MAX_LINE 512
/* RFC 4422 section 4 leaves it to the mechanism; RFC 4954 section 4.5.2 names this for all. */
#define MAX_AUTH_LINE 12288
#define MAX_BAD       10 /* our own: senseless commands in a session */
#define MAX_WRONG     3  /* our own: wrong passwords in a session */

/* What the client hears: a line, in which what others said is made harmless; or lines of our own. */
#define say(self, ...)         postern_session_output_put_line (&(self)->out, __VA_ARGS__)
#define say_lines(self, lines) postern_session_output_put (&(self)->out, lines)

typedef enum
{
  BEFORE_LOGIN = 1 << 0, /* AUTHORIZATION, RFC 1939 section 4 */
  AFTER_LOGIN = 1 << 1,  /* TRANSACTION, section 5 */
  ENDED = 1 << 2,
} State;

typedef enum
{
  NOTHING,
  LOGIN,
  BODY,
  STREAM,
  DELETION,
  TLS,
  SIZES, /* LIST, in pieces */
  UIDLS, /* UIDL, in pieces */
  CLOSE,
} Pending;

struct _PosternPop3Session
{
  PosternLoginPolicy policy;
  guint login_delay_s;

  State state;
  Pending pending;
  gboolean handed_out; /* the driver has the pending action */
  guint ask;           /* serial of the last question */
  gboolean secure;
  gboolean began; /* an octet has come */
  guint bad;
  guint wrong;

  PosternCommandLine line;
  PosternSessionOutput out;

  char *user; /* what USER named */
  PosternSecret *password;
  PosternSasl *sasl; /* (nullable): the next line is a response */

  PosternPop3View view;
  GArray *indexes; /* (element-type guint): what QUIT asks to delete */

  guint index;      /* of RETR, TOP; of the next line of a list */
  gint64 top_lines; /* of TOP; -1 for RETR */
};

typedef struct
{
  char *arguments; /* what follows the verb, spaces and all */
  char *argument;  /* (nullable): the first of them */
  char *second;    /* (nullable) */
  char *extra;     /* (nullable) */
  guint index;     /* filled by check, from a message number */
  gint64 lines;    /* filled by check, for TOP */
} Command;

typedef struct
{
  const char *verb;
  guint states;
  /* Returns a refusal, NULL when the command may happen. It changes nothing. */
  const char *(*check) (const PosternPop3Session *self, Command *command);
  void (*handle) (PosternPop3Session *self, const Command *command);
} Verb;

static const char *check_none (const PosternPop3Session *self, Command *command);
static const char *check_user (const PosternPop3Session *self, Command *command);
static const char *check_pass (const PosternPop3Session *self, Command *command);
static const char *check_auth (const PosternPop3Session *self, Command *command);
static const char *check_stls (const PosternPop3Session *self, Command *command);
static const char *check_lang (const PosternPop3Session *self, Command *command);
static const char *check_message (const PosternPop3Session *self, Command *command);
static const char *check_message_or_all (const PosternPop3Session *self, Command *command);
static const char *check_top (const PosternPop3Session *self, Command *command);
static void do_auth (PosternPop3Session *self, const Command *command);
static void do_capa (PosternPop3Session *self, const Command *command);
static void do_dele (PosternPop3Session *self, const Command *command);
static void do_lang (PosternPop3Session *self, const Command *command);
static void do_list (PosternPop3Session *self, const Command *command);
static void do_noop (PosternPop3Session *self, const Command *command);
static void do_pass (PosternPop3Session *self, const Command *command);
static void do_quit (PosternPop3Session *self, const Command *command);
static void do_retr (PosternPop3Session *self, const Command *command);
static void do_rset (PosternPop3Session *self, const Command *command);
static void do_stat (PosternPop3Session *self, const Command *command);
static void do_stls (PosternPop3Session *self, const Command *command);
static void do_top (PosternPop3Session *self, const Command *command);
static void do_uidl (PosternPop3Session *self, const Command *command);
static void do_user (PosternPop3Session *self, const Command *command);
static void do_utf8 (PosternPop3Session *self, const Command *command);

static const Verb verbs[] = {
  { "USER", BEFORE_LOGIN, check_user, do_user },
  { "PASS", BEFORE_LOGIN, check_pass, do_pass },
  { "AUTH", BEFORE_LOGIN, check_auth, do_auth },
  { "STLS", BEFORE_LOGIN, check_stls, do_stls },
  { "UTF8", BEFORE_LOGIN, check_none, do_utf8 },
  { "CAPA", BEFORE_LOGIN | AFTER_LOGIN, check_none, do_capa },
  { "LANG", BEFORE_LOGIN | AFTER_LOGIN, check_lang, do_lang },
  { "QUIT", BEFORE_LOGIN | AFTER_LOGIN, check_none, do_quit },
  { "STAT", AFTER_LOGIN, check_none, do_stat },
  { "LIST", AFTER_LOGIN, check_message_or_all, do_list },
  { "UIDL", AFTER_LOGIN, check_message_or_all, do_uidl },
  { "RETR", AFTER_LOGIN, check_message, do_retr },
  { "TOP", AFTER_LOGIN, check_top, do_top },
  { "DELE", AFTER_LOGIN, check_message, do_dele },
  { "RSET", AFTER_LOGIN, check_none, do_rset },
  { "NOOP", AFTER_LOGIN, check_none, do_noop },
};

/* Answers */

static void
put_refusal (PosternPop3Session *self, PosternPop3Outcome outcome, const char *text)
{
  static const char *const codes[] = {
    [POSTERN_POP3_DONE] = "SYS/TEMP",
    [POSTERN_POP3_AUTH] = "AUTH",
    [POSTERN_POP3_SYS_TEMP] = "SYS/TEMP",
    [POSTERN_POP3_SYS_PERM] = "SYS/PERM",
  };

  say (self, "-ERR [%s] %s", codes[outcome], text);
}

static void
set_pending (PosternPop3Session *self, Pending pending)
{
  self->pending = pending;
  self->handed_out = FALSE;
  self->ask++;
}

static void
end (PosternPop3Session *self)
{
  self->state = ENDED;
  set_pending (self, CLOSE);
}

static void
note_bad (PosternPop3Session *self)
{
  if (++self->bad < MAX_BAD)
    return;
  say_lines (self, "-ERR Too many commands that make no sense, closing\r\n");
  end (self);
}

static gboolean
is_answer_to (PosternPop3Session *self, guint ask, Pending question)
{
  postern_session_output_take_back (&self->out);
  if (self->pending != question || !self->handed_out || self->ask != ask)
    return FALSE;
  self->pending = NOTHING;
  return TRUE;
}

static void
say_totals (PosternPop3Session *self)
{
  say (self,
       "+OK %u messages, %" G_GUINT64_FORMAT " octets",
       postern_pop3_view_get_count (&self->view),
       postern_pop3_view_get_octets (&self->view));
}

/* Logging in */

static gboolean
may_log_in (const PosternPop3Session *self)
{
  return self->secure || self->policy.plaintext_login;
}

/* RFC 2595 section 4: a password is refused before it is looked at. */
static const char *
check_login_allowed (const PosternPop3Session *self)
{
  if (may_log_in (self))
    return NULL;
  return self->policy.tls_available
             ? "A password may not cross this connection in clear: use STLS first"
             : "A password may not cross this connection in clear: use the port with TLS";
}

static void
forget_credentials (PosternPop3Session *self)
{
  g_clear_pointer (&self->user, g_free);
  g_clear_pointer (&self->password, postern_secret_unref);
  g_clear_pointer (&self->sasl, postern_sasl_free);
}

static const char *
check_user (const PosternPop3Session *self, Command *command)
{
  const char *refusal = check_login_allowed (self);

  if (refusal != NULL)
    return refusal;
  if (*command->arguments == '\0')
    return "USER needs a name";
  /* RFC 6856 section 2.2: names are UTF-8 */
  return g_utf8_validate (command->arguments, -1, NULL) ? NULL : "The name is not UTF-8";
}

static void
do_user (PosternPop3Session *self, const Command *command)
{
  forget_credentials (self);
  self->user = g_strdup (command->arguments);
  say_lines (self, "+OK Now the password\r\n");
}

static const char *
check_pass (const PosternPop3Session *self, Command *command)
{
  const char *refusal = check_login_allowed (self);

  if (refusal != NULL)
    return refusal;
  if (self->user == NULL)
    return "USER comes first";
  return *command->arguments == '\0' ? "PASS needs a password" : NULL;
}

static void
do_pass (PosternPop3Session *self, const Command *command)
{
  /* RFC 1939 section 7: spaces belong to the password. */
  self->password = postern_secret_new (command->arguments, -1);
  set_pending (self, LOGIN);
}

static const char *
check_auth (const PosternPop3Session *self, Command *command)
{
  PosternSaslMechanism mechanism;
  const char *refusal = check_login_allowed (self);

  if (refusal != NULL)
    return refusal;
  if (command->argument == NULL)
    return NULL;
  if (!postern_sasl_parse_mechanism (command->argument, &mechanism) ||
      mechanism != POSTERN_SASL_PLAIN)
    return "Only AUTH PLAIN is known here";
  return command->extra != NULL ? "AUTH takes a mechanism and a response" : NULL;
}

/* One response of the SASL exchange. */
static void
step_sasl (PosternPop3Session *self, const char *response, gboolean initial)
{
  switch (postern_sasl_step (self->sasl, response, initial))
    {
    case POSTERN_SASL_STEP_CONTINUE:
      say (self, "+ %s", postern_sasl_get_challenge (self->sasl));
      return;
    case POSTERN_SASL_STEP_DONE:
      self->user = g_steal_pointer (&self->sasl->login);
      self->password = g_steal_pointer (&self->sasl->password);
      set_pending (self, LOGIN);
      break;
    case POSTERN_SASL_STEP_CANCELLED:
      say_lines (self, "-ERR Cancelled as you wished\r\n");
      break;
    case POSTERN_SASL_STEP_FOREIGN:
      say_lines (self, "-ERR Nobody may log in here in the name of somebody else\r\n");
      note_bad (self);
      break;
    case POSTERN_SASL_STEP_MALFORMED:
      say_lines (self, "-ERR The response is not base64 of what PLAIN asks for\r\n");
      note_bad (self);
      break;
    }
  g_clear_pointer (&self->sasl, postern_sasl_free);
}

static void
do_auth (PosternPop3Session *self, const Command *command)
{
  /* RFC 5034 takes its list from CAPA; AUTH alone is what clients did before (RFC 1734 era). */
  if (command->argument == NULL)
    {
      say_lines (self, "+OK\r\nPLAIN\r\n.\r\n");
      return;
    }

  forget_credentials (self);
  self->sasl = postern_sasl_new (POSTERN_SASL_PLAIN);
  if (command->second != NULL)
    step_sasl (self, command->second, TRUE);
  else
    say (self, "+ %s", postern_sasl_get_challenge (self->sasl));
}

/**
 * postern_pop3_session_answer_login:
 * @listing: (transfer none) (nullable): what the session is to see, with POSTERN_POP3_DONE
 * @text: (nullable): a sentence for the client why not
 *
 * Answers ASK_LOGIN. POSTERN_POP3_AUTH is only for a wrong name or password; where nothing could be
 * checked, or there is no complete listing yet, SYS_TEMP.
 */
void
postern_pop3_session_answer_login (PosternPop3Session *self,
                                   guint ask,
                                   PosternPop3Outcome outcome,
                                   PosternListing *listing,
                                   const char *text)
{
  if (!is_answer_to (self, ask, LOGIN))
    return;
  forget_credentials (self);

  if (outcome == POSTERN_POP3_DONE && listing != NULL)
    {
      postern_pop3_view_open (&self->view, listing);
      self->state = AFTER_LOGIN;
      say_totals (self);
      return;
    }

  if (outcome == POSTERN_POP3_AUTH)
    {
      put_refusal (self, outcome, text != NULL ? text : "The name or the password is wrong");
      if (++self->wrong >= MAX_WRONG)
        end (self);
      return;
    }
  put_refusal (self, outcome, text != NULL ? text : "The login could not be checked now");
}

/* TLS */

static const char *
check_stls (const PosternPop3Session *self, Command *command)
{
  if (self->secure)
    return "TLS is on already";
  if (!self->policy.tls_available)
    return "There is no TLS on this port";
  return check_none (self, command);
}

static void
do_stls (PosternPop3Session *self, const Command *command)
{
  say_lines (self, "+OK Begin TLS\r\n");
  set_pending (self, TLS);
}

/**
 * postern_pop3_session_tls_started:
 *
 * The handshake that START_TLS asked for has succeeded. All that was said in clear is forgotten
 * (RFC 2595 section 4). When a handshake fails, the driver closes and frees the session.
 */
void
postern_pop3_session_tls_started (PosternPop3Session *self)
{
  if (!is_answer_to (self, self->ask, TLS))
    return;
  forget_credentials (self);
  self->secure = TRUE;
}

/* In any state */

static const char *
check_none (const PosternPop3Session *self, Command *command)
{
  return command->argument != NULL ? "This command takes no argument" : NULL;
}

static void
do_capa (PosternPop3Session *self, const Command *command)
{
  gboolean before = self->state == BEFORE_LOGIN;

  say_lines (self,
             "+OK What this server can do:\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n");
  say_lines (self, "PIPELINING\r\nEXPIRE NEVER\r\nLANG\r\n");
  if (before)
    say_lines (self, may_log_in (self) ? "UTF8 USER\r\nUSER\r\nSASL PLAIN\r\n" : "UTF8\r\n");
  if (before && self->policy.tls_available && !self->secure)
    say_lines (self, "STLS\r\n");
  if (self->login_delay_s > 0)
    say (self, "LOGIN-DELAY %u", self->login_delay_s);
  say_lines (self, "IMPLEMENTATION Postern\r\n.\r\n");
}

static void
do_utf8 (PosternPop3Session *self, const Command *command)
{
  /* RFC 6856 section 2.1. Messages go out as they are in either mode; nothing is down-converted. */
  say_lines (self, "+OK UTF-8 it is\r\n");
}

static gboolean
is_our_language (const char *tag)
{
  return strcmp (tag, "*") == 0 || g_ascii_strcasecmp (tag, "i-default") == 0 ||
         g_ascii_strcasecmp (tag, "en") == 0;
}

static const char *
check_lang (const PosternPop3Session *self, Command *command)
{
  if (command->second != NULL)
    return "LANG takes one language";
  return command->argument == NULL || is_our_language (command->argument)
             ? NULL
             : "This language is not spoken here";
}

static void
do_lang (PosternPop3Session *self, const Command *command)
{
  if (command->argument == NULL)
    say_lines (self, "+OK Languages:\r\ni-default Plain English\r\nen English\r\n.\r\n");
  else if (g_ascii_strcasecmp (command->argument, "en") == 0)
    say_lines (self, "+OK en English it is\r\n");
  else
    say_lines (self, "+OK i-default English it is\r\n");
}

/* With the maildrop */

/* RFC 1939 section 3: numbers are decimal. Returns FALSE for anything else. */
static gboolean
parse_number (const char *text, guint64 most, guint64 *number)
{
  if (!g_ascii_isdigit (text[0]))
    return FALSE;
  return g_ascii_string_to_unsigned (text, 10, 0, most, number, NULL);
}

static const char *
parse_message (const PosternPop3Session *self, Command *command)
{
  guint64 number;

  if (command->argument == NULL)
    return "Which message? Give its number";
  if (!parse_number (command->argument, G_MAXUINT, &number) || number == 0 ||
      number > postern_listing_get_count (self->view.listing))
    return "There is no message of this number";
  command->index = (guint) number - 1;
  return postern_pop3_view_is_deleted (&self->view, command->index)
             ? "This message is marked as deleted"
             : NULL;
}

static const char *
check_message (const PosternPop3Session *self, Command *command)
{
  return command->second != NULL ? "This command takes one number" : parse_message (self, command);
}

static const char *
check_message_or_all (const PosternPop3Session *self, Command *command)
{
  return command->argument == NULL ? NULL : check_message (self, command);
}

static const char *
check_top (const PosternPop3Session *self, Command *command)
{
  guint64 lines;

  if (command->second == NULL || command->extra != NULL)
    return "TOP takes a message number and how many lines";
  if (!parse_number (command->second, G_MAXINT64, &lines))
    return "This is no number of lines";
  command->lines = (gint64) lines;
  return parse_message (self, command);
}

static void
do_stat (PosternPop3Session *self, const Command *command)
{
  say (self,
       "+OK %u %" G_GUINT64_FORMAT,
       postern_pop3_view_get_count (&self->view),
       postern_pop3_view_get_octets (&self->view));
}

static void
do_list (PosternPop3Session *self, const Command *command)
{
  if (command->argument != NULL)
    {
      say (self,
           "+OK %u %" G_GUINT64_FORMAT,
           command->index + 1,
           postern_listing_get_size (self->view.listing, command->index));
      return;
    }
  say_totals (self);
  self->index = 0;
  set_pending (self, SIZES);
}

static void
do_uidl (PosternPop3Session *self, const Command *command)
{
  if (command->argument != NULL)
    {
      say (self,
           "+OK %u %s",
           command->index + 1,
           postern_listing_get_uidl (self->view.listing, command->index));
      return;
    }
  say_lines (self, "+OK\r\n");
  self->index = 0;
  set_pending (self, UIDLS);
}

/* The next piece of a list, so that no maildrop is ever one buffer. */
static void
put_piece (PosternPop3Session *self)
{
  guint count = postern_listing_get_count (self->view.listing);

  for (; self->index < count; self->index++)
    {
      guint index = self->index;

      if (postern_pop3_view_is_deleted (&self->view, index))
        continue;
      if (postern_session_output_is_full (&self->out))
        return;
      if (self->pending == SIZES)
        say (self,
             "%u %" G_GUINT64_FORMAT,
             index + 1,
             postern_listing_get_size (self->view.listing, index));
      else
        say (self, "%u %s", index + 1, postern_listing_get_uidl (self->view.listing, index));
    }
  say_lines (self, ".\r\n");
  self->pending = NOTHING;
}

static void
ask_body (PosternPop3Session *self, guint index, gint64 top_lines)
{
  self->index = index;
  self->top_lines = top_lines;
  set_pending (self, BODY);
}

static void
do_retr (PosternPop3Session *self, const Command *command)
{
  ask_body (self, command->index, -1);
}

static void
do_top (PosternPop3Session *self, const Command *command)
{
  ask_body (self, command->index, command->lines);
}

/**
 * postern_pop3_session_answer_body:
 * @text: (nullable): a sentence for the client why not
 *
 * Answers ASK_BODY. "+OK" goes out only now, since nothing can be taken back behind it.
 */
void
postern_pop3_session_answer_body (PosternPop3Session *self,
                                  guint ask,
                                  PosternPop3Outcome outcome,
                                  const char *text)
{
  if (!is_answer_to (self, ask, BODY))
    return;
  if (outcome != POSTERN_POP3_DONE)
    {
      put_refusal (self,
                   outcome == POSTERN_POP3_AUTH ? POSTERN_POP3_SYS_TEMP : outcome,
                   text != NULL ? text : "The message could not be opened");
      return;
    }

  if (self->top_lines < 0)
    say (self,
         "+OK %" G_GUINT64_FORMAT " octets",
         postern_listing_get_size (self->view.listing, self->index));
  else
    say_lines (self, "+OK\r\n");
  set_pending (self, STREAM);
}

/**
 * postern_pop3_session_answer_stream:
 * @complete: FALSE when the body broke off
 *
 * Answers STREAM. A body that broke off is never ended by the line with the dot, which would make
 * it look whole: the connection closes instead, and nothing is deleted.
 */
void
postern_pop3_session_answer_stream (PosternPop3Session *self, guint ask, gboolean complete)
{
  if (!is_answer_to (self, ask, STREAM))
    return;
  if (complete)
    say_lines (self, ".\r\n");
  else
    end (self);
}

static void
do_dele (PosternPop3Session *self, const Command *command)
{
  guint index = command->index;

  postern_pop3_view_delete (&self->view, index);
  say (self, "+OK Message %u goes at QUIT", index + 1);
}

static void
do_rset (PosternPop3Session *self, const Command *command)
{
  postern_pop3_view_restore (&self->view);
  say_totals (self);
}

static void
do_noop (PosternPop3Session *self, const Command *command)
{
  say_lines (self, "+OK\r\n");
}

static void
do_quit (PosternPop3Session *self, const Command *command)
{
  /* RFC 1939 section 6: QUIT commits the deletions, and only QUIT does. */
  if (self->view.n_deleted == 0)
    {
      say_lines (self, "+OK Bye\r\n");
      end (self);
      return;
    }

  self->indexes = postern_pop3_view_list_deleted (&self->view);
  set_pending (self, DELETION);
}

/**
 * postern_pop3_session_answer_delete:
 * @text: (nullable): a sentence for the client why not
 *
 * Answers ASK_DELETE: POSTERN_POP3_DONE once the deletions are on disk.
 */
void
postern_pop3_session_answer_delete (PosternPop3Session *self,
                                    guint ask,
                                    PosternPop3Outcome outcome,
                                    const char *text)
{
  if (!is_answer_to (self, ask, DELETION))
    return;
  if (outcome == POSTERN_POP3_DONE)
    say_lines (self, "+OK Bye\r\n");
  else
    put_refusal (self,
                 outcome == POSTERN_POP3_AUTH ? POSTERN_POP3_SYS_TEMP : outcome,
                 text != NULL ? text : "The deleted messages were not removed");
  end (self);
}

/**
 * postern_pop3_session_expire:
 *
 * The driver's timer ran out, or the server stops: the connection closes without a word and
 * nothing is deleted (RFC 1939 section 3). Once ASK_DELETE was handed out this does nothing, since
 * QUIT has been said.
 */
void
postern_pop3_session_expire (PosternPop3Session *self)
{
  postern_session_output_take_back (&self->out);
  if (self->state == ENDED || self->pending == DELETION)
    return;
  end (self);
}

/* Lines */

static const Verb *
find_verb (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_ascii_strcasecmp (word, verbs[i].verb) == 0)
      return &verbs[i];
  return NULL;
}

static void
refuse (PosternPop3Session *self, const char *text)
{
  say (self, "-ERR %s", text);
  note_bad (self);
}

static void
handle_command (PosternPop3Session *self, char *text)
{
  Command command = { 0 };
  const Verb *verb;
  const char *refusal;
  gsize word = strcspn (text, " ");
  char *rest;

  /* What follows one space is the password of PASS, spaces and all. */
  command.arguments = text + word;
  if (*command.arguments == ' ')
    *command.arguments++ = '\0';
  verb = find_verb (text);
  if (verb == NULL)
    {
      refuse (self, "This command is not known here");
      return;
    }
  if ((verb->states & self->state) == 0)
    {
      refuse (self,
              self->state == BEFORE_LOGIN ? "Log in first"
                                          : "This command has its place before the login");
      return;
    }

  if (verb->handle != do_pass && verb->handle != do_user)
    {
      rest = command.arguments;
      command.argument = postern_command_line_take_word (&rest);
      command.second = postern_command_line_take_word (&rest);
      command.extra = postern_command_line_take_word (&rest);
    }
  refusal = verb->check (self, &command);
  if (refusal != NULL)
    {
      /* A missing message is no nonsense: programs ask to find out. */
      say (self, "-ERR %s", refusal);
      if (self->state == BEFORE_LOGIN)
        note_bad (self);
      return;
    }
  verb->handle (self, &command);
}

static void
handle_line (PosternPop3Session *self, char *text)
{
  if (self->state == BEFORE_LOGIN && postern_command_line_is_http (text))
    end (self);
  else if (self->sasl != NULL)
    step_sasl (self, text, FALSE);
  else
    handle_command (self, text);
}

static gsize
line_limit (const char *start, gsize length, gconstpointer data)
{
  const PosternPop3Session *self = data;
  gboolean auth =
      self->state == BEFORE_LOGIN && may_log_in (self) &&
      (self->sasl != NULL || (length >= 5 && g_ascii_strncasecmp (start, "AUTH ", 5) == 0));

  return auth ? MAX_AUTH_LINE : MAX_LINE;
}

/**
 * postern_pop3_session_feed:
 * @data: what came from the client
 *
 * Takes lines as long as none of them has something to wait for. At least one octet is consumed
 * when postern_pop3_session_wants_input().
 *
 * Returns: how many octets were consumed; the driver keeps the rest, and drops it at START_TLS.
 */
gsize
postern_pop3_session_feed (PosternPop3Session *self, const guint8 *data, gsize length)
{
  gsize consumed = 0;

  postern_session_output_take_back (&self->out);
  if (!self->began && length > 0)
    {
      self->began = TRUE;
      /* A TLS record where plain text is due: the client has the wrong port. */
      if (data[0] == 0x16)
        {
          end (self);
          return length;
        }
    }
  while (consumed < length && postern_pop3_session_wants_input (self))
    {
      gsize used;
      PosternCommandLineState state = postern_command_line_feed (&self->line,
                                                                 data + consumed,
                                                                 length - consumed,
                                                                 line_limit,
                                                                 self,
                                                                 &used);

      consumed += used;
      switch (state)
        {
        case POSTERN_COMMAND_LINE_PARTIAL:
          return consumed;
        case POSTERN_COMMAND_LINE_READY:
          handle_line (self, self->line.text);
          break;
        case POSTERN_COMMAND_LINE_TOO_LONG:
          g_clear_pointer (&self->sasl, postern_sasl_free);
          refuse (self, "This line is too long");
          break;
        case POSTERN_COMMAND_LINE_BINARY:
          g_clear_pointer (&self->sasl, postern_sasl_free);
          refuse (self, "A command holds neither NUL nor a lone CR");
          break;
        }
      postern_command_line_clear (&self->line);
    }
  return consumed;
}

gboolean
postern_pop3_session_wants_input (PosternPop3Session *self)
{
  return self->pending == NOTHING && self->state != ENDED &&
         !postern_session_output_is_full (&self->out);
}

/**
 * postern_pop3_session_next:
 * @action: (out): what to do now, in the order of the wire
 *
 * Returns: FALSE when there is nothing to do but to wait: for an answer, or for input.
 */
gboolean
postern_pop3_session_next (PosternPop3Session *self, PosternPop3Action *action)
{
  postern_session_output_take_back (&self->out);
  memset (action, 0, sizeof *action);
  action->ask = self->ask;

  if (self->pending == SIZES || self->pending == UIDLS)
    put_piece (self);
  if (postern_session_output_lend (&self->out, &action->data, &action->length))
    {
      action->kind = POSTERN_POP3_WRITE;
      return TRUE;
    }
  if (self->handed_out)
    return FALSE;

  self->handed_out = TRUE;
  switch (self->pending)
    {
    case LOGIN:
      action->kind = POSTERN_POP3_ASK_LOGIN;
      action->login = self->user;
      action->password = self->password;
      return TRUE;
    case BODY:
      action->kind = POSTERN_POP3_ASK_BODY;
      action->index = self->index;
      action->top_lines = self->top_lines;
      return TRUE;
    case STREAM:
      action->kind = POSTERN_POP3_STREAM;
      action->index = self->index;
      action->top_lines = self->top_lines;
      return TRUE;
    case DELETION:
      action->kind = POSTERN_POP3_ASK_DELETE;
      action->indexes = (const guint *) (gpointer) self->indexes->data;
      action->n_indexes = self->indexes->len;
      return TRUE;
    case TLS:
      action->kind = POSTERN_POP3_START_TLS;
      return TRUE;
    case CLOSE:
      action->kind = POSTERN_POP3_CLOSE;
      return TRUE;
    case NOTHING:
    case SIZES:
    case UIDLS:
      break;
    }
  self->handed_out = FALSE;
  return FALSE;
}

gboolean
postern_pop3_session_is_logged_in (const PosternPop3Session *self)
{
  return self->view.listing != NULL;
}

/**
 * postern_pop3_session_get_listing:
 *
 * Returns: (transfer none) (nullable): what the numbers of this session mean; NULL before login.
 */
PosternListing *
postern_pop3_session_get_listing (const PosternPop3Session *self)
{
  return self->view.listing;
}

/**
 * postern_pop3_session_new:
 *
 * Returns: (transfer full): a session that has a greeting to send.
 */
PosternPop3Session *
postern_pop3_session_new (const PosternPop3Options *options)
{
  PosternPop3Session *self = g_new0 (PosternPop3Session, 1);

  self->policy = options->login;
  self->login_delay_s = options->login_delay_s;
  self->secure = options->login.tls_on;
  self->state = BEFORE_LOGIN;
  say_lines (self, "+OK Postern is ready\r\n");
  return self;
}

void
postern_pop3_session_free (PosternPop3Session *self)
{
  forget_credentials (self);
  postern_command_line_clear (&self->line);
  postern_session_output_clear (&self->out);
  postern_pop3_view_clear (&self->view);
  g_clear_pointer (&self->indexes, g_array_unref);
  g_free (self);
}
