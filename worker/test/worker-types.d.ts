// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names of the Workers runtime that sources mention and tests of those sources meet: the tests themselves run in Node,
// whose own globals must stay what they are.

type DurableObjectStorage = import('@cloudflare/workers-types').DurableObjectStorage;
type DurableObjectState = import('@cloudflare/workers-types').DurableObjectState;
type SqlStorage = import('@cloudflare/workers-types').SqlStorage;
