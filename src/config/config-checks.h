/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "config/configuration.h"

G_BEGIN_DECLS

const char *postern_config_check_address (const char *text);
const char *postern_config_check_id (const char *text);
const char *postern_config_check_listener_address (const char *text);
const char *postern_config_check_url (const char *text);

gboolean postern_config_check_account (const PosternConfigAccount *account, GError **error);

G_END_DECLS
