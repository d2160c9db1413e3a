/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/listeners.h"

#include "ipc/bus.h"
#include "ipc/names.h"
#include "net/listener.h"

#define RETRY_SECONDS 15
#define TELL_MS       250

/* One address of one listener of the configuration. */
typedef struct
{
  PosternService service;
  PosternSecurity security;
  char *address;
  guint16 port;
  gboolean requires_tls;
  gboolean is_wanted;        /* while following a change */
  PosternListener *listener; /* (nullable) NULL while it cannot be had */
  PosternBusListener *skeleton;
  char *path;
  guint tell_id;
} Place;

struct _PosternListeners
{
  PosternMailServer *server;
  PosternConfigFile *config;
  PosternObjectTree *tree;
  GPtrArray *places; /* (element-type Place) */
  guint next_number;
  guint retry_id;
  gboolean is_open;
};

static void
place_free (gpointer data)
{
  Place *place = data;

  g_clear_handle_id (&place->tell_id, g_source_remove);
  if (place->listener != NULL)
    {
      g_signal_handlers_disconnect_by_data (place->listener, place);
      postern_listener_close (place->listener);
    }
  g_clear_object (&place->listener);
  g_object_unref (place->skeleton);
  g_free (place->address);
  g_free (place->path);
  g_free (place);
}

static gboolean
on_tell (gpointer user_data)
{
  Place *place = user_data;

  place->tell_id = 0;
  postern_bus_listener_set_sessions (place->skeleton,
                                     postern_listener_get_n_connections (place->listener));
  return G_SOURCE_REMOVE;
}

static void
on_connections_changed (Place *place)
{
  if (place->tell_id == 0)
    place->tell_id = g_timeout_add (TELL_MS, on_tell, place);
}

static gboolean
place_open (PosternListeners *self, Place *place)
{
  const char *addresses[] = { place->address, NULL };
  const PosternListenerSpec spec = { .service = place->service,
                                     .security = place->security,
                                     .exposure = POSTERN_EXPOSURE_LOCAL,
                                     .addresses = addresses,
                                     .port = place->port,
                                     .requires_tls = place->requires_tls };
  g_autoptr (GError) error = NULL;

  place->listener = postern_mail_server_listen (self->server, &spec, &error);
  if (place->listener == NULL)
    {
      if (g_strcmp0 (postern_bus_listener_get_detail (place->skeleton), error->message) != 0)
        g_warning ("%s", error->message);
      postern_bus_listener_set_state (place->skeleton, "failed");
      postern_bus_listener_set_detail (place->skeleton, error->message);
      return FALSE;
    }
  g_signal_connect_swapped (place->listener,
                            "connections-changed",
                            G_CALLBACK (on_connections_changed),
                            place);
  postern_bus_listener_set_port (place->skeleton, postern_listener_get_port (place->listener));
  postern_bus_listener_set_detail (place->skeleton, "");
  postern_bus_listener_set_state (place->skeleton, "listening");
  return TRUE;
}

static gboolean on_retry (gpointer user_data);

static void
open_missing (PosternListeners *self)
{
  gboolean is_complete = TRUE;

  for (guint i = 0; i < self->places->len; i++)
    {
      Place *place = g_ptr_array_index (self->places, i);

      if (place->listener == NULL && !place_open (self, place))
        is_complete = FALSE;
    }
  if (!is_complete && self->retry_id == 0)
    self->retry_id = g_timeout_add_seconds (RETRY_SECONDS, on_retry, self);
}

static gboolean
on_retry (gpointer user_data)
{
  PosternListeners *self = user_data;

  self->retry_id = 0;
  open_missing (self);
  return G_SOURCE_REMOVE;
}

static Place *
find_place (PosternListeners *self, const Place *wanted)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      Place *place = g_ptr_array_index (self->places, i);

      if (place->service == wanted->service && place->security == wanted->security &&
          place->port == wanted->port && place->requires_tls == wanted->requires_tls &&
          g_str_equal (place->address, wanted->address))
        return place;
    }
  return NULL;
}

