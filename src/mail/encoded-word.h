/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *postern_encoded_word_decode (const char *value);

G_END_DECLS
