/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

/* Tests wait for an asynchronous answer by turning the main context:
 *
 *   Await await = { 0 };
 *   thing_do_async (thing, NULL, await_done, &await);
 *   thing_do_finish (thing, await_result (&await), &error);
 */
typedef struct
{
  GAsyncResult *result; /* (owned) */
} Await;

static inline void
await_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Await *self = user_data;

  g_assert_null (self->result);
  self->result = g_object_ref (result);
}

/* Lent; the next call, or await_clear(), ends it. */
static inline GAsyncResult *
await_result (Await *self)
{
  while (self->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return self->result;
}

static inline void
await_clear (Await *self)
{
  g_clear_object (&self->result);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Await, await_clear)
