// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirectoryRuntime, PASSWORD, SECRET } from '../test/directory-runtime.js';

const ada = { address: 'ada@example.test', password: PASSWORD };

test('passwords: the cost rises at the next sign-in, and the salt with it', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '1' });
  t.after(() => runtime.stop());
  await runtime.setUp();
  const kept = async () =>
    (await runtime.test('peek', 'select cost, hex(salt) as salt, hex(hash) as hash from user'))[0];
  const before = await kept();
  assert.equal(before.cost, 1);
  assert.equal(before.salt.length, 32);
  assert.equal(before.hash.length, 64);
  await runtime.signIn(ada.address);
  assert.deepEqual(await kept(), before);
  await runtime.kill();
  await runtime.run({ PASSWORD_COST: '3' });
  await runtime.call('POST', 'sign-in', { ...ada, password: 'wrong password', name: 'x' });
  assert.deepEqual(await kept(), before, 'a wrong password changes nothing');
  await runtime.signIn(ada.address);
  const risen = await kept();
  assert.equal(risen.cost, 3);
  assert.notEqual(risen.salt, before.salt);
  await runtime.signIn(ada.address);
});

test('passwords: the chain is PBKDF2 of PBKDF2, as anybody can compute', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '2' });
  t.after(() => runtime.stop());
  await runtime.setUp();
  const [{ salt, hash }] = await runtime.test('peek', 'select hex(salt) as salt, hex(hash) as hash from user');
  const { pbkdf2Sync } = await import('node:crypto');
  const once = pbkdf2Sync(PASSWORD, Buffer.from(salt, 'hex'), 100_000, 32, 'sha256');
  const twice = pbkdf2Sync(once, Buffer.from(salt, 'hex'), 100_000, 32, 'sha256');
  assert.equal(twice.toString('hex').toUpperCase(), hash);
});

test('passwords: at the cost of production, a user who is not there takes as long as one who is', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '' });
  t.after(() => runtime.stop());
  await runtime.setUp();
  const took = async (/** @type {string} */ address) => {
    const from = performance.now();
    const answer = await runtime.call('POST', 'sign-in', { address, password: 'wrong password', name: 'x' });
    assert.equal(answer.status, 403);
    return performance.now() - from;
  };
  /** @type {number[]} */
  const known = [];
  /** @type {number[]} */
  const unknown = [];
  for (let n = 0; n < 7; n += 1) {
    known.push(await took(ada.address));
    unknown.push(await took(`nobody${n}@example.test`));
  }
  const median = (/** @type {number[]} */ times) => times.sort((a, b) => a - b)[3] ?? 0;
  const ratio = median(known) / median(unknown);
  assert.ok(median(known) > 20, 'the password was stretched');
  assert.ok(ratio > 0.5 && ratio < 2, `known ${median(known)} ms, unknown ${median(unknown)} ms`);
});

test('passwords: a crowd is turned away and not counted, the others are served', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '' });
  t.after(() => runtime.stop());
  await runtime.setUp();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      runtime.call(
        'POST',
        'sign-in',
        { address: `n${n}@example.test`, password: 'wrong password', name: 'x' },
        { client: `198.51.100.${n}` },
      ),
    ),
  );
  const statuses = answers.map(({ status }) => status);
  const turnedAway = statuses.filter((status) => status === 503).length;
  assert.ok(turnedAway > 0, 'some were turned away');
  assert.equal(statuses.filter((status) => status === 403).length, 40 - turnedAway);
  const [{ n }] = await runtime.test('peek', "select count(*) as n from attempt where key like 'user:%'");
  assert.equal(n, 40 - turnedAway);
});

test('passwords: mail is routed while people sign in', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '' });
  t.after(() => runtime.stop());
  await runtime.setUp();
  let signedIn = 0;
  const crowd = Promise.all(
    Array.from({ length: 9 }, async () => {
      await runtime.signIn(ada.address);
      signedIn += 1;
    }),
  );
  const [found] = await runtime.resolve(ada.address);
  assert.equal(found.address, ada.address);
  assert.ok(signedIn < 5, `${signedIn} were served before the mail`);
  await crowd;
});

test('passwords: one that is being replaced gives no token', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '10' });
  t.after(() => runtime.stop());
  const token = await runtime.setUp();
  const { id } = await runtime.addUser(token, 'bob@example.test');
  // The sign-in reads the old hash while the new password is stretched, and is stretched itself after that.
  const reset = runtime.call('POST', `users/${id}/password`, { password: 'a wholly new password' }, { token });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const body = { address: 'bob@example.test', password: PASSWORD, name: 'x' };
  const late = await runtime.call('POST', 'sign-in', body);
  assert.equal((await reset).status, 200);
  assert.equal(late.body.code, 'wrong-credentials');
  assert.deepEqual((await runtime.test(`mailbox?id=${id}`)).tokens, []);
});

test('setup: of two at once one is first', async (t) => {
  const runtime = await DirectoryRuntime.start({ PASSWORD_COST: '' });
  t.after(() => runtime.stop());
  const answers = await Promise.all(
    ['ada@example.test', 'eve@example.test'].map((address) =>
      runtime.call('POST', 'setup', { ...ada, secret: SECRET, address }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
});

test('setup: is off without a secret of some length, and guesses at it end', async (t) => {
  const runtime = await DirectoryRuntime.start({ SETUP_SECRET: 'short' });
  t.after(() => runtime.stop());
  const setUp = (/** @type {string} */ secret, client = '192.0.2.1') =>
    runtime.call('POST', 'setup', { secret, ...ada }, { client });
  assert.equal((await setUp('short')).body.code, 'setup-unavailable');
  await runtime.kill();
  await runtime.run();
  for (let n = 0; n < 10; n += 1) assert.equal((await setUp('wrong', `192.0.2.${n}`)).body.code, 'wrong-secret');
  assert.equal((await setUp(SECRET, '192.0.2.99')).status, 429);
});
