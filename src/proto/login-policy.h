/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternLoginPolicy:
 *
 * What a listener allows before somebody has logged in. The session copies it.
 */
typedef struct
{
  gboolean tls_available;   /* STLS and STARTTLS are offered while TLS is off */
  gboolean tls_on;          /* TLS was there from the first octet */
  gboolean plaintext_login; /* a password may cross without TLS: loopback only */
} PosternLoginPolicy;

G_END_DECLS
