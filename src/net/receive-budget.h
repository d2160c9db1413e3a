/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef void (*PosternBudgetReady) (gpointer owner);

/**
 * PosternBudgetClaim:
 *
 * What one message being received takes of the budget; embedded in whoever receives it, zeroed but
 * for the first two members.
 */
typedef struct
{
  PosternBudgetReady on_ready; /* reading may go on; called from within another claim's release */
  gpointer owner;
  guint64 octets;
  gboolean is_waiting;
  GList link;
} PosternBudgetClaim;

/**
 * PosternReceiveBudget:
 *
 * How many octets of messages may be in memory on their way to the store, all sessions together.
 * It is a value; set @limit, zero the rest.
 */
typedef struct
{
  guint64 limit;                /* octets */
  guint64 total;                /* octets */
  PosternBudgetClaim *favoured; /* (nullable) the one that may go on above the limit */
  GQueue waiting;
} PosternReceiveBudget;

/* The store moves a message on in blocks of 256 KiB, two of them in flight: that much of one
 * message is in memory at most, however large it is. */
#define POSTERN_BUDGET_MOST_A_MESSAGE (512 * 1024)

gboolean postern_receive_budget_may_read (PosternReceiveBudget *self, PosternBudgetClaim *claim);
void
postern_receive_budget_add (PosternReceiveBudget *self, PosternBudgetClaim *claim, gsize length);
void postern_receive_budget_release (PosternReceiveBudget *self, PosternBudgetClaim *claim);

G_END_DECLS