static void
add_place (PosternListeners *self, const Place *wanted)
{
  Place *place = g_new0 (Place, 1);

  *place = *wanted;
  place->is_wanted = TRUE;
  place->address = g_strdup (wanted->address);
  place->path = g_strdup_printf (POSTERN_BUS_LISTENERS_PATH "/%u", self->next_number++);
  place->skeleton = postern_bus_listener_skeleton_new ();
  postern_bus_listener_set_service (place->skeleton,
                                    place->service == POSTERN_SERVICE_POP3 ? "pop3" : "smtp");
  postern_bus_listener_set_security (place->skeleton,
                                     place->security == POSTERN_SECURITY_IMPLICIT ? "tls"
                                                                                  : "starttls");
  postern_bus_listener_set_address (place->skeleton, place->address);
  postern_bus_listener_set_port (place->skeleton, place->port);
  postern_bus_listener_set_state (place->skeleton, "closed");
  postern_bus_listener_set_detail (place->skeleton, "");
  g_ptr_array_add (self->places, place);
  postern_object_tree_add (self->tree, place->path, G_DBUS_INTERFACE_SKELETON (place->skeleton));
}

static void
want (PosternListeners *self, const PosternConfig *config, const PosternConfigListener *listener)
{
  for (guint i = 0; listener->addresses[i] != NULL; i++)
    {
      Place wanted = {
        .service = listener->service == POSTERN_CONFIG_SERVICE_POP3 ? POSTERN_SERVICE_POP3
                                                                    : POSTERN_SERVICE_SMTP,
        .security = listener->security == POSTERN_CONFIG_SECURITY_TLS ? POSTERN_SECURITY_IMPLICIT
                                                                      : POSTERN_SECURITY_STARTTLS,
        .address = listener->addresses[i],
        .port = listener->port,
        .requires_tls = !config->plaintext_login,
      };
      Place *place = find_place (self, &wanted);

      if (place != NULL)
        place->is_wanted = TRUE;
      else
        add_place (self, &wanted);
    }
}

static void
follow_config (PosternListeners *self)
{
  PosternConfig *config = postern_config_file_get (self->config);

  if (!self->is_open)
    return;
  for (guint i = 0; i < self->places->len; i++)
    ((Place *) g_ptr_array_index (self->places, i))->is_wanted = FALSE;
  for (guint i = 0; i < config->listeners->len; i++)
    {
      const PosternConfigListener *listener = g_ptr_array_index (config->listeners, i);

      if (listener->enabled)
        want (self, config, listener);
    }
  /* What goes, goes first: it may hold the port of what comes. */
  for (guint i = self->places->len; i > 0; i--)
    {
      Place *place = g_ptr_array_index (self->places, i - 1);

      if (place->is_wanted)
        continue;
      postern_object_tree_remove (self->tree, place->path);
      g_ptr_array_remove_index (self->places, i - 1);
    }
  open_missing (self);
}

PosternListeners *
postern_listeners_new (PosternMailServer *server,
                       PosternConfigFile *config,
                       PosternObjectTree *tree)
{
  PosternListeners *self = g_new0 (PosternListeners, 1);

  self->server = g_object_ref (server);
  self->config = g_object_ref (config);
  self->tree = g_object_ref (tree);
  self->places = g_ptr_array_new_with_free_func (place_free);
  g_signal_connect_swapped (config, "changed", G_CALLBACK (follow_config), self);
  return self;
}

/**
 * postern_listeners_open:
 *
 * From now on the ports are open. The server has its credentials by then.
 */
void
postern_listeners_open (PosternListeners *self)
{
  self->is_open = TRUE;
  follow_config (self);
}

void
postern_listeners_free (PosternListeners *self)
{
  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->config, self);
  g_ptr_array_unref (self->places);
  g_object_unref (self->server);
  g_object_unref (self->config);
  g_object_unref (self->tree);
  g_free (self);
}
