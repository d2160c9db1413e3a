/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-sync.h"

#include "base/error.h"
#include "tests/support/jmap-peer.h"

#define EMAIL(id)                                                                                  \
  "{'id':'" id "','blobId':'b" id "','size':10,'receivedAt':'2026-01-01T00:00:00Z',"               \
  "'mailboxIds':{'IN':true}}"

typedef struct
{
  JmapPeer *peer;
  PosternJmapSync *sync;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->peer = peer_new ("2", "");
  fixture->sync = postern_jmap_sync_new (fixture->peer->client);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  postern_jmap_sync_free (fixture->sync);
  peer_free (fixture->peer);
}

static PosternSyncBatch *
sync_page (Fixture *fixture, const char *cursor, GError **error)
{
  g_auto (Await) await = { 0 };

  postern_jmap_sync_page_async (fixture->sync, cursor, NULL, await_done, &await);
  return postern_jmap_sync_page_finish (await_result (&await), error);
}

static char *
join_ids (PosternSyncBatch *batch)
{
  GString *ids = g_string_new (NULL);

  for (guint i = 0; i < batch->messages->len; i++)
    g_string_append (ids, ((PosternRemoteMessage *) batch->messages->pdata[i])->email_id);
  g_string_append_c (ids, '-');
  for (guint i = 0; i < batch->removed->len; i++)
    g_string_append (ids, batch->removed->pdata[i]);
  return g_string_free (ids, FALSE);
}

static void
assert_ids (PosternSyncBatch *batch, const char *expected)
{
  g_autofree char *ids = join_ids (batch);

  g_assert_cmpstr (ids, ==, expected);
}

#define FIRST   "Email/get Email/query Email/get"
#define NEXT    "Email/query Email/get"
#define CHANGES "Email/changes Email/get Email/get"

static void
test_listing (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { FIRST,
      "[['Email/get',{'state':'7','list':[]},'0'],"
      "['Email/query',{'ids':['A','B'],'position':0,'queryState':'q','total':3},'1'],"
      "['Email/get',{'list':[" EMAIL ("B") "," EMAIL ("A") "]},'2']]" },
    { NEXT,
      "[['Email/query',{'ids':['C'],'position':2,'queryState':'q','total':3},'0'],"
      "['Email/get',{'list':[],'notFound':['C']},'1']]" },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternSyncBatch) first = NULL;
  g_autoptr (PosternSyncBatch) second = NULL;
  PosternRemoteMessage *message;

  PEER_PLAY (fixture->peer, steps);
  first = sync_page (fixture, NULL, &error);
  g_assert_no_error (error);
  assert_ids (first, "BA-");
  g_assert_true (first->is_full && first->restart && first->has_more);
  g_assert_cmpint (first->total, ==, 3);
  g_assert_cmpint (first->done, ==, 2);
  message = first->messages->pdata[0];
  g_assert_cmpstr (message->blob_id, ==, "bB");
  g_assert_cmpuint (message->size_octets, ==, 10);
  g_assert_cmpint (message->canonical_size_octets, ==, -1);
  g_assert_cmpint (message->received_at_us, ==, G_GINT64_CONSTANT (1767225600000000));

  second = sync_page (fixture, first->cursor, &error);
  g_assert_no_error (error);
  assert_ids (second, "-C");
  g_assert_true (second->is_full && !second->restart && !second->has_more);
  g_assert_cmpstr (second->cursor, ==, "C a%40x IN 7");
  /* Nothing that this server does not know may be asked for. */
  g_assert_cmpuint (
      json_array_get_length (
          json_object_get_array_member (peer_get_arguments (fixture->peer, 0, 2), "properties")),
      ==,
      5);
}

static void
test_missed (Fixture *fixture, gconstpointer data)
{
  /* Mails of one second come in any order: B shows on both pages, C on none. */
  static const Step steps[] = {
    { FIRST,
      "[['Email/get',{'state':'7'},'0'],"
      "['Email/query',{'ids':['A','B'],'position':0,'queryState':'q','total':3},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "," EMAIL ("B") "]},'2']]" },
    { NEXT,
      "[['Email/query',{'ids':['B'],'position':2,'queryState':'q','total':3},'0'],"
      "['Email/get',{'list':[" EMAIL ("B") "]},'1']]" },
    { FIRST,
      "[['Email/get',{'state':'8'},'0'],"
      "['Email/query',{'ids':['A','C'],'position':0,'queryState':'q','total':3},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "," EMAIL ("C") "]},'2']]" },
    { NEXT,
      "[['Email/query',{'ids':['B'],'position':2,'queryState':'q','total':3},'0'],"
      "['Email/get',{'list':[" EMAIL ("B") "]},'1']]" },
  };
  g_autoptr (PosternSyncBatch) first = NULL;
  g_autoptr (PosternSyncBatch) again = NULL;
  g_autoptr (PosternSyncBatch) last = NULL;

  PEER_PLAY (fixture->peer, steps);
  first = sync_page (fixture, NULL, NULL);
  again = sync_page (fixture, first->cursor, NULL);
  assert_ids (again, "AC-");
  g_assert_true (again->restart && again->has_more);
  last = sync_page (fixture, again->cursor, NULL);
  assert_ids (last, "B-");
  g_assert_false (last->has_more);
  g_assert_cmpstr (last->cursor, ==, "C a%40x IN 8");
}

