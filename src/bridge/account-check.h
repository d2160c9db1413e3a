/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "bridge/account.h"
#include "bridge/job.h"

G_BEGIN_DECLS

void postern_account_check_run (PosternAccount *account, PosternJob *job);

G_END_DECLS
