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
 * Waits up to ten seconds.
 * @param {() => Promise<boolean>} holds
 */
async function until(holds) {
  for (let n = 0; n < 100; n += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail('It did not come about in time.');
}

const user = (/** @type {string} */ name) => runtime.call('GET', `users/${name}`, undefined, { token });

test('resolve: case, tag, alias and quotes lead to one mailbox', async () => {
  const { id } = await runtime.addUser(token, 'bob@example.test', { aliases: ['robert@example.test'] });
  const spellings = [
    'bob@example.test',
    'BOB@EXAMPLE.TEST',
    'bob+lists@example.test',
    'Robert+x+y@example.test',
    '"bob"@example.test',
  ];
  for (const found of await runtime.resolve(...spellings))
    assert.deepEqual(found, { mailboxId: id, address: 'bob@example.test' });
});

test('resolve: another domain is outside, an unknown name in ours is refused', async () => {
  const [outside, noAddress, unknown, tag] = await runtime.resolve(
    'bob@elsewhere.test',
    'bob',
    'nobody@example.test',
    '+bob@example.test',
  );
  assert.equal(outside, null);
  assert.equal(noAddress, null);
  assert.deepEqual([unknown.local, tag.local], [true, true]);
  assert.match(unknown.refused, /^5\.1\.1 /);
});

test('resolve: postmaster and abuse reach the first administrator, until somebody has the name', async () => {
  const ada = (await user('ada@example.test')).body.id;
  for (const found of await runtime.resolve('Postmaster@example.test', 'abuse+x@other.test', 'postmaster@other.test'))
    assert.equal(found.mailboxId, ada);
  const { id } = await runtime.addUser(token, 'keeper@example.test');
  await runtime.call('PUT', 'users/keeper@example.test/aliases/postmaster@example.test', undefined, { token });
  const [here, there] = await runtime.resolve('postmaster@example.test', 'postmaster@other.test');
  assert.equal(here.mailboxId, id);
  assert.equal(there.mailboxId, ada);
});

test('resolve: a catch-all takes what nobody has, in its domain only', async () => {
  const { id } = await runtime.addUser(token, 'all@example.test');
  await runtime.call('PUT', 'domains/other.test', { catchAll: 'all@example.test' }, { token });
  const [caught, here] = await runtime.resolve('whoever@other.test', 'whoever@example.test');
  assert.equal(caught.mailboxId, id);
  assert.match(here.refused, /^5\.1\.1 /);
  await runtime.call('PATCH', `users/${id}`, { state: 'disabled' }, { token });
  assert.match((await runtime.resolve('whoever@other.test'))[0].refused, /^5\.1\.1 /, 'nobody catches it');
  assert.match((await runtime.resolve('all@example.test'))[0].refused, /^5\.2\.1 /);
  await runtime.call('PUT', 'domains/other.test', {}, { token });
  assert.match((await runtime.resolve('whoever@other.test'))[0].refused, /^5\.1\.1 /);
});

test('email: is stored byte for byte, refused with its code, or a temporary fault', async () => {
  const { id } = await runtime.addUser(token, 'mail@example.test');
  const email = async (/** @type {string} */ to, from = 'x@elsewhere.test', raw = 'From: x\r\n\r\nHello\0\r') =>
    (await runtime.call('POST', `/test/email?${new URLSearchParams({ from, to })}`, raw)).body;
  assert.deepEqual(await email('Mail+tag@example.test'), { accepted: true });
  const { message, told } = await runtime.test(`mailbox?id=${id}`);
  assert.equal(message, 'From: x\r\n\r\nHello\0\r');
  const envelope = told.at(-1).deliver;
  assert.deepEqual([envelope.from, envelope.to, envelope.size], ['x@elsewhere.test', 'Mail+tag@example.test', 18]);
  assert.match((await email('nobody@example.test')).rejected, /^5\.1\.1 /);
  assert.match((await email('mail@elsewhere.test')).rejected, /^5\.1\.1 /);
  assert.match((await email('mail@example.test', 'too-much@elsewhere.test')).rejected, /^5\.2\.2 /);
  await runtime.test(`fail?id=${id}`, 'true');
  assert.match((await email('mail@example.test')).thrown, /fails on purpose/);
  await runtime.test(`fail?id=${id}`, 'false');
  assert.deepEqual(await email('mail@example.test'), { accepted: true });
});

test('settle: what a mailbox could not hear is carried there by itself', async () => {
  const { id } = await runtime.addUser(token, 'deaf@example.test');
  const held = await runtime.signIn('deaf@example.test');
  await runtime.test(`fail?id=${id}`, 'true');
  const off = await runtime.call('PATCH', `users/${id}`, { state: 'disabled' }, { token });
  assert.equal(off.status, 202);
  assert.equal(off.body.settled, false);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 401, 'refused all the same');
  await runtime.test(`fail?id=${id}`, 'false');
  await until(async () => (await user(id)).body.settled);
  const mailbox = await runtime.test(`mailbox?id=${id}`);
  assert.equal(mailbox.disabled, true);
  assert.deepEqual(mailbox.tokens, []);
});

