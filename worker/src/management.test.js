// SPDX-License-Identifier: GPL-3.0-or-later
//
// The directory with real mailboxes: what an administrator decides, a program with a token feels.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { DirectoryRuntime, PASSWORD } from '../test/directory-runtime.js';

/** @type {DirectoryRuntime} */
let runtime;
/** @type {string} */
let token;

before(async () => {
  runtime = await DirectoryRuntime.start({}, { realMailboxes: true });
  token = await runtime.setUp();
});
after(() => runtime.stop());

const session = (/** @type {string} */ held) => runtime.call('GET', '/.well-known/jmap', undefined, { token: held });

/**
 * Opens a push connection.
 * @param {string} held
 * @returns {Promise<import('node:net').Socket>}
 */
async function connect(held) {
  const opening = request(new URL('/jmap/ws', runtime.url), {
    headers: {
      Authorization: `Bearer ${held}`,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': btoa('0123456789abcdef'),
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Protocol': 'jmap',
    },
  });
  opening.end();
  const [, socket] = await once(opening, 'upgrade');
  return socket;
}

test('a token from sign-in opens the JMAP session, as Bearer and as Basic', async () => {
  const { status, body } = await session(token);
  assert.equal(status, 200);
  assert.equal(body.username, 'ada@example.test');
  assert.ok(body.apiUrl.startsWith(`${runtime.url}/jmap/`));
  const basic = await runtime.call('GET', '/jmap/session', undefined, {
    headers: { Authorization: `Basic ${btoa(`ada@example.test:${token}`)}` },
  });
  assert.equal(basic.status, 200);
  assert.equal((await runtime.call('GET', 'me', undefined, { token })).body.id, token.slice(3, 35));
});

test('disabling closes connections and refuses the token at once', async () => {
  await runtime.addUser(token, 'off@example.test');
  const held = await runtime.signIn('off@example.test');
  assert.equal((await session(held)).status, 200);
  const socket = await connect(held);
  const closing = once(socket, 'data');
  const off = await runtime.call('PATCH', 'users/off@example.test', { state: 'disabled' }, { token });
  assert.equal(off.status, 200);
  const [frame] = await closing;
  assert.equal(frame[0], 0x88, 'a close frame');
  socket.destroy();
  assert.equal((await session(held)).status, 401);
  await runtime.call('PATCH', 'users/off@example.test', { state: 'active' }, { token });
  assert.equal((await session(held)).status, 401, 'a token does not come back');
  assert.equal((await session(await runtime.signIn('off@example.test'))).status, 200);
});

test('revoking one token closes its connection and no other', async () => {
  await runtime.addUser(token, 'two@example.test');
  const [stays, goes] = [await runtime.signIn('two@example.test'), await runtime.signIn('two@example.test')];
  const staying = await connect(stays);
  const going = await connect(goes);
  let heard = false;
  staying.on('data', () => {
    heard = true;
  });
  const closing = once(going, 'data');
  const { tokenId } = (await runtime.call('GET', 'me', undefined, { token: goes })).body;
  assert.equal((await runtime.call('DELETE', `me/tokens/${tokenId}`, undefined, { token: stays })).status, 204);
  assert.equal((await closing)[0][0], 0x88);
  assert.equal((await session(goes)).status, 401);
  assert.equal((await session(stays)).status, 200);
  assert.equal(heard, false);
  staying.destroy();
  going.destroy();
});

test('deleting ends the mailbox, and a killed runtime does not bring it back', async () => {
  const { id } = await runtime.addUser(token, 'gone@example.test');
  const held = await runtime.signIn('gone@example.test');
  assert.equal((await runtime.call('DELETE', `users/${id}`, undefined, { token })).status, 204);
  assert.equal((await session(held)).status, 401);
  await runtime.kill();
  await runtime.run();
  assert.equal((await session(held)).status, 401);
  assert.equal((await session(token)).status, 200, 'other tokens outlive a kill');
  assert.equal((await runtime.call('GET', `users/${id}`, undefined, { token })).status, 404);
});

