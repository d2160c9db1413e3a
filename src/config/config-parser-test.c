/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config/config-parser.h"

#include "base/error.h"
#include "config/config-checks.h"

#include <string.h>

#define ACCOUNT(more) "{\"id\": \"a1\", \"address\": \"jane@example.org\", " more "}"
#define URL           "\"url\": \"https://mail.example.org\""

/* Each text has one fault; the complaint must name where it is and what must be there. */
static const struct
{
  const char *text;
  const char *complaint;
} faults[] = {
  /* syntax */
  { "", "f:1:1: a value is expected here" },
  { "{", "f:1:2: a key in double quotes is expected here" },
  { "{\"version\": 1,}", "f:1:15: a key in double quotes is expected here" },
  { "{\"version\" 1}", "f:1:12: a colon is expected here" },
  { "{\"version\": 1 \"a\": 2}", "f:1:15: a comma or } is expected here" },
  { "{\"version\": 1,\n \"a\": [1 2]}", "f:2:10: a comma or ] is expected here" },
  { "{\"version\": 1} x", "f:1:16: nothing more is expected here" },
  { "{\n  // a comment\n}", "f:2:3: a key in double quotes is expected here" },
  { "{\"a\": \"b\nc\"}", "f:1:9: a text must end on its own line, with a double quote" },
  { "{\"a\": \"\\x\"}", "f:1:9: there is no such escape in JSON" },
  { "{\"a\": \"\\u12\"}", "f:1:12: \\u needs four hexadecimal digits" },
  { "{\"a\": \"b", "f:1:9: this text has no end" },
  { "{\"a\": 01}", "f:1:9: a number does not start with 0" },
  { "{\"a\": -}", "f:1:8: a digit is expected here" },
  { "{\"a\": 1.}", "f:1:9: a digit is expected here" },
  { "{\"a\": tru}", "f:1:7: a value is expected here" },
  { "var a = {}", "f:1:1: a value is expected here" },
  { "{\"version\": 1, \"version\": 1}", "f:1:16: this key was there already" },
  { "{\"version\": 1, \"a\": {\"b\": 1, \"b\": 2}}", "f:1:30: this key was there already" },
  { "{\"a\": \"\xff\"}", "f:1:8: this is not UTF-8 text" },
  /* the whole */
  { "[]", "f:1:1: the file must be an object in braces" },
  { "{}", "f:1:1: version is missing: it must be 1" },
  { "{\"version\": \"1\"}",
    "f:1:13: version must be a whole number from 1 to 9223372036854775807" },
  { "{\"version\": 0}", "f:1:13: version must be a whole number from 1 to 9223372036854775807" },
  { "{\"version\": 1,\n\"plaintext_login\": \"no\"}",
    "f:2:20: plaintext_login must be true or false" },
  /* listeners */
  { "{\"version\": 1, \"listeners\": {}}", "f:1:29: listeners must be a list in brackets" },
  { "{\"version\": 1, \"listeners\": [7]}", "f:1:30: listeners[0] must be an object in braces" },
  { "{\"version\": 1, \"listeners\": [{\"port\": 1110}]}",
    "f:1:30: listeners[0].service is missing: it must be \"pop3\" or \"smtp\"" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"imap\"}]}",
    "f:1:42: listeners[0].service must be \"pop3\" or \"smtp\"" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\"}]}",
    "f:1:30: listeners[0].port is missing" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 70000}]}",
    "f:1:58: listeners[0].port must be a whole number from 1 to 65535" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 110.5}]}",
    "f:1:58: listeners[0].port must be a whole number from 1 to 65535" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"security\": \"none\"}]}",
    "f:1:62: listeners[0].security must be \"starttls\" or \"tls\"" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 1, \"enabled\": 1}]}",
    "f:1:72: listeners[0].enabled must be true or false" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 1, \"addresses\": []}]}",
    "f:1:74: listeners[0].addresses must name an address; to close it set enabled to false" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 1,\n"
    " \"addresses\": [\"::1\", \"0.0.0.0\"]}]}",
    "f:2:23: listeners[0].addresses[1] must be a loopback address, \"127.0.0.1\" or \"::1\"" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 1, \"addresses\": "
    "[\"localhost\"]}]}",
    "f:1:75: listeners[0].addresses[0] must be a loopback address, \"127.0.0.1\" or \"::1\"" },
  { "{\"version\": 1, \"listeners\": [{\"service\": \"pop3\", \"port\": 7},\n{\"service\": "
    "\"smtp\", "
    "\"port\": 7}]}",
    "f:2:29: listeners[1].port is 7, which listeners[0] has already" },
  { "{\"version\": 1, \"admin\": {\"port\": 1110}}",
    "f:1:34: admin.port is 1110, which listeners[0] has already" },
  /* accounts */
  { "{\"version\": 1, \"accounts\": [{}]}", "f:1:29: accounts[0].id is missing" },
  { "{\"version\": 1, \"accounts\": [{\"id\": \"a/b\"}]}",
    "f:1:36: accounts[0].id must be 1 to 64 letters, digits or _" },
  { "{\"version\": 1, \"accounts\": [{\"id\": \"a\"}]}", "f:1:29: accounts[0].address is missing" },
  { "{\"version\": 1, \"accounts\": [{\"id\": \"a\", \"address\": \"jane\"}]}",
    "f:1:52: accounts[0].address must be an address like name@example.org" },
  { "{\"version\": 1, \"accounts\": [{\"id\": \"a\", \"address\": \"a b@c\"}]}",
    "f:1:52: accounts[0].address must be an address like name@example.org" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT ("\"url\": \"http://mail.example.org\"") "]}",
    "f:1:80: accounts[0].url must be an https URL (http is allowed for this machine itself only)" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT ("\"url\": \"https://a:b@c\"") "]}",
    "f:1:80: accounts[0].url must hold no user name or password; those are kept in the keyring" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT ("\"url\": \"nonsense\"") "]}",
    "f:1:80: accounts[0].url must be an https URL, like https://mail.example.org" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT (URL ", \"auth\": \"digest\"") "]}",
    "f:1:116: accounts[0].auth must be \"bearer\" or \"basic\"" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT (URL ", \"deletion\": \"keep\"") "]}",
    "f:1:120: accounts[0].deletion must be \"destroy\" or \"trash\"" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT (URL ", \"aliases\": [\"x\"]") "]}",
    "f:1:120: accounts[0].aliases[0] must be an address like name@example.org" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT (URL) ",\n" ACCOUNT (URL) "]}",
    "f:2:8: accounts[1].id is that of another account" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT (
        URL) ",\n"
             "{\"id\": \"b\", \"address\": \"JANE@example.org\", " URL "}]}",
    "f:2:24: accounts[1].address is that of another account" },
  { "{\"version\": 1, \"accounts\": [" ACCOUNT (
        URL) ",\n"
             "{\"id\": \"b\", \"address\": \"b@c\", \"aliases\": [\"jane@EXAMPLE.org\"], " URL
             "}]}",
    "f:2:42: accounts[1].aliases hold an address of another account" },
  /* the rest */
  { "{\"version\": 1, \"secrets\": {\"store\": \"plain\"}}",
    "f:1:37: secrets.store must be \"secret-service\" or \"file\"" },
  { "{\"version\": 1, \"secrets\": \"file\"}", "f:1:27: secrets must be an object in braces" },
  { "{\"version\": 1, \"cache\": {\"limit_mib\": -1}}",
    "f:1:39: cache.limit_mib must be a whole number from 0 to 1048576" },
};

