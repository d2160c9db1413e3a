// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientOf } from './client-address.js';

/** @param {string} [address] */
const client = (address) =>
  clientOf(/** @type {any} */ ({ headers: new Headers(address === undefined ? {} : { 'CF-Connecting-IP': address }) }));

test('client-address: an IPv4 address is one client, an IPv6 subscriber too', () => {
  assert.equal(client('192.0.2.7'), '192.0.2.7');
  assert.equal(client('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
  assert.equal(client('2001:0DB8:0001:0002::1'), '2001:db8:1:2');
  assert.equal(client('2001:db8::1'), '2001:db8:0:0');
  assert.equal(client('2001:db8:0:0:ffff::'), '2001:db8:0:0');
  assert.equal(client('::1'), '0:0:0:0');
  assert.equal(client('::ffff:192.0.2.7'), '0:0:0:0');
  assert.notEqual(client('2001:db8:1:2::1'), client('2001:db8:1:3::1'));
  assert.equal(client(), 'unknown');
});
