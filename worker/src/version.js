// SPDX-License-Identifier: GPL-3.0-or-later

/** The Worker's own version; `package.json` says the same, and a test holds them together. */
export const VERSION = '0.1.0';

/** The oldest bridge that understands this Worker. */
export const LEAST_BRIDGE_VERSION = '0.1.0';

/** Where the management API lives. A breaking change takes the next number and leaves this one standing. */
export const API_BASE = '/api/v1/';
