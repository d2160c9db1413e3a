/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/jmap-service.h"

#include "base/error.h"
#include "http/http-client.h"
#include "jmap/jmap-backend.h"
#include "jmap/worker-sign-in.h"

#include <string.h>

/* Signing in: find the server, learn whether it is a Worker of ours, and prove that what we are going
 * to keep is accepted. A Worker gives a token for the password, which is then forgotten; another
 * server gets what the person gave, as a password first where they did not say what it is. */

struct _PosternJmapService
{
  PosternHttpClient *http;
};

typedef struct
{
  PosternJmapService *service;
  char *address;
  char *url;  /* (nullable) until it is found */
  char *user; /* (nullable) */
  char *kind;
  PosternSecret *secret;
  PosternJmapAuth auth;
  PosternJmapBackend *backend; /* (nullable): the one that proves it */
} Attempt;

static void
attempt_free (gpointer data)
{
  Attempt *attempt = data;

  g_free (attempt->address);
  g_free (attempt->url);
  g_free (attempt->user);
  g_free (attempt->kind);
  postern_secret_unref (attempt->secret);
  g_clear_object (&attempt->backend);
  g_free (attempt);
}

static const char *
user_of (const Attempt *attempt)
{
  return attempt->user != NULL ? attempt->user : attempt->address;
}

/* Prove */

static void prove (GTask *task, PosternJmapAuth auth);

static void
on_proved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Attempt *attempt = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (PosternBackendInfo) info =
      postern_backend_probe_finish (POSTERN_BACKEND (source), result, &error);
  PosternSignIn *signed_in;

  if (info == NULL)
    {
      if (g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_CREDENTIALS) &&
          g_str_equal (attempt->kind, "auto") && attempt->auth == POSTERN_JMAP_AUTH_BASIC)
        {
          g_error_free (error);
          prove (task, POSTERN_JMAP_AUTH_BEARER);
        }
      else
        g_task_return_error (task, error);
      return;
    }
  signed_in = g_new0 (PosternSignIn, 1);
  signed_in->url = g_strdup (attempt->url);
  signed_in->user = g_strdup (user_of (attempt));
  signed_in->auth = attempt->auth == POSTERN_JMAP_AUTH_BEARER ? POSTERN_CONFIG_AUTH_BEARER
                                                              : POSTERN_CONFIG_AUTH_BASIC;
  signed_in->secret = postern_secret_ref (attempt->secret);
  g_task_return_pointer (task, signed_in, (GDestroyNotify) postern_sign_in_free);
}

static void
prove (GTask *task, PosternJmapAuth auth)
{
  Attempt *attempt = g_task_get_task_data (task);

  attempt->auth = auth;
  g_clear_object (&attempt->backend);
  attempt->backend = postern_jmap_backend_new (attempt->service->http, attempt->url, auth);
  postern_backend_set_credentials (POSTERN_BACKEND (attempt->backend),
                                   user_of (attempt),
                                   attempt->secret);
  postern_backend_probe_async (POSTERN_BACKEND (attempt->backend),
                               g_task_get_cancellable (task),
                               on_proved,
                               g_object_ref (task));
}

/* A Worker of ours? */

static void
on_worker_signed_in (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Attempt *attempt = g_task_get_task_data (task);
  GError *error = NULL;
  PosternSecret *token = postern_worker_sign_in_finish (result, &error);

  if (token == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  postern_secret_unref (attempt->secret);
  attempt->secret = token;
  prove (task, POSTERN_JMAP_AUTH_BEARER);
}

static gboolean
is_token (const Attempt *attempt)
{
  return g_str_equal (attempt->kind, "token") ||
         (g_str_equal (attempt->kind, "auto") &&
          g_str_has_prefix (postern_secret_get_text (attempt->secret), "pt_"));
}

static void
on_worker_probed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Attempt *attempt = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (PosternWorkerInfo) worker = postern_worker_probe_finish (result, &error);
  g_autofree char *name = NULL;

  if (worker == NULL && !g_error_matches (error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND))
    {
      g_task_return_error (task, error);
      return;
    }
  g_clear_error (&error);
  if (is_token (attempt))
    prove (task, POSTERN_JMAP_AUTH_BEARER);
  else if (worker == NULL)
    prove (task, POSTERN_JMAP_AUTH_BASIC);
  else
    {
      name = g_strdup_printf ("Postern on %s", g_get_host_name ());
      postern_worker_sign_in_async (attempt->service->http,
                                    worker,
                                    user_of (attempt),
                                    attempt->secret,
                                    name,
                                    g_task_get_cancellable (task),
                                    on_worker_signed_in,
                                    g_object_ref (task));
    }
}