static void
test_moved (Fixture *fixture, gconstpointer data)
{
  /* A went between the pages, so C moved to the first one: asked for by number it would be missed. */
  static const Step steps[] = {
    { FIRST,
      "[['Email/get',{'state':'7'},'0'],"
      "['Email/query',{'ids':['A','B'],'position':0,'queryState':'q','total':4},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "," EMAIL ("B") "]},'2']]" },
    { NEXT,
      "[['Email/query',{'ids':['D'],'position':2,'queryState':'r','total':3},'0'],"
      "['Email/get',{'list':[" EMAIL ("D") "]},'1']]" },
    { NEXT,
      "[['Email/query',{'ids':['C','D'],'position':1,'queryState':'r','total':3},'0'],"
      "['Email/get',{'list':[" EMAIL ("C") "," EMAIL ("D") "]},'1']]" },
  };
  g_autoptr (PosternSyncBatch) first = NULL;
  g_autoptr (PosternSyncBatch) last = NULL;
  JsonObject *arguments;

  PEER_PLAY (fixture->peer, steps);
  first = sync_page (fixture, NULL, NULL);
  last = sync_page (fixture, first->cursor, NULL);
  assert_ids (last, "CD-");
  g_assert_false (last->has_more || last->restart);
  arguments = peer_get_arguments (fixture->peer, 2, 0);
  g_assert_cmpstr (json_object_get_string_member (arguments, "anchor"), ==, "B");
  g_assert_cmpint (json_object_get_int_member (arguments, "anchorOffset"), ==, 1);
}

static void
test_anchor_gone (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { FIRST,
      "[['Email/get',{'state':'7'},'0'],"
      "['Email/query',{'ids':['A','B'],'position':0,'queryState':'q','total':3},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "," EMAIL ("B") "]},'2']]" },
    { NEXT,
      "[['Email/query',{'ids':[],'position':2,'queryState':'r','total':2},'0'],"
      "['Email/get',{'list':[]},'1']]" },
    { NEXT,
      "[['error',{'type':'anchorNotFound'},'0'],['error',{'type':'invalidResultReference'},'1']]" },
    { FIRST,
      "[['Email/get',{'state':'9'},'0'],"
      "['Email/query',{'ids':['A','C'],'position':0,'queryState':'r','total':2},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "," EMAIL ("C") "]},'2']]" },
  };
  g_autoptr (PosternSyncBatch) first = NULL;
  g_autoptr (PosternSyncBatch) last = NULL;

  PEER_PLAY (fixture->peer, steps);
  first = sync_page (fixture, NULL, NULL);
  last = sync_page (fixture, first->cursor, NULL);
  assert_ids (last, "AC-");
  g_assert_true (last->restart && !last->has_more);
  g_assert_cmpstr (last->cursor, ==, "C a%40x IN 9");
}

static void
test_two_listings (Fixture *fixture, gconstpointer data)
{
#define PAGE_ONE                                                                                   \
  {                                                                                                \
    FIRST, "[['Email/get',{'state':'7'},'0'],"                                                     \
           "['Email/query',{'ids':['A','B'],'position':0,'queryState':'q','total':3},'1'],"        \
           "['Email/get',{'list':[" EMAIL ("A") "," EMAIL ("B") "]},'2']]"                         \
  }
#define PAGE_TWO                                                                                   \
  {                                                                                                \
    NEXT, "[['Email/query',{'ids':['C'],'position':2,'queryState':'q','total':3},'0'],"            \
          "['Email/get',{'list':[" EMAIL ("C") "]},'1']]"                                          \
  }
  static const Step steps[] = { PAGE_ONE, PAGE_ONE, PAGE_TWO, PAGE_TWO };
  g_autoptr (PosternSyncBatch) one = NULL;
  g_autoptr (PosternSyncBatch) other = NULL;
  g_autoptr (PosternSyncBatch) end_of_one = NULL;
  g_autoptr (PosternSyncBatch) end_of_other = NULL;

  PEER_PLAY (fixture->peer, steps);
  one = sync_page (fixture, NULL, NULL);
  other = sync_page (fixture, NULL, NULL);
  end_of_one = sync_page (fixture, one->cursor, NULL);
  end_of_other = sync_page (fixture, other->cursor, NULL);
  assert_ids (end_of_one, "C-");
  assert_ids (end_of_other, "C-");
  g_assert_false (end_of_one->has_more || end_of_other->has_more);
}

