/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "config/configuration.h"

G_BEGIN_DECLS

/**
 * PosternConfigEdit:
 *
 * The text of a configuration file as a tree that can be changed, keys that we do not know included.
 */
typedef struct _PosternConfigEdit PosternConfigEdit;

PosternConfigEdit *
postern_config_edit_new (const char *text, gsize length, const char *name, GError **error);
void postern_config_edit_free (PosternConfigEdit *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternConfigEdit, postern_config_edit_free)

gboolean postern_config_edit_add_account (PosternConfigEdit *self,
                                          const PosternConfigAccount *account,
                                          GError **error);
gboolean
postern_config_edit_remove_account (PosternConfigEdit *self, const char *id, GError **error);
gboolean postern_config_edit_set_account (PosternConfigEdit *self,
                                          const PosternConfigAccount *account,
                                          GError **error);
char *postern_config_edit_to_text (PosternConfigEdit *self);

G_END_DECLS
