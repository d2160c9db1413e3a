/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli/output.h"

G_BEGIN_DECLS

/* What a person types into a mail program. */

void postern_mail_settings_print (PosternCli *cli,
                                  GPtrArray *listeners,
                                  const char *address,
                                  const char *password,
                                  const char *ca_path);
void postern_mail_settings_add_json (JsonBuilder *builder,
                                     GPtrArray *listeners,
                                     const char *address,
                                     const char *password,
                                     const char *ca_path);

G_END_DECLS