static void
test_page_after_error (Fixture *fixture, gconstpointer data)
{
  /* The listing begins again, and its first page is cut: what follows must still say "restart". */
  static const Step steps[] = {
    PAGE_ONE,
    { NEXT,
      "[['Email/query',{'ids':['B'],'position':2,'queryState':'q','total':3},'0'],"
      "['Email/get',{'list':[" EMAIL ("B") "]},'1']]" },
    { FIRST, NULL },
    PAGE_ONE,
  };
  g_autoptr (PosternSyncBatch) first = NULL;
  g_autoptr (PosternSyncBatch) again = NULL;
  g_autoptr (GError) error = NULL;

  PEER_PLAY (fixture->peer, steps);
  first = sync_page (fixture, NULL, NULL);
  g_assert_null (sync_page (fixture, first->cursor, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  again = sync_page (fixture, first->cursor, NULL);
  g_assert_true (again->restart && again->has_more);
}

static void
test_halved (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { FIRST,
      "{'type':'urn:ietf:params:jmap:error:limit','limit':'maxObjectsInGet','status':400}",
      400,
      "application/problem+json; charset=utf-8" },
    { FIRST,
      "[['Email/get',{'state':'7'},'0'],"
      "['Email/query',{'ids':['A'],'position':0,'queryState':'q','total':1},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "]},'2']]" },
  };
  g_autoptr (PosternSyncBatch) batch = NULL;

  PEER_PLAY (fixture->peer, steps);
  batch = sync_page (fixture, NULL, NULL);
  assert_ids (batch, "A-");
  g_assert_cmpint (json_object_get_int_member (peer_get_arguments (fixture->peer, 0, 1), "limit"),
                   ==,
                   2);
  g_assert_cmpint (json_object_get_int_member (peer_get_arguments (fixture->peer, 1, 1), "limit"),
                   ==,
                   1);
}

static void
test_untold (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { FIRST,
      "[['Email/get',{'state':'7'},'0'],"
      "['Email/query',{'ids':['A','B'],'position':0,'queryState':'q','total':2},'1'],"
      "['Email/get',{'list':[" EMAIL ("A") "]},'2']]" },
  };
  g_autoptr (GError) error = NULL;

  PEER_PLAY (fixture->peer, steps);
  g_assert_null (sync_page (fixture, NULL, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_TEMPORARY);
}

static void
test_changes (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { CHANGES,
      "[['Email/changes',{'newState':'8','hasMoreChanges':true,'created':['A','B'],"
      "'updated':[],'destroyed':['D']},'0'],"
      "['Email/get',{'list':[" EMAIL (
          "A") "],'notFound':['B']},'1'],['Email/get',{'list':[]},'2']]" },
    { CHANGES,
      "[['Email/changes',{'newState':'9','hasMoreChanges':false,'created':['A'],"
      "'updated':['M'],'destroyed':[]},'0'],"
      "['Email/get',{'list':[" EMAIL (
          "A") "]},'1'],"
               "['Email/"
               "get',{'list':[{'id':'M','blobId':'m','size':1,'mailboxIds':{'TR':true}}]},'2']]" },
  };
  g_autoptr (PosternSyncBatch) first = NULL;
  g_autoptr (PosternSyncBatch) second = NULL;

  PEER_PLAY (fixture->peer, steps);
  first = sync_page (fixture, "C a%40x IN 7", NULL);
  assert_ids (first, "A-BD");
  g_assert_true (!first->is_full && first->has_more);
  g_assert_cmpstr (first->cursor, ==, "C a%40x IN 8");
  second = sync_page (fixture, first->cursor, NULL);
  assert_ids (second, "A-M");
  g_assert_false (second->has_more);
  g_assert_cmpstr (
      json_object_get_string_member (peer_get_arguments (fixture->peer, 1, 0), "sinceState"),
      ==,
      "8");
}

static void
test_no_progress (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { CHANGES,
      "[['Email/changes',{'newState':'7','hasMoreChanges':true,'created':[],'updated':[],"
      "'destroyed':[]},'0'],['Email/get',{'list':[]},'1'],['Email/get',{'list':[]},'2']]" },
  };
  g_autoptr (PosternSyncBatch) batch = NULL;

  PEER_PLAY (fixture->peer, steps);
  batch = sync_page (fixture, "C a%40x IN 7", NULL);
  g_assert_false (batch->has_more);
}

