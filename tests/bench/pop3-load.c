/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pop3-load: logs in, fetches, and leaves again, over and over, from several threads.
 *
 * Each thread is one mail program with a blocking socket: USER, PASS, STAT, RETR of the first --fetch
 * messages (0: none, which measures the login alone), QUIT. With --tls every session makes a
 * connection of its own, without resumption, as mail programs do. The certificate is not checked here:
 * that costs the client, not the server, and the tests check it.
 *
 * The login (a line with the user, a line with the password) is read from standard input. */
#include <glib.h>
#include <gnutls/gnutls.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (256 * 1024)

typedef struct
{
  int fd;
  gnutls_session_t tls; /* NULL in clear */
  char *buffer;
  gsize begin, end;
} Session;

static int port = 0;
static int threads = 1;
static int fetch = 1;
static int sessions = 0;
static double seconds = 2;
static gboolean tls = FALSE;
static char user[256], password[256];

static gnutls_certificate_credentials_t credentials;
static gint64 deadline_us = 0;
static gint sessions_begun = 0;
static gint sessions_done = 0;
static gint messages_done = 0;
static gsize octets_done = 0;

static const GOptionEntry options[] = {
  { "port", 0, 0, G_OPTION_ARG_INT, &port, "Port on 127.0.0.1", "PORT" },
  { "threads", 0, 0, G_OPTION_ARG_INT, &threads, "How many sessions at once", "N" },
  { "fetch", 0, 0, G_OPTION_ARG_INT, &fetch, "Messages to fetch in a session", "N" },
  { "sessions", 0, 0, G_OPTION_ARG_INT, &sessions, "Stop after so many (0: by time)", "N" },
  { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Begin none after so long", "S" },
  { "tls", 0, 0, G_OPTION_ARG_NONE, &tls, "TLS from the first octet", NULL },
  { NULL }
};

static void G_GNUC_NORETURN G_GNUC_PRINTF (1, 2) die (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  fputs ("pop3-load: ", stderr);
  vfprintf (stderr, format, arguments);
  fputc ('\n', stderr);
  va_end (arguments);
  exit (1);
}

static void
fill (Session *session)
{
  gssize got;

  if (session->begin == session->end)
    session->begin = session->end = 0;
  do
    got = session->tls
              ? gnutls_record_recv (session->tls,
                                    session->buffer + session->end,
                                    BUFFER - session->end)
              : recv (session->fd, session->buffer + session->end, BUFFER - session->end, 0);
  while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
  if (got <= 0)
    die ("the server hung up (%zd)", got);
  session->end += got;
}

static void
put (Session *session, const char *text)
{
  gsize length = strlen (text);
  gssize sent = session->tls ? gnutls_record_send (session->tls, text, length)
                             : send (session->fd, text, length, MSG_NOSIGNAL);

  if (sent != (gssize) length)
    die ("cannot send");
}

/* The first line of an answer; anything but +OK ends the run. */
static void
expect_ok (Session *session, const char *what)
{
  char *end;

  while ((end = memchr (session->buffer + session->begin, '\n', session->end - session->begin)) ==
         NULL)
    fill (session);
  if (strncmp (session->buffer + session->begin, "+OK", 3) != 0)
    die ("%s: %.*s",
         what,
         (int) (end - session->buffer - session->begin),
         session->buffer + session->begin);
  session->begin = end + 1 - session->buffer;
}

/* Reads to the line that is a dot, counting. The five octets that end it may come in pieces. */
static gsize
skip_body (Session *session)
{
  static const char terminator[] = "\r\n.\r\n";
  gsize matched = 2; /* the first line of the answer ended just now */
  gsize octets = 0;

  for (;;)
    {
      const char *at = session->buffer + session->begin;
      const char *end = session->buffer + session->end;

      while (at < end)
        {
          if (matched == 0 && (at = memchr (at, '\r', end - at)) == NULL)
            break;
          if (*at == terminator[matched])
            matched++;
          else
            matched = *at == '\r' ? 1 : 0;
          at++;
          if (matched == 5)
            {
              octets += at - session->buffer - session->begin;
              session->begin = at - session->buffer;
              return octets;
            }
        }
      octets += session->end - session->begin;
      session->begin = session->end;
      fill (session);
    }
}

static void
open_session (Session *session)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  int one = 1;
  int result;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  session->begin = session->end = 0;
  session->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect (session->fd, (struct sockaddr *) &address, sizeof address) < 0)
    die ("cannot connect to port %d: %s", port, g_strerror (errno));
  setsockopt (session->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!tls)
    return;
  gnutls_init (&session->tls, GNUTLS_CLIENT);
  gnutls_set_default_priority (session->tls);
  gnutls_credentials_set (session->tls, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_server_name_set (session->tls, GNUTLS_NAME_DNS, "localhost", strlen ("localhost"));
  gnutls_transport_set_int (session->tls, session->fd);
  do
    result = gnutls_handshake (session->tls);
  while (result < 0 && !gnutls_error_is_fatal (result));
  if (result < 0)
    die ("handshake: %s", gnutls_strerror (result));
}

