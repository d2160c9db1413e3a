/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What the file `config.json` says, checked and with every default filled in. A configuration is
 * immutable and reference-counted: whoever holds one sees it whole, whatever becomes of the file. */

#define POSTERN_CONFIG_VERSION 1

typedef enum
{
  POSTERN_CONFIG_SERVICE_POP3,
  POSTERN_CONFIG_SERVICE_SMTP,
} PosternConfigService;

typedef enum
{
  POSTERN_CONFIG_SECURITY_STARTTLS, /* in clear until STLS or STARTTLS */
  POSTERN_CONFIG_SECURITY_TLS,      /* from the first octet */
} PosternConfigSecurity;

typedef enum
{
  POSTERN_CONFIG_AUTH_BEARER, /* the secret is a token */
  POSTERN_CONFIG_AUTH_BASIC,  /* the secret is a password, or a token used like one */
} PosternConfigAuth;

typedef enum
{
  POSTERN_CONFIG_DELETION_DESTROY,
  POSTERN_CONFIG_DELETION_TRASH,
} PosternConfigDeletion;

typedef enum
{
  POSTERN_CONFIG_SECRETS_SECRET_SERVICE,
  POSTERN_CONFIG_SECRETS_FILE, /* STATE/secrets, mode 0600 */
} PosternConfigSecrets;

typedef struct
{
  PosternConfigService service;
  PosternConfigSecurity security;
  GStrv addresses; /* numeric, at least one, all of them loopback for now */
  guint16 port;
  gboolean enabled;
} PosternConfigListener;

typedef struct
{
  char *id;      /* opaque, never changes, 1 to 64 of A-Z a-z 0-9 and _ */
  char *address; /* as the person wrote it */
  GStrv aliases; /* never NULL, may be empty */
  char *url;     /* of the JMAP server: https, or http on loopback */
  char *user;    /* how the server knows the person; the address by default */
  PosternConfigAuth auth;
  PosternConfigDeletion deletion;
  gboolean sent_copy; /* keep a copy of what is sent in Sent */
  gboolean paused;
} PosternConfigAccount;

typedef struct
{
  gatomicrefcount references;

  GPtrArray *listeners;     /* of PosternConfigListener */
  GPtrArray *accounts;      /* of PosternConfigAccount */
  gboolean plaintext_login; /* allowed without TLS, on loopback */
  struct
  {
    gboolean enabled;
    guint16 port; /* on 127.0.0.1 */
  } admin;
  PosternConfigSecrets secrets;
  guint cache_limit_mib; /* of bodies kept on disk */
} PosternConfig;

PosternConfig *postern_config_new_default (void);
PosternConfig *postern_config_ref (PosternConfig *self);
void postern_config_unref (PosternConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternConfig, postern_config_unref)

const PosternConfigAccount *postern_config_find_account (const PosternConfig *self, const char *id);
const PosternConfigAccount *postern_config_find_address (const PosternConfig *self,
                                                         const char *address);

/* A copy that can be changed and then handed to postern_config_file_change_async(). */
PosternConfigAccount *postern_config_account_new (const char *address, const char *url);
PosternConfigAccount *postern_config_account_copy (const PosternConfigAccount *self);
void postern_config_account_free (PosternConfigAccount *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternConfigAccount, postern_config_account_free)

gboolean postern_config_account_equal (const PosternConfigAccount *a,
                                       const PosternConfigAccount *b);
gboolean postern_config_listener_equal (const PosternConfigListener *a,
                                        const PosternConfigListener *b);

gboolean postern_config_addresses_equal (const char *a, const char *b);

PosternConfigListener *postern_config_listener_new (PosternConfigService service,
                                                    PosternConfigSecurity security,
                                                    guint16 port);

const char *postern_config_service_get_name (PosternConfigService service);
const char *postern_config_security_get_name (PosternConfigSecurity security);

G_END_DECLS
