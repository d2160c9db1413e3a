/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-config"

#include "config.h"

#include "config/config-parser.h"

#include "base/error.h"
#include "config/config-checks.h"
#include "config/json-places.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* A person edits this file, so each complaint names the line and the value, and says what the value
 * must be. The first one ends the reading: a configuration is in force whole or not at all. Keys that
 * we do not know are no fault (a newer version may have written them), but are remarked, since
 * most are slips of the pen. */

typedef struct
{
  const PosternJsonPlaces *places;
  GPtrArray *remarks; /* (nullable) of char * */
  GError **error;
} Reader;

typedef struct
{
  Reader *reader;
  JsonObject *object;
  const char *path; /* "" for the outermost, else like "accounts[1]" */
} Section;

static char *
path_of (const Section *section, const char *key)
{
  return *section->path == '\0' ? g_strdup (key) : g_strconcat (section->path, ".", key, NULL);
}

G_GNUC_PRINTF (3, 4)
static gboolean
fail_at (Reader *reader, const char *path, const char *format, ...)
{
  g_autofree char *place = postern_json_places_describe (reader->places, path);
  g_autofree char *complaint = NULL;
  va_list arguments;

  va_start (arguments, format);
  complaint = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (reader->error,
               POSTERN_ERROR,
               POSTERN_ERROR_INVALID,
               "%s: %s %s",
               place,
               *path == '\0' ? "the file" : path,
               complaint);
  return FALSE;
}

static gboolean
fail_key (const Section *section, const char *key, const char *complaint)
{
  g_autofree char *path = path_of (section, key);

  return fail_at (section->reader, path, "%s", complaint);
}

/* --- values ------------------------------------------------------------------------------- */

static gboolean
is_string (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING;
}

/* Each reads the value of `key` into its last parameter, and leaves that alone when the key is
 * missing. FALSE: a complaint was made. */

static gboolean
read_string (const Section *section, const char *key, const char **value)
{
  JsonNode *node = json_object_get_member (section->object, key);

  if (node == NULL)
    return TRUE;
  if (!is_string (node))
    return fail_key (section, key, "must be a text in quotes");
  *value = json_node_get_string (node);
  return TRUE;
}

static gboolean
read_boolean (const Section *section, const char *key, gboolean *value)
{
  JsonNode *node = json_object_get_member (section->object, key);

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return fail_key (section, key, "must be true or false");
  *value = json_node_get_boolean (node);
  return TRUE;
}

static gboolean
read_integer (const Section *section, const char *key, gint64 least, gint64 most, gint64 *value)
{
  JsonNode *node = json_object_get_member (section->object, key);
  g_autofree char *complaint = NULL;

  if (node == NULL)
    return TRUE;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64 &&
      json_node_get_int (node) >= least && json_node_get_int (node) <= most)
    {
      *value = json_node_get_int (node);
      return TRUE;
    }
  complaint =
      g_strdup_printf ("must be a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                       least,
                       most);
  return fail_key (section, key, complaint);
}

/* @words: the value's names in the order of its enum, ended by NULL. */
static gboolean
read_word (const Section *section, const char *key, const char *const *words, int *value)
{
  JsonNode *node = json_object_get_member (section->object, key);
  g_autofree char *list = NULL;
  g_autofree char *complaint = NULL;

  if (node == NULL)
    return TRUE;
  if (is_string (node))
    for (int i = 0; words[i] != NULL; i++)
      if (g_str_equal (words[i], json_node_get_string (node)))
        {
          *value = i;
          return TRUE;
        }
  list = g_strjoinv ("\" or \"", (char **) words);
  complaint = g_strdup_printf ("must be \"%s\"", list);
  return fail_key (section, key, complaint);
}

/* @object is NULL when the key is missing. */
static gboolean
read_object (const Section *section, const char *key, JsonObject **object)
{
  JsonNode *node = json_object_get_member (section->object, key);

  *object = NULL;
  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fail_key (section, key, "must be an object in braces");
  *object = json_node_get_object (node);
  return TRUE;
}

typedef gboolean (*ReadElement) (const Section *section, gpointer user_data);

