/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-net"

#include "config.h"

#include "net/receive-budget.h"

/* Above the limit nobody reads on but one: were there none, messages that each are half here
 * could wait for each other for ever. The favour passes on, in the order in which they came to
 * wait, so each of them ends. */

/**
 * postern_receive_budget_may_read:
 *
 * To be asked before each read of a message's octets.
 * Returns: FALSE when the caller must wait for on_ready.
 */
gboolean
postern_receive_budget_may_read (PosternReceiveBudget *self, PosternBudgetClaim *claim)
{
  if (claim->is_waiting)
    return FALSE;
  /* One that has all it can have in memory takes no more of it by going on. */
  if (claim->octets >= POSTERN_BUDGET_MOST_A_MESSAGE || self->total < self->limit)
    return TRUE;
  if (self->favoured == NULL)
    self->favoured = claim;
  if (self->favoured == claim)
    return TRUE;

  claim->is_waiting = TRUE;
  claim->link.data = claim;
  g_queue_push_tail_link (&self->waiting, &claim->link);
  return FALSE;
}

/**
 * postern_receive_budget_add:
 * @length: octets that were read
 */
void
postern_receive_budget_add (PosternReceiveBudget *self, PosternBudgetClaim *claim, gsize length)
{
  guint64 more = MIN (length, POSTERN_BUDGET_MOST_A_MESSAGE - claim->octets);

  claim->octets += more;
  self->total += more;
}

/**
 * postern_receive_budget_release:
 *
 * The message is on disk, or forgotten. Those that wait are told.
 */
void
postern_receive_budget_release (PosternReceiveBudget *self, PosternBudgetClaim *claim)
{
  if (claim->is_waiting)
    g_queue_unlink (&self->waiting, &claim->link);
  claim->is_waiting = FALSE;
  if (self->favoured == claim)
    self->favoured = NULL;
  self->total -= claim->octets;
  claim->octets = 0;

  while (self->waiting.length > 0 && (self->total < self->limit || self->favoured == NULL))
    {
      PosternBudgetClaim *next = g_queue_pop_head_link (&self->waiting)->data;

      next->is_waiting = FALSE;
      if (self->total >= self->limit)
        self->favoured = next;
      next->on_ready (next->owner);
    }
}
