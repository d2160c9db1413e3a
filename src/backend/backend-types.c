/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-backend"

#include "config.h"

#include "backend/backend-types.h"

PosternBackendInfo *
postern_backend_info_copy (const PosternBackendInfo *self)
{
  PosternBackendInfo *copy = g_memdup2 (self, sizeof *self);

  copy->account = g_strdup (self->account);
  copy->user = g_strdup (self->user);
  copy->display_name = g_strdup (self->display_name);
  return copy;
}

void
postern_backend_info_free (PosternBackendInfo *self)
{
  g_free (self->account);
  g_free (self->user);
  g_free (self->display_name);
  g_free (self);
}

void
postern_identity_free (PosternIdentity *self)
{
  g_free (self->id);
  g_free (self->name);
  g_free (self->address);
  g_free (self);
}

void
postern_remote_message_free (PosternRemoteMessage *self)
{
  g_free (self->email_id);
  g_free (self->blob_id);
  g_free (self);
}

PosternSyncBatch *
postern_sync_batch_new (void)
{
  PosternSyncBatch *self = g_new0 (PosternSyncBatch, 1);

  self->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) postern_remote_message_free);
  self->removed = g_ptr_array_new_with_free_func (g_free);
  self->total = -1;
  return self;
}

void
postern_sync_batch_free (PosternSyncBatch *self)
{
  g_ptr_array_unref (self->messages);
  g_ptr_array_unref (self->removed);
  g_free (self->cursor);
  g_free (self);
}

void
postern_removal_free (PosternRemoval *self)
{
  g_free (self->email_id);
  g_clear_error (&self->error);
  g_free (self);
}

void
postern_import_result_free (PosternImportResult *self)
{
  g_free (self->email_id);
  g_clear_error (&self->error);
  g_free (self);
}

void
postern_submit_result_free (PosternSubmitResult *self)
{
  g_clear_error (&self->error);
  g_clear_pointer (&self->refused, g_ptr_array_unref);
  g_free (self);
}
