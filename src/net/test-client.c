/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/test-client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 20

struct _PosternTestClient
{
  int fd;
  gnutls_session_t session; /* (nullable) */
  gnutls_certificate_credentials_t credentials;
  const char *alpn;
  char *chosen;
  GByteArray *input;
  gboolean was_reset;
};

/* Connects to 127.0.0.1; a peer that says nothing for 20 s fails the test. */
PosternTestClient *
postern_test_client_new (guint16 port)
{
  PosternTestClient *self = g_new0 (PosternTestClient, 1);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  struct timeval patience = { .tv_sec = PATIENCE_S };
  int on = 1;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  self->input = g_byte_array_new ();
  self->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (self->fd, >=, 0);
  setsockopt (self->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (self->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect (self->fd, (struct sockaddr *) &address, sizeof address) < 0)
    g_error ("connect: %s", g_strerror (errno));
  return self;
}

void
postern_test_client_free (PosternTestClient *self)
{
  if (self->session != NULL)
    {
      gnutls_bye (self->session, GNUTLS_SHUT_WR);
      gnutls_deinit (self->session);
      gnutls_certificate_free_credentials (self->credentials);
    }
  close (self->fd);
  g_byte_array_unref (self->input);
  g_free (self->chosen);
  g_free (self);
}

void
postern_test_client_send_octets (PosternTestClient *self, const void *data, gsize length)
{
  const guint8 *octets = data;

  while (length > 0)
    {
      gssize sent = self->session != NULL ? gnutls_record_send (self->session, octets, length)
                                          : send (self->fd, octets, length, MSG_NOSIGNAL);

      if (sent <= 0)
        return;
      octets += sent;
      length -= (gsize) sent;
    }
}

void
postern_test_client_send (PosternTestClient *self, const char *text)
{
  postern_test_client_send_octets (self, text, strlen (text));
}

/* Returns what was read, 0 at the end. */
gsize
postern_test_client_read_some (PosternTestClient *self, gsize most)
{
  guint8 data[65536];
  gssize got;

  if (self->session != NULL)
    do
      got = gnutls_record_recv (self->session, data, MIN (most, sizeof data));
    while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
  else
    got = recv (self->fd, data, MIN (most, sizeof data), 0);
  if (got < 0 && self->session == NULL && (errno == EAGAIN || errno == EWOULDBLOCK))
    g_error ("The server has said nothing for %d s", PATIENCE_S);
  if (got <= 0)
    {
      self->was_reset = got < 0;
      return 0;
    }
  g_byte_array_append (self->input, data, (guint) got);
  return (gsize) got;
}

/* Returns (transfer full) (nullable): the octets up to and with @end; NULL when the server hung up
 * before. */
GBytes *
postern_test_client_read_until (PosternTestClient *self, const char *end)
{
  gsize looked = 0;

  for (;;)
    {
      const guint8 *found = NULL;

      if (self->input->len > looked)
        found = memmem (self->input->data + looked, self->input->len - looked, end, strlen (end));
      if (found != NULL)
        {
          gsize length = (gsize) (found - self->input->data) + strlen (end);
          GBytes *octets = g_bytes_new (self->input->data, length);

          g_byte_array_remove_range (self->input, 0, (guint) length);
          return octets;
        }
      looked = self->input->len > strlen (end) ? self->input->len - strlen (end) : 0;
      if (postern_test_client_read_some (self, G_MAXSIZE) == 0)
        return NULL;
    }
}

char *
postern_test_client_read_line (PosternTestClient *self)
{
  g_autoptr (GBytes) line = postern_test_client_read_until (self, "\r\n");

  return line == NULL ? NULL
                      : g_strndup (g_bytes_get_data (line, NULL), g_bytes_get_size (line) - 2);
}

/* Reads one reply (of SMTP: with all its lines) and compares its last line. */
void
postern_test_client_expect (PosternTestClient *self, const char *pattern)
{
  g_autofree char *line = NULL;

  do
    {
      g_free (line);
      line = postern_test_client_read_line (self);
    }
  while (line != NULL && g_ascii_isdigit (line[0]) && strlen (line) > 3 && line[3] == '-');
  if (line == NULL || !g_pattern_match_simple (pattern, line))
    g_error ("Expected \"%s\", got \"%s\"", pattern, line != NULL ? line : "(the end)");
}

void
postern_test_client_talk (PosternTestClient *self, const char *line, const char *pattern)
{
  g_autofree char *text = g_strconcat (line, "\r\n", NULL);

  postern_test_client_send (self, text);
  postern_test_client_expect (self, pattern);
}

/* Waits for the end; what comes before it is kept. */
gboolean
postern_test_client_has_ended (PosternTestClient *self)
{
  return self->input->len == 0 && postern_test_client_read_some (self, 1) == 0;
}

/* Whether the end that was met was no polite one. */
gboolean
postern_test_client_was_reset (PosternTestClient *self)
{
  return self->was_reset;
}

void
postern_test_client_offer_alpn (PosternTestClient *self, const char *name)
{
  self->alpn = name;
}

const char *
postern_test_client_get_alpn (PosternTestClient *self)
{
  return self->chosen;
}

/* Returns whether the handshake succeeded. With @ca_path the server must prove to be localhost. */
gboolean
postern_test_client_start_tls (PosternTestClient *self, const char *ca_path)
{
  gnutls_datum_t chosen;
  int code;

  gnutls_certificate_allocate_credentials (&self->credentials);
  if (ca_path != NULL)
    g_assert_cmpint (
        gnutls_certificate_set_x509_trust_file (self->credentials, ca_path, GNUTLS_X509_FMT_PEM),
        ==,
        1);
  gnutls_init (&self->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
  gnutls_set_default_priority (self->session);
  gnutls_credentials_set (self->session, GNUTLS_CRD_CERTIFICATE, self->credentials);
  if (ca_path != NULL)
    gnutls_session_set_verify_cert (self->session, "localhost", 0);
  if (self->alpn != NULL)
    {
      gnutls_datum_t name = { (unsigned char *) self->alpn, (unsigned int) strlen (self->alpn) };

      gnutls_alpn_set_protocols (self->session, &name, 1, 0);
    }
  gnutls_transport_set_int (self->session, self->fd);
  gnutls_handshake_set_timeout (self->session, PATIENCE_S * 1000);
  do
    code = gnutls_handshake (self->session);
  while (code < 0 && !gnutls_error_is_fatal (code));
  if (code < 0)
    gnutls_alert_send_appropriate (self->session, code);
  else if (gnutls_alpn_get_selected_protocol (self->session, &chosen) == 0)
    self->chosen = g_strndup ((const char *) chosen.data, chosen.size);
  return code == 0;
}

void
postern_test_client_half_close (PosternTestClient *self)
{
  shutdown (self->fd, SHUT_WR);
}

/* Hangs up so that the server gets a reset, and not a polite end. */
void
postern_test_client_reset (PosternTestClient *self)
{
  struct linger now = { .l_onoff = 1, .l_linger = 0 };

  setsockopt (self->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

typedef struct
{
  PosternTestScenario scenario;
  gpointer user_data;
  gboolean is_through;
} Run;

static gpointer
run_on_thread (gpointer user_data)
{
  Run *run = user_data;

  run->scenario (run->user_data);
  g_atomic_int_set (&run->is_through, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* Runs @scenario on a thread and the main context meanwhile, and then until nothing is left to do. */
void
postern_test_client_run (PosternTestScenario scenario, gpointer user_data)
{
  Run run = { scenario, user_data, FALSE };
  GThread *thread = g_thread_new ("test-client", run_on_thread, &run);

  while (!g_atomic_int_get (&run.is_through))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}
