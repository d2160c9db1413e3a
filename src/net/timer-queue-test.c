/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/timer-queue.h"

#define MANY 500

static void
test_order (void)
{
  g_autofree PosternTimer *timers = g_new0 (PosternTimer, MANY);
  PosternTimerQueue queue = { 0 };
  PosternTimer *due;
  gint64 before_us = 0;
  guint running = MANY;

  for (guint i = 0; i < MANY; i++)
    postern_timer_queue_start (&queue, &timers[i], g_test_rand_int_range (1, 1000));
  /* Some are moved to later, some to sooner, some are stopped. */
  for (guint i = 0; i < MANY; i += 3)
    postern_timer_queue_start (&queue, &timers[i], g_test_rand_int_range (1, 2000));
  for (guint i = 0; i < MANY; i += 7)
    {
      postern_timer_queue_stop (&queue, &timers[i]);
      running--;
    }
  while ((due = postern_timer_queue_take_due (&queue, 1000 * 1000)) != NULL)
    {
      g_assert_cmpuint ((due - timers) % 7, !=, 0);
      g_assert_cmpint (postern_timer_queue_get_next_us (&queue), !=, 0);
      g_assert_cmpint (due->place_us, >=, before_us);
      g_assert_cmpint (due->due_us, ==, 0);
      before_us = due->place_us;
      running--;
    }
  g_assert_cmpuint (running, ==, 0);
  g_assert_cmpint (postern_timer_queue_get_next_us (&queue), ==, -1);
  postern_timer_queue_clear (&queue);
}

static void
test_not_early (void)
{
  PosternTimerQueue queue = { 0 };
  PosternTimer timer = { 0 };

  postern_timer_queue_start (&queue, &timer, 100);
  postern_timer_queue_start (&queue, &timer, 300);
  g_assert_null (postern_timer_queue_take_due (&queue, 299));
  g_assert_cmpint (postern_timer_queue_get_next_us (&queue), ==, 300);
  postern_timer_queue_start (&queue, &timer, 200);
  g_assert_true (postern_timer_queue_take_due (&queue, 200) == &timer);
  g_assert_null (postern_timer_queue_take_due (&queue, 1000));
  postern_timer_queue_clear (&queue);
}

static void
test_clear (void)
{
  PosternTimerQueue queue = { 0 };
  PosternTimer timer = { 0 };

  postern_timer_queue_start (&queue, &timer, 100);
  postern_timer_queue_clear (&queue);
  postern_timer_queue_stop (&queue, &timer);
  g_assert_cmpuint (timer.place, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/timer-queue/timers-come-in-the-order-of-their-time", test_order);
  g_test_add_func ("/net/timer-queue/moved-timer-is-never-early", test_not_early);
  g_test_add_func ("/net/timer-queue/cleared-timer-can-be-stopped", test_clear);
  return g_test_run ();
}
