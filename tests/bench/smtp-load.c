/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smtp-load: submits messages over many connections as fast as the server acknowledges them.
 *
 * One thread, one epoll descriptor, plain TCP. Every message is another one: its Message-ID and Date
 * stand in its own header, so that nothing can be saved by having seen it before. A transaction is
 * MAIL, RCPT and DATA in one write with --pipeline, as mail programs do where the server offers it, or
 * one after the other. What counts is a final 250: the latency is from the dot to it.
 *
 * With --auth the login (a line with the user, a line with the password) is read from standard input.
 * With --acknowledged FILE each acknowledged Message-ID is written to FILE at once, for the tests
 * that kill the server meanwhile; then a lost connection ends the run quietly. */
#include <glib.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REPLY    4096
#define BODY_COLUMNS 76

typedef enum
{
  STEP_GREETING,
  STEP_EHLO,
  STEP_AUTH,
  STEP_MAIL,
  STEP_RCPT,
  STEP_DATA,
  STEP_BODY,
  STEP_QUIT,
  STEP_DONE,
} Step;

typedef struct
{
  int fd;
  guint number;
  Step step;
  guint serial; /* of the message being sent, in this connection */
  char message_id[96];
  gint64 dot_sent_us;
  GString *out;
  gsize out_done;
  char reply[MAX_REPLY];
  gsize reply_length;
  gboolean watches_output;
} Connection;

static int port = 0;
static int connections = 1;
static int messages = 0;
static double seconds = 2;
static int size = 10240;
static gboolean pipeline = FALSE;
static gboolean auth = FALSE;
static char *sender = NULL;
static char *recipient = NULL;
static char *acknowledged_path = NULL;
static char *tag = NULL;

static int epoll_fd = -1;
static GString *auth_line = NULL;
static GString *body = NULL;
static GArray *latencies_us = NULL; /* gint64 */
static FILE *acknowledged = NULL;
static gint64 deadline_us = 0;
static guint started = 0;
static guint open_connections = 0;
static guint lost = 0;

