/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

void postern_early_types_ensure (void);
