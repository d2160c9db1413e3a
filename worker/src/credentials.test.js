// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenOf } from './credentials.js';

const mailboxId = '0123456789abcdef0123456789abcdef';
const token = `pt_${mailboxId}_${'x'.repeat(43)}`;

/** @param {string | null} authorization */
const read = (authorization) =>
  tokenOf(/** @type {any} */ ({ headers: new Headers(authorization === null ? {} : { authorization }) }));

test('credentials: a token comes as Bearer, or as the password of Basic', () => {
  assert.deepEqual(read(`Bearer ${token}`), { token, mailboxId });
  assert.deepEqual(read(`bearer   ${token} `), { token, mailboxId });
  assert.deepEqual(read(`Basic ${btoa(`ada@example.com:${token}`)}`), { token, mailboxId });
  assert.deepEqual(read(`Basic ${btoa(`:${token}`)}`), { token, mailboxId });
});

test('credentials: what has not the shape of a token is none', () => {
  for (const header of [
    null,
    '',
    'Bearer',
    token,
    `Digest ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token} more`,
    `Bearer ${token.toUpperCase()}`,
    `Bearer pt_..%2f_${'x'.repeat(43)}`,
    'Basic %%%',
    `Basic ${btoa(token)}`,
    `Basic ${btoa('ada@example.com:correct horse')}`,
  ])
    assert.equal(read(header), null, String(header));
});
