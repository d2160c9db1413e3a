/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/buffer.h"

#include <string.h>

static void
test_order (void)
{
  g_auto (PosternBuffer) buffer = { 0 };
  guint8 expected = 0;
  guint8 next = 0;

  for (guint round = 0; round < 2000; round++)
    {
      guint8 bytes[37];
      gsize take;

      for (gsize i = 0; i < sizeof bytes; i++)
        bytes[i] = next++;
      postern_buffer_append (&buffer, bytes, sizeof bytes);
      take = MIN (postern_buffer_length (&buffer), (round * 7) % 61);
      for (gsize i = 0; i < take; i++)
        g_assert_cmpuint (postern_buffer_peek (&buffer)[i], ==, expected++);
      postern_buffer_take (&buffer, take);
    }
  while (postern_buffer_length (&buffer) > 0)
    {
      g_assert_cmpuint (postern_buffer_peek (&buffer)[0], ==, expected++);
      postern_buffer_take (&buffer, 1);
    }
  g_assert_cmpuint (expected, ==, next);
}

static void
test_empty_holds_nothing (void)
{
  g_auto (PosternBuffer) buffer = { 0 };

  postern_buffer_append (&buffer, "abc", 3);
  postern_buffer_take (&buffer, 3);
  g_assert_null (buffer.data);
  g_assert_cmpuint (buffer.allocated, ==, 0);
}

static void
test_reserve (void)
{
  g_auto (PosternBuffer) buffer = { 0 };
  guint8 *room = postern_buffer_reserve (&buffer, 1000);

  memset (room, 'x', 1000);
  g_assert_cmpuint (postern_buffer_length (&buffer), ==, 0);
  postern_buffer_commit (&buffer, 10);
  g_assert_cmpuint (postern_buffer_length (&buffer), ==, 10);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/buffer/order-survives-growing-and-sliding", test_order);
  g_test_add_func ("/base/buffer/empty-holds-no-memory", test_empty_holds_nothing);
  g_test_add_func ("/base/buffer/reserved-room-counts-only-once-committed", test_reserve);
  return g_test_run ();
}
