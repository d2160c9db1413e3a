/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net/epoll-source.h"

#include "base/clock.h"

#include <sys/epoll.h>
#include <unistd.h>

#define MANY 200

typedef struct
{
  PosternEpollSource *epoll;
  PosternWatch watches[MANY];
  guint told[MANY];
  int ends[MANY];
  guint n_due;
  gboolean frees;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->epoll = postern_epoll_source_new (NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < MANY; i++)
    if (fixture->ends[i] != 0)
      {
        close (fixture->ends[i]);
        close (fixture->watches[i].fd);
      }
  g_clear_pointer (&fixture->epoll, postern_epoll_source_free);
}

static void
open_watches (Fixture *fixture, PosternWatchFunc on_ready)
{
  for (guint i = 0; i < MANY; i++)
    {
      int ends[2];

      g_assert_cmpint (pipe (ends), ==, 0);
      fixture->ends[i] = ends[1];
      fixture->watches[i] = (PosternWatch){ .fd = ends[0], .on_ready = on_ready, .owner = fixture };
      g_assert_true (postern_epoll_source_add (fixture->epoll, &fixture->watches[i], EPOLLIN));
      g_assert_cmpint (write (ends[1], "x", 1), ==, 1);
    }
}

/* The first to be told removes all others: none of them may hear anything any more. */
static void
on_ready_remove_others (PosternWatch *watch, guint32 events, gpointer owner)
{
  Fixture *fixture = owner;

  fixture->told[watch - fixture->watches]++;
  for (guint i = 0; i < MANY; i++)
    if (&fixture->watches[i] != watch)
      postern_epoll_source_remove (fixture->epoll, &fixture->watches[i]);
}

static void
test_remove (Fixture *fixture, gconstpointer data)
{
  guint total = 0;

  open_watches (fixture, on_ready_remove_others);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  for (guint i = 0; i < MANY; i++)
    total += fixture->told[i];
  g_assert_cmpuint (total, ==, 1);
}

/* The first one always has more to do; it must not keep the others from their turn. */
static void
on_ready_go_on (PosternWatch *watch, guint32 events, gpointer owner)
{
  Fixture *fixture = owner;

  fixture->told[watch - fixture->watches]++;
  if (watch == fixture->watches)
    postern_epoll_source_tell_again (fixture->epoll, watch);
}

static void
test_fair (Fixture *fixture, gconstpointer data)
{
  open_watches (fixture, on_ready_go_on);
  for (guint turn = 0; turn < MANY; turn++)
    g_main_context_iteration (NULL, FALSE);
  for (guint i = 1; i < MANY; i++)
    g_assert_cmpuint (fixture->told[i], ==, 1);
  g_assert_cmpuint (fixture->told[0], <=, MANY);
  postern_epoll_source_remove (fixture->epoll, fixture->watches);
}

static void
on_due (PosternTimer *timer, gpointer owner)
{
  Fixture *fixture = owner;

  fixture->n_due++;
  if (fixture->frees)
    g_clear_pointer (&fixture->epoll, postern_epoll_source_free);
  else
    postern_epoll_source_start_timer (fixture->epoll, timer, G_USEC_PER_SEC);
}

static void
test_timers (Fixture *fixture, gconstpointer data)
{
  PosternTimer timer = { .on_due = on_due, .owner = fixture };

  postern_clock_set (1, 1);
  postern_epoll_source_start_timer (fixture->epoll, &timer, G_USEC_PER_SEC);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (fixture->n_due, ==, 0);
  for (guint second = 1; second <= 3; second++)
    {
      postern_clock_advance (G_USEC_PER_SEC);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_cmpuint (fixture->n_due, ==, second);
    }
  postern_epoll_source_stop_timer (fixture->epoll, &timer);
  postern_clock_restore ();
}

static void
test_free_within (Fixture *fixture, gconstpointer data)
{
  PosternTimer timers[2] = { { .on_due = on_due, .owner = fixture },
                             { .on_due = on_due, .owner = fixture } };

  fixture->frees = TRUE;
  postern_epoll_source_start_timer (fixture->epoll, &timers[0], 1);
  postern_epoll_source_start_timer (fixture->epoll, &timers[1], 1);
  while (fixture->epoll != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (fixture->n_due, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, test)                                                                            \
  g_test_add ("/net/epoll-source/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("removed-watch-hears-nothing", test_remove);
  ADD ("busy-watch-starves-nobody", test_fair);
  ADD ("timer-runs-when-its-time-has-come", test_timers);
  ADD ("source-can-be-freed-by-a-callback", test_free_within);
  return g_test_run ();
}
