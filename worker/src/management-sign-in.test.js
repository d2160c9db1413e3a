// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DirectoryRuntime, PASSWORD, SECRET } from '../test/directory-runtime.js';

/** @type {DirectoryRuntime} */
let runtime;
/** @type {string} */
let token;

const ada = { address: 'ada@example.test', password: PASSWORD };

before(async () => {
  runtime = await DirectoryRuntime.start();
});
after(() => runtime.stop());

test('setup: refuses a wrong secret, a weak password, a foreign domain', async () => {
  const setUp = (/** @type {object} */ changes) =>
    runtime.call('POST', 'setup', { secret: SECRET, ...ada, ...changes });
  assert.equal((await setUp({ secret: `${SECRET}x` })).body.code, 'wrong-secret');
  const weak = await setUp({ password: 'ninechars' });
  assert.equal(weak.status, 422);
  assert.equal(weak.body.member, 'password');
  assert.match(weak.body.detail, /at least 10/);
  assert.equal((await setUp({ password: 'p'.repeat(1025) })).body.member, 'password');
  assert.equal((await setUp({ password: 'correct\u0000horse' })).body.member, 'password');
  assert.match((await setUp({ address: 'ada@elsewhere.test' })).body.detail, /example\.test, other\.test/);
  assert.equal((await setUp({ adress: 'typo' })).body.member, 'adress');
});

test('setup: works once', async () => {
  assert.equal((await runtime.call('GET', '')).body.setupRequired, true);
  const first = await runtime.call('POST', 'setup', { secret: SECRET, ...ada, displayName: ' Ada ' });
  assert.equal(first.status, 201);
  assert.equal(first.body.role, 'administrator');
  assert.equal(first.body.displayName, 'Ada');
  assert.equal(first.body.settled, true);
  const second = await runtime.call('POST', 'setup', { secret: SECRET, ...ada, address: 'eve@example.test' });
  assert.equal(second.status, 409);
  assert.equal(second.body.code, 'already-set-up');
  assert.equal((await runtime.call('GET', '')).body.setupRequired, false);
});

test('sign-in: gives a token that works, and is listed with its name', async () => {
  const answer = await runtime.call('POST', 'sign-in', { ...ada, address: 'ADA@Example.Test', name: 'laptop' });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get('Cache-Control'), 'no-store');
  assert.equal(answer.body.user.lastSignInAt !== null, true);
  token = answer.body.token;
  const me = await runtime.call('GET', 'me', undefined, { token });
  assert.equal(me.body.address, 'ada@example.test');
  assert.equal(me.body.tokenId, answer.body.tokenId);
  const basic = await runtime.call('GET', 'me', undefined, {
    headers: { Authorization: `Basic ${btoa(`ada@example.test:${token}`)}` },
  });
  assert.equal(basic.status, 200);
  const { tokens } = (await runtime.call('GET', 'me/tokens', undefined, { token })).body;
  assert.deepEqual(
    tokens.map((/** @type {any} */ each) => [each.name, each.current]),
    [['laptop', true]],
  );
});

test('sign-in: a wrong password and an unknown user look the same', async () => {
  const wrong = await runtime.call('POST', 'sign-in', { ...ada, password: 'wrong password', name: 'x' });
  const nobody = await runtime.call('POST', 'sign-in', { ...ada, address: 'nobody@example.test', name: 'x' });
  const elsewhere = await runtime.call('POST', 'sign-in', { ...ada, address: 'not an address', name: 'x' });
  assert.equal(wrong.status, 403);
  assert.equal(wrong.body.code, 'wrong-credentials');
  assert.deepEqual(nobody.body, wrong.body);
  assert.deepEqual(elsewhere.body, wrong.body);
});

test('sign-in: guesses at one person end after ten, from wherever they come; tokens go on', async () => {
  await runtime.addUser(token, 'guessed@example.test');
  const held = await runtime.signIn('guessed@example.test');
  const guess = (/** @type {number} */ n, /** @type {string} */ password) =>
    runtime.call(
      'POST',
      'sign-in',
      { address: 'guessed@example.test', password, name: 'x' },
      { client: `198.51.100.${n}` },
    );
  const answers = await Promise.all(Array.from({ length: 14 }, (_, n) => guess(n, 'wrong password')));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(10).fill(403), ...Array(4).fill(429)]);
  const refused = await guess(99, PASSWORD);
  assert.equal(refused.status, 429);
  const wait = Number(refused.headers.get('Retry-After'));
  assert.ok(wait > 600 && wait <= 900, String(wait));
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 200);
  // Sixteen minutes go by.
  await runtime.test('peek', "update attempt set until = until - 960000 where key like 'user:%' returning key");
  assert.equal((await guess(99, 'wrong password')).status, 403);
  const [{ count }] = await runtime.test('peek', "select max(count) as count from attempt where key like 'user:%'");
  assert.equal(count, 1, 'counting begins anew');
  for (let n = 0; n < 10; n += 1) await guess(100 + n, 'wrong password');
  assert.equal((await guess(99, PASSWORD)).status, 429);
  const reset = await runtime.call('POST', 'users/guessed@example.test/password', { password: PASSWORD }, { token });
  assert.equal(reset.status, 200);
  assert.equal((await guess(99, PASSWORD)).status, 201);
});

