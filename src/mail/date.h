/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *postern_date_format (gint64 time_us, int offset_minutes);

G_END_DECLS
