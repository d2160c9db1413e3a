// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { binaryMessage, message } from '../test/messages.js';
import { Runtime, until } from '../test/runtime.js';

const MIB = 1024 * 1024;

describe('outgoing', () => {
  /** @type {Runtime} */
  let runtime;
  /** @type {import('../test/account.js').Account} */
  let ada;
  /** @type {import('../test/account.js').Account} */
  let bob;
  before(async () => {
    runtime = await Runtime.start();
    ada = await runtime.account({ name: 'ada' });
    bob = await runtime.account({ name: 'bob', aliases: ['robert'] });
  });
  after(() => runtime.stop());

  /** @param {string} to */
  const leave = (to) =>
    until(async () => (await runtime.outbound()).find((mail) => mail.to === to), { what: `mail to ${to}` });

  /**
   * @param {string} id of a submission of ada's
   * @param {string} address
   * @param {RegExp} reply
   */
  const settled = (id, address, reply) =>
    until(async () => reply.test((await ada.status(id))[address].smtpReply), { what: `${address} to get ${reply}` });

  /** @param {import('../test/account.js').Account} account @param {string} about an address named in the bounce */
  const bounces = async (account, about) => {
    const found = [];
    for (const email of await account.emails('inbox', ['blobId', 'subject'])) {
      if (email.subject !== 'Your message could not be delivered') continue;
      const text = (await account.octets(email.blobId)).toString();
      if (text.includes(about)) found.push(text);
    }
    return found;
  };

  it('sends exactly the octets when nothing has to be changed', async () => {
    const raw = message(ada.address, { body: 'caf\u00e9\r\n.\r\n..dots\r\n' });
    await ada.send(raw, ['same@verified.test']);
    const { octets, from } = await leave('same@verified.test');
    assert.equal(octets.toString(), raw);
    assert.equal(from, ada.address);
  });

  it('sends 25 MiB exactly to a verified address', async () => {
    const head = `From: <${ada.address}>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <big@x.test>\r\n\r\n`;
    const text = binaryMessage(18 * MIB)
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n');
    const raw = Buffer.from((head + text).slice(0, 25 * MIB - 2) + '\r\n');
    await ada.send(raw, ['big@verified.test']);
    assert.ok(raw.equals((await leave('big@verified.test')).octets));
  });

  it('adds a Message-ID, the same for all, and a Date', async () => {
    await ada.send(`From: <${ada.address}>\r\nSubject: bare\r\n\r\nbody\r\n`, [
      'bare1@verified.test',
      'bare2@verified.test',
    ]);
    const [one, two] = await Promise.all([leave('bare1@verified.test'), leave('bare2@verified.test')]);
    assert.match(
      one.octets.toString(),
      /^Message-ID: <[^<>@ ]+@example\.test>\r\nDate: \w{3}, \d+ \w{3} \d{4} [\d:]{8} \+0000\r\nFrom: /,
    );
    assert.deepEqual(one.octets, two.octets);
  });

  it('takes out what the binding refuses, and Bcc, folds and all', async () => {
    const raw = message(ada.address, {
      more: [
        'Received: from a',
        '\tby b',
        'X-Received: c',
        'Return-Path: <x@y.test>',
        'DKIM-Signature: v=1;',
        ' b=abc',
        'ARC-Seal: i=1',
        'Bcc: secret@x.test',
        'X-Kept: yes',
        ' folded',
      ],
    });
    await ada.send(raw, ['clean@verified.test']);
    const { octets } = await leave('clean@verified.test');
    const wanted = raw.replace(
      /(Received|X-Received|Return-Path|DKIM-Signature|ARC-Seal|Bcc): .*\r\n([ \t].*\r\n)*/g,
      '',
    );
    assert.equal(octets.toString(), wanted);
    assert.ok(octets.includes('X-Kept: yes\r\n folded\r\n'));
  });

  it('ends every line with CRLF', async () => {
    const raw = message(ada.address, { body: 'a\nb\rc\r\r\nd\n.\n' }).replaceAll('\r\n', '\n');
    await ada.send(raw, ['lines@verified.test']);
    const { octets } = await leave('lines@verified.test');
    const wanted = raw.replace(/\r\n|\r|\n/g, '\r\n');
    assert.equal(octets.toString(), wanted);
  });

  it('uses the From of the header where the envelope has another of the same owner', async () => {
    const envelope = { mailFrom: { email: 'ada+bounces@example.test' }, rcptTo: [{ email: 'env@verified.test' }] };
    await ada.send(message(ada.address), [], { envelope });
    assert.equal((await leave('env@verified.test')).from, ada.address);
  });

  it('delivers inside this Worker byte for byte, without Bcc, once for two addresses of one mailbox', async () => {
    const raw = message(ada.address, { body: 'bare\nLF and \0 and no end', more: ['Received: stays'] });
    const id = await ada.send(raw.replace('Subject', 'Bcc: robert@example.test\r\nSubject'), [
      'bob@example.test',
      'Robert+x@example.test',
    ]);
    await settled(id, 'bob@example.test', /^250 2\.0\.0 Delivered/);
    await settled(id, 'Robert+x@example.test', /^250 2\.0\.0 Delivered/);
    const mails = await bob.emails();
    assert.equal(mails.length, 1);
    assert.equal((await bob.octets(mails[0]?.blobId)).toString(), raw);
    assert.equal((await ada.status(id))['bob@example.test'].delivered, 'yes');
  });

  it('delivers to its own sender', async () => {
    const raw = message(ada.address, { subject: 'to myself' });
    const id = await ada.send(raw, [ada.address]);
    await settled(id, ada.address, /Delivered/);
    const [mail] = (await ada.emails()).filter((email) => email.subject === 'to myself');
    assert.equal((await ada.octets(mail?.blobId)).toString(), raw);
  });

  it('tries again by alarm what failed for now, and sends it once', async () => {
    const id = await ada.send(message(ada.address), ['once@tempfail.test']);
    await settled(id, 'once@tempfail.test', /^250 2\.0\.0 Sent/);
    assert.equal((await runtime.outbound()).filter((mail) => mail.to === 'once@tempfail.test').length, 1);
    assert.equal(
      (await ada.query('select attempts from recipient where address = ?', 'once@tempfail.test'))[0]?.attempts,
      2,
    );
    assert.deepEqual(await bounces(ada, 'once@tempfail.test'), []);
  });

  it('keeps what failed for now over a kill, and waits longer each time', async () => {
    const id = await ada.send(message(ada.address), ['never@tempfail.test']);
    await settled(id, 'never@tempfail.test', /^451 4\.3\.0 E_RATE_LIMIT_EXCEEDED/);
    await runtime.kill();
    await runtime.up();
    const attempts = async () =>
      Number((await ada.query('select attempts from recipient where address = ?', 'never@tempfail.test'))[0]?.attempts);
    const before = await attempts();
    await until(async () => (await attempts()) > before + 1, { what: 'more attempts' });
    const [row] = await ada.query(
      'select attempts, next_at - sent_at as waited from recipient join submission on id = submission where address = ?',
      'never@tempfail.test',
    );
    // Each wait is twice the one before, less a tenth at most.
    assert.ok(row?.waited >= 40 * 0.9 * (2 ** row?.attempts - 1), JSON.stringify(row));
  });

  it('bounces once, naming all who failed, and delivers to the others', async () => {
    const id = await ada.send(message(ada.address, { subject: 'the lost one' }), [
      'no1@refuse.test',
      'good@verified.test',
      'no2@refuse.test',
    ]);
    await settled(id, 'no1@refuse.test', /^550 5\.1\.1/);
    await settled(id, 'no2@refuse.test', /^550 5\.1\.1/);
    await leave('good@verified.test');
    const found = await bounces(ada, 'no1@refuse.test');
    assert.equal(found.length, 1);
    const [bounce = ''] = found;
    assert.match(bounce, /^From: Mail delivery <postmaster@example\.test>\r\nTo: <ada@example\.test>\r\n/);
    assert.match(bounce, /Content-Type: multipart\/report; report-type=delivery-status; boundary="/);
    assert.match(bounce, /Final-Recipient: rfc822; no1@refuse\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\n/);
    assert.match(bounce, /Final-Recipient: rfc822; no2@refuse\.test\r\n/);
    assert.ok(!bounce.includes('good@verified.test\r\nAction'));
    assert.match(bounce, /\r\n\r\nFrom: <ada@example\.test>\r\n.*Subject: the lost one\r\n/s);
    assert.match(bounce, /Auto-Submitted: auto-replied/);
    assert.equal((await ada.status(id))['no1@refuse.test'].delivered, 'no');
  });

  it('never bounces to the null sender', async () => {
    const envelope = { mailFrom: { email: '' }, rcptTo: [{ email: 'null@refuse.test' }] };
    const id = await ada.send(message(ada.address), [], { envelope });
    await settled(id, 'null@refuse.test', /^550/);
    assert.deepEqual(await bounces(ada, 'null@refuse.test'), []);
  });

  it('bounces nothing that NOTIFY=NEVER forbids, and gives the sender its own words back', async () => {
    const place = (/** @type {string} */ email, /** @type {string} */ NOTIFY) => ({ email, parameters: { NOTIFY } });
    const envelope = {
      mailFrom: { email: ada.address, parameters: { RET: 'FULL', ENVID: 'order 7' } },
      rcptTo: [
        place('never@refuse.test', 'NEVER'),
        place('success@refuse.test', 'SUCCESS'),
        { email: 'told@refuse.test', parameters: { notify: 'FAILURE,DELAY', ORCPT: 'rfc822;Told@old.test' } },
      ],
    };
    const id = await ada.send(message(ada.address, { body: 'the whole of it\r\n' }), [], { envelope });
    for (const word of ['never', 'success', 'told']) await settled(id, `${word}@refuse.test`, /^550/);
    const [bounce = '', ...more] = await bounces(ada, 'told@refuse.test');
    assert.deepEqual(more, []);
    assert.match(bounce, /\r\nOriginal-Envelope-Id: order 7\r\n/);
    assert.match(
      bounce,
      /\r\nOriginal-Recipient: rfc822;Told@old\.test\r\nFinal-Recipient: rfc822; told@refuse\.test\r\nAction: failed\r\n/,
    );
    assert.match(bounce, /\r\nContent-Type: message\/rfc822\r\n\r\n.*the whole of it\r\n/s);
    assert.doesNotMatch(bounce, /never@|success@/);
  });

  it('tells success to those who want to know: handed on outside, delivered inside', async () => {
    const parameters = { NOTIFY: 'SUCCESS,FAILURE' };
    const envelope = {
      mailFrom: { email: ada.address, parameters: null },
      rcptTo: [
        { email: 'wants@verified.test', parameters },
        { email: bob.address, parameters },
        { email: 'silent@verified.test', parameters: null },
      ],
    };
    const id = await ada.send(message(ada.address, { body: 'a body nobody needs again\r\n' }), [], { envelope });
    for (const { email } of envelope.rcptTo) await settled(id, email, /^250 2\.0\.0 (Sent|Delivered)/);
    const reports = [];
    for (const email of await ada.emails('inbox', ['blobId', 'subject']))
      if (/^Your message was/.test(email.subject)) reports.push((await ada.octets(email.blobId)).toString());
    assert.equal(reports.length, 2);
    assert.ok(reports.some((text) => /rfc822; wants@verified\.test\r\nAction: relayed\r\nStatus: 2\./.test(text)));
    assert.ok(reports.some((text) => text.includes(`rfc822; ${bob.address}\r\nAction: delivered\r\nStatus: 2.`)));
    assert.ok(reports.every((text) => !text.includes('silent@') && !text.includes('a body nobody needs')));
  });

  it('bounces what is too large for its recipient, with what to know', async () => {
    const head = `From: <${ada.address}>\r\nDate: x\r\nMessage-ID: <big@x.test>\r\n\r\n`;
    const id = await ada.send(Buffer.from(head + 'x'.repeat(5 * MIB)), ['large@world.test']);
    await settled(id, 'large@world.test', /^552 5\.3\.4 .*5 MiB/);
    assert.equal((await bounces(ada, 'large@world.test')).length, 1);
  });

  it('words the free plan as a choice', async () => {
    const id = await ada.send(message(ada.address), ['x@unverified.test']);
    await settled(id, 'x@unverified.test', /^550 5\.7\.1 .*paid plan, or a relay/);
  });

  it('bounces when the local mailbox is full', async () => {
    const full = await runtime.account({ name: 'full', quota: 10 });
    const id = await ada.send(message(ada.address), [full.address]);
    await settled(id, full.address, /^552 5\.2\.2/);
    assert.equal((await bounces(ada, full.address)).length, 1);
  });

  it('gives up after five days, which are 7200 times the first delay', async () => {
    const id = await ada.send(message(ada.address), ['old@tempfail.test']);
    await settled(id, 'old@tempfail.test', /^451/);
    const row = (await ada.query('select submission from recipient where address = ?', 'old@tempfail.test'))[0]
      ?.submission;
    await ada.query('update submission set sent_at = sent_at - 40 * 7200 where id = ?', row);
    await ada.query('update recipient set next_at = 0 where submission = ?', row);
    await ada.query("update due set at = 0 where kind = 'send' and ref = ?", row);
    await ada.rpc('work');
    await settled(id, 'old@tempfail.test', /^550 5\.4\.7 .*E_RATE_LIMIT_EXCEEDED/);
    assert.equal((await bounces(ada, 'old@tempfail.test')).length, 1);
  });

  it('sends to two hundred, forty a turn', async () => {
    const to = Array.from({ length: 200 }, (_, i) => `many${i}@verified.test`);
    await ada.send(message(ada.address), to);
    const left = async () => (await runtime.outbound()).filter((mail) => mail.to.startsWith('many'));
    await until(async () => (await left()).length >= 200, { what: '200 mails', timeoutMs: 30_000 });
    assert.deepEqual((await left()).map((mail) => mail.to).sort(), [...to].sort());
  });

  it('lets go of the message when all are settled and its email is gone', async () => {
    const { id } = await ada.import(message(ada.address));
    const create = { s: await ada.submission(id, ['go@verified.test']) };
    const { created } = await ada.call('EmailSubmission/set', { create });
    await settled(created.s.id, 'go@verified.test', /^250 2\.0\.0 Sent/);
    const [email] = (await ada.call('Email/get', { ids: [id], properties: ['blobId'] })).list;
    await ada.query('update upload set until = 0');
    await ada.query("update due set at = 0 where kind = 'sweep'");
    await ada.rpc('work');
    await ada.call('Email/set', { destroy: [id] });
    assert.equal((await ada.download(email.blobId)).status, 404);
  });

  it('stores once although the answer of the recipient was lost', async () => {
    const id = await ada.send(message(ada.address, { subject: 'lost answer' }), ['bob@example.test']);
    await settled(id, 'bob@example.test', /Delivered/);
    // As if the sender had died before it wrote the outcome down.
    const row = (await ada.query('select max(id) as id from submission'))[0]?.id;
    await ada.query("update recipient set status = 'queued', next_at = 0 where submission = ?", row);
    await ada.query('update submission set open = 1 where id = ?', row);
    await ada.query('update blob set uses = uses + 1 where id = (select blob from submission where id = ?)', row);
    await ada.query("insert into due values ('send', ?, 0)", row);
    await ada.rpc('work');
    await settled(id, 'bob@example.test', /Delivered/);
    assert.equal((await bob.emails()).filter((email) => email.subject === 'lost answer').length, 1);
  });

  it('loses and doubles nothing local when it is killed in the middle', async () => {
    const ids = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        ada.send(message(ada.address, { subject: `kill ${i}` }), ['bob@example.test']),
      ),
    );
    await runtime.kill();
    await runtime.up();
    for (const id of ids) await settled(id, 'bob@example.test', /Delivered/);
    const subjects = (await bob.emails()).map((email) => email.subject).filter((subject) => subject.startsWith('kill'));
    assert.deepEqual(subjects.sort(), Array.from({ length: 6 }, (_, i) => `kill ${i}`).sort());
  });
});
