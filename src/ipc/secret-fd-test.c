/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ipc/secret-fd.h"

#include "base/error.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int
make_file (const char *text, gsize length)
{
  int fd = memfd_create ("test", MFD_CLOEXEC);

  g_assert_cmpint (pwrite (fd, text, length, 0), ==, (gssize) length);
  return fd;
}

static void
test_round_trip (void)
{
  g_autoptr (PosternSecret) secret = postern_secret_new ("pass word ü", -1);
  g_autoptr (PosternSecret) found = NULL;
  g_autoptr (GError) error = NULL;
  int fd = postern_secret_fd_new (secret, &error);

  g_assert_cmpint (fd, >=, 0);
  /* Nobody who gets it can change it, or read it only once. */
  g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
  lseek (fd, 3, SEEK_SET);
  found = postern_secret_fd_read (fd, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "pass word ü");
  close (fd);
}

static void
expect_refused (int fd)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (postern_secret_fd_read (fd, &error));
  g_assert_error (error, POSTERN_ERROR, POSTERN_ERROR_INVALID);
  close (fd);
}

static void
test_refused (void)
{
  g_autofree char *large = g_strnfill (POSTERN_SECRET_FD_MAX + 1, 'a');
  int ends[2];

  expect_refused (make_file ("", 0));
  expect_refused (make_file ("\n", 1));
  expect_refused (make_file ("a\0b", 3));
  expect_refused (make_file ("a\nb", 3));
  expect_refused (make_file (large, POSTERN_SECRET_FD_MAX + 1));

  /* Reading this one would wait for ever. */
  g_assert_cmpint (pipe (ends), ==, 0);
  expect_refused (ends[0]);
  close (ends[1]);
}

static void
test_limits (void)
{
  g_autofree char *large = g_strnfill (POSTERN_SECRET_FD_MAX, 'a');
  g_autoptr (PosternSecret) found = NULL;
  int fd = make_file (large, POSTERN_SECRET_FD_MAX);

  found = postern_secret_fd_read (fd, NULL);
  g_assert_cmpuint (postern_secret_get_length (found), ==, POSTERN_SECRET_FD_MAX);
  close (fd);
}

static void
test_line_end (void)
{
  g_autoptr (PosternSecret) found = NULL;
  int fd = make_file ("abc\n", 4);

  found = postern_secret_fd_read (fd, NULL);
  g_assert_cmpstr (postern_secret_get_text (found), ==, "abc");
  close (fd);
}

static void
test_list (void)
{
  g_autoptr (PosternSecret) secret = postern_secret_new ("abc", -1);
  g_autoptr (GUnixFDList) list = postern_secret_fd_list_new (secret, NULL);
  g_autoptr (GVariant) first = g_variant_ref_sink (g_variant_new_handle (0));
  g_autoptr (GVariant) beyond = g_variant_ref_sink (g_variant_new_handle (1));
  g_autoptr (GVariant) negative = g_variant_ref_sink (g_variant_new_handle (-1));
  g_autoptr (PosternSecret) found = postern_secret_fd_list_read (list, first, NULL);

  g_assert_cmpstr (postern_secret_get_text (found), ==, "abc");
  g_assert_null (postern_secret_fd_list_read (list, beyond, NULL));
  g_assert_null (postern_secret_fd_list_read (list, negative, NULL));
  g_assert_null (postern_secret_fd_list_read (NULL, first, NULL));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ipc/secret-fd/what-is-put-in-comes-out", test_round_trip);
  g_test_add_func ("/ipc/secret-fd/what-is-no-line-in-a-file-is-refused", test_refused);
  g_test_add_func ("/ipc/secret-fd/the-longest-is-taken", test_limits);
  g_test_add_func ("/ipc/secret-fd/one-line-end-is-left-out", test_line_end);
  g_test_add_func ("/ipc/secret-fd/a-handle-that-did-not-come-is-refused", test_list);
  return g_test_run ();
}