/* Calls `read` for each object in the array `key`. */
static gboolean
read_objects (const Section *section, const char *key, ReadElement read, gpointer user_data)
{
  JsonNode *node = json_object_get_member (section->object, key);
  JsonArray *array;

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return fail_key (section, key, "must be a list in brackets");
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);
      g_autofree char *path = g_strdup_printf ("%s[%u]", key, i);
      Section inner = { section->reader, NULL, path };

      if (!JSON_NODE_HOLDS_OBJECT (element))
        return fail_at (section->reader, path, "must be an object in braces");
      inner.object = json_node_get_object (element);
      if (!read (&inner, user_data))
        return FALSE;
    }
  return TRUE;
}

/* @check returns what is wrong with a text, or NULL. */
static gboolean
read_strings (const Section *section,
              const char *key,
              const char *(*check) (const char *text),
              GStrv *strings)
{
  JsonNode *node = json_object_get_member (section->object, key);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *path = path_of (section, key);
  JsonArray *array;

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return fail_key (section, key, "must be a list in brackets");
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);
      g_autofree char *inner = g_strdup_printf ("%s[%u]", path, i);
      const char *complaint;

      if (!is_string (element))
        return fail_at (section->reader, inner, "must be a text in quotes");
      complaint = check (json_node_get_string (element));
      if (complaint != NULL)
        return fail_at (section->reader, inner, "%s", complaint);
      g_strv_builder_add (builder, json_node_get_string (element));
    }
  g_strfreev (*strings);
  *strings = g_strv_builder_end (builder);
  return TRUE;
}

static void
remark_unknown_keys (const Section *section, const char *const *known)
{
  g_autoptr (GList) keys = json_object_get_members (section->object);

  if (section->reader->remarks == NULL)
    return;
  for (GList *l = keys; l != NULL; l = l->next)
    if (!g_strv_contains (known, l->data))
      {
        g_autofree char *path = path_of (section, l->data);
        g_autofree char *place = postern_json_places_describe (section->reader->places, path);

        g_ptr_array_add (section->reader->remarks,
                         g_strdup_printf ("%s: %s is not known and has no effect", place, path));
      }
}

/* --- sections ------------------------------------------------------------------------------- */

static const char *const service_words[] = { "pop3", "smtp", NULL };
static const char *const security_words[] = { "starttls", "tls", NULL };
static const char *const auth_words[] = { "bearer", "basic", NULL };
static const char *const deletion_words[] = { "destroy", "trash", NULL };
static const char *const store_words[] = { "secret-service", "file", NULL };

static gboolean
read_listener (const Section *section, gpointer user_data)
{
  static const char *const keys[] = { "service", "security", "addresses", "port", "enabled", NULL };
  PosternConfig *config = user_data;
  PosternConfigListener *listener = postern_config_listener_new (0, 0, 0);
  int service = -1;
  int security = POSTERN_CONFIG_SECURITY_STARTTLS;
  gint64 port = 0;

  g_ptr_array_add (config->listeners, listener);
  if (!read_word (section, "service", service_words, &service) ||
      !read_word (section, "security", security_words, &security) ||
      !read_strings (section,
                     "addresses",
                     postern_config_check_listener_address,
                     &listener->addresses) ||
      !read_integer (section, "port", 1, 65535, &port) ||
      !read_boolean (section, "enabled", &listener->enabled))
    return FALSE;
  if (service < 0)
    return fail_key (section, "service", "is missing: it must be \"pop3\" or \"smtp\"");
  if (port == 0)
    return fail_key (section, "port", "is missing");
  if (listener->addresses[0] == NULL)
    return fail_key (section,
                     "addresses",
                     "must name an address; to close it set enabled to false");

  listener->service = (PosternConfigService) service;
  listener->security = (PosternConfigSecurity) security;
  listener->port = (guint16) port;
  for (guint i = 0; i + 1 < config->listeners->len; i++)
    {
      const PosternConfigListener *other = g_ptr_array_index (config->listeners, i);

      if (other->port == listener->port)
        {
          g_autofree char *complaint =
              g_strdup_printf ("is %u, which listeners[%u] has already", other->port, i);

          return fail_key (section, "port", complaint);
        }
    }
  remark_unknown_keys (section, keys);
  return TRUE;
}