test('usage and quota are those of the mailbox', async () => {
  const { body } = await runtime.call('PATCH', 'users/ada@example.test', { quota: 1_000_000 }, { token });
  assert.equal(body.quota, 1_000_000);
  const { usage } = (await runtime.call('GET', 'users/ada@example.test', undefined, { token })).body;
  assert.deepEqual(usage, { octets: 0, messages: 0, quota: 1_000_000 });
});

test('the list of tokens says when each was made and used', async () => {
  const { tokens } = (await runtime.call('GET', 'me/tokens', undefined, { token })).body;
  const [mine] = tokens;
  assert.equal(mine.current, true);
  assert.ok(Math.abs(Date.parse(mine.createdAt) - Date.now()) < 60_000);
  assert.ok(mine.lastUsedAt === null || Date.parse(mine.lastUsedAt) <= Date.now());
  assert.doesNotMatch(JSON.stringify(tokens), new RegExp(`${PASSWORD}|pt_`));
});

/**
 * Begins a request, and ends its body after something else has happened.
 * @param {string} method
 * @param {string} path
 * @param {object} body
 * @param {string} held
 * @param {() => Promise<unknown>} meanwhile
 * @returns {Promise<number | undefined>} the status
 */
async function slowly(method, path, body, held, meanwhile) {
  const text = JSON.stringify(body);
  const slow = request(new URL(`/api/v1/${path}`, runtime.url), {
    method,
    headers: { Authorization: `Bearer ${held}`, 'Content-Type': 'application/json', 'Content-Length': text.length },
  });
  const answered = once(slow, 'response');
  slow.write(text.slice(0, 1));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await meanwhile();
  slow.end(text.slice(1));
  const [response] = await answered;
  response.resume();
  return response.statusCode;
}

test('a slow body does not outlive the right to send it', async () => {
  await runtime.addUser(token, 'slow@example.test', { role: 'administrator' });
  const held = await runtime.signIn('slow@example.test');
  const change = (/** @type {object} */ to) => () => runtime.call('PATCH', 'users/slow@example.test', to, { token });
  const make = { address: 'by-slow@example.test', password: PASSWORD };
  assert.equal(await slowly('POST', 'users', make, held, change({ role: 'user' })), 403);
  const password = { oldPassword: PASSWORD, newPassword: 'a wholly new password' };
  assert.equal(await slowly('POST', 'me/password', password, held, change({ state: 'disabled' })), 401);
  assert.equal((await runtime.call('GET', 'users/by-slow@example.test', undefined, { token })).status, 404);
});

test('API.md shows answers with the members they have', async () => {
  const text = await readFile(new URL('../API.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/^```json\n([^]*?)^```$/gm)].map(([, json = '']) => JSON.parse(json));
  const shown = (/** @type {string} */ member) =>
    examples.filter((example) => member in example).map((example) => Object.keys(example).sort());
  const members = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body) =>
    Object.keys((await runtime.call(method, path, body, { token })).body).sort();
  assert.deepEqual(shown('setupRequired'), [await members('GET', '', undefined)]);
  assert.deepEqual(shown('leastBridgeVersion'), [await members('GET', '/.well-known/postern', undefined)]);
  assert.deepEqual(shown('settled'), [await members('GET', 'users/ada@example.test', undefined)].map(withoutUsage));
  assert.deepEqual(shown('usesLeft'), [await members('POST', 'invitations', {})]);
  assert.deepEqual(shown('defaultQuota'), [await members('GET', 'settings', undefined)]);
  assert.deepEqual(shown('tokens'), [await members('GET', 'me/tokens', undefined)]);
  assert.deepEqual(shown('total'), [await members('GET', 'users', undefined)]);
  assert.deepEqual(shown('tokenId'), [
    await members('POST', 'sign-in', { address: 'ada@example.test', password: PASSWORD, name: 'x' }),
  ]);
});

/** @param {string[]} names */
const withoutUsage = (names) => names.filter((name) => name !== 'usage');
