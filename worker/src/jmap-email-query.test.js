// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { message } from '../test/messages.js';
import { Runtime } from '../test/runtime.js';

describe('email query', () => {
  /** @type {Runtime} */
  let runtime;
  /** @type {import('../test/account.js').Account} */
  let account;
  /** @type {Record<string, string>} */
  let folders;
  /** @type {string[]} oldest first */
  let ids = [];
  before(async () => {
    runtime = await Runtime.start();
    account = await runtime.account();
    folders = await account.folders();
    // Times in disorder, and two that are equal.
    const times = ['05', '01', '03', '03', '04'];
    /** @type {string[]} */
    const made = [];
    for (const [i, second] of times.entries()) {
      const raw = message(`sender${i}@elsewhere.test`, {
        subject: `Mail ${i}`,
        body: 'x'.repeat(i * 100),
        more: [`Cc: "Team ${i}" <team@x.test>`],
      });
      const blobId = await account.upload(raw.replace(/Message-ID: .*/, `Message-ID: <unique-${i}@x.test>`));
      const mailboxIds = { [String(i === 4 ? folders.archive : folders.inbox)]: true };
      const receivedAt = `2026-01-01T00:00:${second}Z`;
      const keywords = i === 0 ? { $seen: true, $flagged: true } : {};
      const { created } = await account.call('Email/import', {
        emails: { m: { blobId, mailboxIds, receivedAt, keywords } },
      });
      made.push(created.m.id);
    }
    ids = [1, 2, 3, 4, 0].map((i) => String(made[i]));
  });
  after(() => runtime.stop());

  /** @param {object} args */
  const query = async (args) => (await account.call('Email/query', args)).ids;
  const ascending = [{ property: 'receivedAt', isAscending: true }];

  it('sorts by time both ways, equal times by id, one the reverse of the other', async () => {
    assert.deepEqual(await query({ sort: ascending }), ids);
    assert.deepEqual(await query({ sort: [{ property: 'receivedAt', isAscending: false }] }), [...ids].reverse());
    assert.deepEqual(await query({}), [...ids].reverse());
  });

  it('lists one folder', async () => {
    const filter = { inMailbox: folders.inbox };
    const [a, b, c, , e] = ids;
    assert.deepEqual(await query({ filter, sort: ascending }), [a, b, c, e]);
    assert.deepEqual(await query({ filter: { inMailbox: folders.junk } }), []);
    assert.deepEqual(await query({ filter: { inMailbox: 'nope' } }), []);
  });

  it('pages by position, from the end too, and by anchor', async () => {
    const filter = { inMailbox: folders.inbox };
    const inbox = await query({ filter, sort: ascending });
    const args = { filter, sort: ascending, calculateTotal: true };
    const page = await account.call('Email/query', { ...args, position: 1, limit: 2 });
    assert.deepEqual([page.ids, page.position, page.total], [inbox.slice(1, 3), 1, 4]);
    const end = await account.call('Email/query', { ...args, position: -1 });
    assert.deepEqual([end.ids, end.position], [inbox.slice(3), 3]);
    const anchored = await account.call('Email/query', { ...args, anchor: inbox[2], anchorOffset: -1, limit: 2 });
    assert.deepEqual([anchored.ids, anchored.position], [inbox.slice(1, 3), 1]);
    assert.equal((await account.fails('Email/query', { ...args, anchor: 'nope' })).type, 'anchorNotFound');
    assert.deepEqual(await query({ ...args, limit: 0 }), []);
    assert.deepEqual(await query({ ...args, position: 100 }), []);
  });

  it('says the limit when it is its own', async () => {
    assert.equal((await account.call('Email/query', { limit: 1000 })).limit, 500);
    assert.equal((await account.call('Email/query', { limit: 10 })).limit, undefined);
  });

  /** @type {[name: string, filter: (f: Record<string, string>) => object, expected: number[]][]} */
  const filters = [
    ['hasKeyword', () => ({ hasKeyword: '$SEEN' }), [4]],
    ['notKeyword', () => ({ notKeyword: '$seen' }), [0, 1, 2, 3]],
    ['before', () => ({ before: '2026-01-01T00:00:03Z' }), [0]],
    ['after', () => ({ after: '2026-01-01T00:00:04Z' }), [3, 4]],
    ['inMailboxOtherThan', (f) => ({ inMailboxOtherThan: [f.inbox] }), [3]],
    ['from', () => ({ from: 'SENDER2@' }), [1]],
    ['cc by its name', () => ({ cc: 'team 3' }), [2]],
    ['subject', () => ({ subject: 'mail 4' }), [3]],
    ['a Message-ID in brackets', () => ({ header: ['Message-ID', '<unique-1@x.test>'] }), [0]],
    ['a header that is there', () => ({ header: ['in-reply-to'] }), []],
    ['two conditions', (f) => ({ inMailbox: f.inbox, notKeyword: '$seen' }), [0, 1, 2]],
    ['OR', () => ({ operator: 'OR', conditions: [{ subject: 'Mail 1' }, { subject: 'Mail 4' }] }), [0, 3]],
    ['NOT', () => ({ operator: 'NOT', conditions: [{ subject: 'Mail 1' }, { subject: 'Mail 4' }] }), [1, 2, 4]],
    [
      'AND over folders',
      (f) => ({ operator: 'AND', conditions: [{ inMailbox: f.inbox }, { minSize: 1 }] }),
      [0, 1, 2, 4],
    ],
    ['no conditions', () => ({ operator: 'AND', conditions: [] }), [0, 1, 2, 3, 4]],
    ['an empty filter', () => ({}), [0, 1, 2, 3, 4]],
  ];
  for (const [name, filter, expected] of filters)
    it(`filters by ${name}`, async () => {
      assert.deepEqual(
        await query({ filter: filter(folders), sort: ascending }),
        expected.map((i) => ids[i]),
      );
    });

  it('filters by size', async () => {
    const { list } = await account.call('Email/get', { ids, properties: ['size'] });
    const sizes = list.map((/** @type {any} */ email) => email.size);
    const limit = sizes[3];
    const larger = ids.filter((_, i) => sizes[i] >= limit);
    assert.deepEqual(await query({ filter: { minSize: limit }, sort: ascending }), larger);
    assert.deepEqual(
      await query({ filter: { maxSize: limit }, sort: ascending }),
      ids.filter((id) => !larger.includes(id)),
    );
  });

  it('sorts by size, sender and subject', async () => {
    const bySubject = [1, 2, 3, 4].map((i) => ids[i - 1]);
    assert.deepEqual(await query({ sort: [{ property: 'subject' }] }), [ids[4], ...bySubject]);
    assert.deepEqual(
      await query({ sort: [{ property: 'from', isAscending: false }] }),
      [...bySubject].reverse().concat([String(ids[4])]),
    );
    assert.deepEqual(await query({ sort: [{ property: 'size' }] }), [ids[4], ...bySubject]);
    assert.equal((await query({ sort: [{ property: 'sentAt' }, { property: 'to' }] })).length, 5);
  });

  it('refuses what it cannot do, by name', async () => {
    const type = async (/** @type {object} */ args) => (await account.fails('Email/query', args)).type;
    assert.equal(await type({ filter: { body: 'x' } }), 'unsupportedFilter');
    assert.equal(await type({ filter: { header: ['X-Nothing'] } }), 'unsupportedFilter');
    assert.equal(await type({ sort: [{ property: 'someInThreadHaveKeyword' }] }), 'unsupportedSort');
    assert.equal(await type({ sort: [{ property: 'constructor' }] }), 'unsupportedSort');
    assert.equal(await type({ sort: [{ property: 'size', collation: 'i;octet' }] }), 'unsupportedSort');
    assert.equal(await type({ filter: { minSize: 'big' } }), 'invalidArguments');
    assert.equal(await type({ filter: { operator: 'XOR', conditions: [] } }), 'invalidArguments');
    assert.equal(await type({ limit: -1 }), 'invalidArguments');
    assert.equal(await type({ filter: 'x' }), 'invalidArguments');
    let deep = {};
    for (let i = 0; i < 50; i++) deep = { operator: 'NOT', conditions: [deep] };
    assert.equal(await type({ filter: deep }), 'unsupportedFilter');
    const wide = { operator: 'OR', conditions: Array(200).fill({ subject: 'x' }) };
    assert.equal(await type({ filter: wide }), 'unsupportedFilter');
  });

  it('takes what clients send that means nothing: null collation, collapseThreads', async () => {
    const sort = [{ property: 'receivedAt', isAscending: true, collation: null }];
    assert.deepEqual(await query({ sort, collapseThreads: false, filter: null, anchor: null }), ids);
  });
});
