/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/date.h"

static void
test_dates (void)
{
  static const struct
  {
    gint64 time_us;
    int offset_minutes;
    const char *text;
  } cases[] = {
    { 0, 0, "Thu, 1 Jan 1970 00:00:00 +0000" },
    { -1, 0, "Wed, 31 Dec 1969 23:59:59 +0000" },
    { G_GINT64_CONSTANT (1795352709) * G_USEC_PER_SEC + 999999,
      0,
      "Sun, 22 Nov 2026 13:05:09 +0000" },
    { G_GINT64_CONSTANT (1795352709) * G_USEC_PER_SEC, 60, "Sun, 22 Nov 2026 14:05:09 +0100" },
    { G_GINT64_CONSTANT (1795352709) * G_USEC_PER_SEC, 345, "Sun, 22 Nov 2026 18:50:09 +0545" },
    { G_GINT64_CONSTANT (1795352709) * G_USEC_PER_SEC, -210, "Sun, 22 Nov 2026 09:35:09 -0330" },
    { G_GINT64_CONSTANT (1709164800) * G_USEC_PER_SEC, 0, "Thu, 29 Feb 2024 00:00:00 +0000" },
    { G_GINT64_CONSTANT (1709164800) * G_USEC_PER_SEC, -1, "Wed, 28 Feb 2024 23:59:00 -0001" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = postern_date_format (cases[i].time_us, cases[i].offset_minutes);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mail/date/is-written-as-rfc-5322-says", test_dates);
  return g_test_run ();
}
