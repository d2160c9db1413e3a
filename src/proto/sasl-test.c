/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/sasl.h"

#include <string.h>

static const struct
{
  const char *name;
  PosternSaslMechanism mechanism;
  const char *message; /* base64-encoded before it is given */
  gsize length;
  PosternSaslStep step;
} messages[] = {
  { "plain", POSTERN_SASL_PLAIN, "\0alice\0right", 12, POSTERN_SASL_STEP_DONE },
  { "plain-with-own-authzid",
    POSTERN_SASL_PLAIN,
    "alice\0alice\0right",
    17,
    POSTERN_SASL_STEP_DONE },
  { "plain-for-somebody-else",
    POSTERN_SASL_PLAIN,
    "bob\0alice\0right",
    15,
    POSTERN_SASL_STEP_FOREIGN },
  { "plain-authzid-of-other-case",
    POSTERN_SASL_PLAIN,
    "Alice\0alice\0right",
    17,
    POSTERN_SASL_STEP_FOREIGN },
  { "plain-without-name", POSTERN_SASL_PLAIN, "\0\0right", 7, POSTERN_SASL_STEP_MALFORMED },
  { "plain-without-password", POSTERN_SASL_PLAIN, "\0alice\0", 7, POSTERN_SASL_STEP_MALFORMED },
  { "plain-with-one-nul", POSTERN_SASL_PLAIN, "alice\0right", 11, POSTERN_SASL_STEP_MALFORMED },
  { "plain-without-nul", POSTERN_SASL_PLAIN, "alice", 5, POSTERN_SASL_STEP_MALFORMED },
  { "plain-with-three-nuls",
    POSTERN_SASL_PLAIN,
    "\0alice\0rig\0ht",
    13,
    POSTERN_SASL_STEP_MALFORMED },
  { "plain-not-utf8", POSTERN_SASL_PLAIN, "\0al\xff\0right", 10, POSTERN_SASL_STEP_MALFORMED },
  { "plain-empty", POSTERN_SASL_PLAIN, "", 0, POSTERN_SASL_STEP_MALFORMED },
  { "login-empty", POSTERN_SASL_LOGIN, "", 0, POSTERN_SASL_STEP_MALFORMED },
  { "login-with-nul", POSTERN_SASL_LOGIN, "a\0b", 3, POSTERN_SASL_STEP_MALFORMED },
  { "login-name", POSTERN_SASL_LOGIN, "alice", 5, POSTERN_SASL_STEP_CONTINUE },
};

static void
test_messages (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autoptr (PosternSasl) sasl = postern_sasl_new (messages[i].mechanism);
      g_autofree char *response =
          g_base64_encode ((const guchar *) messages[i].message, messages[i].length);

      g_test_message ("%s", messages[i].name);
      g_assert_cmpint (postern_sasl_step (sasl, response, FALSE), ==, messages[i].step);
      g_assert_cmpint (sasl->password != NULL, ==, messages[i].step == POSTERN_SASL_STEP_DONE);
      if (sasl->password != NULL)
        {
          g_assert_cmpstr (sasl->login, ==, "alice");
          g_assert_cmpstr (postern_secret_get_text (sasl->password), ==, "right");
        }
    }
}

static void
test_base64 (void)
{
  /* What a lenient decoder takes. "AGEAYg==" is NUL a NUL b. */
  static const char *const bad[] = { "AGEAYg",     "AGEAYg=",    "AGEAYg===", "AGEA Yg==",
                                     "AGEAYg==\t", "AGEAYh==",   "AGE=AYg=",  "AGEA_g==",
                                     "====",       "AGEAYg==AA", "=",         "A" };
  g_autoptr (PosternSasl) good = postern_sasl_new (POSTERN_SASL_PLAIN);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (PosternSasl) sasl = postern_sasl_new (POSTERN_SASL_PLAIN);

      g_test_message ("%s", bad[i]);
      g_assert_cmpint (postern_sasl_step (sasl, bad[i], FALSE), ==, POSTERN_SASL_STEP_MALFORMED);
    }
  g_assert_cmpint (postern_sasl_step (good, "AGEAYg==", TRUE), ==, POSTERN_SASL_STEP_DONE);
}

/* Every octet in every place survives. */
static void
test_octets (void)
{
  for (gsize length = 1; length < 300; length++)
    {
      g_autoptr (PosternSasl) sasl = postern_sasl_new (POSTERN_SASL_LOGIN);
      guint8 password[300];
      g_autofree char *response = NULL;

      for (gsize i = 0; i < length; i++)
        password[i] = (guint8) (1 + (i * 7 + length) % 255);
      response = g_base64_encode (password, length);
      g_assert_cmpint (postern_sasl_step (sasl, "YQ==", TRUE), ==, POSTERN_SASL_STEP_CONTINUE);
      g_assert_cmpstr (postern_sasl_get_challenge (sasl), ==, "UGFzc3dvcmQ6");
      g_assert_cmpint (postern_sasl_step (sasl, response, FALSE), ==, POSTERN_SASL_STEP_DONE);
      g_assert_cmpmem (postern_secret_get_text (sasl->password),
                       postern_secret_get_length (sasl->password),
                       password,
                       length);
    }
}

static void
test_cancel (void)
{
  g_autoptr (PosternSasl) sasl = postern_sasl_new (POSTERN_SASL_PLAIN);
  g_autoptr (PosternSasl) initial = postern_sasl_new (POSTERN_SASL_PLAIN);

  g_assert_cmpint (postern_sasl_step (sasl, "*", FALSE), ==, POSTERN_SASL_STEP_CANCELLED);
  g_assert_cmpint (postern_sasl_step (initial, "*", TRUE), ==, POSTERN_SASL_STEP_MALFORMED);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proto/sasl/responses-are-taken-to-the-letter", test_messages);
  g_test_add_func ("/proto/sasl/base64-is-strict", test_base64);
  g_test_add_func ("/proto/sasl/passwords-keep-every-octet", test_octets);
  g_test_add_func ("/proto/sasl/a-star-cancels", test_cancel);
  return g_test_run ();
}