static const GOptionEntry options[] = {
  { "port", 0, 0, G_OPTION_ARG_INT, &port, "Port on 127.0.0.1", "PORT" },
  { "connections", 0, 0, G_OPTION_ARG_INT, &connections, "How many at once", "N" },
  { "messages", 0, 0, G_OPTION_ARG_INT, &messages, "Stop after so many (0: by time)", "N" },
  { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Begin none after so long", "S" },
  { "size", 0, 0, G_OPTION_ARG_INT, &size, "Octets of a body", "N" },
  { "pipeline", 0, 0, G_OPTION_ARG_NONE, &pipeline, "MAIL, RCPT and DATA in one write", NULL },
  { "auth", 0, 0, G_OPTION_ARG_NONE, &auth, "Log in; user and password on standard input", NULL },
  { "from", 0, 0, G_OPTION_ARG_STRING, &sender, "Envelope and header sender", "ADDRESS" },
  { "to", 0, 0, G_OPTION_ARG_STRING, &recipient, "The one recipient", "ADDRESS" },
  { "tag", 0, 0, G_OPTION_ARG_STRING, &tag, "Word in every Message-ID", "WORD" },
  { "acknowledged",
    0,
    0,
    G_OPTION_ARG_FILENAME,
    &acknowledged_path,
    "Write each acknowledged Message-ID to FILE",
    "FILE" },
  { NULL }
};

static void
read_login (void)
{
  char user[256], password[256];
  g_autoptr (GByteArray) plain = g_byte_array_new ();
  g_autofree char *encoded = NULL;

  if (fgets (user, sizeof user, stdin) == NULL || fgets (password, sizeof password, stdin) == NULL)
    {
      g_printerr ("smtp-load: --auth wants user and password, a line each, on standard input\n");
      exit (2);
    }
  g_strchomp (user);
  g_strchomp (password);
  g_byte_array_append (plain, (const guint8 *) "", 1);
  g_byte_array_append (plain, (const guint8 *) user, strlen (user) + 1);
  g_byte_array_append (plain, (const guint8 *) password, strlen (password));
  encoded = g_base64_encode (plain->data, plain->len);
  auth_line = g_string_new (NULL);
  g_string_printf (auth_line, "AUTH PLAIN %s\r\n", encoded);
}

static void
make_body (void)
{
  body = g_string_sized_new (size + 8);
  for (int i = 0; i < size; i++)
    {
      int column = i % (BODY_COLUMNS + 2);

      if (column == BODY_COLUMNS)
        g_string_append_c (body, '\r');
      else if (column == BODY_COLUMNS + 1)
        g_string_append_c (body, '\n');
      else
        g_string_append_c (body, 'a' + (i * 7 + column) % 26);
    }
  g_string_append (body, "\r\n.\r\n");
}

static void
fail (Connection *connection, const char *what)
{
  if (acknowledged == NULL)
    {
      g_printerr ("smtp-load: connection %u: %s\n", connection->number, what);
      exit (1);
    }
  lost++;
  open_connections--;
  connection->step = STEP_DONE;
  close (connection->fd);
}

static void
flush (Connection *connection)
{
  struct epoll_event event = { .data.ptr = connection };
  gboolean waits;

  while (connection->out_done < connection->out->len)
    {
      gssize written = send (connection->fd,
                             connection->out->str + connection->out_done,
                             connection->out->len - connection->out_done,
                             MSG_NOSIGNAL);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0 && errno == EAGAIN)
        break;
      if (written < 0)
        {
          fail (connection, g_strerror (errno));
          return;
        }
      connection->out_done += written;
    }
  waits = connection->out_done < connection->out->len;
  if (!waits)
    {
      g_string_truncate (connection->out, 0);
      connection->out_done = 0;
    }
  if (waits != connection->watches_output)
    {
      connection->watches_output = waits;
      event.events = EPOLLIN | (waits ? EPOLLOUT : 0);
      epoll_ctl (epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    }
}

static void
begin_message (Connection *connection)
{
  if ((messages > 0 && started >= (guint) messages) || g_get_monotonic_time () >= deadline_us)
    {
      connection->step = STEP_QUIT;
      g_string_append (connection->out, "QUIT\r\n");
      return;
    }
  started++;
  g_snprintf (connection->message_id,
              sizeof connection->message_id,
              "<%s.%u.%u@load.test>",
              tag,
              connection->number,
              ++connection->serial);
  connection->step = STEP_MAIL;
  g_string_append_printf (connection->out, "MAIL FROM:<%s>\r\n", sender);
  if (pipeline)
    g_string_append_printf (connection->out, "RCPT TO:<%s>\r\nDATA\r\n", recipient);
}

static void
send_message (Connection *connection)
{
  connection->step = STEP_BODY;
  g_string_append_printf (connection->out,
                          "From: <%s>\r\nTo: <%s>\r\nSubject: load %u.%u\r\nMessage-ID: %s\r\n"
                          "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n",
                          sender,
                          recipient,
                          connection->number,
                          connection->serial,
                          connection->message_id);
  g_string_append_len (connection->out, body->str, body->len);
  connection->dot_sent_us = g_get_monotonic_time ();
}

/* Reads one whole reply, and says what comes next. */
static void
on_reply (Connection *connection, const char *reply)
{
  static const char *const expected[] = { "220", "250", "235", "250", "250", "354", "250", "221" };
  gint64 latency_us;

  if (!g_str_has_prefix (reply, expected[connection->step]))
    {
      g_autofree char *what = g_strdup_printf ("step %d was answered: %s", connection->step, reply);

      fail (connection, what);
      return;
    }
  switch (connection->step)
    {
    case STEP_GREETING:
      connection->step = STEP_EHLO;
      g_string_append (connection->out, "EHLO load.test\r\n");
      break;
    case STEP_EHLO:
      if (auth_line != NULL)
        {
          connection->step = STEP_AUTH;
          g_string_append_len (connection->out, auth_line->str, auth_line->len);
        }
      else
        begin_message (connection);
      break;
    case STEP_AUTH:
      begin_message (connection);
      break;
    case STEP_MAIL:
      connection->step = STEP_RCPT;
      if (!pipeline)
        g_string_append_printf (connection->out, "RCPT TO:<%s>\r\n", recipient);
      break;
    case STEP_RCPT:
      connection->step = STEP_DATA;
      if (!pipeline)
        g_string_append (connection->out, "DATA\r\n");
      break;
    case STEP_DATA:
      send_message (connection);
      break;
    case STEP_BODY:
      latency_us = g_get_monotonic_time () - connection->dot_sent_us;
      g_array_append_val (latencies_us, latency_us);
      if (acknowledged != NULL)
        fprintf (acknowledged, "%s\n", connection->message_id);
      begin_message (connection);
      break;
    case STEP_QUIT:
    case STEP_DONE:
      connection->step = STEP_DONE;
      open_connections--;
      close (connection->fd);
      return;
    }
  flush (connection);
}

static void
on_input (Connection *connection)
{
  gssize got = recv (connection->fd,
                     connection->reply + connection->reply_length,
                     MAX_REPLY - 1 - connection->reply_length,
                     0);
  char *line, *end;

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (got <= 0)
    {
      fail (connection, got == 0 ? "the server hung up" : g_strerror (errno));
      return;
    }
  connection->reply_length += got;
  connection->reply[connection->reply_length] = '\0';

  line = connection->reply;
  while (connection->step != STEP_DONE && (end = strstr (line, "\r\n")) != NULL)
    {
      *end = '\0';
      if (strlen (line) < 4 || line[3] != '-')
        on_reply (connection, line);
      line = end + 2;
    }
  connection->reply_length -= line - connection->reply;
  memmove (connection->reply, line, connection->reply_length);
}

static void
open_connection (Connection *connection, guint number)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
  int one = 1;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  connection->number = number;
  connection->out = g_string_new (NULL);
  connection->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect (connection->fd, (struct sockaddr *) &address, sizeof address) < 0)
    {
      g_printerr ("smtp-load: cannot connect to port %d: %s\n", port, g_strerror (errno));
      exit (1);
    }
  setsockopt (connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl (connection->fd, F_SETFL, O_NONBLOCK);
  epoll_ctl (epoll_fd, EPOLL_CTL_ADD, connection->fd, &event);
  open_connections++;
}

