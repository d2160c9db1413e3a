/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * PosternBusCall:
 *
 * A method of ours that is being carried out: what to answer on, and whom.
 */
typedef struct
{
  gpointer skeleton;                 /* (owned) the GDBusInterfaceSkeleton that was called */
  GDBusMethodInvocation *invocation; /* answering it consumes it */
} PosternBusCall;

PosternBusCall *postern_bus_call_new (gpointer skeleton, GDBusMethodInvocation *invocation);
void postern_bus_call_free (PosternBusCall *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBusCall, postern_bus_call_free)

void postern_bus_call_reply_error (GDBusMethodInvocation *invocation, GError *error);

G_END_DECLS
