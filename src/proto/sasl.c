/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-proto"

#include "config.h"

#include "proto/sasl.h"

#include <string.h>

static const char *const mechanisms[] = {
  [POSTERN_SASL_PLAIN] = "PLAIN",
  [POSTERN_SASL_LOGIN] = "LOGIN",
};

gboolean
postern_sasl_parse_mechanism (const char *name, PosternSaslMechanism *mechanism)
{
  for (guint i = 0; i < G_N_ELEMENTS (mechanisms); i++)
    if (g_ascii_strcasecmp (name, mechanisms[i]) == 0)
      {
        *mechanism = (PosternSaslMechanism) i;
        return TRUE;
      }
  return FALSE;
}

PosternSasl *
postern_sasl_new (PosternSaslMechanism mechanism)
{
  PosternSasl *self = g_new0 (PosternSasl, 1);

  self->mechanism = mechanism;
  return self;
}

void
postern_sasl_free (PosternSasl *self)
{
  g_free (self->login);
  g_clear_pointer (&self->password, postern_secret_unref);
  g_free (self);
}

/**
 * postern_sasl_get_challenge:
 *
 * Returns: (transfer none): what the server says before the next response, in base64; "" where the
 *   mechanism has nothing to say.
 */
const char *
postern_sasl_get_challenge (const PosternSasl *self)
{
  if (self->mechanism == POSTERN_SASL_PLAIN)
    return "";
  /* "Username:" and "Password:"; clients compare them to the letter. */
  return self->login == NULL ? "VXNlcm5hbWU6" : "UGFzc3dvcmQ6";
}

static int
base64_value (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 section 4, strictly: no other character, right padding, no stray bits. GLib's decoder
 * skips what it does not know, so that two texts would be one password.
 * Returns: (transfer full) (nullable): wiped by the caller; ended by a NUL that does not count. */
static char *
decode_base64 (const char *text, gsize *length)
{
  gsize given = strlen (text);
  gsize padding = g_str_has_suffix (text, "==") ? 2 : g_str_has_suffix (text, "=") ? 1 : 0;
  char *decoded;
  guint32 bits = 0;
  guint held = 0;
  gsize put = 0;

  if (given % 4 != 0)
    return NULL;
  decoded = g_malloc (given / 4 * 3 + 1);
  for (gsize i = 0; i < given - padding; i++)
    {
      int value = base64_value (text[i]);

      if (value < 0)
        {
          postern_memory_wipe (decoded, put);
          g_free (decoded);
          return NULL;
        }
      bits = bits << 6 | (guint32) value;
      held += 6;
      if (held >= 8)
        {
          held -= 8;
          decoded[put++] = (char) (bits >> held & 0xff);
        }
    }
  if ((bits & ((1u << held) - 1)) != 0)
    {
      postern_memory_wipe (decoded, put);
      g_free (decoded);
      return NULL;
    }
  decoded[put] = '\0';
  *length = put;
  return decoded;
}

/* RFC 4616 section 2: [authzid] NUL authcid NUL passwd */
static PosternSaslStep
step_plain (PosternSasl *self, const char *message, gsize length)
{
  const char *login = memchr (message, '\0', length);
  const char *password;
  gsize password_length;

  if (login == NULL)
    return POSTERN_SASL_STEP_MALFORMED;
  login++;
  password = memchr (login, '\0', (gsize) (message + length - login));
  if (password == NULL)
    return POSTERN_SASL_STEP_MALFORMED;
  password++;
  password_length = (gsize) (message + length - password);
  if (login[0] == '\0' || password_length == 0 ||
      memchr (password, '\0', password_length) != NULL || !g_utf8_validate (login, -1, NULL))
    return POSTERN_SASL_STEP_MALFORMED;
  if (message[0] != '\0' && strcmp (message, login) != 0)
    return POSTERN_SASL_STEP_FOREIGN;

  self->login = g_strdup (login);
  self->password = postern_secret_new (password, (gssize) password_length);
  return POSTERN_SASL_STEP_DONE;
}

static PosternSaslStep
step_login (PosternSasl *self, const char *message, gsize length)
{
  if (length == 0 || memchr (message, '\0', length) != NULL)
    return POSTERN_SASL_STEP_MALFORMED;
  if (self->login == NULL)
    {
      if (!g_utf8_validate (message, -1, NULL))
        return POSTERN_SASL_STEP_MALFORMED;
      self->login = g_strdup (message);
      return POSTERN_SASL_STEP_CONTINUE;
    }
  self->password = postern_secret_new (message, (gssize) length);
  return POSTERN_SASL_STEP_DONE;
}

/**
 * postern_sasl_step:
 * @response: a line of the client in base64; the caller wipes it
 * @initial: whether it came with the command, where "=" stands for an empty one (RFC 4954
 *   section 4) and "*" does not cancel
 *
 * Returns: what is to be done next; no step follows one that is not CONTINUE.
 */
PosternSaslStep
postern_sasl_step (PosternSasl *self, const char *response, gboolean initial)
{
  PosternSaslStep step;
  gsize length;
  char *message;

  if (!initial && strcmp (response, "*") == 0)
    return POSTERN_SASL_STEP_CANCELLED;
  if (initial && strcmp (response, "=") == 0)
    response = "";

  message = decode_base64 (response, &length);
  if (message == NULL)
    return POSTERN_SASL_STEP_MALFORMED;
  step = self->mechanism == POSTERN_SASL_PLAIN ? step_plain (self, message, length)
                                               : step_login (self, message, length);
  postern_memory_wipe (message, length);
  g_free (message);
  return step;
}