static int
compare_us (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static double
percentile_ms (double part)
{
  if (latencies_us->len == 0)
    return 0;
  return g_array_index (latencies_us, gint64, (guint) (part * (latencies_us->len - 1))) / 1000.0;
}

static void
report (gint64 began_us)
{
  double took = (g_get_monotonic_time () - began_us) / 1e6;

  g_array_sort (latencies_us, compare_us);
  g_print (
      "{\"messages\": %u, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
      "\"max_ms\": %.3f, \"lost\": %u}\n",
      latencies_us->len,
      took,
      latencies_us->len / took,
      percentile_ms (0.5),
      percentile_ms (0.99),
      percentile_ms (1),
      lost);
}

int
main (int argc, char *argv[])
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- load an SMTP server");
  g_autoptr (GError) error = NULL;
  g_autofree Connection *all = NULL;
  gint64 began_us;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || port <= 0 || connections <= 0 ||
      sender == NULL || recipient == NULL)
    {
      g_printerr ("smtp-load: %s\n", error ? error->message : "wants --port, --from and --to");
      return 2;
    }
  if (tag == NULL)
    tag = g_strdup_printf ("%" G_GINT64_FORMAT, g_get_real_time ());
  if (auth)
    read_login ();
  if (acknowledged_path != NULL)
    {
      acknowledged = fopen (acknowledged_path, "ae");
      if (acknowledged == NULL)
        {
          g_printerr ("smtp-load: %s: %s\n", acknowledged_path, g_strerror (errno));
          return 2;
        }
      setvbuf (acknowledged, NULL, _IOLBF, 0);
    }
  make_body ();
  latencies_us = g_array_new (FALSE, FALSE, sizeof (gint64));
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  all = g_new0 (Connection, connections);
  for (int i = 0; i < connections; i++)
    open_connection (&all[i], i);

  began_us = g_get_monotonic_time ();
  deadline_us = messages > 0 ? G_MAXINT64 : began_us + (gint64) (seconds * 1e6);
  while (open_connections > 0)
    {
      struct epoll_event events[64];
      int count = epoll_wait (epoll_fd, events, G_N_ELEMENTS (events), 60000);

      if (count == 0)
        {
          g_printerr ("smtp-load: the server was silent for a minute\n");
          return 1;
        }
      for (int i = 0; i < count; i++)
        {
          Connection *connection = events[i].data.ptr;

          if (connection->step != STEP_DONE && (events[i].events & EPOLLOUT))
            flush (connection);
          if (connection->step != STEP_DONE && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            on_input (connection);
        }
    }
  report (began_us);
  return 0;
}
