/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-daemon"

#include "config.h"

#include "daemon/bus-reply.h"

#include "base/error.h"

/**
 * postern_bus_reply_error:
 * @invocation: (transfer full)
 * @error: (transfer full): one that is not ours goes out as Failed, so that a caller meets no other
 *   names than Bridge1 promises
 */
void
postern_bus_reply_error (GDBusMethodInvocation *invocation, GError *error)
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
