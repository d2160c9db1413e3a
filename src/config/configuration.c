/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-config"

#include "config.h"

#include "config/configuration.h"

#include "base/random.h"

#define DEFAULT_ADMIN_PORT      8025
#define DEFAULT_CACHE_LIMIT_MIB 1024

static const struct
{
  PosternConfigService service;
  PosternConfigSecurity security;
  guint16 port;
} default_listeners[] = {
  { POSTERN_CONFIG_SERVICE_POP3, POSTERN_CONFIG_SECURITY_STARTTLS, 1110 },
  { POSTERN_CONFIG_SERVICE_POP3, POSTERN_CONFIG_SECURITY_TLS, 1995 },
  { POSTERN_CONFIG_SERVICE_SMTP, POSTERN_CONFIG_SECURITY_STARTTLS, 1587 },
  { POSTERN_CONFIG_SERVICE_SMTP, POSTERN_CONFIG_SECURITY_TLS, 1465 },
};

static void
listener_free (PosternConfigListener *self)
{
  g_strfreev (self->addresses);
  g_free (self);
}

/**
 * postern_config_listener_new:
 *
 * Returns: (transfer full): on both loopback addresses, enabled
 */
PosternConfigListener *
postern_config_listener_new (PosternConfigService service,
                             PosternConfigSecurity security,
                             guint16 port)
{
  static const char *const loopback[] = { "127.0.0.1", "::1", NULL };
  PosternConfigListener *self = g_new0 (PosternConfigListener, 1);

  self->service = service;
  self->security = security;
  self->addresses = g_strdupv ((char **) loopback);
  self->port = port;
  self->enabled = TRUE;
  return self;
}

/**
 * postern_config_new_default:
 *
 * Returns: (transfer full): what holds when there is no file: the four local listeners, no account
 */
PosternConfig *
postern_config_new_default (void)
{
  PosternConfig *self = g_new0 (PosternConfig, 1);

  g_atomic_ref_count_init (&self->references);
  self->listeners = g_ptr_array_new_with_free_func ((GDestroyNotify) listener_free);
  self->accounts = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_config_account_free);
  for (gsize i = 0; i < G_N_ELEMENTS (default_listeners); i++)
    g_ptr_array_add (self->listeners,
                     postern_config_listener_new (default_listeners[i].service,
                                                  default_listeners[i].security,
                                                  default_listeners[i].port));
  self->plaintext_login = TRUE;
  self->admin.enabled = TRUE;
  self->admin.port = DEFAULT_ADMIN_PORT;
  self->secrets = POSTERN_CONFIG_SECRETS_SECRET_SERVICE;
  self->cache_limit_mib = DEFAULT_CACHE_LIMIT_MIB;
  return self;
}

PosternConfig *
postern_config_ref (PosternConfig *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_config_unref (PosternConfig *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;

  g_ptr_array_unref (self->listeners);
  g_ptr_array_unref (self->accounts);
  g_free (self);
}

/**
 * postern_config_find_account:
 *
 * Returns: (transfer none) (nullable): the account with that id, living as long as @self
 */
const PosternConfigAccount *
postern_config_find_account (const PosternConfig *self, const char *id)
{
  for (guint i = 0; i < self->accounts->len; i++)
    {
      const PosternConfigAccount *account = g_ptr_array_index (self->accounts, i);

      if (g_str_equal (account->id, id))
        return account;
    }
  return NULL;
}

/**
 * postern_config_addresses_equal:
 *
 * Returns: whether both are one address as far as we are concerned. Case is ignored on both sides of the
 *   @, since no two accounts of one person differ by it alone.
 */
gboolean
postern_config_addresses_equal (const char *a, const char *b)
{
  g_autofree char *folded_a = g_utf8_casefold (a, -1);
  g_autofree char *folded_b = g_utf8_casefold (b, -1);

  return g_str_equal (folded_a, folded_b);
}

/**
 * postern_config_find_address:
 *
 * Returns: (transfer none) (nullable): the account that has this address or alias, ignoring case
 */
const PosternConfigAccount *
postern_config_find_address (const PosternConfig *self, const char *address)
{
  for (guint i = 0; i < self->accounts->len; i++)
    {
      const PosternConfigAccount *account = g_ptr_array_index (self->accounts, i);

      if (postern_config_addresses_equal (account->address, address))
        return account;
      for (char **alias = account->aliases; *alias != NULL; alias++)
        if (postern_config_addresses_equal (*alias, address))
          return account;
    }
  return NULL;
}

/**
 * postern_config_account_new:
 *
 * Returns: (transfer full): an account with an id of its own and the default for all else
 */
PosternConfigAccount *
postern_config_account_new (const char *address, const char *url)
{
  PosternConfigAccount *self = g_new0 (PosternConfigAccount, 1);

  self->id = postern_random_id ();
  self->address = g_strdup (address);
  self->aliases = g_new0 (char *, 1);
  self->url = g_strdup (url);
  self->user = g_strdup (address);
  self->sent_copy = TRUE;
  return self;
}

PosternConfigAccount *
postern_config_account_copy (const PosternConfigAccount *self)
{
  PosternConfigAccount *copy = g_memdup2 (self, sizeof *self);

  copy->id = g_strdup (self->id);
  copy->address = g_strdup (self->address);
  copy->aliases = g_strdupv (self->aliases);
  copy->url = g_strdup (self->url);
  copy->user = g_strdup (self->user);
  return copy;
}

void
postern_config_account_free (PosternConfigAccount *self)
{
  g_free (self->id);
  g_free (self->address);
  g_strfreev (self->aliases);
  g_free (self->url);
  g_free (self->user);
  g_free (self);
}

gboolean
postern_config_account_equal (const PosternConfigAccount *a, const PosternConfigAccount *b)
{
  return g_str_equal (a->id, b->id) && g_str_equal (a->address, b->address) &&
         g_strv_equal ((const char *const *) a->aliases, (const char *const *) b->aliases) &&
         g_str_equal (a->url, b->url) && g_str_equal (a->user, b->user) && a->auth == b->auth &&
         a->deletion == b->deletion && a->sent_copy == b->sent_copy && a->paused == b->paused;
}

gboolean
postern_config_listener_equal (const PosternConfigListener *a, const PosternConfigListener *b)
{
  return a->service == b->service && a->security == b->security && a->port == b->port &&
         a->enabled == b->enabled &&
         g_strv_equal ((const char *const *) a->addresses, (const char *const *) b->addresses);
}

const char *
postern_config_service_get_name (PosternConfigService service)
{
  return service == POSTERN_CONFIG_SERVICE_POP3 ? "pop3" : "smtp";
}

const char *
postern_config_security_get_name (PosternConfigSecurity security)
{
  return security == POSTERN_CONFIG_SECURITY_STARTTLS ? "starttls" : "tls";
}
