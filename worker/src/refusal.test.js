// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { PROBLEM_BASE, Refusal, REFUSALS, refusalResponse } from './refusal.js';
import { VERSION } from './version.js';

/** @param {string} path */
const text = (path) => readFile(new URL(path, import.meta.url), 'utf8');

test('refusal: every code is described in API.md with its status, and no other', async () => {
  const rows = [...(await text('../API.md')).matchAll(/^\| `([a-z-]+)` \| (\d{3}) \|/gm)];
  const described = rows.map(([, code, status]) => [code, Number(status)]);
  const kept = Object.entries(REFUSALS).map(([code, [status]]) => [code, status]);
  assert.deepEqual(described, kept);
});

test('refusal: it is told as RFC 9457 has it', async () => {
  const response = new Refusal('too-many-attempts', 'Wait.', { retryAfter: 61, member: 'password' }).toResponse();
  assert.equal(response.status, 429);
  assert.equal(response.headers.get('Content-Type'), 'application/problem+json');
  assert.equal(response.headers.get('Retry-After'), '61');
  assert.deepEqual(await response.json(), {
    type: `${PROBLEM_BASE}too-many-attempts`,
    code: 'too-many-attempts',
    title: 'Too many attempts',
    status: 429,
    detail: 'Wait.',
    member: 'password',
    retryAfter: 61,
  });
});

test('refusal: a fault of ours tells a stranger nothing', async () => {
  const before = console.error;
  console.error = () => {};
  try {
    const response = refusalResponse(new Error('secret inside'));
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret inside/);
  } finally {
    console.error = before;
  }
});

test('version: the package says the same', async () => {
  assert.equal(JSON.parse(await text('../package.json')).version, VERSION);
});