static void
run_session (Session *session)
{
  char line[600];

  open_session (session);
  expect_ok (session, "greeting");
  g_snprintf (line, sizeof line, "USER %s\r\n", user);
  put (session, line);
  expect_ok (session, "USER");
  g_snprintf (line, sizeof line, "PASS %s\r\n", password);
  put (session, line);
  expect_ok (session, "PASS");
  put (session, "STAT\r\n");
  expect_ok (session, "STAT");
  for (int i = 1; i <= fetch; i++)
    {
      gsize octets;

      g_snprintf (line, sizeof line, "RETR %d\r\n", i);
      put (session, line);
      expect_ok (session, "RETR");
      octets = skip_body (session);
      __atomic_add_fetch (&octets_done, octets, __ATOMIC_RELAXED);
      g_atomic_int_inc (&messages_done);
    }
  put (session, "QUIT\r\n");
  expect_ok (session, "QUIT");
  if (session->tls != NULL)
    g_clear_pointer (&session->tls, gnutls_deinit);
  close (session->fd);
  g_atomic_int_inc (&sessions_done);
}

static gpointer
run_thread (gpointer data)
{
  Session session = { .buffer = g_malloc (BUFFER) };

  while (g_get_monotonic_time () < deadline_us &&
         (sessions == 0 || g_atomic_int_add (&sessions_begun, 1) < sessions))
    run_session (&session);
  g_free (session.buffer);
  return NULL;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- load a POP3 server");
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) running = g_ptr_array_new ();
  gint64 began_us;
  double took;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || port <= 0)
    die ("%s", error ? error->message : "wants --port");
  if (fgets (user, sizeof user, stdin) == NULL || fgets (password, sizeof password, stdin) == NULL)
    die ("wants user and password, a line each, on standard input");
  g_strchomp (user);
  g_strchomp (password);
  gnutls_certificate_allocate_credentials (&credentials);

  began_us = g_get_monotonic_time ();
  deadline_us = sessions > 0 ? G_MAXINT64 : began_us + (gint64) (seconds * 1e6);
  for (int i = 0; i < threads; i++)
    g_ptr_array_add (running, g_thread_new ("client", run_thread, NULL));
  for (guint i = 0; i < running->len; i++)
    g_thread_join (g_ptr_array_index (running, i));
  took = (g_get_monotonic_time () - began_us) / 1e6;
  g_print ("{\"sessions\": %d, \"messages\": %d, \"octets\": %zu, \"seconds\": %.3f, "
           "\"sessions_rate\": %.1f, \"rate\": %.1f, \"mb_rate\": %.1f}\n",
           sessions_done,
           messages_done,
           octets_done,
           took,
           sessions_done / took,
           messages_done / took,
           octets_done / took / 1e6);
  return 0;
}
