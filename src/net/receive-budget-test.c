/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/receive-budget.h"

#define LIMIT (1024 * 1024)

static void
on_ready (gpointer owner)
{
  ++*(guint *) owner;
}

static void
test_nobody_waits_for_ever (void)
{
  PosternReceiveBudget budget = { .limit = LIMIT };
  PosternBudgetClaim claims[8];
  guint woken[8] = { 0 };

  for (guint i = 0; i < 8; i++)
    {
      claims[i] = (PosternBudgetClaim){ .on_ready = on_ready, .owner = &woken[i] };
      g_assert_true (postern_receive_budget_may_read (&budget, &claims[i]));
      postern_receive_budget_add (&budget, &claims[i], LIMIT / 8);
    }
  /* All are half here and the memory is full: one goes on, the others wait in order. */
  g_assert_true (postern_receive_budget_may_read (&budget, &claims[3]));
  for (guint i = 0; i < 8; i++)
    g_assert_true (postern_receive_budget_may_read (&budget, &claims[i]) == (i == 3));
  postern_receive_budget_add (&budget, &claims[3], 100);
  g_assert_cmpuint (budget.total, ==, LIMIT + 100);
  /* Its end makes room, so all that wait may try again. */
  postern_receive_budget_release (&budget, &claims[3]);
  for (guint i = 0; i < 8; i++)
    g_assert_cmpuint (woken[i], ==, i != 3);
}

static void
test_favour_passes_on (void)
{
  PosternReceiveBudget budget = { .limit = LIMIT };
  PosternBudgetClaim claims[4];
  guint woken[4] = { 0 };

  for (guint i = 0; i < 4; i++)
    {
      claims[i] = (PosternBudgetClaim){ .on_ready = on_ready, .owner = &woken[i] };
      postern_receive_budget_add (&budget, &claims[i], 400 * 1024);
      postern_receive_budget_may_read (&budget, &claims[i]);
    }
  g_assert_true (budget.favoured == &claims[2]);
  g_assert_true (claims[3].is_waiting);
  postern_receive_budget_release (&budget, &claims[2]);
  g_assert_cmpuint (woken[3], ==, 1);
  g_assert_true (postern_receive_budget_may_read (&budget, &claims[3]));
  g_assert_true (budget.favoured == &claims[3]);
  /* One that waits and goes away leaves nothing behind. */
  g_assert_false (postern_receive_budget_may_read (&budget, &claims[0]));
  postern_receive_budget_release (&budget, &claims[0]);
  g_assert_cmpuint (budget.waiting.length, ==, 0);
  for (guint i = 0; i < 4; i++)
    postern_receive_budget_release (&budget, &claims[i]);
  g_assert_cmpuint (budget.total, ==, 0);
  g_assert_null (budget.favoured);
}

static void
test_large_message_counts_once (void)
{
  PosternReceiveBudget budget = { .limit = LIMIT };
  PosternBudgetClaim claim = { .on_ready = on_ready };

  for (guint i = 0; i < 100; i++)
    postern_receive_budget_add (&budget, &claim, LIMIT);
  g_assert_cmpuint (budget.total, ==, POSTERN_BUDGET_MOST_A_MESSAGE);
  g_assert_true (postern_receive_budget_may_read (&budget, &claim));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/receive-budget/nobody-waits-for-ever", test_nobody_waits_for_ever);
  g_test_add_func ("/net/receive-budget/favour-passes-on", test_favour_passes_on);
  g_test_add_func ("/net/receive-budget/large-message-counts-as-its-blocks",
                   test_large_message_counts_once);
  return g_test_run ();
}
