// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DirectoryRuntime } from '../test/directory-runtime.js';
import { LEAST_BRIDGE_VERSION, VERSION } from './version.js';

/** @type {DirectoryRuntime} */
let runtime;
/** @type {string} */
let token;

before(async () => {
  runtime = await DirectoryRuntime.start();
  token = await runtime.setUp();
});
after(() => runtime.stop());

test('well-known: postern names the version and absolute URLs', async () => {
  const { status, body } = await runtime.call('GET', '/.well-known/postern');
  assert.equal(status, 200);
  assert.deepEqual(body, {
    name: 'Postern',
    version: VERSION,
    leastBridgeVersion: LEAST_BRIDGE_VERSION,
    apiUrl: `${runtime.url}/api/v1/`,
    jmapUrl: `${runtime.url}/.well-known/jmap`,
  });
  assert.equal((await runtime.call('POST', '/.well-known/postern', {})).status, 405);
});

test('jmap: a request reaches the mailbox of its token as it is', async () => {
  const raw = 'bytes \u0000 and more';
  const sent = await runtime.call('POST', '/jmap/upload/x%2fy?a=%20b', raw, { token });
  const id = token.slice(3, 35);
  assert.deepEqual(sent.body, {
    id,
    pathname: '/jmap/upload/x%2fy',
    search: '?a=%20b',
    authorization: `Bearer ${token}`,
    body: raw,
  });
  const session = await runtime.call('GET', '/.well-known/jmap', undefined, { token });
  assert.equal(session.body.pathname, '/jmap/session');
  assert.equal(session.body.authorization, `Bearer ${token}`);
});

test('jmap: without credentials both schemes are named; a password is not taken', async () => {
  /** @type {Record<string, string>[]} */
  const refused = [{}, { Authorization: `Basic ${btoa('ada@example.test:correct horse battery')}` }];
  for (const headers of refused)
    for (const path of ['/jmap/api', '/.well-known/jmap']) {
      const answer = await runtime.call('GET', path, undefined, { headers });
      assert.equal(answer.status, 401);
      assert.equal(answer.body.code, 'not-signed-in');
      assert.match(answer.headers.get('WWW-Authenticate') ?? '', /^Bearer .*Basic /);
    }
});

test('pages: a person with a browser is told where they are', async () => {
  for (const path of ['/', '/invitation']) {
    const answer = await runtime.call('GET', path);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('Content-Type') ?? '', /^text\/plain/);
    assert.match(answer.body, /127\.0\.0\.1/);
  }
  for (const path of ['/nothing', '/jmap', '/api', '/constructor', '/api/v2/'])
    assert.equal((await runtime.call('GET', path)).status, 404, path);
});