/* Two accounts that share an address could not be told apart when a mail program logs in. */
static gboolean
check_unique (const Section *section, PosternConfig *config, PosternConfigAccount *account)
{
  if (postern_config_find_account (config, account->id) != NULL)
    return fail_key (section, "id", "is that of another account");
  if (postern_config_find_address (config, account->address) != NULL)
    return fail_key (section, "address", "is that of another account");
  for (char **alias = account->aliases; *alias != NULL; alias++)
    if (postern_config_find_address (config, *alias) != NULL)
      return fail_key (section, "aliases", "hold an address of another account");
  return TRUE;
}

static gboolean
read_checked (const Section *section,
              const char *key,
              const char *(*check) (const char *text),
              char **value)
{
  const char *text = NULL;
  const char *complaint;

  if (!read_string (section, key, &text))
    return FALSE;
  if (text == NULL)
    return fail_key (section, key, "is missing");
  complaint = check (text);
  if (complaint != NULL)
    return fail_key (section, key, complaint);
  *value = g_strdup (text);
  return TRUE;
}

static gboolean
read_account (const Section *section, gpointer user_data)
{
  static const char *const keys[] = { "id",   "address",  "aliases",   "url",    "auth",
                                      "user", "deletion", "sent_copy", "paused", NULL };
  PosternConfig *config = user_data;
  g_autoptr (PosternConfigAccount) account = g_new0 (PosternConfigAccount, 1);
  int auth = POSTERN_CONFIG_AUTH_BEARER;
  int deletion = POSTERN_CONFIG_DELETION_DESTROY;
  const char *user;

  account->aliases = g_new0 (char *, 1);
  account->sent_copy = TRUE;
  if (!read_checked (section, "id", postern_config_check_id, &account->id) ||
      !read_checked (section, "address", postern_config_check_address, &account->address) ||
      !read_checked (section, "url", postern_config_check_url, &account->url))
    return FALSE;

  user = account->address;
  if (!read_strings (section, "aliases", postern_config_check_address, &account->aliases) ||
      !read_string (section, "user", &user) || !read_word (section, "auth", auth_words, &auth) ||
      !read_word (section, "deletion", deletion_words, &deletion) ||
      !read_boolean (section, "sent_copy", &account->sent_copy) ||
      !read_boolean (section, "paused", &account->paused))
    return FALSE;

  account->user = g_strdup (user);
  account->auth = (PosternConfigAuth) auth;
  account->deletion = (PosternConfigDeletion) deletion;
  if (!check_unique (section, config, account))
    return FALSE;
  g_ptr_array_add (config->accounts, g_steal_pointer (&account));
  remark_unknown_keys (section, keys);
  return TRUE;
}

static gboolean
read_admin (const Section *outer, PosternConfig *config)
{
  static const char *const keys[] = { "enabled", "port", NULL };
  Section section = { outer->reader, NULL, "admin" };
  gint64 port = config->admin.port;

  if (!read_object (outer, "admin", &section.object))
    return FALSE;
  if (section.object != NULL)
    {
      if (!read_boolean (&section, "enabled", &config->admin.enabled) ||
          !read_integer (&section, "port", 1, 65535, &port))
        return FALSE;
      remark_unknown_keys (&section, keys);
    }
  config->admin.port = (guint16) port;
  for (guint i = 0; config->admin.enabled && i < config->listeners->len; i++)
    {
      const PosternConfigListener *listener = g_ptr_array_index (config->listeners, i);

      if (listener->enabled && listener->port == config->admin.port)
        return fail_at (outer->reader,
                        "admin.port",
                        "is %u, which listeners[%u] has already",
                        listener->port,
                        i);
    }
  return TRUE;
}

static gboolean
read_secrets (const Section *outer, PosternConfig *config)
{
  static const char *const keys[] = { "store", NULL };
  Section section = { outer->reader, NULL, "secrets" };
  int store = (int) config->secrets;

  if (!read_object (outer, "secrets", &section.object))
    return FALSE;
  if (section.object == NULL)
    return TRUE;
  if (!read_word (&section, "store", store_words, &store))
    return FALSE;
  config->secrets = (PosternConfigSecrets) store;
  remark_unknown_keys (&section, keys);
  return TRUE;
}

