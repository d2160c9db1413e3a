// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { binaryMessage, message } from '../test/messages.js';
import { POSTERN, USING } from '../test/account.js';
import { Runtime, until } from '../test/runtime.js';

const MIB = 1024 * 1024;

describe('email submission', () => {
  /** @type {Runtime} */
  let runtime;
  /** @type {import('../test/account.js').Account} */
  let account;
  before(async () => {
    runtime = await Runtime.start();
    account = await runtime.account({ name: 'ada', aliases: ['countess'] });
  });
  after(() => runtime.stop());

  /** @param {string} [raw] */
  const draft = async (raw = message(account.address)) =>
    (await account.import(raw, { keywords: { $draft: true } })).id;

  /**
   * Submits and gives why it was refused.
   * @param {string} emailId
   * @param {string[]} to
   * @param {object} [more]
   */
  const refusal = async (emailId, to, more) => {
    const create = { s: await account.submission(emailId, to, more) };
    const { created, notCreated } = await account.call('EmailSubmission/set', { create });
    assert.equal(created, null);
    return notCreated.s;
  };

  it('moves the draft in the same request when it is taken', async () => {
    const { drafts, sent } = await account.folders();
    const blobId = await account.upload(message(account.address));
    const patch = { [`mailboxIds/${drafts}`]: null, [`mailboxIds/${sent}`]: true, 'keywords/$draft': null };
    const submission = await account.submission('#m', ['x@verified.test']);
    const emails = { m: { blobId, mailboxIds: { [String(drafts)]: true }, keywords: { $draft: true, $seen: true } } };
    const responses = await account.calls([
      ['Email/import', { emails }],
      ['EmailSubmission/set', { create: { s: submission }, onSuccessUpdateEmail: { '#s': patch } }],
    ]);
    assert.deepEqual(
      responses.map(([name, , id]) => [name, id]),
      [
        ['Email/import', 'c0'],
        ['EmailSubmission/set', 'c1'],
        ['Email/set', 'c1'],
      ],
    );
    const emailId = responses[0]?.[1].created.m.id;
    assert.deepEqual(responses[2]?.[1].updated, { [emailId]: null });
    const { list } = await account.call('Email/get', { ids: [emailId], properties: ['mailboxIds', 'keywords'] });
    assert.deepEqual(list[0], { id: emailId, mailboxIds: { [String(sent)]: true }, keywords: { $seen: true } });
  });

  it('leaves the draft alone when it is refused, and answers the implicit call all the same', async () => {
    const id = await draft();
    const create = { s: await account.submission(id, []) };
    const responses = await account.calls([
      [
        'EmailSubmission/set',
        { create, onSuccessDestroyEmail: ['#s'], onSuccessUpdateEmail: { '#s': { 'keywords/$draft': null } } },
      ],
    ]);
    assert.equal(responses[0]?.[1].notCreated.s.type, 'noRecipients');
    assert.deepEqual(
      [responses[1]?.[0], responses[1]?.[1].updated, responses[1]?.[1].destroyed],
      ['Email/set', null, null],
    );
    const { list } = await account.call('Email/get', { ids: [id], properties: ['keywords'] });
    assert.deepEqual(list[0].keywords, { $draft: true });
  });

  it('sends a message whose email is destroyed by the same request', async () => {
    const raw = message(account.address);
    const create = { s: await account.submission(await draft(raw), ['gone@verified.test']) };
    const responses = await account.calls([['EmailSubmission/set', { create, onSuccessDestroyEmail: ['#s'] }]]);
    assert.equal(responses[1]?.[1].destroyed.length, 1);
    const sent = await until(async () => (await runtime.outbound()).find((mail) => mail.to === 'gone@verified.test'), {
      what: 'the mail',
    });
    assert.equal(sent.octets.toString(), raw);
  });

  /** @type {[name: string, raw: () => string, to: string[], more: object, type: string][]} */
  const refused = [
    ['a From that is not its own', () => message('eve@example.test'), ['x@verified.test'], {}, 'forbiddenFrom'],
    [
      'two authors',
      () => message('ada@example.test').replace('From: <ada@', 'From: <eve@example.test>, <ada@'),
      ['x@verified.test'],
      {},
      'invalidEmail',
    ],
    [
      'two From fields',
      () => `From: <eve@example.test>\r\n${message('ada@example.test')}`,
      ['x@verified.test'],
      {},
      'invalidEmail',
    ],
    ['no From', () => 'Subject: x\r\n\r\n', ['x@verified.test'], {}, 'invalidEmail'],
    [
      'an envelope sender that is not its own',
      () => message('ada@example.test'),
      ['x@verified.test'],
      { envelope: { mailFrom: { email: 'eve@example.test' }, rcptTo: [{ email: 'x@verified.test' }] } },
      'forbiddenMailFrom',
    ],
    ['no recipients', () => message('ada@example.test'), [], {}, 'noRecipients'],
    [
      'a recipient that is no address',
      () => message('ada@example.test'),
      ['x@verified.test', 'nonsense', 'a b@x.test'],
      {},
      'invalidRecipients',
    ],
    [
      'an identity that is not there',
      () => message('ada@example.test'),
      ['x@verified.test'],
      { identityId: 'i1' },
      'invalidProperties',
    ],
    [
      'an email that is not there',
      () => message('ada@example.test'),
      ['x@verified.test'],
      { emailId: 'e1' },
      'invalidProperties',
    ],
    [
      'an envelope that is none',
      () => message('ada@example.test'),
      ['x@verified.test'],
      { envelope: { rcptTo: [] } },
      'invalidProperties',
    ],
    [
      'a property that is not the client\u2019s',
      () => message('ada@example.test'),
      ['x@verified.test'],
      { undoStatus: 'canceled' },
      'invalidProperties',
    ],
  ];
  for (const [name, raw, to, more, type] of refused)
    it(`refuses ${name} with ${type}`, async () => {
      assert.equal((await refusal(await draft(raw()), to, more)).type, type);
    });

  for (const [name, mailFrom, rcptTo] of /** @type {[string, object, object][]} */ ([
    ['a NOTIFY of both', {}, { NOTIFY: 'NEVER,SUCCESS' }],
    ['an ORCPT with a line break', {}, { ORCPT: 'rfc822;a@b.test\r\nAction: delivered' }],
    ['an ENVID with a line break', { ENVID: 'x\r\ny' }, {}],
    ['an unknown RET', { RET: 'HALF' }, {}],
    ['parameters that are text', 'RET=FULL', {}],
  ]))
    it(`refuses ${name}`, async () => {
      const envelope = {
        mailFrom: { email: account.address, parameters: mailFrom },
        rcptTo: [{ email: 'x@verified.test', parameters: rcptTo }],
      };
      const { type, properties } = await refusal(await draft(), [], { envelope });
      assert.deepEqual([type, properties], ['invalidProperties', ['envelope']]);
    });

  it('shows the parameters it took, and drops those of extensions it has not', async () => {
    const parameters = { NOTIFY: 'NEVER', 'X-OTHER': 'y' };
    const envelope = {
      mailFrom: { email: account.address, parameters: { BODY: '8BITMIME' } },
      rcptTo: [{ email: 'shown@verified.test', parameters }],
    };
    const id = await account.send(message(account.address), [], { envelope });
    const { list } = await account.call('EmailSubmission/get', { ids: [id], properties: ['envelope'] });
    assert.deepEqual(list[0].envelope, {
      mailFrom: { email: account.address, parameters: null },
      rcptTo: [{ email: 'shown@verified.test', parameters: { NOTIFY: 'NEVER' } }],
    });
  });

  it('names the recipients that are not valid', async () => {
    const { invalidRecipients } = await refusal(await draft(), ['x@verified.test', 'nonsense']);
    assert.deepEqual(invalidRecipients, ['nonsense']);
  });

  it('names local recipients who are not there, and sends to nobody', async () => {
    const error = await refusal(await draft(), ['nobody-at-all@example.test', 'others@verified.test']);
    assert.deepEqual([error.type, error.invalidRecipients], ['invalidRecipients', ['nobody-at-all@example.test']]);
    assert.match(error.description, /5\.1\.1/);
    assert.ok(!(await runtime.outbound()).some((mail) => mail.to === 'others@verified.test'));
  });

  it('refuses more than 25 MiB for the world, with the size that would do', async () => {
    const head = `From: <${account.address}>\r\nMessage-ID: <big@example.test>\r\nDate: x\r\n\r\n`;
    const { id } = await account.import(binaryMessage(25 * MIB + 1, head));
    const error = await refusal(id, ['x@verified.test']);
    assert.deepEqual([error.type, error.maxSize], ['tooLarge', 25 * MIB]);
  });

  it('refuses too many recipients, with the number that would do', async () => {
    const to = Array.from({ length: 1001 }, (_, i) => `x${i}@verified.test`);
    const error = await refusal(await draft(), to);
    assert.deepEqual([error.type, error.maxRecipients], ['tooManyRecipients', 1000]);
  });

  it('takes more recipients in one request than the directory answers at once', async () => {
    const id = await draft();
    /** @type {Record<string, object>} */
    const create = {};
    for (const key of ['a', 'b', 'c'])
      create[key] = await account.submission(
        id,
        Array.from({ length: 500 }, (_, i) => `${key}${i}@tempfail.test`),
      );
    const { created } = await account.call('EmailSubmission/set', { create });
    assert.deepEqual(Object.keys(created), ['a', 'b', 'c']);
    await account.rpc('wipe');
    account = await runtime.account({ name: 'ada', aliases: ['countess'] });
  });

  it('lets the owner write from an alias, a tag and in any case', async () => {
    for (const from of ['countess@example.test', 'ADA@Example.TEST', 'ada+list@example.test']) {
      const id = await draft(message(from));
      const create = {
        s: await account.submission(id, ['x@verified.test'], {
          envelope: { mailFrom: { email: from }, rcptTo: [{ email: 'x@verified.test' }] },
        }),
      };
      const { notCreated } = await account.call('EmailSubmission/set', { create });
      assert.equal(notCreated, null, from);
    }
  });

  it('reads the recipients from the header when there is no envelope', async () => {
    const raw = message(account.address, {
      to: 'h1@verified.test',
      more: ['Cc: H2 <h2@verified.test>, h1@VERIFIED.test', 'Bcc: h3@verified.test'],
    });
    const create = { s: { identityId: await account.identityId(), emailId: await draft(raw) } };
    const { created } = await account.call('EmailSubmission/set', { create });
    const { list } = await account.call('EmailSubmission/get', { ids: [created.s.id], properties: ['envelope'] });
    assert.deepEqual(
      list[0].envelope.rcptTo.map((/** @type {any} */ place) => place.email),
      ['h1@verified.test', 'h2@verified.test', 'h3@verified.test'],
    );
    assert.equal(list[0].envelope.mailFrom.email, account.address);
  });

  it('answers a repeat of a 128-bit key with the first answer and sends once', async () => {
    const key = 'q0123456789abcdef0123456789abcdef';
    const { drafts, sent, trash } = await account.folders();
    const id = await draft();
    const create = { [key]: await account.submission(id, ['once@verified.test']) };
    const patch = { [`mailboxIds/${drafts}`]: null, [`mailboxIds/${sent}`]: true, 'keywords/$draft': null };
    const args = { create, onSuccessUpdateEmail: { [`#${key}`]: patch } };
    const first = await account.calls([['EmailSubmission/set', args]]);
    // The user has moved it meanwhile; the repeat must not move it back.
    await account.call('Email/set', { update: { [id]: { mailboxIds: { [String(trash)]: true } } } });
    await runtime.kill();
    await runtime.up();
    const again = await account.calls([['EmailSubmission/set', args]]);
    assert.deepEqual(again[0]?.[1].created, first[0]?.[1].created);
    assert.deepEqual(again[1]?.[1].updated, { [id]: null });
    const { list } = await account.call('Email/get', { ids: [id], properties: ['mailboxIds'] });
    assert.deepEqual(list[0].mailboxIds, { [String(trash)]: true });
    // Even with the email gone the answer stands.
    await account.call('Email/set', { destroy: [id] });
    const last = await account.call('EmailSubmission/set', { create });
    assert.deepEqual(last.created, first[0]?.[1].created);
    const status = async () => (await account.status(first[0]?.[1].created[key].id))['once@verified.test'].smtpReply;
    await until(async () => (await status()).startsWith('250 2.0.0 Sent'), { what: 'the mail to leave' });
    assert.equal((await runtime.outbound()).filter((mail) => mail.to === 'once@verified.test').length, 1);
  });

  it('forgets a refused key, so that it may be tried again', async () => {
    const key = 'fedcba9876543210fedcba9876543210';
    const id = await draft();
    const bad = await account.call('EmailSubmission/set', {
      create: { [key]: await account.submission(id, ['nonsense']) },
    });
    assert.equal(bad.notCreated[key].type, 'invalidRecipients');
    const good = await account.call('EmailSubmission/set', {
      create: { [key]: await account.submission(id, ['x@verified.test']) },
    });
    assert.ok(good.created[key].id);
  });

  it('forgets an answered key after seven days', async () => {
    const key = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
    const create = { [key]: await account.submission(await draft(), ['x@verified.test']) };
    await account.call('EmailSubmission/set', { create });
    await account.query('update answered set at = at - 8 * 86400000');
    await account.query("update due set at = 0 where kind = 'sweep'");
    await account.rpc('work');
    assert.equal((await account.query('select count(*) as n from answered where key = ?', key))[0]?.n, 0);
  });

  it('sends again when an ordinary creation id comes again', async () => {
    const ids = [];
    for (let i = 0; i < 2; i++) {
      const create = { s: await account.submission(await draft(), ['x@verified.test']) };
      ids.push((await account.call('EmailSubmission/set', { create })).created.s.id);
    }
    assert.notEqual(ids[0], ids[1]);
  });

  it('is final: it cannot be unsent, and destroyed only when all is settled', async () => {
    const id = await account.send(message(account.address), ['x@tempfail.test']);
    const update = await account.call('EmailSubmission/set', {
      update: { [id]: { undoStatus: 'canceled' }, nope: {} },
    });
    assert.deepEqual([update.notUpdated[id].type, update.notUpdated.nope.type], ['cannotUnsend', 'notFound']);
    assert.equal((await account.call('EmailSubmission/set', { destroy: [id] })).notDestroyed[id].type, 'forbidden');
    const done = await account.send(message(account.address), ['x@verified.test']);
    await until(async () => (await account.status(done))['x@verified.test'].smtpReply.includes('Sent'), {
      what: 'the mail to leave',
    });
    const { state } = await account.call('EmailSubmission/get', { ids: [] });
    assert.deepEqual((await account.call('EmailSubmission/set', { destroy: [done] })).destroyed, [done]);
    assert.deepEqual((await account.call('EmailSubmission/changes', { sinceState: state })).destroyed, [done]);
    assert.deepEqual((await account.call('EmailSubmission/get', { ids: [done] })).notFound, [done]);
  });

  it('tells the Message-ID under which each copy left', async () => {
    const id = await account.send(message(account.address), ['mid@verified.test']);
    const sent = await until(async () => (await runtime.outbound()).find((mail) => mail.to === 'mid@verified.test'), {
      what: 'the mail',
    });
    const get = async () => (await account.call('EmailSubmission/get', { ids: [id] }, [...USING, POSTERN])).list[0];
    await until(async () => (await get()).deliveredMessageIds['mid@verified.test'] === sent.messageId, {
      what: 'the Message-ID',
    });
    const { list } = await account.call('EmailSubmission/get', { ids: [id] });
    assert.ok(!('deliveredMessageIds' in list[0]));
  });

  it('fails as a whole, and may be repeated, while the directory does not answer', async () => {
    await runtime.call('TEST', 'x', 'setDown', [true]);
    const create = { s: await account.submission(await draft(), ['x@verified.test']) };
    assert.equal((await account.fails('EmailSubmission/set', { create })).type, 'serverFail');
    await runtime.call('TEST', 'x', 'setDown', [false]);
    assert.ok((await account.call('EmailSubmission/set', { create })).created.s);
  });
});
