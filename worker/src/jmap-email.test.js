// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { POSTERN, USING } from '../test/account.js';
import { message } from '../test/messages.js';
import { Runtime } from '../test/runtime.js';

/** RFC 8621 section 4.2, and `id` */
const DEFAULTS =
  `id blobId threadId mailboxIds keywords size receivedAt messageId inReplyTo references sender from to cc
  bcc replyTo subject sentAt hasAttachment preview bodyValues textBody htmlBody attachments`.split(/\s+/);

describe('email', () => {
  /** @type {Runtime} */
  let runtime;
  before(async () => {
    runtime = await Runtime.start();
  });
  after(() => runtime.stop());

  /** @param {string} raw */
  const received = async (raw) => {
    const account = await runtime.account();
    assert.equal((await runtime.inbound(account.address, raw)).status, 200);
    const { ids } = await account.call('Email/query', {});
    return { account, id: ids[0] };
  };

  /**
   * @param {string} raw
   * @param {string[] | null} properties
   * @param {object} [more]
   */
  const get = async (raw, properties, more = {}) => {
    const { account, id } = await received(raw);
    const { list } = await account.call('Email/get', { ids: [id], properties, ...more });
    return list[0];
  };

  it('has the default properties of the RFC, all of them', async () => {
    const email = await get(
      message('a@elsewhere.test', { subject: 'caf=E9', more: ['Cc: Bob <b@x.test>, c@x.test'] }),
      null,
    );
    assert.deepEqual(Object.keys(email).sort(), [...DEFAULTS].sort());
    assert.deepEqual(email.from, [{ name: null, email: 'a@elsewhere.test' }]);
    assert.deepEqual(email.cc, [
      { name: 'Bob', email: 'b@x.test' },
      { name: null, email: 'c@x.test' },
    ]);
    assert.equal(email.sentAt, '2026-11-22T12:00:00Z');
    assert.equal(email.preview, 'Hello.');
    assert.match(email.receivedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  });

  it('gives what is asked for and the id, nothing else', async () => {
    assert.deepEqual(Object.keys(await get(message('a@elsewhere.test'), ['size'])).sort(), ['id', 'size']);
    assert.deepEqual(Object.keys(await get(message('a@elsewhere.test'), [])), ['id']);
  });

  it('gives header fields in the form that is asked for', async () => {
    const raw = message('a@elsewhere.test', {
      more: ['X-Note: =?utf-8?q?caf=C3=A9?=', 'X-Note: two', 'List-Post: <mailto:l@x.test>'],
    });
    const email = await get(raw, [
      'header:x-note',
      'header:X-Note:asText:all',
      'header:List-Post:asURLs',
      'header:None',
      'headers',
    ]);
    assert.equal(email['header:x-note'], ' two');
    assert.deepEqual(email['header:X-Note:asText:all'], ['café', 'two']);
    assert.deepEqual(email['header:List-Post:asURLs'], ['mailto:l@x.test']);
    assert.equal(email['header:None'], null);
    assert.deepEqual(email.headers[0], { name: 'From', value: ' <a@elsewhere.test>' });
  });

  it('refuses properties it does not know, and forms a field has not', async () => {
    const account = await runtime.account();
    for (const property of [
      'nonsense',
      'header:From:asDate',
      'header:',
      'header:X:asNonsense',
      'canonicalSize',
      'constructor',
    ])
      assert.equal(
        (await account.fails('Email/get', { ids: [], properties: [property] })).type,
        'invalidArguments',
        property,
      );
  });

  it('gives the canonical size where the capability is named', async () => {
    /** @type {[body: string, size: (raw: string) => number][]} */
    const cases = [
      ['one\r\ntwo\r\n', (raw) => raw.length],
      ['one\ntwo\n', (raw) => raw.length + 2],
      ['no end', (raw) => raw.length + 2],
      ['bare\rCR\r\n', (raw) => raw.length],
      ['.\r\n..\n', (raw) => raw.length + 1],
    ];
    for (const [body, size] of cases) {
      const raw = message('a@elsewhere.test', { body });
      const { account, id } = await received(raw);
      const { list } = await account.call('Email/get', { ids: [id], properties: ['size', 'canonicalSize'] }, [
        ...USING,
        POSTERN,
      ]);
      assert.deepEqual([list[0].size, list[0].canonicalSize], [raw.length, size(raw)], JSON.stringify(body));
    }
  });

  it('needs ids, takes none, tells those it does not have, and has a limit', async () => {
    const account = await runtime.account();
    assert.equal((await account.fails('Email/get', { ids: null })).type, 'requestTooLarge');
    assert.equal((await account.fails('Email/get', {})).type, 'requestTooLarge');
    assert.deepEqual((await account.call('Email/get', { ids: [] })).list, []);
    const { list, notFound } = await account.call('Email/get', { ids: ['e1', 'zz', 'zz', ''] });
    assert.deepEqual([list, notFound], [[], ['e1', 'zz', '']]);
    const many = Array.from({ length: 501 }, (_, i) => `e${i}`);
    assert.equal((await account.fails('Email/get', { ids: many })).type, 'requestTooLarge');
  });

  it('shows the parts of a message and the values that are asked for', async () => {
    const raw = message('a@elsewhere.test', {
      more: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="o"'],
      body: [
        '--o',
        'Content-Type: multipart/alternative; boundary=i',
        '',
        '--i',
        'Content-Type: text/plain; charset=iso-8859-1',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'caf=E9 =',
        'au lait',
        '--i',
        'Content-Type: text/html',
        '',
        '<b>caf&eacute;</b>',
        '--i--',
        '--o',
        'Content-Type: application/pdf',
        "Content-Disposition: attachment; filename*=utf-8''%C3%BCbersicht.pdf",
        'Content-Transfer-Encoding: base64',
        '',
        'AAEC',
        'AwQF',
        '--o--',
        '',
      ].join('\r\n'),
    });
    const email = await get(
      raw,
      ['bodyStructure', 'textBody', 'htmlBody', 'attachments', 'bodyValues', 'hasAttachment', 'preview'],
      {
        fetchTextBodyValues: true,
        bodyProperties: ['partId', 'type', 'size', 'name', 'disposition'],
      },
    );
    assert.deepEqual(email.textBody, [{ partId: '1', type: 'text/plain', size: 12, name: null, disposition: null }]);
    assert.deepEqual(
      email.htmlBody.map((/** @type {any} */ part) => part.partId),
      ['2'],
    );
    assert.deepEqual(email.attachments, [
      { partId: '3', type: 'application/pdf', size: 6, name: 'übersicht.pdf', disposition: 'attachment' },
    ]);
    assert.deepEqual(email.bodyValues, { 1: { value: 'café au lait', isEncodingProblem: false, isTruncated: false } });
    assert.equal(email.hasAttachment, true);
    assert.equal(email.preview, 'café au lait');
    assert.equal(email.bodyStructure.type, 'multipart/mixed');
    assert.equal(email.bodyStructure.subParts[0].subParts.length, 2);
  });

  it('cuts a body value between characters', async () => {
    const email = await get(
      message('a@elsewhere.test', { body: 'aé日', more: ['Content-Type: text/plain; charset=utf-8'] }),
      ['bodyValues'],
      {
        fetchAllBodyValues: true,
        maxBodyValueBytes: 5,
      },
    );
    assert.deepEqual(email.bodyValues['1'], { value: 'aé', isEncodingProblem: false, isTruncated: true });
  });

  it('lists what happened since a state, page by page, without gaps', async () => {
    const account = await runtime.account();
    const { state: start } = await account.call('Email/get', { ids: [] });
    for (let i = 0; i < 5; i++) await runtime.inbound(account.address, message('a@elsewhere.test'));
    const { ids } = await account.call('Email/query', { sort: [{ property: 'receivedAt' }] });
    await account.call('Email/set', { update: { [ids[0]]: { 'keywords/$seen': true } }, destroy: [ids[1]] });
    const { state: middle } = await account.call('Email/get', { ids: [] });
    await account.call('Email/set', { update: { [ids[2]]: { 'keywords/$flagged': true } }, destroy: [ids[3]] });

    const all = await account.call('Email/changes', { sinceState: start });
    assert.deepEqual([all.created.sort(), all.updated, all.destroyed], [[ids[0], ids[2], ids[4]].sort(), [], []]);
    const later = await account.call('Email/changes', { sinceState: middle });
    assert.deepEqual([later.created, later.updated, later.destroyed], [[], [ids[2]], [ids[3]]]);

    // Seen page by page, the same mails are known in the end.
    const known = new Set();
    let since = start;
    for (let more = true; more;) {
      const page = await account.call('Email/changes', { sinceState: since, maxChanges: 1 });
      for (const id of page.created) known.add(id);
      for (const id of page.updated) assert.ok(known.has(id), 'updated before it was created');
      for (const id of page.destroyed) known.delete(id);
      assert.ok(page.created.length + page.updated.length + page.destroyed.length <= 1);
      more = page.hasMoreChanges;
      since = page.newState;
    }
    assert.deepEqual([...known].sort(), [ids[0], ids[2], ids[4]].sort());
    assert.equal(since, all.newState);
    assert.deepEqual((await account.call('Email/changes', { sinceState: since })).created, []);
  });

  it('says so when it cannot tell the changes', async () => {
    const account = await runtime.account();
    for (const sinceState of ['', 'x', '-1', '999999', '01', '1e1'])
      assert.equal((await account.fails('Email/changes', { sinceState })).type, 'cannotCalculateChanges', sinceState);
    assert.equal((await account.fails('Email/changes', {})).type, 'invalidArguments');
    assert.equal((await account.fails('Email/changes', { sinceState: '0', maxChanges: 0 })).type, 'invalidArguments');
  });

  it('gives no id twice, not even in a mailbox made again', async () => {
    const account = await runtime.account();
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const [first] = await account.emails();
    await account.call('Email/set', { destroy: [first?.id] });
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const [second] = await account.emails();
    assert.notEqual(second?.id, first?.id);
    const { id, address } = account;
    await account.rpc('wipe');
    await account.rpc('create', { id, address, addresses: [address], quota: 0 });
    assert.ok(!(await account.query('select salt from mailbox')).some((row) => first?.id.includes(row.salt)));
  });
});

describe('mailbox folders', () => {
  it('counts what is in them and tells when that changes', async () => {
    const runtime = await Runtime.start();
    try {
      const account = await runtime.account();
      const { state } = await account.call('Mailbox/get', { ids: null });
      for (let i = 0; i < 3; i++) await runtime.inbound(account.address, message('a@elsewhere.test'));
      const folders = await account.folders();
      const ids = (await account.emails()).map((email) => email.id);
      const counts = async () => {
        const { list } = await account.call('Mailbox/get', {
          ids: null,
          properties: ['totalEmails', 'unreadEmails', 'role'],
        });
        return Object.fromEntries(
          list
            .filter((/** @type {any} */ f) => f.totalEmails > 0)
            .map((/** @type {any} */ f) => [f.role, [f.totalEmails, f.unreadEmails]]),
        );
      };
      assert.deepEqual(await counts(), { inbox: [3, 3] });
      await account.call('Email/set', { update: { [ids[0]]: { 'keywords/$seen': true } } });
      assert.deepEqual(await counts(), { inbox: [3, 2] });
      await account.call('Email/set', {
        update: { [ids[1]]: { [`mailboxIds/${folders.inbox}`]: null, [`mailboxIds/${folders.trash}`]: true } },
      });
      await account.call('Email/set', { update: { [ids[2]]: { [`mailboxIds/${folders.archive}`]: true } } });
      assert.deepEqual(await counts(), { inbox: [2, 1], archive: [1, 1], trash: [1, 1] });
      await account.call('Email/set', { update: { [ids[2]]: { keywords: { $seen: true } } } });
      assert.deepEqual(await counts(), { inbox: [2, 0], archive: [1, 0], trash: [1, 1] });
      await account.call('Email/set', { destroy: ids });
      assert.deepEqual(await counts(), {});
      const changes = await account.call('Mailbox/changes', { sinceState: state });
      assert.deepEqual(changes.updated.sort(), [folders.inbox, folders.trash, folders.archive].sort());
      assert.ok(changes.updatedProperties.includes('totalEmails'));
      const one = await account.call('Mailbox/get', { ids: [folders.inbox, 'nope'], properties: ['name'] });
      assert.deepEqual([one.list, one.notFound], [[{ id: folders.inbox, name: 'Inbox' }], ['nope']]);
    } finally {
      await runtime.stop();
    }
  });
});
