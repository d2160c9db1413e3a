/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-config"

#include "config.h"

#include "config/config-edit.h"

#include "base/error.h"
#include "config/config-checks.h"
#include "config/config-parser.h"

#include <json-glib/json-glib.h>

struct _PosternConfigEdit
{
  JsonNode *root;        /* holds an object that postern_config_parse() takes */
  PosternConfig *config; /* what it said before any change */
};

/**
 * postern_config_edit_new:
 * @text: (nullable): the file's contents; NULL when there is no file yet
 *
 * Returns: (transfer full) (nullable): NULL as postern_config_parse(): what cannot be read is not
 *   edited either.
 */
PosternConfigEdit *
postern_config_edit_new (const char *text, gsize length, const char *name, GError **error)
{
  static const char fresh[] = "{\"version\": 1}";
  g_autoptr (PosternConfig) config = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  PosternConfigEdit *self;

  if (text == NULL)
    {
      text = fresh;
      length = sizeof fresh - 1;
    }
  config = postern_config_parse (text, length, name, NULL, error);
  if (config == NULL || !json_parser_load_from_data (parser, text, (gssize) length, error))
    return NULL;

  self = g_new0 (PosternConfigEdit, 1);
  self->root = json_parser_steal_root (parser);
  self->config = g_steal_pointer (&config);
  return self;
}

void
postern_config_edit_free (PosternConfigEdit *self)
{
  json_node_unref (self->root);
  postern_config_unref (self->config);
  g_free (self);
}

static JsonArray *
get_accounts (PosternConfigEdit *self)
{
  JsonObject *object = json_node_get_object (self->root);

  if (!json_object_has_member (object, "accounts"))
    json_object_set_array_member (object, "accounts", json_array_new ());
  return json_object_get_array_member (object, "accounts");
}

static gboolean
find_account (JsonArray *accounts, const char *id, guint *index, GError **error)
{
  for (guint i = 0; i < json_array_get_length (accounts); i++)
    {
      JsonObject *account = json_array_get_object_element (accounts, i);

      if (g_str_equal (json_object_get_string_member (account, "id"), id))
        {
          *index = i;
          return TRUE;
        }
    }
  g_set_error (error,
               POSTERN_ERROR,
               POSTERN_ERROR_NOT_FOUND,
               "The configuration file has no account with the id %s",
               id);
  return FALSE;
}

/* Writes what differs from the default, and what stands there already. */
static void
set_string (JsonObject *object, const char *key, const char *value, const char *standard)
{
  if (json_object_has_member (object, key) || !g_str_equal (value, standard))
    json_object_set_string_member (object, key, value);
}

static void
set_boolean (JsonObject *object, const char *key, gboolean value, gboolean standard)
{
  if (json_object_has_member (object, key) || value != standard)
    json_object_set_boolean_member (object, key, value);
}

static void
fill_account (JsonObject *object, const PosternConfigAccount *account)
{
  json_object_set_string_member (object, "id", account->id);
  json_object_set_string_member (object, "address", account->address);
  if (account->aliases[0] != NULL || json_object_has_member (object, "aliases"))
    {
      JsonArray *aliases = json_array_new ();

      for (char **alias = account->aliases; *alias != NULL; alias++)
        json_array_add_string_element (aliases, *alias);
      json_object_set_array_member (object, "aliases", aliases);
    }
  json_object_set_string_member (object, "url", account->url);
  set_string (object,
              "auth",
              account->auth == POSTERN_CONFIG_AUTH_BEARER ? "bearer" : "basic",
              "bearer");
  set_string (object, "user", account->user, account->address);
  set_string (object,
              "deletion",
              account->deletion == POSTERN_CONFIG_DELETION_DESTROY ? "destroy" : "trash",
              "destroy");
  set_boolean (object, "sent_copy", account->sent_copy, TRUE);
  set_boolean (object, "paused", account->paused, FALSE);
}

/**
 * postern_config_edit_add_account:
 *
 * Returns: FALSE with POSTERN_ERROR_INVALID when the account makes no sense, POSTERN_ERROR_EXISTS
 *   when another one has its id or its address.
 */
gboolean
postern_config_edit_add_account (PosternConfigEdit *self,
                                 const PosternConfigAccount *account,
                                 GError **error)
{
  JsonObject *object;

  if (!postern_config_check_account (account, error))
    return FALSE;
  if (postern_config_find_account (self->config, account->id) != NULL ||
      postern_config_find_address (self->config, account->address) != NULL)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_EXISTS,
                   "There is an account with the address %s already",
                   account->address);
      return FALSE;
    }
  object = json_object_new ();
  fill_account (object, account);
  json_array_add_object_element (get_accounts (self), object);
  return TRUE;
}

/**
 * postern_config_edit_set_account:
 * @account: the one with this id becomes so; keys of it that we do not know stay
 *
 * Returns: FALSE with POSTERN_ERROR_NOT_FOUND, or POSTERN_ERROR_INVALID.
 */
gboolean
postern_config_edit_set_account (PosternConfigEdit *self,
                                 const PosternConfigAccount *account,
                                 GError **error)
{
  JsonArray *accounts = get_accounts (self);
  guint index;

  if (!postern_config_check_account (account, error) ||
      !find_account (accounts, account->id, &index, error))
    return FALSE;
  fill_account (json_array_get_object_element (accounts, index), account);
  return TRUE;
}

/**
 * postern_config_edit_remove_account:
 *
 * Returns: FALSE with POSTERN_ERROR_NOT_FOUND when there is none with this id.
 */
gboolean
postern_config_edit_remove_account (PosternConfigEdit *self, const char *id, GError **error)
{
  JsonArray *accounts = get_accounts (self);
  guint index;

  if (!find_account (accounts, id, &index, error))
    return FALSE;
  json_array_remove_element (accounts, index);
  return TRUE;
}

/**
 * postern_config_edit_to_text:
 *
 * Returns: (transfer full): what to write; indented by two, keys in the order they had, a line end at
 *   its end.
 */
char *
postern_config_edit_to_text (PosternConfigEdit *self)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree char *text = NULL;

  json_generator_set_pretty (generator, TRUE);
  json_generator_set_indent (generator, 2);
  json_generator_set_root (generator, self->root);
  text = json_generator_to_data (generator, NULL);
  return g_strconcat (text, "\n", NULL);
}
