/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"
#include "cli/command.h"

G_BEGIN_DECLS

/* What the commands do with the daemon. Calls block: this program does one thing and ends. */

#define POSTERN_CALL_TIMEOUT_MS   30000
#define POSTERN_PROMPT_TIMEOUT_MS 150000 /* a person may be typing into a prompt */

gboolean postern_bridge_connect (PosternCli *cli, GError **error);
PosternBusBridge *postern_bridge_new_proxy (PosternCli *cli, GError **error);
PosternBusQueue *postern_bridge_new_queue (PosternCli *cli, GError **error);
PosternBusLog *postern_bridge_new_log (PosternCli *cli, GError **error);

/**
 * PosternBridgeObject:
 *
 * One object of the daemon as it was when it was asked.
 */
typedef struct
{
  char *path;
  GVariant *properties; /* a{sv} */
} PosternBridgeObject;

GPtrArray *postern_bridge_list (PosternCli *cli, const char *interface, GError **error);
PosternBridgeObject *
postern_bridge_find_account (PosternCli *cli, const char *account, GError **error);
PosternBusAccount *
postern_bridge_new_account (PosternCli *cli, const char *account, GError **error);
PosternBusAccount *
postern_bridge_new_account_at (PosternCli *cli, const char *path, GError **error);

void postern_bridge_object_free (PosternBridgeObject *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternBridgeObject, postern_bridge_object_free)
const char *postern_properties_get_string (GVariant *properties, const char *name);
gint64 postern_properties_get_integer (GVariant *properties, const char *name);

GVariant *postern_bridge_wait_job (PosternCli *cli, const char *path, GError **error);

G_END_DECLS