static void
probe_worker (GTask *task)
{
  const Attempt *attempt = g_task_get_task_data (task);

  postern_worker_probe_async (attempt->service->http,
                              attempt->url,
                              g_task_get_cancellable (task),
                              on_worker_probed,
                              g_object_ref (task));
}

/* Find */

static void
on_service_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Attempt *attempt = g_task_get_task_data (task);
  GList *targets = g_resolver_lookup_service_finish (G_RESOLVER (source), result, NULL);
  const char *domain = strrchr (attempt->address, '@') + 1;

  /* RFC 8620 section 2.2: the domain's SRV record, or else the domain itself. */
  if (targets != NULL)
    attempt->url = g_strdup_printf ("https://%s:%u",
                                    g_srv_target_get_hostname (targets->data),
                                    g_srv_target_get_port (targets->data));
  else
    attempt->url = g_strdup_printf ("https://%s", domain);
  g_resolver_free_targets (targets);
  probe_worker (task);
}

static void
service_sign_in_async (gpointer service,
                       const char *address,
                       const char *url,
                       const char *user,
                       const char *kind,
                       PosternSecret *secret,
                       GCancellable *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GResolver) resolver = NULL;
  g_autofree char *domain = NULL;
  Attempt *attempt = g_new0 (Attempt, 1);

  g_task_set_source_tag (task, service_sign_in_async);
  g_task_set_task_data (task, attempt, attempt_free);
  attempt->service = service;
  attempt->address = g_strdup (address);
  attempt->url = g_strdup (url);
  attempt->user = g_strdup (user);
  attempt->kind = g_strdup (kind);
  attempt->secret = postern_secret_ref (secret);
  if (url != NULL)
    {
      probe_worker (task);
      return;
    }
  domain = g_hostname_to_ascii (strrchr (address, '@') + 1);
  if (domain == NULL)
    {
      g_task_return_new_error (task,
                               POSTERN_ERROR,
                               POSTERN_ERROR_INVALID,
                               "“%s” has no valid domain",
                               address);
      return;
    }
  resolver = g_resolver_get_default ();
  g_resolver_lookup_service_async (resolver,
                                   "jmap",
                                   "tcp",
                                   domain,
                                   cancellable,
                                   on_service_found,
                                   g_steal_pointer (&task));
}

static PosternSignIn *
service_sign_in_finish (gpointer service, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static PosternBackend *
service_create_backend (gpointer service, const PosternConfigAccount *account)
{
  PosternJmapService *self = service;

  return POSTERN_BACKEND (postern_jmap_backend_new (self->http,
                                                    account->url,
                                                    account->auth == POSTERN_CONFIG_AUTH_BEARER
                                                        ? POSTERN_JMAP_AUTH_BEARER
                                                        : POSTERN_JMAP_AUTH_BASIC));
}

/**
 * postern_jmap_service_new:
 *
 * Returns: (transfer full) (nullable): an error when there is no TLS to be had in this process
 */
PosternJmapService *
postern_jmap_service_new (GError **error)
{
  PosternHttpClient *http = postern_http_client_new (0, NULL, error);
  PosternJmapService *self;

  if (http == NULL)
    return NULL;
  self = g_new0 (PosternJmapService, 1);
  self->http = http;
  return self;
}

/**
 * postern_jmap_service_get_mail_service:
 *
 * Returns: what the bridge takes; it refers to @self
 */
PosternMailService
postern_jmap_service_get_mail_service (PosternJmapService *self)
{
  return (PosternMailService){ .create_backend = service_create_backend,
                               .sign_in_async = service_sign_in_async,
                               .sign_in_finish = service_sign_in_finish,
                               .service = self };
}

void
postern_jmap_service_free (PosternJmapService *self)
{
  g_object_unref (self->http);
  g_free (self);
}
