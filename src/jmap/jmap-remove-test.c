/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-remove.h"

#include "base/error.h"
#include "tests/support/jmap-peer.h"

static GPtrArray *
remove_abc (JmapPeer *peer, PosternRemoveMode mode, GError **error)
{
  static const char *const ids[] = { "A", "B", "C", NULL };
  g_auto (Await) await = { 0 };

  postern_jmap_remove_async (peer->client,
                             ids,
                             POSTERN_PLACE_INBOX,
                             mode,
                             NULL,
                             await_done,
                             &await);
  return postern_jmap_remove_finish (await_result (&await), error);
}

static const GError *
get_error (GPtrArray *removals, guint index)
{
  return ((PosternRemoval *) removals->pdata[index])->error;
}

static void
assert_all_gone (GPtrArray *removals)
{
  g_assert_cmpuint (removals->len, ==, 3);
  for (guint i = 0; i < removals->len; i++)
    g_assert_no_error (get_error (removals, i));
}

#define LOOK(state)                                                                                \
  "[['Email/get',{'state':'" state "','list':[{'id':'A','mailboxIds':{'IN':true}},"                \
  "{'id':'B','mailboxIds':{'IN':true,'KEEP':true}}],'notFound':['C']},'0']]"

static void
test_destroy (void)
{
  static const Step steps[] = {
    { "Email/get", LOOK ("5") },
    { "Email/set", "[['Email/set',{'destroyed':['A'],'updated':{'B':null}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) removals = NULL;
  JsonObject *arguments;
  JsonObject *update;

  PEER_PLAY (peer, steps);
  removals = remove_abc (peer, POSTERN_REMOVE_DESTROY, NULL);
  assert_all_gone (removals);
  arguments = peer_get_arguments (peer, 1, 0);
  g_assert_cmpstr (json_object_get_string_member (arguments, "ifInState"), ==, "5");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (arguments, "destroy")),
                    ==,
                    1);
  update = json_object_get_object_member (json_object_get_object_member (arguments, "update"), "B");
  g_assert_cmpuint (json_object_get_size (update), ==, 1);
  g_assert_true (json_object_get_null_member (update, "mailboxIds/IN"));
}

static void
test_trash (void)
{
  static const Step steps[] = {
    { "Email/get", LOOK ("5") },
    { "Email/set", "[['Email/set',{'updated':{'A':null,'B':null}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) removals = NULL;
  JsonObject *update;

  PEER_PLAY (peer, steps);
  removals = remove_abc (peer, POSTERN_REMOVE_TRASH, NULL);
  assert_all_gone (removals);
  update = json_object_get_object_member (
      json_object_get_object_member (peer_get_arguments (peer, 1, 0), "update"),
      "A");
  g_assert_true (json_object_get_boolean_member (update, "mailboxIds/TR"));
}

static void
test_everywhere (void)
{
  static const Step steps[] = {
    { "Email/set",
      "[['Email/set',{'destroyed':['A'],'notDestroyed':{'B':{'type':'notFound'},"
      "'C':{'type':'forbidden','description':'read only'}}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) removals = NULL;

  PEER_PLAY (peer, steps);
  removals = remove_abc (peer, POSTERN_REMOVE_DESTROY_EVERYWHERE, NULL);
  g_assert_no_error (get_error (removals, 0));
  g_assert_no_error (get_error (removals, 1));
  g_assert_error (get_error (removals, 2), POSTERN_ERROR, POSTERN_ERROR_FORBIDDEN);
}

static void
test_changed_meanwhile (void)
{
  static const Step steps[] = {
    { "Email/get", LOOK ("5") },
    { "Email/set", "[['error',{'type':'stateMismatch'},'0']]" },
    { "Email/get",
      "[['Email/get',{'state':'6','list':[{'id':'A','mailboxIds':{'IN':true,'KEEP':true}},"
      "{'id':'B','mailboxIds':{'KEEP':true}}],'notFound':['C']},'0']]" },
    { "Email/set", "[['Email/set',{'updated':{'A':null}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) removals = NULL;

  PEER_PLAY (peer, steps);
  removals = remove_abc (peer, POSTERN_REMOVE_DESTROY, NULL);
  assert_all_gone (removals);
  g_assert_cmpuint (json_array_get_length (
                        json_object_get_array_member (peer_get_arguments (peer, 3, 0), "destroy")),
                    ==,
                    0);
}

static void
test_nothing_to_do (void)
{
  static const Step steps[] = {
    { "Email/get", "[['Email/get',{'state':'5','list':[],'notFound':['A','B']},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) removals = NULL;

  PEER_PLAY (peer, steps);
  removals = remove_abc (peer, POSTERN_REMOVE_DESTROY, NULL);
  g_assert_no_error (get_error (removals, 0));
  /* What nobody said is not done. */
  g_assert_error (get_error (removals, 2), POSTERN_ERROR, POSTERN_ERROR_TEMPORARY);
}

static void
test_slices (void)
{
  static const Step steps[] = {
    { "Email/set", "[['Email/set',{'destroyed':['A','B']},'0']]" },
    { "Email/set", NULL },
  };
  g_autoptr (JmapPeer) peer = peer_new ("2", "");
  g_autoptr (GPtrArray) removals = NULL;

  PEER_PLAY (peer, steps);
  removals = remove_abc (peer, POSTERN_REMOVE_DESTROY_EVERYWHERE, NULL);
  g_assert_no_error (get_error (removals, 0));
  g_assert_no_error (get_error (removals, 1));
  g_assert_error (get_error (removals, 2), POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/remove/what-is-elsewhere-only-leaves-the-inbox", test_destroy);
  g_test_add_func ("/jmap/remove/trash-takes-what-is-nowhere-else", test_trash);
  g_test_add_func ("/jmap/remove/gone-already-is-gone", test_everywhere);
  g_test_add_func ("/jmap/remove/what-changed-meanwhile-is-looked-at-again",
                   test_changed_meanwhile);
  g_test_add_func ("/jmap/remove/nothing-to-do-asks-nothing", test_nothing_to_do);
  g_test_add_func ("/jmap/remove/many-go-in-slices-and-what-was-done-counts", test_slices);
  return g_test_run ();
}
