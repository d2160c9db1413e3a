// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DirectoryRuntime, PASSWORD } from '../test/directory-runtime.js';

/** @type {DirectoryRuntime} */
let runtime;
/** @type {string} */
let token;

before(async () => {
  runtime = await DirectoryRuntime.start();
  token = await runtime.setUp();
});
after(() => runtime.stop());

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
const call = (method, path, body) => runtime.call(method, path, body, { token });

test('users: one added with a generated password signs in with it and can receive', async () => {
  const { status, body, headers } = await call('POST', 'users', { address: 'Bob@Example.test', quota: 5000 });
  assert.equal(status, 201);
  assert.match(body.password, /^([2-9a-hjkmnp-z]{4}-){4}[2-9a-hjkmnp-z]{4}$/);
  assert.equal(headers.get('Location'), `/api/v1/users/${body.id}`);
  assert.equal(body.address, 'bob@example.test');
  await runtime.signIn('bob@example.test', body.password);
  assert.deepEqual(await runtime.resolve('bob@example.test'), [{ mailboxId: body.id, address: 'bob@example.test' }]);
  const told = (await runtime.test(`mailbox?id=${body.id}`)).told[0].create;
  assert.deepEqual(told, {
    id: body.id,
    address: 'bob@example.test',
    addresses: ['bob@example.test'],
    displayName: '',
    quota: 5000,
  });
  const seen = (await call('GET', 'users/BOB%40example.test')).body;
  assert.equal(seen.password, undefined);
  assert.deepEqual(seen.usage, { octets: 0, messages: 0, quota: 5000 });
});

test('users: adding one twice is a conflict, also by alias, also at once', async () => {
  await runtime.addUser(token, 'twice@example.test', { aliases: ['zwei@example.test'] });
  for (const address of ['twice@example.test', 'ZWEI@example.test']) {
    const { status, body } = await call('POST', 'users', { address });
    assert.equal(status, 409);
    assert.equal(body.code, 'address-taken');
  }
  const race = await Promise.all([1, 2, 3].map(() => call('POST', 'users', { address: 'race@example.test' })));
  assert.deepEqual(race.map(({ status }) => status).sort(), [201, 409, 409]);
  const half = await call('POST', 'users', { address: 'half@example.test', aliases: ['twice@example.test'] });
  assert.equal(half.status, 409);
  assert.equal((await call('GET', 'users/half@example.test')).status, 404, 'nothing of it was made');
});

test('users: what cannot be a value is refused by name', async () => {
  const refused = async (/** @type {unknown} */ body) => (await call('POST', 'users', body)).body;
  const address = 'value@example.test';
  assert.equal((await refused({})).member, 'address');
  assert.equal((await refused({ address: 7 })).member, 'address');
  assert.equal((await refused({ address: 'value+tag@example.test' })).member, 'address');
  assert.equal((await refused({ address, quota: -1 })).member, 'quota');
  assert.equal((await refused({ address, quota: 1.5 })).member, 'quota');
  assert.equal((await refused({ address, quota: 1e15 })).member, 'quota');
  assert.equal((await refused({ address, role: 'root' })).member, 'role');
  assert.equal((await refused({ address, displayName: 'a\nb' })).member, 'displayName');
  assert.equal((await refused({ address, displayName: 'x'.repeat(101) })).member, 'displayName');
  assert.equal((await refused({ address, aliases: 'x@example.test' })).member, 'aliases');
  assert.equal((await refused({ address, aliases: Array(101).fill('x@example.test') })).member, 'aliases');
  assert.equal((await refused({ address, __proto__: null, quotta: 1 })).member, 'quotta');
});

test('users: a body is JSON, an object, called so, and not large', async () => {
  const send = (/** @type {string} */ body, headers = {}) =>
    runtime.call('POST', 'users', body, { token, headers: { 'Content-Type': 'application/json', ...headers } });
  assert.equal((await send('{')).body.code, 'invalid-json');
  assert.equal((await send('[]')).body.code, 'invalid-json');
  assert.equal((await send('null')).body.code, 'invalid-json');
  assert.equal((await send('{}', { 'Content-Type': 'text/plain' })).body.code, 'unsupported-media-type');
  assert.equal((await send(' '.repeat(70_000))).body.code, 'body-too-large');
  assert.equal((await send('{}', { 'Content-Type': 'Application/JSON; charset=utf-8' })).body.member, 'address');
});

