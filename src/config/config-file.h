/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "config/config-edit.h"
#include "config/configuration.h"

G_BEGIN_DECLS

/**
 * PosternConfigFile:
 *
 * The one configuration file of a daemon: read at the start, watched, and written by nobody else.
 * It never has no configuration: before the first load, and where there is no file, that is the
 * default one.
 *
 * ::changed: another configuration is in force, see postern_config_file_get().
 * ::problem-changed: see postern_config_file_get_problem().
 */
#define POSTERN_TYPE_CONFIG_FILE (postern_config_file_get_type ())
G_DECLARE_FINAL_TYPE (PosternConfigFile, postern_config_file, POSTERN, CONFIG_FILE, GObject)

PosternConfigFile *postern_config_file_new (const char *path);
gboolean postern_config_file_load (PosternConfigFile *self, GError **error);
void postern_config_file_watch (PosternConfigFile *self);
void postern_config_file_reload_async (PosternConfigFile *self,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean
postern_config_file_reload_finish (PosternConfigFile *self, GAsyncResult *result, GError **error);
PosternConfig *postern_config_file_get (PosternConfigFile *self);
const char *postern_config_file_get_path (PosternConfigFile *self);
const char *postern_config_file_get_problem (PosternConfigFile *self);

/**
 * PosternConfigChange:
 * @edit: the file as it is on disk now, to be changed
 * @user_data: as given to postern_config_file_change_async()
 *
 * Makes one change. It runs in another thread, on what was read from disk a moment ago, which may
 * not be what the caller saw last: so it says what to change ("take account X out"), never what all of it
 * should be.
 *
 * Returns: FALSE with @error set to give up; then nothing is written.
 */
typedef gboolean (*PosternConfigChange) (PosternConfigEdit *edit,
                                         gpointer user_data,
                                         GError **error);

void postern_config_file_change_async (PosternConfigFile *self,
                                       PosternConfigChange change,
                                       gpointer change_data,
                                       GDestroyNotify change_data_free,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean
postern_config_file_change_finish (PosternConfigFile *self, GAsyncResult *result, GError **error);

/* The usual changes; end them by postern_config_file_change_finish(). */
void postern_config_file_add_account_async (PosternConfigFile *self,
                                            const PosternConfigAccount *account,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
void postern_config_file_set_account_async (PosternConfigFile *self,
                                            const PosternConfigAccount *account,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
void postern_config_file_remove_account_async (PosternConfigFile *self,
                                               const char *id,
                                               GAsyncReadyCallback callback,
                                               gpointer user_data);

char *postern_config_default_path (void);

G_END_DECLS
