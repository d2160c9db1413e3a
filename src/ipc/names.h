/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/* What the daemon, the window and posternctl call each other by. */

#define POSTERN_BUS_NAME           "io.github.posternmail.Postern.Bridge"
#define POSTERN_BUS_PREFIX         "io.github.posternmail.Postern."
#define POSTERN_BUS_PATH           "/io/github/posternmail/Postern"
#define POSTERN_BUS_ACCOUNTS_PATH  POSTERN_BUS_PATH "/accounts"
#define POSTERN_BUS_LISTENERS_PATH POSTERN_BUS_PATH "/listeners"
#define POSTERN_BUS_JOBS_PATH      POSTERN_BUS_PATH "/jobs"
#define POSTERN_BUS_ERROR_PREFIX   "io.github.posternmail.Postern.Error."
