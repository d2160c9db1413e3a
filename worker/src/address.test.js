// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isAddress, ownForm, uniqueAddresses } from './address.js';

describe('address', () => {
  for (const good of [
    'a@b.test',
    'a.b+c@d-e.test',
    '"a b"@c.test',
    'jürgen@bücher.test',
    'a@[192.0.2.1]',
    "o'neil@x.test",
  ])
    it(`takes ${good}`, () => assert.ok(isAddress(good)));

  for (const bad of [
    '',
    'a',
    '@b',
    'a@',
    'a b@c',
    'a@b c',
    'a@b@c',
    '<a@b>',
    'a@b\r\nX: y',
    'a..b@c',
    '.a@b',
    'a.@b',
    'a\0@b',
    'a@b,c@d',
  ])
    it(`refuses ${JSON.stringify(bad)}`, () => assert.ok(!isAddress(bad)));

  it('compares owned addresses without case and tag', () => {
    assert.equal(ownForm('Ada+News@Example.TEST'), 'ada@example.test');
    assert.equal(ownForm('+odd@x.test'), '+odd@x.test');
  });

  it('keeps one of each, the domain without case and the local part with it', () => {
    assert.deepEqual(uniqueAddresses(['a@X.test', 'a@x.TEST', 'A@x.test']), ['a@X.test', 'A@x.test']);
  });
});
