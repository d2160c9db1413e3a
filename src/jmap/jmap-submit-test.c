/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-submit.h"

#include "base/error.h"
#include "jmap/jmap-settle.h"
#include "tests/support/jmap-peer.h"

#define IDENTITIES                                                                                 \
  "[['Identity/get',{'list':[{'id':'id1','email':'*@x'},{'id':'id2','email':'a@X'}]},'0']]"
#define SENT(key)                                                                                  \
  "[['EmailSubmission/set',{'created':{'" key "':{'id':'s'}}},'0'],"                               \
  "['Email/set',{'updated':{'E':null},'created':null},'0']]"

static PosternSubmitResult *
submit_many (JmapPeer *peer, guint n_items, gboolean keep_copy, GPtrArray **results)
{
  static const char *const keys[] = { "k0", "k1", "k2" };
  static const char *const ids[] = { "E", "F", "G" };
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new ("a+tag@x");
  PosternOutgoing items[3];
  g_auto (Await) await = { 0 };

  postern_envelope_add (envelope, "b@y");
  for (guint i = 0; i < n_items; i++)
    items[i] = (PosternOutgoing){ .key = keys[i],
                                  .email_id = ids[i],
                                  .from = "A+tag@x",
                                  .envelope = envelope,
                                  .keep_copy = keep_copy };
  postern_jmap_submit_async (peer->client, items, n_items, NULL, await_done, &await);
  *results = postern_jmap_submit_finish (await_result (&await));
  g_assert_cmpuint ((*results)->len, ==, n_items);
  return (*results)->pdata[0];
}

static void
test_sent (void)
{
  static const Step steps[] = {
    { "Identity/get", IDENTITIES },
    { "EmailSubmission/set", SENT ("k0") },
    { "EmailSubmission/set", SENT ("k0") },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GPtrArray) again = NULL;
  PosternSubmitResult *result;
  JsonObject *arguments;
  JsonObject *patch;

  PEER_PLAY (peer, steps);
  result = submit_many (peer, 1, TRUE, &results);
  g_assert_no_error (result->error);
  g_assert_cmpuint (result->code, ==, 250);
  g_assert_false (result->may_have_arrived);

  arguments = peer_get_arguments (peer, 1, 0);
  g_assert_cmpstr (
      json_object_get_string_member (
          json_object_get_object_member (json_object_get_object_member (arguments, "create"), "k0"),
          "identityId"),
      ==,
      "id2");
  patch = json_object_get_object_member (
      json_object_get_object_member (arguments, "onSuccessUpdateEmail"),
      "#k0");
  g_assert_true (json_object_get_null_member (patch, "mailboxIds/DR"));
  g_assert_true (json_object_get_boolean_member (patch, "mailboxIds/SE"));
  g_assert_true (json_object_get_null_member (patch, "keywords/$draft"));
  /* Whoever may be sent as is asked only once. */
  submit_many (peer, 1, TRUE, &again);
}

