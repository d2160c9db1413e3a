/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-ipc"

#include "config.h"

#include "ipc/bus-errors.h"

#include "ipc/names.h"

#include <gio/gio.h>
#include <string.h>

/* The bus names are part of the interface: a code may get another number, never another name. */
#define ENTRY(code, name)                                                                          \
  {                                                                                                \
    POSTERN_ERROR_##code, POSTERN_BUS_ERROR_PREFIX name                                            \
  }
static const GDBusErrorEntry entries[] = {
  ENTRY (FAILED, "Failed"),
  ENTRY (TEMPORARY, "Temporary"),
  ENTRY (OFFLINE, "Offline"),
  ENTRY (CREDENTIALS, "Credentials"),
  ENTRY (REFUSED, "Refused"),
  ENTRY (FORBIDDEN, "Forbidden"),
  ENTRY (TRUST, "Trust"),
  ENTRY (PROTOCOL, "Protocol"),
  ENTRY (STALE, "Stale"),
  ENTRY (TOO_LARGE, "TooLarge"),
  ENTRY (NOT_FOUND, "NotFound"),
  ENTRY (EXISTS, "Exists"),
  ENTRY (INVALID, "Invalid"),
  ENTRY (BUSY, "Busy"),
  ENTRY (KEYRING_LOCKED, "KeyringLocked"),
  ENTRY (KEYRING_ABSENT, "KeyringAbsent"),
  ENTRY (STORAGE, "Storage"),
  ENTRY (FULL, "Full"),
  ENTRY (NEWER, "Newer"),
};
G_STATIC_ASSERT (G_N_ELEMENTS (entries) == POSTERN_ERROR_LAST + 1);

/**
 * postern_bus_errors_register:
 *
 * From here on an error of POSTERN_ERROR keeps its code across the bus, both ways. Call it first
 * thing in main(); twice does no harm.
 */
void
postern_bus_errors_register (void)
{
  static gsize registered;

  g_dbus_error_register_error_domain (g_quark_to_string (POSTERN_ERROR),
                                      &registered,
                                      entries,
                                      G_N_ELEMENTS (entries));
}

/**
 * postern_bus_error_get_name:
 * @error: (nullable): any error
 *
 * Returns: (transfer none): its short name as the "Code" properties hold it, like "NotFound"; "" for
 *   NULL, "Failed" for an error that nobody classified.
 */
const char *
postern_bus_error_get_name (const GError *error)
{
  gint code;

  if (error == NULL)
    return "";

  code = error->domain == POSTERN_ERROR ? error->code : POSTERN_ERROR_FAILED;
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (entries[i].error_code == code)
      return entries[i].dbus_error_name + strlen (POSTERN_BUS_ERROR_PREFIX);
  return "Failed";
}

/**
 * postern_bus_error_parse_name:
 * @name: a short name, from another process
 *
 * Returns: whether there is such a code; then it is in @code.
 */
gboolean
postern_bus_error_parse_name (const char *name, PosternError *code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (strcmp (entries[i].dbus_error_name + strlen (POSTERN_BUS_ERROR_PREFIX), name) == 0)
      {
        *code = (PosternError) entries[i].error_code;
        return TRUE;
      }
  return FALSE;
}
