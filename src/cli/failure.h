/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "cli/command.h"

G_BEGIN_DECLS

PosternExit postern_cli_fail (PosternCli *cli, const GError *error);
PosternExit postern_cli_fail_with_remedy (PosternCli *cli, const GError *error, const char *remedy);
PosternExit postern_cli_fail_in_english (PosternCli *cli, const GError *error, const char *remedy);
PosternExit postern_cli_fail_no_daemon (PosternCli *cli, const GError *error);
PosternExit postern_cli_usage (PosternCli *cli, const char *format, ...) G_GNUC_PRINTF (2, 3);
const char *postern_failure_describe (const char *code, const char *sentence);

G_END_DECLS
