/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-import.h"

#include "base/error.h"
#include "jmap/jmap-find.h"
#include "tests/support/jmap-peer.h"

static GPtrArray *
import_three (JmapPeer *peer, GError **error)
{
  static const PosternImport items[] = {
    { .blob_id = "b0", .target = POSTERN_PLACE_DRAFTS },
    { .blob_id = "b1", .target = POSTERN_PLACE_INBOX, .received_at_us = 1767225600000000 },
    { .blob_id = "b2", .target = POSTERN_PLACE_DRAFTS },
  };
  g_auto (Await) await = { 0 };

  postern_jmap_import_async (peer->client, items, G_N_ELEMENTS (items), NULL, await_done, &await);
  return postern_jmap_import_finish (await_result (&await), error);
}

static PosternImportResult *
get (GPtrArray *results, guint index)
{
  return results->pdata[index];
}

static void
test_import (void)
{
  static const Step steps[] = {
    { "Email/import",
      "[['Email/import',{'created':{'i0':{'id':'E0'},'i1':{'id':'E1'}},"
      "'notCreated':{'i2':{'type':'invalidEmail','description':'no header'}}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;
  JsonObject *emails;
  JsonObject *email;

  PEER_PLAY (peer, steps);
  results = import_three (peer, NULL);
  g_assert_cmpstr (get (results, 0)->email_id, ==, "E0");
  g_assert_cmpstr (get (results, 1)->email_id, ==, "E1");
  g_assert_error (get (results, 2)->error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  g_assert_false (get (results, 2)->may_have_arrived);

  emails = json_object_get_object_member (peer_get_arguments (peer, 0, 0), "emails");
  email = json_object_get_object_member (emails, "i0");
  g_assert_true (
      json_object_get_boolean_member (json_object_get_object_member (email, "mailboxIds"), "DR"));
  g_assert_true (
      json_object_get_boolean_member (json_object_get_object_member (email, "keywords"), "$draft"));
  email = json_object_get_object_member (emails, "i1");
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (email, "keywords")),
                    ==,
                    0);
  g_assert_cmpstr (json_object_get_string_member (email, "receivedAt"), ==, "2026-01-01T00:00:00Z");
}

static void
test_exists (void)
{
  static const Step steps[] = {
    { "Email/import",
      "[['Email/import',{'created':{'i1':{'id':'E1'}},'notCreated':"
      "{'i0':{'type':'alreadyExists','existingId':'X'},"
      "'i2':{'type':'alreadyExists','existingId':'Y'}}},'0']]" },
    { "Email/set",
      "[['Email/set',{'updated':{'X':null},'notUpdated':{'Y':{'type':'notFound'}}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;
  JsonObject *patch;

  PEER_PLAY (peer, steps);
  results = import_three (peer, NULL);
  g_assert_cmpstr (get (results, 0)->email_id, ==, "X");
  g_assert_error (get (results, 2)->error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  patch = json_object_get_object_member (
      json_object_get_object_member (peer_get_arguments (peer, 1, 0), "update"),
      "X");
  g_assert_true (json_object_get_boolean_member (patch, "mailboxIds/DR"));
  g_assert_true (json_object_get_boolean_member (patch, "keywords/$draft"));
}

static void
test_blob_gone (void)
{
  static const Step steps[] = {
    { "Email/import",
      "[['Email/import',{'created':null,'notCreated':"
      "{'i0':{'type':'invalidProperties','properties':['blobId']},"
      "'i1':{'type':'blobNotFound'},"
      "'i2':{'type':'invalidProperties','properties':['mailboxIds']}}},'0']]" },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) results = NULL;

  PEER_PLAY (peer, steps);
  results = import_three (peer, NULL);
  g_assert_error (get (results, 0)->error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  g_assert_error (get (results, 1)->error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND);
  /* A folder that went is learnt anew, it is not the message's fault. */
  g_assert_error (get (results, 2)->error, POSTERN_ERROR, POSTERN_ERROR_TEMPORARY);
  g_assert_false (postern_jmap_client_has_session (peer->client));
}

static void
test_lost (void)
{
  static const Step steps[] = {
    { "Email/import", "[['Email/import',{'created':{'i0':{'id':'E0'},'i1':{'id':'E1'}}},'0']]" },
    { "Email/import", NULL },
  };
  g_autoptr (JmapPeer) peer = peer_new ("2", "");
  g_autoptr (GPtrArray) results = NULL;

  PEER_PLAY (peer, steps);
  results = import_three (peer, NULL);
  g_assert_cmpstr (get (results, 1)->email_id, ==, "E1");
  g_assert_error (get (results, 2)->error, POSTERN_ERROR, POSTERN_ERROR_OFFLINE);
  g_assert_true (get (results, 2)->may_have_arrived);
}

static GPtrArray *
find_x (JmapPeer *peer)
{
  g_auto (Await) await = { 0 };
  g_autoptr (GError) error = NULL;
  GPtrArray *found;

  postern_jmap_find_imported_async (peer->client,
                                    "<x@y>",
                                    POSTERN_PLACE_DRAFTS,
                                    NULL,
                                    await_done,
                                    &await);
  found = postern_jmap_find_imported_finish (await_result (&await), &error);
  g_assert_no_error (error);
  return found;
}

#define FOUND                                                                                      \
  "['Email/get',{'list':[{'id':'A','messageId':['x@yz']},{'id':'B','messageId':['x@y']},"          \
  "{'id':'C','messageId':null}]},'1']]"

static void
test_find (void)
{
  static const Step steps[] = {
    { "Email/query Email/get", "[['Email/query',{'ids':['A','B','C']},'0']," FOUND },
    { "Email/query Email/get",
      "[['error',{'type':'unsupportedFilter'},'0'],['error',{'type':'invalidResultReference'},'1']"
      "]" },
    { "Email/query Email/get", "[['Email/query',{'ids':['A','B','C']},'0']," FOUND },
  };
  g_autoptr (JmapPeer) peer = peer_new ("500", "");
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GPtrArray) looked = NULL;
  JsonObject *filter;

  PEER_PLAY (peer, steps);
  found = find_x (peer);
  g_assert_cmpuint (found->len, ==, 1);
  g_assert_cmpstr (found->pdata[0], ==, "B");
  looked = find_x (peer);
  g_assert_cmpuint (looked->len, ==, 1);
  filter = json_object_get_object_member (peer_get_arguments (peer, 2, 0), "filter");
  g_assert_false (json_object_has_member (filter, "header"));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/import/each-item-has-its-outcome", test_import);
  g_test_add_func ("/jmap/import/what-exists-is-patched-into-the-target", test_exists);
  g_test_add_func ("/jmap/import/a-blob-that-is-gone-is-told", test_blob_gone);
  g_test_add_func ("/jmap/import/a-lost-answer-keeps-what-was-told-before", test_lost);
  g_test_add_func ("/jmap/import/a-message-id-is-compared-whole", test_find);
  return g_test_run ();
}
