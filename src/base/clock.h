/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gint64 postern_clock_now_us (void);
gint64 postern_clock_monotonic_us (void);

/* Tests set a clock of their own, which then only moves when told to. */
void postern_clock_set (gint64 now_us, gint64 monotonic_us);
void postern_clock_advance (gint64 by_us);
void postern_clock_restore (void);

G_END_DECLS
