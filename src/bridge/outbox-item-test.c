/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bridge/outbox-item.h"

#include "base/clock.h"
#include "base/error.h"
#include "bridge/fake-backend.h"

/* Who is told what: by NOTIFY (RFC 3461 section 4.1), and by what the backend tells itself. */

typedef struct
{
  const char *notify; /* (nullable) */
  gboolean refused;
  gboolean backend_tells;
  gboolean wants_report;
} Case;

static PosternOutboxItem *
make_item (PosternFakeBackend *backend, const char *sender, const char *notify)
{
  g_autoptr (PosternEnvelope) envelope = postern_envelope_new (sender);
  PosternRecipient *recipient = postern_envelope_add (envelope, "a@far.test");
  PosternQueueEntry *entry;

  recipient->notify = g_strdup (notify);
  entry = postern_queue_entry_new (envelope);
  entry->received_at_us = postern_clock_now_us ();
  return postern_outbox_item_new (entry, POSTERN_BACKEND (backend));
}

static gboolean
is_told (const char *sender, const Case *one)
{
  g_autoptr (PosternFakeBackend) backend = postern_fake_backend_new ();
  PosternOutboxItem *item = make_item (backend, sender, one->notify);
  g_autoptr (GError) error =
      g_error_new_literal (POSTERN_ERROR, POSTERN_ERROR_REFUSED, "There is nobody of that name");
  gboolean is_wanted;

  if (one->backend_tells)
    postern_fake_backend_tell_outcomes (backend);
  if (one->refused)
    postern_queue_entry_set_delivery (item->entry,
                                      0,
                                      POSTERN_DELIVERY_FAILED,
                                      "5.1.1",
                                      error->message);
  postern_outbox_item_done (item);
  is_wanted = item->wants_report;
  postern_outbox_item_free (item);
  return is_wanted;
}

static void
test_notify (void)
{
  static const Case cases[] = {
    { NULL, FALSE, FALSE, FALSE },
    { NULL, TRUE, FALSE, TRUE },
    { "NEVER", FALSE, FALSE, FALSE },
    { "NEVER", TRUE, FALSE, FALSE },
    { "SUCCESS", FALSE, FALSE, TRUE },
    { "SUCCESS", TRUE, FALSE, FALSE },
    { "SUCCESS,FAILURE", TRUE, FALSE, TRUE },
    { "DELAY", TRUE, FALSE, FALSE },
    { "DELAY,FAILURE", TRUE, FALSE, TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("NOTIFY=%s, refused: %d",
                      cases[i].notify != NULL ? cases[i].notify : "(none)",
                      cases[i].refused);
      g_assert_cmpint (is_told ("me@example.test", &cases[i]), ==, cases[i].wants_report);
    }
}

static void
test_backend_tells (void)
{
  static const Case cases[] = {
    { "SUCCESS,FAILURE", FALSE, TRUE, FALSE }, /* theirs to tell */
    { "SUCCESS,FAILURE", TRUE, TRUE, TRUE },   /* they never had it */
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (is_told ("me@example.test", &cases[i]), ==, cases[i].wants_report);
}

static void
test_null_sender (void)
{
  g_assert_false (is_told ("", &(Case){ "SUCCESS,FAILURE", FALSE, FALSE, FALSE }));
  g_assert_false (is_told ("", &(Case){ "SUCCESS,FAILURE", TRUE, FALSE, FALSE }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bridge/outbox-item/notify-says-who-is-told", test_notify);
  g_test_add_func ("/bridge/outbox-item/what-the-backend-tells-is-not-told-twice",
                   test_backend_tells);
  g_test_add_func ("/bridge/outbox-item/a-null-sender-is-told-nothing", test_null_sender);
  return g_test_run ();
}