static void
test_no_copy (void)
{
  static const Step steps[] = {
    { "Identity/get", IDENTITIES },
    { "Email/get",
      "[['Email/get',{'list':[{'id':'F','mailboxIds':{'DR':true,'IN':true}},"
      "{'id':'E','mailboxIds':{'DR':true}}]},'0']]" },
    { "EmailSubmission/set",
      "[['EmailSubmission/set',{'created':{'k0':{'id':'s'},'k1':{'id':'t'}}},'0'],"
      "['Email/set',{'destroyed':['E']},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;
  JsonObject *arguments;
  JsonArray *destroy;

  PEER_PLAY (peer, steps);
  submit_many (peer, 2, FALSE, &results);
  arguments = peer_get_arguments (peer, 2, 0);
  destroy = json_object_get_array_member (arguments, "onSuccessDestroyEmail");
  g_assert_cmpuint (json_array_get_length (destroy), ==, 1);
  g_assert_cmpstr (json_array_get_string_element (destroy, 0), ==, "#k0");
  /* F also lies in the inbox: destroying it would lose somebody's mail. */
  g_assert_true (
      json_object_has_member (json_object_get_object_member (arguments, "onSuccessUpdateEmail"),
                              "#k1"));
}

static void
assert_later (PosternSubmitResult *result, PosternError code, gboolean may_have_arrived)
{
  g_assert_error (result->error, POSTERN_ERROR, (int) code);
  g_assert_cmpint (result->may_have_arrived, ==, may_have_arrived);
  g_assert_cmpuint (result->code, ==, may_have_arrived ? 0 : 451);
}

static void
test_lost (void)
{
  static const Step steps[] = {
    { "Identity/get", IDENTITIES },
    { "EmailSubmission/set", NULL }, /* the connection is cut */
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;

  PEER_PLAY (peer, steps);
  assert_later (submit_many (peer, 1, TRUE, &results), POSTERN_ERROR_OFFLINE, TRUE);
  peer_wait_ms (50);
  g_assert_cmpuint (peer->requests->len, ==, 2); /* and never repeated by itself */
}

static void
test_lost_on_the_way (void)
{
  static const struct
  {
    Step step;
    PosternError code;
    gboolean may_have_arrived;
  } cases[] = {
    { { "EmailSubmission/set", "<html>Bad gateway</html>", 502, "text/html" },
      POSTERN_ERROR_TEMPORARY,
      TRUE },
    { { "EmailSubmission/set", "<html>Sign in</html>", 200, "text/html" },
      POSTERN_ERROR_PROTOCOL,
      TRUE },
    { { "EmailSubmission/set", "{'methodResponses':", 200, "application/json" },
      POSTERN_ERROR_PROTOCOL,
      TRUE },
    { { "EmailSubmission/set", "[['Email/set',{'created':{'k0':{'id':'x'}}},'0']]", 0, NULL },
      POSTERN_ERROR_PROTOCOL,
      TRUE },
    { { "EmailSubmission/set", "[['EmailSubmission/set',{'created':{}},'0']]", 0, NULL },
      POSTERN_ERROR_TEMPORARY,
      TRUE },
    { { "EmailSubmission/set", "[['error',{'type':'serverPartialFail'},'0']]", 0, NULL },
      POSTERN_ERROR_TEMPORARY,
      TRUE },
    { { "EmailSubmission/set", "[['error',{'type':'serverFail'},'0']]", 0, NULL },
      POSTERN_ERROR_TEMPORARY,
      FALSE },
    { { "EmailSubmission/set", "[['error',{'type':'accountReadOnly'},'0']]", 0, NULL },
      POSTERN_ERROR_FORBIDDEN,
      FALSE },
    { { "EmailSubmission/set", "no", 401, "text/html" }, POSTERN_ERROR_CREDENTIALS, FALSE },
    { { "EmailSubmission/set", "no", 429, "text/html" }, POSTERN_ERROR_TEMPORARY, FALSE },
    { { "EmailSubmission/set", "no", 404, "text/html" }, POSTERN_ERROR_PROTOCOL, FALSE },
    { { "EmailSubmission/set",
        "{'type':'urn:ietf:params:jmap:error:unknownCapability','status':400}",
        400,
        "application/problem+json" },
      POSTERN_ERROR_PROTOCOL,
      FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Step steps[] = { { "Identity/get", IDENTITIES }, cases[i].step };
      g_autoptr (JmapPeer) peer = peer_new ("500", "");
      g_autoptr (GPtrArray) results = NULL;

      g_test_message ("%s", cases[i].step.answers);
      PEER_PLAY (peer, steps);
      assert_later (submit_many (peer, 1, TRUE, &results),
                    cases[i].code,
                    cases[i].may_have_arrived);
    }
}

static void
test_offline (void)
{
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;

  soup_server_disconnect (peer->server);
  assert_later (submit_many (peer, 2, TRUE, &results), POSTERN_ERROR_OFFLINE, FALSE);
}

static void
test_refused (void)
{
  static const Step steps[] = {
    { "Identity/get", IDENTITIES },
    { "EmailSubmission/set",
      "[['EmailSubmission/set',{'created':{'k1':{'id':'s'}},'notCreated':{'k0':"
      "{'type':'invalidRecipients','invalidRecipients':['b@y']}}},'0'],"
      "['Email/set',{'updated':{'F':null}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;
  PosternSubmitResult *result;

  PEER_PLAY (peer, steps);
  result = submit_many (peer, 2, TRUE, &results);
  g_assert_error (result->error, POSTERN_ERROR, POSTERN_ERROR_REFUSED);
  g_assert_cmpstr (result->refused->pdata[0], ==, "b@y");
  g_assert_no_error (((PosternSubmitResult *) results->pdata[1])->error);
}

static void
test_slices (void)
{
  static const Step steps[] = {
    { "Identity/get", IDENTITIES },
    { "EmailSubmission/set", "[['error',{'type':'requestTooLarge'},'0']]" },
    { "EmailSubmission/set", SENT ("k0") },
    { "EmailSubmission/set", SENT ("k1") },
    { "EmailSubmission/set", NULL },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;

  PEER_PLAY (peer, steps);
  submit_many (peer, 3, TRUE, &results);
  g_assert_no_error (((PosternSubmitResult *) results->pdata[0])->error);
  g_assert_no_error (((PosternSubmitResult *) results->pdata[1])->error);
  g_assert_true (((PosternSubmitResult *) results->pdata[2])->may_have_arrived);
}

static void
test_vendor (void)
{
  static const Step steps[] = {
    { "Identity/get", IDENTITIES },
    { "EmailSubmission/set", SENT ("k0") },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", ",'" POSTERN_JMAP_URN_VENDOR "':{}");
  g_autoptr (GPtrArray) results = NULL;
  JsonArray *using;

  PEER_PLAY (peer, steps);
  submit_many (peer, 1, FALSE, &results);
  using = json_object_get_array_member (peer->requests->pdata[1], "using");
  g_assert_cmpuint (json_array_get_length (using), ==, 4);
  g_assert_cmpstr (json_array_get_string_element (using, 3), ==, POSTERN_JMAP_URN_VENDOR);
}

static void
test_settled (void)
{
  static const Step steps[] = {
    { "Email/get",
      "[['Email/get',{'list':[{'id':'B','mailboxIds':{'DR':true}},"
      "{'id':'A','mailboxIds':{'SE':true}}],'notFound':['C']},'0']]" },
    { "Email/get", "[['Email/get',{'list':[]},'0']]" },
  };
  static const char *const ids[] = { "A", "B", "C", NULL };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GArray) settlements = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Await) await = { 0 };
  g_auto (Await) second = { 0 };

  PEER_PLAY (peer, steps);
  postern_jmap_settle_async (peer->client, ids, NULL, await_done, &await);
  settlements = postern_jmap_settle_finish (await_result (&await), &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_array_index (settlements, PosternSettlement, 0), ==, POSTERN_SETTLEMENT_SENT);
  g_assert_cmpint (g_array_index (settlements, PosternSettlement, 1),
                   ==,
                   POSTERN_SETTLEMENT_UNSENT);
  g_assert_cmpint (g_array_index (settlements, PosternSettlement, 2), ==, POSTERN_SETTLEMENT_GONE);

  /* One that the server says nothing of is neither sent nor unsent. */
  postern_jmap_settle_async (peer->client, ids, NULL, await_done, &second);
  g_assert_null (postern_jmap_settle_finish (await_result (&second), &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_TEMPORARY);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/submit/what-is-taken-moves-to-sent", test_sent);
  g_test_add_func ("/jmap/submit/without-a-copy-only-a-lone-draft-is-destroyed", test_no_copy);
  g_test_add_func ("/jmap/submit/a-lost-answer-is-told-and-never-repeated", test_lost);
  g_test_add_func ("/jmap/submit/every-way-to-lose-an-answer-is-told-apart", test_lost_on_the_way);
  g_test_add_func ("/jmap/submit/offline-never-left", test_offline);
  g_test_add_func ("/jmap/submit/a-refusal-is-for-one-message", test_refused);
  g_test_add_func ("/jmap/submit/what-is-too-much-at-once-goes-in-parts", test_slices);
  g_test_add_func ("/jmap/submit/a-worker-is-asked-no-more-than-needed", test_vendor);
  g_test_add_func ("/jmap/submit/a-place-tells-whether-it-was-sent", test_settled);
  return g_test_run ();
}
