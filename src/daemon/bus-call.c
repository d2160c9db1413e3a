/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/bus-call.h"

#include "base/error.h"

PosternBusCall *
postern_bus_call_new (gpointer skeleton, GDBusMethodInvocation *invocation)
{
  PosternBusCall *self = g_new0 (PosternBusCall, 1);

  self->skeleton = g_object_ref (skeleton);
  self->invocation = invocation;
  return self;
}

void
postern_bus_call_free (PosternBusCall *self)
{
  g_object_unref (self->skeleton);
  g_free (self);
}

/**
 * postern_bus_call_reply_error:
 * @invocation: (transfer full)
 * @error: (transfer full): one that is not ours goes out as Failed, so that a caller meets no other
 *   names than Bridge1 promises
 */
void
postern_bus_call_reply_error (GDBusMethodInvocation *invocation, GError *error)
{
  if (error->domain == POSTERN_ERROR)
    {
      g_dbus_method_invocation_take_error (invocation, error);
      return;
    }
  g_dbus_method_invocation_return_error_literal (invocation,
                                                 POSTERN_ERROR,
                                                 POSTERN_ERROR_FAILED,
                                                 error->message);
  g_error_free (error);
}