static void
test_faults (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (GError) error = NULL;
      PosternConfig *config =
          postern_config_parse (faults[i].text, strlen (faults[i].text), "f", NULL, &error);

      g_test_message ("fault %u", (guint) i);
      g_assert_null (config);
      g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
      g_assert_cmpstr (error->message, ==, faults[i].complaint);
    }
}

static void
test_newer (void)
{
  static const char text[] = "{\"version\": 2, \"listeners\": \"other\"}";
  g_autoptr (GError) error = NULL;

  g_assert_null (postern_config_parse (text, strlen (text), "f", NULL, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_NEWER);
  g_assert_true (g_str_has_prefix (error->message, "f:1:13: version is 2"));
}

static void
test_too_deep (void)
{
  g_autoptr (GString) text = g_string_new ("{\"version\": 1, \"a\": ");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 100000; i++)
    g_string_append_c (text, '[');
  g_assert_null (postern_config_parse (text->str, text->len, "f", NULL, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "this is nested too deeply"));
}

static void
test_too_large (void)
{
  g_autofree char *text = g_strnfill (POSTERN_CONFIG_MAX_LENGTH + 1, ' ');
  g_autoptr (GError) error = NULL;

  g_assert_null (postern_config_parse (text, POSTERN_CONFIG_MAX_LENGTH + 1, "f", NULL, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
}

static void
test_everything (void)
{
  static const char text[] =
      "{\"version\": 1, \"plaintext_login\": false,"
      " \"listeners\": [{\"service\": \"smtp\", \"security\": \"tls\", \"port\": 2465,"
      "   \"addresses\": [\"127.0.0.2\"], \"enabled\": false}],"
      " \"admin\": {\"enabled\": false, \"port\": 9000},"
      " \"secrets\": {\"store\": \"file\"}, \"cache\": {\"limit_mib\": 64},"
      " \"accounts\": [{\"id\": \"a_1\", \"address\": \"jane@example.org\","
      "   \"aliases\": [\"j@example.org\", \"李@例子.cn\"], \"url\": \"http://127.0.0.1:8787\","
      "   \"auth\": \"basic\", \"user\": \"jd\", \"deletion\": \"trash\","
      "   \"sent_copy\": false, \"paused\": true}]}";
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) remarks = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (PosternConfig) config =
      postern_config_parse (text, strlen (text), "f", remarks, &error);
  const PosternConfigListener *listener;
  const PosternConfigAccount *account;

  g_assert_no_error (error);
  g_assert_cmpuint (remarks->len, ==, 0);
  g_assert_false (config->plaintext_login);
  g_assert_false (config->admin.enabled);
  g_assert_cmpuint (config->admin.port, ==, 9000);
  g_assert_cmpint (config->secrets, ==, POSTERN_CONFIG_SECRETS_FILE);
  g_assert_cmpuint (config->cache_limit_mib, ==, 64);

  g_assert_cmpuint (config->listeners->len, ==, 1);
  listener = g_ptr_array_index (config->listeners, 0);
  g_assert_cmpint (listener->service, ==, POSTERN_CONFIG_SERVICE_SMTP);
  g_assert_cmpint (listener->security, ==, POSTERN_CONFIG_SECURITY_TLS);
  g_assert_cmpuint (listener->port, ==, 2465);
  g_assert_cmpstr (listener->addresses[0], ==, "127.0.0.2");
  g_assert_false (listener->enabled);

  account = postern_config_find_account (config, "a_1");
  g_assert_nonnull (account);
  g_assert_true (postern_config_find_address (config, "J@Example.Org") == account);
  g_assert_cmpstr (account->aliases[1], ==, "李@例子.cn");
  g_assert_cmpstr (account->user, ==, "jd");
  g_assert_cmpint (account->auth, ==, POSTERN_CONFIG_AUTH_BASIC);
  g_assert_cmpint (account->deletion, ==, POSTERN_CONFIG_DELETION_TRASH);
  g_assert_false (account->sent_copy);
  g_assert_true (account->paused);
}

static void
test_defaults (void)
{
  static const char text[] = "{\"version\": 1, \"accounts\": [" ACCOUNT (URL) "]}";
  static const guint16 ports[] = { 1110, 1995, 1587, 1465 };
  g_autoptr (PosternConfig) config = postern_config_parse (text, strlen (text), "f", NULL, NULL);
  const PosternConfigAccount *account;

  g_assert_cmpuint (config->listeners->len, ==, G_N_ELEMENTS (ports));
  for (guint i = 0; i < G_N_ELEMENTS (ports); i++)
    {
      const PosternConfigListener *listener = g_ptr_array_index (config->listeners, i);

      g_assert_cmpuint (listener->port, ==, ports[i]);
      g_assert_cmpstr (listener->addresses[0], ==, "127.0.0.1");
      g_assert_cmpstr (listener->addresses[1], ==, "::1");
      g_assert_true (listener->enabled);
    }
  g_assert_true (config->plaintext_login);
  g_assert_true (config->admin.enabled);
  g_assert_cmpuint (config->admin.port, ==, 8025);
  g_assert_cmpint (config->secrets, ==, POSTERN_CONFIG_SECRETS_SECRET_SERVICE);
  account = g_ptr_array_index (config->accounts, 0);
  g_assert_cmpstr (account->user, ==, "jane@example.org");
  g_assert_cmpint (account->auth, ==, POSTERN_CONFIG_AUTH_BEARER);
  g_assert_true (account->sent_copy);
  g_assert_null (account->aliases[0]);
}

static void
test_remarks (void)
{
  static const char text[] = "{\"version\": 1,\n \"colour\": \"blue\",\n \"accounts\": ["
                             "{\"id\": \"a\", \"address\": \"a@b\", " URL ", \"adress\": \"\"}]}";
  g_autoptr (GPtrArray) remarks = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (PosternConfig) config = postern_config_parse (text, strlen (text), "f", remarks, NULL);

  g_assert_nonnull (config);
  g_assert_cmpuint (remarks->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (remarks, 0),
                   ==,
                   "f:3:90: accounts[0].adress is not known and has no effect");
  g_assert_cmpstr (g_ptr_array_index (remarks, 1),
                   ==,
                   "f:2:12: colour is not known and has no effect");
}

static void
test_loopback_http (void)
{
  static const char *const hosts[] = { "127.0.0.1:80", "[::1]:1", "localhost", "127.1.2.3" };

  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autofree char *url = g_strdup_printf ("http://%s/", hosts[i]);
      g_autoptr (PosternConfigAccount) account = postern_config_account_new ("a@b", url);
      g_autoptr (GError) error = NULL;

      g_assert_true (postern_config_check_account (account, &error));
      g_assert_no_error (error);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/config-parser/every-fault-names-its-place", test_faults);
  g_test_add_func ("/config/config-parser/a-newer-version-is-told-apart", test_newer);
  g_test_add_func ("/config/config-parser/nesting-is-bounded", test_too_deep);
  g_test_add_func ("/config/config-parser/length-is-bounded", test_too_large);
  g_test_add_func ("/config/config-parser/every-key-is-read", test_everything);
  g_test_add_func ("/config/config-parser/what-is-missing-has-a-default", test_defaults);
  g_test_add_func ("/config/config-parser/unknown-keys-are-remarked-only", test_remarks);
  g_test_add_func ("/config/config-parser/http-is-for-loopback", test_loopback_http);
  return g_test_run ();
}
