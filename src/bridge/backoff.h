/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define POSTERN_QUEUE_LIFETIME_US (5 * G_TIME_SPAN_DAY) /* RFC 5321 section 4.5.4.1 */

gint64 postern_backoff_us (guint attempts, double jitter);

G_END_DECLS