test('settle: a wish to spare one token yields to a wish to spare none', async () => {
  const { id } = await runtime.addUser(token, 'both@example.test');
  const held = await runtime.signIn('both@example.test');
  // The next word to the mailbox fails after the token was checked: it is told both wishes together, later.
  const [{ revision }] = await runtime.test('peek', `select revision from user where id = '${id}'`);
  await runtime.test(
    'peek',
    `update user set revoke = 'some-token', revision = ${revision + 1} where id = '${id}' returning id`,
  );
  const reset = await runtime.call('POST', `users/${id}/password`, { password: PASSWORD }, { token });
  assert.equal(reset.status, 200);
  assert.deepEqual((await runtime.test(`mailbox?id=${id}`)).tokens, []);
  assert.equal((await runtime.call('GET', 'me', undefined, { token: held })).status, 401);
});

test('settle: one mailbox in trouble does not keep others waiting', async () => {
  const stuck = await runtime.addUser(token, 'stuck@example.test');
  await runtime.test(`fail?id=${stuck.id}`, 'true');
  await runtime.call('PATCH', `users/${stuck.id}`, { displayName: 'Stuck' }, { token });
  const other = await runtime.addUser(token, 'free@example.test');
  assert.equal(other.settled, true);
  await runtime.test(`fail?id=${stuck.id}`, 'false');
});

test('delete: a killed runtime finishes the wiping when it comes back', async () => {
  const { id } = await runtime.addUser(token, 'wiped@example.test');
  await runtime.test(`fail?id=${id}`, 'true');
  const answer = await runtime.call('DELETE', 'users/wiped@example.test', undefined, { token });
  assert.equal(answer.status, 202);
  assert.equal(answer.body.state, 'wiping');
  await runtime.kill();
  await runtime.run();
  assert.equal((await user(id)).body.state, 'wiping');
  assert.equal((await user('wiped@example.test')).status, 404, 'the address is free');
  const late = await runtime.call('PATCH', `users/${id}`, { state: 'active' }, { token });
  assert.equal(late.status, 404);
  assert.match((await runtime.resolve('wiped@example.test'))[0].refused, /^5\.1\.1 /);
  await runtime.test(`fail?id=${id}`, 'false');
  await until(async () => (await user(id)).status === 404);
  assert.equal((await runtime.test(`mailbox?id=${id}`)).gone, true);
});

test('add: a user whose mailbox was never made gets it before the first mail', async () => {
  const { id } = await runtime.addUser(token, 'unmade@example.test');
  // As it is after a kill between the two objects.
  await runtime.test('peek', `update user set settled = 0 where id = '${id}' returning id`);
  const before = (await runtime.test(`mailbox?id=${id}`)).told.length;
  await runtime.resolve('unmade@example.test');
  const told = (await runtime.test(`mailbox?id=${id}`)).told.slice(before);
  assert.deepEqual(
    told.map((/** @type {object} */ call) => Object.keys(call)[0]),
    ['create', 'configure'],
  );
  assert.equal((await user(id)).body.settled, true);
});

test('domains: DOMAINS counts until there is a user, the live list afterwards', async (t) => {
  const fresh = await DirectoryRuntime.start({ DOMAINS: 'wrong.test' });
  t.after(() => fresh.stop());
  const domains = async () => (await fresh.call('GET', '')).body.domains;
  assert.deepEqual(await domains(), ['wrong.test']);
  await fresh.kill();
  await fresh.run({ DOMAINS: ' Example.test,, bücher.test, not_one' });
  assert.deepEqual(await domains(), ['example.test', 'xn--bcher-kva.test']);
  await fresh.setUp();
  await fresh.kill();
  await fresh.run({ DOMAINS: 'wrong.test' });
  assert.deepEqual(await domains(), ['example.test', 'xn--bcher-kva.test']);
});

test('schema: a newer one is left alone', async (t) => {
  const fresh = await DirectoryRuntime.start();
  t.after(() => fresh.stop());
  await fresh.setUp();
  await fresh.test('peek', 'insert into migration values (99, 0) returning step');
  await fresh.kill();
  await fresh.run();
  assert.equal((await fresh.call('GET', '')).status, 500);
  assert.match(fresh.log, /schema 99/);
});
