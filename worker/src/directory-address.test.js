// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, canonicalDomain, newAddress, withoutTag } from './directory-address.js';

test('address: many spellings are one', () => {
  for (const text of ['ada@example.com', 'ADA@Example.COM', '"ada"@example.com', '"A\\da"@example.com'])
    assert.equal(canonicalAddress(text), 'ada@example.com');
  assert.equal(canonicalAddress('ada@BÜCHER.example'), 'ada@xn--bcher-kva.example');
  assert.equal(canonicalAddress('ada@bücher.example'), canonicalAddress('ada@xn--bcher-kva.example'));
  assert.equal(canonicalAddress('"a@b"@example.com'), 'a@b@example.com');
});

test('address: what is none is none', () => {
  for (const text of [
    '',
    'ada',
    '@example.com',
    'ada@',
    'ada@-x.com',
    'ada@x..com',
    'ada@[192.0.2.1]',
    'ada@192.0.2.1',
  ])
    assert.equal(canonicalAddress(text), '', text);
  assert.equal(canonicalAddress(`${'a'.repeat(2000)}@example.com`), '');
  assert.equal(canonicalDomain('ü.example/evil@x'), null);
  assert.equal(canonicalDomain(`${'a'.repeat(64)}.com`), null);
});

test('address: a tag is what follows the first plus', () => {
  assert.equal(withoutTag('ada+lists+more'), 'ada');
  assert.equal(withoutTag('+ada'), '+ada');
  assert.equal(withoutTag('ada'), 'ada');
});

test('address: a new one is typed by people', () => {
  assert.deepEqual(newAddress('Ada.L@Example.com'), {
    address: 'ada.l@example.com',
    local: 'ada.l',
    domain: 'example.com',
  });
  for (const text of [
    'ada',
    'ada+x@example.com',
    'a..b@example.com',
    '.a@example.com',
    'a.@example.com',
    'ädä@example.com',
    'a b@example.com',
    '"a"@example.com',
    'a%b@example.com',
    'a/b@example.com',
    'a\r\nb@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b.'.repeat(126)}com`,
  ])
    assert.ok('fault' in newAddress(text), text);
});
