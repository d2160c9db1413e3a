/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define POSTERN_TYPE_TRUST_DATABASE (postern_trust_database_get_type ())
G_DECLARE_FINAL_TYPE (PosternTrustDatabase,
                      postern_trust_database,
                      POSTERN,
                      TRUST_DATABASE,
                      GTlsDatabase)

GTlsDatabase *postern_trust_database_new (const char *extra_ca_path, GError **error);

G_END_DECLS
