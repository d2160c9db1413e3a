/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "store/database.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * PosternStoreJob:
 *
 * One thing to do where bytes meet the disk; the first member of what carries its particulars. It
 * belongs to the thread from the push to `done`, which owns it again.
 */
typedef struct _PosternStoreJob PosternStoreJob;

struct _PosternStoreJob
{
  PosternStoreJob *next;

  /* On the thread, before the transaction: files are written and synced here. */
  void (*prepare) (PosternStoreJob *job);
  /* On the thread, inside it. What fails is undone and does not touch the other jobs. */
  gboolean (*run) (PosternStoreJob *job, PosternDatabase *database, GError **error);
  /* On the thread, when the transaction is on disk; not after an error. */
  void (*committed) (PosternStoreJob *job);
  /* On the main context, always, in the order of the pushes. */
  void (*done) (PosternStoreJob *job);

  gboolean names_files; /* the directory must be synced before the transaction */
  GError *error;        /* (owned) (nullable) set by whichever step failed */
};

/**
 * PosternStoreThread:
 *
 * A thread and its queue. Whenever it is idle it takes all that waits (or one, if so made), hands
 * it to `batch`, and then brings all of it back to the main context with one wake-up.
 */
typedef struct _PosternStoreThread PosternStoreThread;

typedef void (*PosternStoreBatch) (PosternStoreJob *jobs, gpointer owner);

typedef enum
{
  POSTERN_STORE_TAKES_ALL, /* so that many share one sync */
  POSTERN_STORE_TAKES_ONE, /* so that none waits for another's answer */
} PosternStoreTakes;

PosternStoreThread *postern_store_thread_new (const char *name,
                                              PosternStoreTakes takes,
                                              PosternStoreBatch batch,
                                              PosternStoreBatch after,
                                              gpointer owner);
void postern_store_thread_push (PosternStoreThread *self, PosternStoreJob *job);
void postern_store_thread_stop (PosternStoreThread *self);
PosternStoreThread *postern_store_thread_ref (PosternStoreThread *self);
void postern_store_thread_unref (PosternStoreThread *self);

G_END_DECLS