test('sign-in: guesses from one client end after fifty; others are served, and so is an IPv6 neighbour', async () => {
  const guess = (/** @type {string} */ client, /** @type {number} */ n) =>
    runtime.call(
      'POST',
      'sign-in',
      { address: `n${n}@example.test`, password: 'wrong password', name: 'x' },
      { client },
    );
  for (let n = 0; n < 50; n += 1) assert.equal((await guess(`2001:db8:1:2::${n}`, n)).status, 403);
  assert.equal((await guess('2001:db8:1:2:ffff::1', 50)).status, 429);
  assert.equal((await guess('2001:db8:1:3::1', 51)).status, 403);
});

test('sign-in: right passwords use up no attempt of a client', async () => {
  for (let n = 0; n < 60; n += 1) {
    const { status, body } = await runtime.call('POST', 'sign-in', { ...ada, name: 'x' }, { client: '203.0.113.1' });
    assert.equal(status, 201);
    await runtime.call('DELETE', `me/tokens/${body.tokenId}`, undefined, { token });
  }
});

test('sign-in: a hundred tokens are enough', async () => {
  const { id } = await runtime.addUser(token, 'many@example.test');
  await runtime.test(`stuff?id=${id}`, '100');
  const { body } = await runtime.call('POST', 'sign-in', {
    address: 'many@example.test',
    password: PASSWORD,
    name: 'x',
  });
  assert.equal(body.code, 'limit-reached');
});

test('register: is closed at first', async () => {
  const { status, body } = await runtime.call('POST', 'register', { address: 'bob@example.test', password: PASSWORD });
  assert.equal(status, 403);
  assert.equal(body.code, 'registration-closed');
});

test('register: by invitation, as often as it has uses', async () => {
  await runtime.call('PATCH', 'settings', { registration: 'invite' }, { token });
  const invited = await runtime.call('POST', 'invitations', { uses: 2, note: 'choir' }, { token });
  assert.equal(invited.status, 201);
  const { code, link, id } = invited.body;
  assert.ok(link.endsWith(`/invitation#${code}`));
  const register = (/** @type {string} */ address, /** @type {string} */ invitation) =>
    runtime.call('POST', 'register', { address, password: PASSWORD, invitation }, { client: '203.0.113.2' });
  const without = await runtime.call('POST', 'register', { address: 'bob@example.test', password: PASSWORD });
  assert.equal(without.body.code, 'invitation-needed');
  assert.equal((await register('bob@example.test', 'ABCDE')).body.code, 'invitation-invalid');
  assert.equal((await register('postmaster@example.test', code)).body.member, 'address');
  assert.equal((await register('ada@example.test', code)).body.code, 'address-taken');
  const first = await register('bob@example.test', code.toLowerCase().replaceAll('-', ' '));
  assert.equal(first.status, 201);
  assert.equal(first.body.role, 'user');
  const { invitations } = (await runtime.call('GET', 'invitations', undefined, { token })).body;
  assert.equal(invitations[0].usesLeft, 1);
  assert.equal(invitations[0].code, undefined);
  // Two at once for the one use that is left.
  const race = await Promise.all([register('carl@example.test', code), register('cora@example.test', code)]);
  assert.deepEqual(race.map(({ status }) => status).sort(), [201, 403]);
  assert.equal((await register('dora@example.test', code)).body.code, 'invitation-invalid');
  assert.equal((await runtime.call('DELETE', `invitations/${id}`, undefined, { token })).status, 204);
  assert.equal((await runtime.call('DELETE', `invitations/${id}`, undefined, { token })).status, 404);
});

test('register: a revoked and an expired invitation open nothing', async () => {
  const revoked = (await runtime.call('POST', 'invitations', {}, { token })).body;
  await runtime.call('DELETE', `invitations/${revoked.id}`, undefined, { token });
  const soon = new Date(Date.now() + 300).toISOString();
  const expired = (await runtime.call('POST', 'invitations', { expiresAt: soon }, { token })).body;
  await new Promise((resolve) => setTimeout(resolve, 400));
  for (const { code } of [revoked, expired]) {
    const body = { address: 'late@example.test', password: PASSWORD, invitation: code };
    assert.equal(
      (await runtime.call('POST', 'register', body, { client: '203.0.113.3' })).body.code,
      'invitation-invalid',
    );
  }
});

test('register: open to all, ten an hour from one client', async () => {
  await runtime.call('PATCH', 'settings', { registration: 'open' }, { token });
  const register = (/** @type {number} */ n) =>
    runtime.call(
      'POST',
      'register',
      { address: `open${n}@example.test`, password: PASSWORD },
      { client: '203.0.113.4' },
    );
  for (let n = 0; n < 10; n += 1) assert.equal((await register(n)).status, 201);
  const refused = await register(10);
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get('Retry-After')) > 3000);
  const bob = await runtime.signIn('open0@example.test');
  assert.equal((await runtime.call('GET', 'users', undefined, { token: bob })).body.code, 'administrator-only');
  assert.equal((await runtime.call('GET', 'nothing', undefined, { token: bob })).body.code, 'administrator-only');
});

test('passwords: are nowhere in the log', () => {
  assert.doesNotMatch(runtime.log, new RegExp(`${PASSWORD}|${SECRET}|pt_`));
});
