/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/driver.h"

G_BEGIN_DECLS

/* Drives a #PosternPop3Session. */
extern const PosternDriverClass postern_pop3_driver_class;

G_END_DECLS
