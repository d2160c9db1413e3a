/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-session.h"

#include "base/error.h"
#include "http/http-client.h"
#include "jmap/json-read.h"

#include <string.h>

#define CORE "'urn:ietf:params:jmap:core':{'maxSizeUpload':1000,'maxObjectsInSet':20}"
#define MAIL "'urn:ietf:params:jmap:mail':{}"
#define SEND "'urn:ietf:params:jmap:submission'"

static PosternJmapSession *
parse (const char *base, const char *text, GError **error)
{
  g_autofree char *json = g_strdelimit (g_strdup (text), "'", '"');
  g_autoptr (GBytes) bytes = g_bytes_new (json, strlen (json));
  g_autoptr (JsonObject) object = postern_json_parse (bytes, error);
  g_autoptr (GUri) uri = postern_http_uri_parse (NULL, base, NULL);

  g_assert_nonnull (object);
  return postern_jmap_session_new (uri, object, error);
}

static void
assert_uri (GUri *uri, const char *expected)
{
  g_autofree char *text = g_uri_to_string (uri);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_relative (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PosternJmapSession) session = parse (
      "https://mail.test/jmap/session",
      "{'capabilities':{" CORE "," MAIL "},"
      "'accounts':{'ada@example.test':{'accountCapabilities':{" MAIL "}}},"
      "'primaryAccounts':{'urn:ietf:params:jmap:mail':'ada@example.test'},"
      "'apiUrl':'/jmap/','downloadUrl':'/d/{accountId}/{blobId}/{name}?accept={type}&x={no}',"
      "'uploadUrl':'up/{accountId}/','state':'0'}",
      &error);
  static const char *const values[] = { "accountId", "ada@example.test", "blobId", "G/1",
                                        "name",      "a b.eml",          "type",   "message/rfc822",
                                        NULL };
  g_autoptr (GUri) download = NULL;
  g_autoptr (GUri) upload = NULL;
  g_autoptr (PosternBackendInfo) info = NULL;

  g_assert_no_error (error);
  assert_uri (session->api_url, "https://mail.test/jmap/");
  download = postern_jmap_session_expand (session, session->download_template, values, &error);
  g_assert_no_error (error);
  assert_uri (download,
              "https://mail.test/d/ada%40example.test/G%2F1/a%20b.eml?accept=message%2Frfc822&x=");
  upload = postern_jmap_session_expand (session, session->upload_template, values, &error);
  assert_uri (upload, "https://mail.test/jmap/up/ada%40example.test/");

  info = postern_jmap_session_to_info (session);
  g_assert_cmpuint (info->max_upload_octets, ==, 1000);
  g_assert_cmpuint (info->max_batch, ==, 20);
  g_assert_false (info->may_submit);
  g_assert_false (info->has_canonical_size);
  g_assert_null (session->websocket_url);
}

static void
test_no_account (void)
{
  static const char *const texts[] = {
    "{'capabilities':{" CORE "},'accounts':{},'primaryAccounts':{},'apiUrl':'/'}",
    /* a primary account for what the account does not have */
    "{'capabilities':{" CORE "},'accounts':{'a':{'accountCapabilities':{}}},"
    "'primaryAccounts':{'urn:ietf:params:jmap:mail':'a'},'apiUrl':'/'}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse ("https://mail.test/", texts[i], &error));
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS);
    }
}

static void
test_insecure (void)
{
  static const char *const urls[] = { "http://mail.test/",
                                      "http://127.0.0.1:1/",
                                      "ftp://x/",
                                      "//",
                                      "" };

  for (gsize i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = g_strdup_printf (
          "{'capabilities':{" CORE "},'accounts':{'a':{'accountCapabilities':{" MAIL "}}},"
          "'primaryAccounts':{'urn:ietf:params:jmap:mail':'a'},'apiUrl':'%s'}",
          urls[i]);
      g_autoptr (PosternJmapSession) session = parse ("https://mail.test/", text, &error);

      if (*urls[i] == '\0') /* relative: the session itself */
        g_assert_no_error (error);
      else
        g_assert_nonnull (error);
    }
}

static void
test_sending (void)
{
  g_autoptr (PosternJmapSession) session = parse (
      "http://127.0.0.1:8080/x",
      "{'capabilities':{" CORE "," MAIL "," SEND ":{},'" POSTERN_JMAP_URN_VENDOR "':{},"
      "'urn:ietf:params:jmap:websocket':{'url':'ws://127.0.0.1:8080/ws','supportsPush':true}},"
      "'accounts':{'a':{'accountCapabilities':{" MAIL "," SEND
      ":{'submissionExtensions':{'dsn':[]}}}}},"
      "'primaryAccounts':{'urn:ietf:params:jmap:mail':'a'," SEND ":'a'},'apiUrl':'/'}",
      NULL);
  g_autoptr (PosternBackendInfo) info = postern_jmap_session_to_info (session);

  g_assert_true (info->may_submit && info->has_canonical_size && info->has_submit_keys);
  g_assert_true (g_hash_table_contains (session->submission_extensions, "DSN"));
  g_assert_true (info->tells_outcomes);
  assert_uri (session->websocket_url, "http://127.0.0.1:8080/ws");
}

static void
test_two_accounts (void)
{
  g_autoptr (PosternJmapSession) session =
      parse ("https://mail.test/",
             "{'capabilities':{" CORE "},'accounts':{'a':{'accountCapabilities':{" MAIL "}},"
             "'b':{'accountCapabilities':{" SEND ":{}}}},"
             "'primaryAccounts':{'urn:ietf:params:jmap:mail':'a'," SEND ":'b'},'apiUrl':'/'}",
             NULL);

  g_assert_cmpstr (session->mail_account, ==, "a");
  g_assert_null (session->submission_account);
}

static void
test_nonsense (void)
{
  static const char *const texts[] = { "{}",
                                       "{'capabilities':[]}",
                                       "{'accounts':7,'capabilities':{}}" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse ("https://mail.test/", texts[i], &error));
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    }
}

static void
test_json (void)
{
  g_autoptr (GString) deep = g_string_new (NULL);
  const char *texts[] = { "", "[]", "7", "{", "{} {}x", "\xff", deep->str };

  for (guint i = 0; i < 100000; i++)
    g_string_append (deep, "[");
  texts[G_N_ELEMENTS (texts) - 1] = deep->str;
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (texts[i], strlen (texts[i]));
      g_autoptr (GError) error = NULL;

      g_assert_null (postern_json_parse (bytes, &error));
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/session/relative-urls-and-templates-are-resolved", test_relative);
  g_test_add_func ("/jmap/session/no-mail-account-is-a-failed-login", test_no_account);
  g_test_add_func ("/jmap/session/a-secure-session-leads-to-secure-places", test_insecure);
  g_test_add_func ("/jmap/session/what-it-can-do-is-read", test_sending);
  g_test_add_func ("/jmap/session/sending-for-another-account-is-not-sending", test_two_accounts);
  g_test_add_func ("/jmap/session/nonsense-is-no-session", test_nonsense);
  g_test_add_func ("/jmap/session/json-of-strangers-is-bounded", test_json);
  return g_test_run ();
}
