/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/account-check.h"

#include "base/clock.h"
#include "base/error.h"

typedef struct
{
  PosternAccount *account;
  PosternJob *job;
  gint64 began_us; /* monotonic */
} Check;

static void
check_free (Check *check)
{
  g_object_unref (check->account);
  g_object_unref (check->job);
  g_free (check);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Check, check_free)

static void
succeed (Check *check)
{
  GVariantDict result = G_VARIANT_DICT_INIT (NULL);
  gint64 took_us = postern_clock_monotonic_us () - check->began_us;

  g_variant_dict_insert (&result, "messages", "u", postern_account_get_messages (check->account));
  g_variant_dict_insert (&result, "max_size", "t", postern_account_get_max_size (check->account));
  g_variant_dict_insert (&result, "push", "s", postern_account_get_push (check->account));
  g_variant_dict_insert (&result, "duration_ms", "u", (guint) (took_us / 1000));
  postern_job_end (check->job, g_variant_dict_end (&result));
}

static void
on_identities (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Check) check = user_data;
  GError *error = NULL;
  g_autoptr (GPtrArray) identities =
      postern_backend_list_identities_finish (POSTERN_BACKEND (source), result, &error);

  if (identities == NULL)
    postern_job_take_error (check->job, error);
  else
    succeed (check);
}

static void
on_page (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Check) check = user_data;
  PosternBackend *backend = POSTERN_BACKEND (source);
  const PosternBackendInfo *info = postern_backend_get_info (backend);
  GCancellable *cancellable;
  GError *error = NULL;
  g_autoptr (PosternSyncBatch) batch = postern_backend_sync_finish (backend, result, &error);

  if (batch == NULL)
    {
      postern_job_take_error (check->job, error);
      return;
    }
  postern_job_report (check->job, 0.8, "submission");
  if (info != NULL && !info->may_submit)
    {
      postern_job_take_error (check->job,
                              g_error_new_literal (POSTERN_ERROR,
                                                   POSTERN_ERROR_FORBIDDEN,
                                                   "The server does not let this account send; "
                                                   "receiving works"));
      return;
    }
  cancellable = postern_job_get_cancellable (check->job);
  postern_backend_list_identities_async (backend,
                                         cancellable,
                                         on_identities,
                                         g_steal_pointer (&check));
}

static void
on_probed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Check) check = user_data;
  PosternBackend *backend = POSTERN_BACKEND (source);
  GCancellable *cancellable;
  GError *error = NULL;
  g_autoptr (PosternBackendInfo) info = postern_backend_probe_finish (backend, result, &error);

  if (info == NULL)
    {
      postern_job_take_error (check->job, error);
      return;
    }
  postern_job_report (check->job, 0.5, "mailbox");
  cancellable = postern_job_get_cancellable (check->job);
  postern_backend_sync_async (backend, NULL, cancellable, on_page, g_steal_pointer (&check));
}

/**
 * postern_account_check_run:
 *
 * Tries everything that a mail program needs of the account's server, and ends @job with what it found
 * or with the first thing that is wrong. Changes nothing.
 */
void
postern_account_check_run (PosternAccount *account, PosternJob *job)
{
  Check *check = g_new0 (Check, 1);

  check->account = g_object_ref (account);
  check->job = g_object_ref (job);
  check->began_us = postern_clock_monotonic_us ();
  postern_job_report (job, 0.1, "connect");
  postern_backend_probe_async (postern_account_get_backend (account),
                               postern_job_get_cancellable (job),
                               on_probed,
                               check);
}
