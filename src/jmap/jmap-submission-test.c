/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jmap/jmap-submission.h"

#include "base/error.h"

static JsonObject *
parse (const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *json = g_strdelimit (g_strdup (text), "'", '"');

  g_assert_true (json_parser_load_from_data (parser, json, -1, NULL));
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

static void
test_refusals (void)
{
  static const struct
  {
    const char *set_error;
    PosternError code;
    guint smtp_code;
    const char *enhanced;
  } cases[] = {
    { "{'type':'invalidRecipients','invalidRecipients':['a@x']}",
      POSTERN_ERROR_REFUSED,
      550,
      "5.1.1" },
    { "{'type':'noRecipients'}", POSTERN_ERROR_REFUSED, 554, "5.5.1" },
    { "{'type':'invalidProperties','properties':['envelope/rcptTo']}",
      POSTERN_ERROR_REFUSED,
      554,
      "5.5.1" },
    { "{'type':'invalidProperties','properties':['identityId']}",
      POSTERN_ERROR_TEMPORARY,
      451,
      "4.3.0" },
    { "{'type':'smtpProtocolError','description':'4.2.0 try later'}",
      POSTERN_ERROR_TEMPORARY,
      451,
      "4.2.0" },
    { "{'type':'smtpProtocolError','description':'5.1.8 bad sender'}",
      POSTERN_ERROR_REFUSED,
      550,
      "5.1.8" },
    { "{'type':'forbiddenToSend','description':'4.2.0 try later'}",
      POSTERN_ERROR_TEMPORARY,
      451,
      "4.2.0" },
    { "{'type':'forbiddenToSend','description':'5.7.1 no'}", POSTERN_ERROR_REFUSED, 550, "5.7.1" },
    { "{'type':'forbiddenToSend','description':'554 5.7.1 no'}",
      POSTERN_ERROR_REFUSED,
      550,
      "5.7.1" },
    { "{'type':'forbiddenToSend','description':'content deferred'}",
      POSTERN_ERROR_TEMPORARY,
      451,
      "4.3.0" },
    { "{'type':'forbiddenToSend','description':'5.7. no'}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
    { "{'type':'forbiddenToSend','description':'5'}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
    { "{'type':'forbiddenToSend','description':'5.7.1x'}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
    { "{'type':'forbiddenToSend'}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
    { "{'type':'forbiddenFrom'}", POSTERN_ERROR_REFUSED, 550, "5.7.1" },
    { "{'type':'forbiddenMailFrom'}", POSTERN_ERROR_REFUSED, 550, "5.7.1" },
    { "{'type':'invalidEmail'}", POSTERN_ERROR_REFUSED, 554, "5.6.0" },
    { "{'type':'tooManyRecipients','maxRecipients':5}", POSTERN_ERROR_TEMPORARY, 452, "4.5.3" },
    { "{'type':'tooLarge'}", POSTERN_ERROR_TOO_LARGE, 552, "5.3.4" },
    { "{'type':'overQuota'}", POSTERN_ERROR_FULL, 452, "4.2.2" },
    { "{'type':'rateLimit'}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
    { "{'type':'serverFail','description':'Internal Error'}",
      POSTERN_ERROR_TEMPORARY,
      451,
      "4.3.0" },
    { "{'type':'somethingNew'}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
    { "{}", POSTERN_ERROR_TEMPORARY, 451, "4.3.0" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      PosternSubmitResult *result = g_new0 (PosternSubmitResult, 1);
      g_autoptr (PosternSubmitResult) owned = result;
      g_autoptr (JsonObject) set_error = parse (cases[i].set_error);

      g_test_message ("%s", cases[i].set_error);
      postern_jmap_submission_refused (result, set_error);
      g_assert_error (result->error, POSTERN_ERROR, (int) cases[i].code);
      g_assert_cmpuint (result->code, ==, cases[i].smtp_code);
      g_assert_cmpstr (result->enhanced, ==, cases[i].enhanced);
      g_assert_false (result->may_have_arrived);
    }
}

static void
test_refused_recipients (void)
{
  g_autoptr (PosternSubmitResult) result = g_new0 (PosternSubmitResult, 1);
  g_autoptr (JsonObject) set_error =
      parse ("{'type':'invalidRecipients','invalidRecipients':['a@x',7,'b@x']}");

  postern_jmap_submission_refused (result, set_error);
  g_assert_cmpuint (result->refused->len, ==, 2);
  g_assert_cmpstr (result->refused->pdata[1], ==, "b@x");
}

static char *
envelope_text (const PosternEnvelope *envelope, const char *const *extensions)
{
  g_autoptr (GHashTable) set = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  for (; *extensions != NULL; extensions++)
    g_hash_table_add (set, (char *) *extensions);
  json_node_take_object (node, postern_jmap_submission_envelope (envelope, set));
  return g_strdelimit (json_to_string (node, FALSE), "\"", '\'');
}

static PosternEnvelope *
make_envelope (void)
{
  PosternEnvelope *envelope = postern_envelope_new ("");
  PosternRecipient *recipient = postern_envelope_add (envelope, "Ada@Example.test");

  recipient->notify = g_strdup ("FAILURE");
  recipient->orcpt = g_strdup ("rfc822;a+2Bb@x");
  postern_envelope_add (envelope, "Ada@eXAMPLE.test");
  postern_envelope_add (envelope, "ada@example.test");
  envelope->ret = g_strdup ("HDRS");
  envelope->envid = g_strdup ("id+3D1");
  envelope->eight_bit = TRUE;
  envelope->smtputf8 = TRUE;
  return envelope;
}

static void
test_plain_envelope (void)
{
  static const char *const none[] = { NULL };
  g_autoptr (PosternEnvelope) envelope = make_envelope ();
  g_autofree char *text = envelope_text (envelope, none);

  g_assert_cmpstr (text,
                   ==,
                   "{'mailFrom':{'email':'','parameters':null},"
                   "'rcptTo':[{'email':'Ada@Example.test','parameters':null},"
                   "{'email':'ada@example.test','parameters':null}]}");
}

static void
test_full_envelope (void)
{
  static const char *const all[] = { "DSN", "8BITMIME", "SMTPUTF8", NULL };
  g_autoptr (PosternEnvelope) envelope = make_envelope ();
  g_autofree char *text = envelope_text (envelope, all);

  g_assert_cmpstr (text,
                   ==,
                   "{'mailFrom':{'email':'','parameters':"
                   "{'SMTPUTF8':null,'BODY':'8BITMIME','RET':'HDRS','ENVID':'id=1'}},"
                   "'rcptTo':[{'email':'Ada@Example.test','parameters':"
                   "{'NOTIFY':'FAILURE','ORCPT':'rfc822;a+b@x'}},"
                   "{'email':'ada@example.test','parameters':null}]}");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jmap/submission/every-refusal-has-its-smtp-code", test_refusals);
  g_test_add_func ("/jmap/submission/refused-recipients-are-named", test_refused_recipients);
  g_test_add_func ("/jmap/submission/parameters-stay-home-unless-advertised", test_plain_envelope);
  g_test_add_func ("/jmap/submission/parameters-go-along-decoded", test_full_envelope);
  return g_test_run ();
}