test('users: are listed by address in pages, and found by any part', async () => {
  for (const name of ['p1', 'p2', 'p3', 'p4', 'p5'])
    await runtime.addUser(token, `${name}@other.test`, {
      displayName: `Page ${name}%`,
      aliases: [`q${name}@other.test`],
    });
  /** @type {string[]} */
  const seen = [];
  let after = '';
  let pages = 0;
  do {
    const { body } = await call('GET', `users?search=OTHER.test&limit=2${after}`);
    assert.equal(body.total, 5);
    seen.push(...body.users.map((/** @type {any} */ user) => user.address));
    after = body.next === null ? '' : `&after=${body.next}`;
    pages += 1;
  } while (after !== '');
  assert.equal(pages, 3);
  assert.deepEqual(
    seen,
    ['p1', 'p2', 'p3', 'p4', 'p5'].map((name) => `${name}@other.test`),
  );
  assert.equal((await call('GET', 'users?search=page%20p3%25')).body.total, 1);
  assert.equal((await call('GET', 'users?search=qp4')).body.users[0].address, 'p4@other.test');
  assert.equal((await call('GET', 'users?search=%25')).body.total, 5, 'a percent sign means itself');
  for (const bad of ['limit=0', 'limit=201', 'limit=x', 'after=%00', 'after=abc'])
    assert.equal((await call('GET', `users?${bad}`)).status, 422, bad);
});

test('users: disabling kills tokens at once, and enabling brings none back', async () => {
  const { id } = await runtime.addUser(token, 'off@example.test');
  const held = await runtime.signIn('off@example.test');
  const off = await call('PATCH', 'users/off@example.test', { state: 'disabled' });
  assert.equal(off.status, 200);
  assert.equal(off.body.state, 'disabled');
  const mailbox = await runtime.test(`mailbox?id=${id}`);
  assert.equal(mailbox.disabled, true);
  assert.deepEqual(mailbox.tokens, []);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 401);
  const body = { address: 'off@example.test', password: PASSWORD, name: 'x' };
  assert.equal((await runtime.call('POST', 'sign-in', body)).body.code, 'account-disabled');
  assert.match((await runtime.resolve('off@example.test'))[0].refused, /^5\.2\.1 /);
  assert.equal((await call('PATCH', `users/${id}`, { state: 'active' })).status, 200);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 401);
  await runtime.signIn('off@example.test');
});

test('users: the last administrator is neither disabled, demoted nor deleted', async () => {
  for (const changes of [{ state: 'disabled' }, { role: 'user' }])
    assert.equal((await call('PATCH', 'users/ada@example.test', changes)).body.code, 'last-administrator');
  assert.equal((await call('DELETE', 'users/ada@example.test')).body.code, 'last-administrator');
  await runtime.addUser(token, 'second@example.test', { role: 'administrator' });
  await call('PATCH', 'users/second@example.test', { state: 'disabled' });
  assert.equal((await call('PATCH', 'users/ada@example.test', { role: 'user' })).body.code, 'last-administrator');
  await call('PATCH', 'users/second@example.test', { state: 'active' });
  const second = await runtime.signIn('second@example.test');
  // Each takes the other's role at the same moment: one of them stays.
  const race = await Promise.all([
    runtime.call('PATCH', 'users/second@example.test', { role: 'user' }, { token }),
    runtime.call('PATCH', 'users/ada@example.test', { role: 'user' }, { token: second }),
  ]);
  assert.deepEqual(race.map(({ status }) => status).sort(), [200, 403]);
  const stays = race[0]?.status === 200 ? token : second;
  const restore = race[0]?.status === 200 ? 'second@example.test' : 'ada@example.test';
  const answer = await runtime.call('PATCH', `users/${restore}`, { role: 'administrator' }, { token: stays });
  assert.equal(answer.status, 200);
});

test('users: aliases come and go, and the mailbox hears', async () => {
  const { id } = await runtime.addUser(token, 'alias@example.test');
  assert.equal((await call('PUT', 'users/alias@example.test/aliases/Other%40example.test')).status, 201);
  assert.equal((await call('PUT', 'users/alias@example.test/aliases/other@example.test')).status, 200);
  assert.deepEqual((await runtime.test(`mailbox?id=${id}`)).addresses, ['alias@example.test', 'other@example.test']);
  assert.equal((await call('PUT', 'users/ada@example.test/aliases/other@example.test')).body.code, 'address-taken');
  assert.equal((await call('PUT', 'users/ada@example.test/aliases/x@elsewhere.test')).body.code, 'invalid-value');
  await runtime.signIn('other@example.test');
  const gone = await call('DELETE', 'users/other@example.test/aliases/OTHER@example.test');
  assert.deepEqual(gone.body.aliases, []);
  assert.equal((await call('DELETE', 'users/alias@example.test/aliases/other@example.test')).status, 404);
  assert.equal((await call('DELETE', 'users/alias@example.test/aliases/alias@example.test')).status, 404);
  assert.match((await runtime.resolve('other@example.test'))[0].refused, /^5\.1\.1 /);
});

test('users: deleting frees the address, and the next one there is somebody else', async () => {
  const { id } = await runtime.addUser(token, 'gone@example.test', { aliases: ['weg@example.test'] });
  await call('PUT', 'domains/other.test', { catchAll: 'gone@example.test' });
  const held = await runtime.signIn('gone@example.test');
  assert.equal((await call('DELETE', 'users/gone@example.test')).status, 204);
  assert.equal((await runtime.test(`mailbox?id=${id}`)).gone, true);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 401);
  assert.equal((await call('GET', `users/${id}`)).status, 404);
  assert.equal((await call('DELETE', `users/${id}`)).status, 404);
  for (const { refused } of await runtime.resolve('gone@example.test', 'weg@example.test', 'any@other.test'))
    assert.match(refused, /^5\.1\.1 /);
  const again = await runtime.addUser(token, 'gone@example.test');
  assert.notEqual(again.id, id);
});

