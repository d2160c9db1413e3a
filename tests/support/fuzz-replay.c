/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Feeds every file of the folders named on the command line to a fuzz target, so that each build
 * replays what the fuzzer once found. */
int
main (int argc, char *argv[])
{
  guint replayed = 0;

  for (int i = 1; i < argc; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GDir) folder = g_dir_open (argv[i], 0, &error);
      const char *name;

      if (folder == NULL)
        {
          g_printerr ("%s\n", error->message);
          return 1;
        }
      while ((name = g_dir_read_name (folder)) != NULL)
        {
          g_autofree char *path = g_build_filename (argv[i], name, NULL);
          g_autofree char *contents = NULL;
          gsize length;

          if (!g_file_get_contents (path, &contents, &length, &error))
            {
              g_printerr ("%s\n", error->message);
              return 1;
            }
          LLVMFuzzerTestOneInput ((const guint8 *) contents, length);
          replayed++;
        }
    }
  g_print ("%u inputs replayed\n", replayed);
  return replayed > 0 ? 0 : 1;
}
