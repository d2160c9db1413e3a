/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/mail-host.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternExposure:
 *
 * Where those who can reach a listener come from. Rules and failure counts go by it, never by the
 * address a connection seems to have.
 */
typedef enum
{
  POSTERN_EXPOSURE_LOCAL,  /* this machine: a login in clear is allowed unless switched off */
  POSTERN_EXPOSURE_LAN,    /* the local network: TLS before login */
  POSTERN_EXPOSURE_TUNNEL, /* anywhere; every client seems to be on this machine */
} PosternExposure;

#define POSTERN_N_EXPOSURES (POSTERN_EXPOSURE_TUNNEL + 1)

typedef enum
{
  POSTERN_SECURITY_STARTTLS, /* begins in clear, offers STLS or STARTTLS */
  POSTERN_SECURITY_IMPLICIT, /* TLS from the first octet, RFC 8314 section 3 */
} PosternSecurity;

/**
 * PosternListenerSpec:
 *
 * What is to be opened; copied.
 */
typedef struct
{
  PosternService service;
  PosternSecurity security;
  PosternExposure exposure;
  const char *const *addresses; /* (nullable) IP addresses; NULL is 127.0.0.1 and ::1 */
  guint16 port;                 /* 0: any free one, the same on all addresses */
  gboolean requires_tls;        /* refuse a login in clear; always so outside LOCAL */
} PosternListenerSpec;

/**
 * PosternListener:
 *
 * A port that mail programs connect to. It belongs to its server, which closes it when it stops.
 *
 * Signal `connections-changed`: get_n_connections() is different. Many a second on a busy port.
 */
#define POSTERN_TYPE_LISTENER (postern_listener_get_type ())
G_DECLARE_FINAL_TYPE (PosternListener, postern_listener, POSTERN, LISTENER, GObject)

guint16 postern_listener_get_port (PosternListener *self);
PosternService postern_listener_get_service (PosternListener *self);
PosternSecurity postern_listener_get_security (PosternListener *self);
PosternExposure postern_listener_get_exposure (PosternListener *self);
const char *const *postern_listener_get_addresses (PosternListener *self);
gboolean postern_listener_is_open (PosternListener *self);
guint postern_listener_get_n_connections (PosternListener *self);
guint64 postern_listener_get_n_accepted (PosternListener *self);
void postern_listener_close (PosternListener *self);

G_END_DECLS
