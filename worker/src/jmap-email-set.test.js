// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { message } from '../test/messages.js';
import { Runtime } from '../test/runtime.js';

describe('email set and import', () => {
  /** @type {Runtime} */
  let runtime;
  /** @type {import('../test/account.js').Account} */
  let account;
  /** @type {Record<string, string>} */
  let folders;
  before(async () => {
    runtime = await Runtime.start();
    account = await runtime.account();
    folders = await account.folders();
  });
  after(() => runtime.stop());

  const make = async () => (await account.import(message('a@elsewhere.test'), { role: 'inbox' })).id;
  /** @param {string} id */
  const look = async (id) =>
    (await account.call('Email/get', { ids: [id], properties: ['keywords', 'mailboxIds'] })).list[0];

  it('patches keywords and folders, in lower case', async () => {
    const id = await make();
    const update = {
      [id]: { 'keywords/$Seen': true, 'keywords/forwarded': true, [`mailboxIds/${folders.archive}`]: true },
    };
    const answer = await account.call('Email/set', { update });
    assert.deepEqual(answer.updated, { [id]: null });
    assert.ok(Number(answer.newState) > Number(answer.oldState));
    assert.deepEqual(await look(id), {
      id,
      keywords: { $seen: true, forwarded: true },
      mailboxIds: { [String(folders.inbox)]: true, [String(folders.archive)]: true },
    });
    await account.call('Email/set', {
      update: { [id]: { 'keywords/$seen': null, [`mailboxIds/${folders.inbox}`]: null } },
    });
    assert.deepEqual((await look(id)).mailboxIds, { [String(folders.archive)]: true });
  });

  it('replaces keywords and folders whole', async () => {
    const id = await make();
    await account.call('Email/set', {
      update: { [id]: { keywords: { $flagged: true }, mailboxIds: { [String(folders.trash)]: true } } },
    });
    assert.deepEqual(await look(id), {
      id,
      keywords: { $flagged: true },
      mailboxIds: { [String(folders.trash)]: true },
    });
  });

  /** @type {[name: string, patch: (f: Record<string, string>) => object, type: string][]} */
  const refused = [
    ['the last folder taken away', (f) => ({ [`mailboxIds/${f.inbox}`]: null }), 'invalidProperties'],
    ['no folder at all', () => ({ mailboxIds: {} }), 'invalidProperties'],
    ['a folder that is not there', () => ({ 'mailboxIds/nope': true }), 'invalidProperties'],
    ['a keyword with a space', () => ({ 'keywords/a b': true }), 'invalidProperties'],
    ['a keyword that is false', () => ({ keywords: { a: false } }), 'invalidProperties'],
    ['a new subject', () => ({ subject: 'other' }), 'invalidProperties'],
    ['another size', () => ({ size: 1 }), 'invalidProperties'],
    ['a patch into nothing', () => ({ 'from/0': null }), 'invalidPatch'],
    ['a patch into what is replaced', () => ({ keywords: {}, 'keywords/a': true }), 'invalidPatch'],
    [
      'too many keywords',
      () => ({ keywords: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, true])) }),
      'tooManyKeywords',
    ],
  ];
  for (const [name, patch, type] of refused)
    it(`refuses ${name} and changes nothing`, async () => {
      const id = await make();
      const answer = await account.call('Email/set', { update: { [id]: patch(folders) } });
      assert.equal(answer.notUpdated[id].type, type);
      assert.equal(answer.updated, null);
      assert.equal(answer.newState, answer.oldState);
      assert.deepEqual(await look(id), { id, keywords: {}, mailboxIds: { [String(folders.inbox)]: true } });
    });

  it('takes back what it told itself', async () => {
    const id = await make();
    const { list } = await account.call('Email/get', {
      ids: [id],
      properties: ['size', 'receivedAt', 'blobId', 'threadId', 'keywords'],
    });
    const answer = await account.call('Email/set', { update: { [id]: { ...list[0], keywords: { $seen: true } } } });
    assert.equal(answer.notUpdated, null);
  });

  it('destroys once, and says notFound afterwards', async () => {
    const id = await make();
    const first = await account.call('Email/set', { destroy: [id, id] });
    assert.deepEqual([first.destroyed, first.notDestroyed], [[id], null]);
    const second = await account.call('Email/set', { destroy: [id], update: { [id]: {} } });
    assert.equal(second.notDestroyed[id].type, 'notFound');
    assert.equal(second.notUpdated[id].type, 'notFound');
    assert.equal(second.newState, second.oldState);
  });

  it('does not update what it is about to destroy', async () => {
    const id = await make();
    const answer = await account.call('Email/set', { destroy: [id], update: { [id]: { 'keywords/a': true } } });
    assert.equal(answer.notUpdated[id].type, 'willDestroy');
    assert.deepEqual(answer.destroyed, [id]);
  });

  it('does nothing in another state than ifInState', async () => {
    const id = await make();
    const { state } = await account.call('Email/get', { ids: [] });
    await make();
    assert.equal((await account.fails('Email/set', { ifInState: state, destroy: [id] })).type, 'stateMismatch');
    assert.equal((await account.fails('Email/import', { ifInState: state, emails: {} })).type, 'stateMismatch');
    const { state: now } = await account.call('Email/get', { ids: [] });
    assert.deepEqual((await account.call('Email/set', { ifInState: now, destroy: [id] })).destroyed, [id]);
  });

  it('has a limit and checks the shape of its arguments', async () => {
    const destroy = Array.from({ length: 501 }, (_, i) => `e${i}`);
    assert.equal((await account.fails('Email/set', { destroy })).type, 'requestTooLarge');
    assert.equal((await account.fails('Email/set', { destroy: 'x' })).type, 'invalidArguments');
    assert.equal((await account.fails('Email/set', { update: { a: null } })).type, 'invalidArguments');
    assert.equal((await account.fails('Email/import', {})).type, 'invalidArguments');
  });

  it('imports with a date, keywords and several folders, and tells both states', async () => {
    const blobId = await account.upload(message('a@elsewhere.test'));
    const mailboxIds = { [String(folders.inbox)]: true, [String(folders.sent)]: true };
    const emails = { m: { blobId, mailboxIds, keywords: { $Seen: true }, receivedAt: '2020-02-03T04:05:06Z' } };
    const answer = await account.call('Email/import', { emails });
    assert.deepEqual(Object.keys(answer.created.m).sort(), ['blobId', 'id', 'size', 'threadId']);
    assert.ok(answer.oldState && Number(answer.newState) > Number(answer.oldState));
    const { list } = await account.call('Email/get', {
      ids: [answer.created.m.id],
      properties: ['receivedAt', 'keywords', 'mailboxIds'],
    });
    assert.equal(list[0].receivedAt, '2020-02-03T04:05:06Z');
    assert.deepEqual(list[0].keywords, { $seen: true });
    assert.deepEqual(Object.keys(list[0].mailboxIds).sort(), Object.keys(mailboxIds).sort());
  });

  it('imports many at once, and each by itself', async () => {
    const good = await account.upload(message('a@elsewhere.test'));
    const empty = await account.upload('');
    const headless = await account.upload('\r\nonly a body\r\n');
    const mailboxIds = { [String(folders.inbox)]: true };
    const { created, notCreated } = await account.call('Email/import', {
      emails: {
        good: { blobId: good, mailboxIds },
        again: { blobId: good, mailboxIds },
        empty: { blobId: empty, mailboxIds },
        headless: { blobId: headless, mailboxIds },
        missing: { blobId: 'b0', mailboxIds },
        nowhere: { blobId: good, mailboxIds: {} },
        undated: { blobId: good, mailboxIds, receivedAt: 'yesterday' },
      },
    });
    assert.deepEqual(Object.keys(created).sort(), ['again', 'good']);
    const types = Object.fromEntries(
      Object.entries(notCreated).map(([key, error]) => [key, /** @type {any} */ (error).type]),
    );
    assert.deepEqual(types, {
      empty: 'invalidEmail',
      headless: 'invalidEmail',
      missing: 'invalidProperties',
      nowhere: 'invalidProperties',
      undated: 'invalidProperties',
    });
    // Two emails share the octets; the first to go leaves them to the other.
    await account.query('delete from upload');
    await account.query('update blob set uses = uses - 1 where uses > 1');
    await account.call('Email/set', { destroy: [created.good.id] });
    assert.equal((await account.download(created.again.blobId)).status, 200);
  });

  it('refuses an import beyond the quota', async () => {
    const small = await runtime.account({ quota: 300 });
    const blobId = await small.upload(message('a@elsewhere.test', { body: 'x'.repeat(400) }));
    const mailboxIds = { [String((await small.folders()).inbox)]: true };
    const { notCreated } = await small.call('Email/import', { emails: { m: { blobId, mailboxIds } } });
    assert.equal(notCreated.m.type, 'overQuota');
  });
});