static void
assert_stale (Fixture *fixture, const char *cursor)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (sync_page (fixture, cursor, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_STALE);
}

static void
test_stale (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { CHANGES,
      "[['error',{'type':'cannotCalculateChanges'},'0'],"
      "['error',{'type':'invalidResultReference'},'1'],"
      "['error',{'type':'invalidResultReference'},'2']]" },
    { CHANGES,
      "[['error',{'type':'invalidArguments'},'0'],['error',{'type':'resultReference'},'1'],"
      "['error',{'type':'resultReference'},'2']]" },
    { CHANGES,
      "[['Email/changes',{'newState':'59','hasMoreChanges':false,'created':[],'updated':[],"
      "'destroyed':[]},'0'],['Email/get',{'list':[]},'1'],['Email/get',{'list':[]},'2']]" },
  };

  PEER_PLAY (fixture->peer, steps);
  assert_stale (fixture, "C a%40x IN 7");
  assert_stale (fixture, "C a%40x IN nonsense");
  assert_stale (fixture, "C a%40x IN 999999");
  /* These are known without asking. */
  assert_stale (fixture, "C a%40x OLD-INBOX 7");
  assert_stale (fixture, "C b%40x IN 7");
  assert_stale (fixture, "L 99");
  assert_stale (fixture, "");
  assert_stale (fixture, "C %ZZ % ");
}

static void
test_later (Fixture *fixture, gconstpointer data)
{
  static const Step steps[] = {
    { CHANGES,
      "[['error',{'type':'serverUnavailable'},'0'],['error',{'type':'x'},'1'],"
      "['error',{'type':'x'},'2']]" },
  };
  g_autoptr (GError) error = NULL;

  PEER_PLAY (fixture->peer, steps);
  g_assert_null (sync_page (fixture, "C a%40x IN 7", &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_TEMPORARY);
}

static void
test_canonical (void)
{
  static const Step steps[] = {
    { FIRST,
      "[['Email/get',{'state':'7'},'0'],"
      "['Email/query',{'ids':['A'],'position':0,'queryState':'q','total':1},'1'],"
      "['Email/get',{'list':[{'id':'A','blobId':'b','size':10,'canonicalSize':12,"
      "'mailboxIds':{'IN':true}}]},'2']]" },
  };
  Fixture fixture = { .peer = peer_new ("500", ",'" POSTERN_JMAP_URN_VENDOR "':{}") };
  g_autoptr (PosternSyncBatch) batch = NULL;
  PosternRemoteMessage *message;
  JsonArray *using;

  fixture.sync = postern_jmap_sync_new (fixture.peer->client);
  PEER_PLAY (fixture.peer, steps);
  batch = sync_page (&fixture, NULL, NULL);
  message = batch->messages->pdata[0];
  g_assert_cmpint (message->canonical_size_octets, ==, 12);
  using = json_object_get_array_member (fixture.peer->requests->pdata[0], "using");
  g_assert_cmpstr (json_array_get_string_element (using, 2), ==, POSTERN_JMAP_URN_VENDOR);
  tear_down (&fixture, NULL);
}

int
main (int argc, char *argv[])
{
#define ADD(name, function)                                                                        \
  g_test_add ("/jmap/sync/" name, Fixture, NULL, set_up, function, tear_down)
  g_test_init (&argc, &argv, NULL);
  ADD ("a-listing-comes-in-pages-and-ends-with-a-cursor", test_listing);
  ADD ("a-mail-between-two-pages-is-noticed", test_missed);
  ADD ("a-page-after-a-change-is-asked-for-by-the-last-id", test_moved);
  ADD ("a-last-id-that-is-gone-begins-the-listing-again", test_anchor_gone);
  ADD ("two-listings-do-not-disturb-each-other", test_two_listings);
  ADD ("a-restart-that-is-cut-is-still-a-restart", test_page_after_error);
  ADD ("a-limit-is-met-by-half", test_halved);
  ADD ("a-mail-that-is-named-but-not-told-is-an-error", test_untold);
  ADD ("changes-name-what-is-new-gone-and-moved-away", test_changes);
  ADD ("changes-that-never-end-do", test_no_progress);
  ADD ("a-useless-cursor-is-stale", test_stale);
  ADD ("a-server-that-is-busy-is-not-stale", test_later);
  g_test_add_func ("/jmap/sync/canonical-sizes-only-where-they-are-advertised", test_canonical);
  return g_test_run ();
}
