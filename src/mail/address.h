/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Addresses are strings "local@domain", UTF-8, without brackets, the local part quoted where it
 * has to be. "" is the null sender. */

gsize postern_address_scan_path (const char *text, char **mailbox);
gboolean postern_address_is_valid (const char *address);
gboolean postern_address_is_ascii (const char *address);
char *postern_address_join (const char *local, const char *domain);
char *postern_address_normalise (const char *address);
gboolean postern_address_same_recipient (const char *a, const char *b);
gboolean postern_address_is_owned (const char *address, const char *const *owned);

G_END_DECLS
