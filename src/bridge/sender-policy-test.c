/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bridge/sender-policy.h"

#include "bridge/fake-backend.h"
#include "tests/support/await.h"

#define ADDRESS "me@example.test"

static PosternSenderPolicy *
make_policy (void)
{
  g_autoptr (PosternFakeBackend) backend = postern_fake_backend_new ();
  PosternSenderPolicy *policy = postern_sender_policy_new (POSTERN_BACKEND (backend));
  g_autoptr (PosternConfigAccount) config =
      postern_config_account_new (ADDRESS, "https://example.test");

  postern_sender_policy_configure (policy, config);
  return policy;
}

static guint
check (PosternSenderPolicy *policy, const char *address)
{
  g_auto (Await) await = { 0 };
  g_autoptr (PosternSmtpReply) reply = NULL;

  postern_sender_policy_check_async (policy, address, await_done, &await);
  reply = postern_sender_policy_check_finish (policy, await_result (&await));
  return reply == NULL ? 250 : reply->code;
}

static void
test_owned (void)
{
  g_autoptr (PosternSenderPolicy) policy = make_policy ();

  g_assert_cmpuint (check (policy, ADDRESS), ==, 250);
  g_assert_cmpuint (check (policy, ""), ==, 250);
}

/* A session outlives its account; what it hands in now nobody would send. */
static void
test_closed (void)
{
  g_autoptr (PosternSenderPolicy) policy = make_policy ();
  g_auto (Await) await = { 0 };
  g_autoptr (PosternSmtpReply) reply = NULL;

  /* Also when it goes between the question and the answer. */
  postern_sender_policy_check_async (policy, ADDRESS, await_done, &await);
  postern_sender_policy_close (policy);
  reply = postern_sender_policy_check_finish (policy, await_result (&await));
  g_assert_nonnull (reply);
  g_assert_cmpuint (reply->code, ==, 451);
  g_assert_cmpuint (check (policy, ADDRESS), ==, 451);
  g_assert_cmpuint (check (policy, ""), ==, 451);
  g_assert_cmpuint (check (policy, "other@example.test"), ==, 451);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bridge/sender-policy/an-address-of-ones-own-may-send", test_owned);
  g_test_add_func ("/bridge/sender-policy/an-account-that-is-gone-sends-nothing", test_closed);
  return g_test_run ();
}