test('users: a reset password kills every token; the old password is no more', async () => {
  await runtime.addUser(token, 'reset@example.test');
  const held = await runtime.signIn('reset@example.test');
  const { status, body } = await call('POST', 'users/reset@example.test/password');
  assert.equal(status, 200);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 401);
  await runtime.signIn('reset@example.test', body.password);
  await assert.rejects(runtime.signIn('reset@example.test'), /wrong-credentials/);
});

test('me: a new password needs the old one, and spares tokens unless told', async () => {
  await runtime.addUser(token, 'me@example.test');
  const [first, second] = [await runtime.signIn('me@example.test'), await runtime.signIn('me@example.test')];
  const change = (/** @type {object} */ body) => runtime.call('POST', 'me/password', body, { token: first });
  const newPassword = 'a wholly new password';
  assert.equal((await change({ oldPassword: 'wrong password', newPassword })).body.member, 'oldPassword');
  assert.equal((await change({ oldPassword: PASSWORD, newPassword: 'short' })).body.member, 'newPassword');
  assert.equal((await change({ oldPassword: PASSWORD, newPassword })).status, 204);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: second })).status, 200);
  const back = { oldPassword: newPassword, newPassword: PASSWORD, revokeOtherTokens: true };
  assert.equal((await change(back)).status, 204);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: first })).status, 200);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: second })).status, 401);
});

test('me: one revokes one’s own tokens, and no others', async () => {
  const bob = await runtime.addUser(token, 'own@example.test').then(() => runtime.signIn('own@example.test'));
  const mine = (await call('GET', 'me')).body.tokenId;
  assert.equal((await runtime.call('DELETE', `me/tokens/${mine}`, undefined, { token: bob })).status, 404);
  const his = (await runtime.call('GET', 'me', undefined, { token: bob })).body.tokenId;
  assert.equal((await runtime.call('DELETE', `me/tokens/${his}`, undefined, { token: bob })).status, 204);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: bob })).status, 401);
});

test('settings: a new default quota reaches those who follow it', async () => {
  const follower = await runtime.addUser(token, 'follows@example.test');
  const own = await runtime.addUser(token, 'own-quota@example.test', { quota: 7000 });
  const { body } = await call('PATCH', 'settings', { defaultQuota: 123_456 });
  assert.equal(body.defaultQuota, 123_456);
  const quota = async (/** @type {any} */ user) => (await runtime.test(`mailbox?id=${user.id}`)).quota;
  for (let n = 0; n < 100 && (await quota(follower)) !== 123_456; n += 1)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await quota(follower), 123_456);
  assert.equal(await quota(own), 7000);
  assert.equal((await call('PATCH', 'settings', { registration: 'ajar' })).body.member, 'registration');
});

test('domains: are added, given a catch-all, and removed when empty', async () => {
  assert.equal((await call('PUT', 'domains/New.test', {})).status, 201);
  assert.equal((await call('PUT', 'domains/new.test', { catchAll: 'ada@example.test' })).status, 200);
  assert.equal((await call('PUT', 'domains/new.test', { catchAll: 'nobody@example.test' })).body.member, 'catchAll');
  assert.equal((await call('PUT', 'domains/not_a_domain', {})).status, 422);
  const [found] = await runtime.resolve('whoever@new.test');
  assert.equal(found.address, 'ada@example.test');
  await runtime.addUser(token, 'x@new.test');
  assert.equal((await call('DELETE', 'domains/new.test')).body.code, 'domain-in-use');
  await call('DELETE', 'users/x@new.test');
  assert.equal((await call('DELETE', 'domains/new.test')).status, 204);
  assert.equal((await call('DELETE', 'domains/new.test')).status, 404);
  assert.deepEqual(await runtime.resolve('whoever@new.test'), [null]);
});

test('management: what is not there and what cannot be done', async () => {
  assert.equal((await call('GET', 'nothing')).status, 404);
  assert.equal((await call('GET', 'users/%ff')).status, 404);
  assert.equal((await call('GET', 'users/')).status, 404);
  const put = await call('PUT', 'users', {});
  assert.equal(put.status, 405);
  assert.equal(put.headers.get('Allow'), 'GET, POST');
  assert.equal((await call('GET', 'sign-in')).status, 405);
  assert.equal((await call('OPTIONS', 'users')).status, 405);
  const none = await runtime.call('GET', 'users');
  assert.equal(none.status, 401);
  assert.match(none.headers.get('WWW-Authenticate') ?? '', /Bearer.*Basic/);
  const madeUp = `pt_${'0'.repeat(32)}_${'A'.repeat(43)}`;
  assert.equal((await runtime.call('GET', 'users', undefined, { token: madeUp })).status, 401);
});
