/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "net/driver.h"

G_BEGIN_DECLS

/* Drives a #PosternSmtpSession. */
extern const PosternDriverClass postern_smtp_driver_class;

G_END_DECLS
