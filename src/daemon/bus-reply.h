/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

void postern_bus_reply_error (GDBusMethodInvocation *invocation, GError *error);

G_END_DECLS