static gboolean
read_cache (const Section *outer, PosternConfig *config)
{
  static const char *const keys[] = { "limit_mib", NULL };
  Section section = { outer->reader, NULL, "cache" };
  gint64 limit_mib = config->cache_limit_mib;

  if (!read_object (outer, "cache", &section.object))
    return FALSE;
  if (section.object == NULL)
    return TRUE;
  if (!read_integer (&section, "limit_mib", 0, 1024 * 1024, &limit_mib))
    return FALSE;
  config->cache_limit_mib = (guint) limit_mib;
  remark_unknown_keys (&section, keys);
  return TRUE;
}

static gboolean
read_version (const Section *section)
{
  gint64 version = 0;

  if (!read_integer (section, "version", 1, G_MAXINT64, &version))
    return FALSE;
  if (version == 0)
    return fail_key (section, "version", "is missing: it must be 1");
  if (version > POSTERN_CONFIG_VERSION)
    {
      g_autofree char *place = postern_json_places_describe (section->reader->places, "version");

      g_set_error (section->reader->error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_NEWER,
                   "%s: version is %" G_GINT64_FORMAT
                   ", and this program knows %d at most: it was written by a newer one",
                   place,
                   version,
                   POSTERN_CONFIG_VERSION);
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_everything (const Section *section, PosternConfig *config)
{
  static const char *const keys[] = { "version", "listeners", "plaintext_login", "admin",
                                      "secrets", "accounts",  "cache",           NULL };

  if (!read_version (section))
    return FALSE;
  if (json_object_has_member (section->object, "listeners"))
    {
      g_ptr_array_set_size (config->listeners, 0);
      if (!read_objects (section, "listeners", read_listener, config))
        return FALSE;
    }
  if (json_object_has_member (section->object, "accounts") &&
      !read_objects (section, "accounts", read_account, config))
    return FALSE;
  if (!read_boolean (section, "plaintext_login", &config->plaintext_login) ||
      !read_admin (section, config) || !read_secrets (section, config) ||
      !read_cache (section, config))
    return FALSE;
  remark_unknown_keys (section, keys);
  return TRUE;
}

/**
 * postern_config_parse:
 * @text: the file's contents; need not end with NUL
 * @name: what to call it in complaints, like "config.json"
 * @remarks: (nullable): takes sentences (char *) about keys that have no effect
 *
 * Returns: (transfer full) (nullable): NULL with POSTERN_ERROR_INVALID when something in it makes no
 *   sense; the message names line, column and value. POSTERN_ERROR_NEWER when its version is above ours.
 */
PosternConfig *
postern_config_parse (const char *text,
                      gsize length,
                      const char *name,
                      GPtrArray *remarks,
                      GError **error)
{
  g_autoptr (PosternJsonPlaces) places = NULL;
  g_autoptr (PosternConfig) config = postern_config_new_default ();
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) trouble = NULL;
  Reader reader = { NULL, remarks, error };
  Section section = { &reader, NULL, "" };

  if (length > POSTERN_CONFIG_MAX_LENGTH)
    {
      g_set_error (error,
                   POSTERN_ERROR,
                   POSTERN_ERROR_INVALID,
                   "%s: the file is larger than %d octets",
                   name,
                   POSTERN_CONFIG_MAX_LENGTH);
      return NULL;
    }
  places = postern_json_places_new (text, length, name, error);
  if (places == NULL)
    return NULL;
  reader.places = places;

  if (!json_parser_load_from_data (parser, text, (gssize) length, &trouble))
    {
      /* The walk above passes nothing that json-glib does not know; told, should it ever. */
      g_set_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID, "%s: %s", name, trouble->message);
      return NULL;
    }
  if (!JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    {
      fail_at (&reader, "", "must be an object in braces");
      return NULL;
    }
  section.object = json_node_get_object (json_parser_get_root (parser));
  return read_everything (&section, config) ? g_steal_pointer (&config) : NULL;
}
