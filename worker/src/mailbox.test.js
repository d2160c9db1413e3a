// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { binaryMessage, message } from '../test/messages.js';
import { Runtime, until } from '../test/runtime.js';

const MIB = 1024 * 1024;

/** A header that grows sevenfold when it is read: more than a row holds. */
function hostileHeader() {
  const list = 'é@b,'.repeat(30_000);
  return ['From', 'To', 'Cc', 'Bcc', 'Sender', 'Reply-To'].map((name) => `${name}: ${list}\r\n`).join('') + '\r\n';
}

describe('mailbox', () => {
  /** @type {Runtime} */
  let runtime;
  before(async () => {
    runtime = await Runtime.start();
  });
  after(() => runtime.stop());

  /** @type {[name: string, octets: Buffer][]} */
  const bodies = [
    ['an ordinary message', Buffer.from(message('a@elsewhere.test'))],
    ['no octet at all', Buffer.alloc(0)],
    ['a header and no body', Buffer.from('From: <a@b.test>\r\n\r\n')],
    ['no final line end', Buffer.from('From: <a@b.test>\r\n\r\nend')],
    ['NUL, 8-bit and bare CR and LF', Buffer.from('From: <a@b.test>\r\n\r\n\0\xff\xfe\n\r\r\n.\n\n.\r\n', 'latin1')],
    ['a line of 5000 octets', Buffer.from(`From: <a@b.test>\r\n\r\n${'x'.repeat(5000)}\r\n`)],
    ['one octet less than a chunk', binaryMessage(MIB - 1)],
    ['exactly a chunk', binaryMessage(MIB)],
    ['one octet more than a chunk', binaryMessage(MIB + 1)],
    ['address lists of a megabyte', Buffer.from(hostileHeader())],
    ['25 MiB', binaryMessage(25 * MIB)],
  ];
  for (const [name, octets] of bodies)
    it(`gives back byte for byte: ${name}`, async () => {
      const account = await runtime.account();
      assert.deepEqual(await runtime.inbound(account.address, octets), { status: 200, text: '250 2.0.0 Stored\n' });
      const [email] = await account.emails('inbox', ['blobId', 'size']);
      assert.equal(email?.size, octets.length);
      assert.ok(octets.equals(await account.octets(email?.blobId)));
    });

  it('refuses an unknown user with 5.1.1', async () => {
    const { status, text } = await runtime.inbound('nobody@example.test', message('a@elsewhere.test'));
    assert.equal(status, 400);
    assert.match(text, /^550 5\.1\.1 /);
  });

  it('refuses more than the quota with 5.2.2 and stores nothing of it', async () => {
    const account = await runtime.account({ quota: 4000 });
    assert.equal((await runtime.inbound(account.address, binaryMessage(3000))).status, 200);
    const { status, text } = await runtime.inbound(account.address, binaryMessage(1001));
    assert.equal(status, 400);
    assert.match(text, /^552 5\.2\.2 /);
    assert.equal((await runtime.inbound(account.address, binaryMessage(1000))).status, 200);
    assert.deepEqual(await account.rpc('usage'), { octets: 4000, messages: 2, quota: 4000 });
    assert.equal((await account.query('select count(*) as n from blob'))[0]?.n, 2);
  });

  it('checks the quota by what comes, not by what was announced', async () => {
    const account = await runtime.account({ quota: 2 * MIB });
    const result = await account.rpc('deliver', { from: '', to: account.address, size: 10 }, binaryMessage(3 * MIB));
    assert.match(result.refused, /^5\.2\.2 /);
    assert.equal((await account.query('select count(*) as n from chunk'))[0]?.n, 0);
    assert.equal((await account.query('select count(*) as n from blob'))[0]?.n, 0);
  });

  it('answers a fault with try later', async () => {
    const account = await runtime.account();
    await account.query('alter table email rename to broken');
    const { status, text } = await runtime.inbound(account.address, message('a@elsewhere.test'));
    assert.equal(status, 503);
    assert.match(text, /^451 /);
    assert.equal((await account.query('select count(*) as n from blob'))[0]?.n, 0);
  });

  it('writes at most nine rows for an ordinary mail', async () => {
    const account = await runtime.account();
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const rows = Number(await account.rpc('rowsWrittenBy', account.address, message('b@elsewhere.test')));
    assert.ok(rows > 0 && rows <= 9, `${rows} rows`);
  });

  it('keeps all it has confirmed when it is killed', async () => {
    const account = await runtime.account();
    const raw = binaryMessage(2 * MIB + 17);
    await runtime.inbound(account.address, raw);
    await runtime.kill();
    await runtime.up();
    const [email] = await account.emails('inbox', ['blobId']);
    assert.ok(raw.equals(await account.octets(email?.blobId)));
  });

  it('stores a local delivery once for each key', async () => {
    const account = await runtime.account();
    const raw = Buffer.from(message('a@elsewhere.test'));
    const envelope = { key: 'sender:1:target', from: 'a@b.test', to: account.address, size: raw.length };
    assert.deepEqual(await account.rpc('deliverLocal', envelope, raw), { ok: true });
    assert.deepEqual(await account.rpc('deliverLocal', envelope, raw), { ok: true });
    await account.rpc('deliverLocal', { ...envelope, key: 'sender:2:target' }, raw);
    assert.equal((await account.emails()).length, 2);
  });

  it('stores a local delivery once when two come at the same time', async () => {
    const account = await runtime.account();
    const raw = binaryMessage(3 * MIB);
    const envelope = { key: 'k', from: 'a@b.test', to: account.address, size: raw.length };
    await Promise.all([1, 2, 3].map(() => account.rpc('deliverLocal', envelope, raw)));
    assert.equal((await account.emails()).length, 1);
    assert.equal((await account.query('select count(*) as n from blob'))[0]?.n, 1);
  });

  it('removes what is left of an upload that was cut off', async () => {
    const account = await runtime.account();
    const { hostname, port } = new URL(runtime.url);
    const sent = request({
      hostname,
      port,
      path: `/jmap/upload/${await account.accountId()}`,
      method: 'POST',
      headers: { Authorization: `Bearer ${account.token}`, 'Content-Length': 10 * MIB },
    });
    sent.on('error', () => {});
    sent.write(binaryMessage(5 * MIB));
    const chunks = async () => Number((await account.query('select count(*) as n from chunk'))[0]?.n);
    await until(async () => (await chunks()) >= 3, { what: 'the first chunks' });
    assert.equal((await account.query('select uses from blob'))[0]?.uses, 0);
    // Killed: nobody is left to clean up but the sweep of the next life.
    await runtime.kill();
    sent.destroy();
    await runtime.up();
    assert.ok((await chunks()) >= 3);
    assert.notEqual(await account.rpc('alarmAt'), null);
    await account.query('update upload set until = 0');
    await account.query('update due set at = 0');
    await account.rpc('work');
    assert.equal(await chunks(), 0);
    assert.equal((await account.query('select count(*) as n from blob'))[0]?.n, 0);
  });

  it('removes at once what an upload left that broke off', async () => {
    const account = await runtime.account();
    const { hostname, port } = new URL(runtime.url);
    const sent = request({
      hostname,
      port,
      path: `/jmap/upload/${await account.accountId()}`,
      method: 'POST',
      headers: { Authorization: `Bearer ${account.token}`, 'Content-Length': 10 * MIB },
    });
    sent.on('error', () => {});
    sent.write(binaryMessage(3 * MIB));
    const chunks = async () => Number((await account.query('select count(*) as n from chunk'))[0]?.n);
    await until(async () => (await chunks()) >= 1, { what: 'the first chunk' });
    sent.destroy();
    await until(async () => (await chunks()) === 0, { what: 'the chunks to go' });
  });

  it('lets go of an unused upload after a day, and keeps an imported one', async () => {
    const account = await runtime.account();
    const raw = message(account.address);
    const unused = await account.upload('unused');
    const { blobId, id } = await account.import(raw);
    await account.query('update upload set until = 0');
    await account.query('update due set at = 0');
    await account.rpc('work');
    assert.equal((await account.download(unused)).status, 404);
    assert.equal((await account.octets(blobId)).toString(), raw);
    assert.equal((await account.query('select uploads from mailbox'))[0]?.uploads, 0);
    await account.call('Email/set', { destroy: [id] });
    assert.equal((await account.download(blobId)).status, 404);
    assert.equal((await account.query('select count(*) as n from chunk'))[0]?.n, 0);
  });

  it('refuses everything once it is wiped', async () => {
    const account = await runtime.account();
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const socket = await account.socket();
    await account.rpc('wipe');
    assert.equal(await socket.closed, 4410);
    assert.equal((await account.fetch('/jmap/session')).status, 401);
    assert.match((await runtime.inbound(account.address, message('a@b.test'))).text, /^550 5\.1\.1 /);
    assert.equal(await account.rpc('checkToken', account.token), null);
    await assert.rejects(account.rpc('usage'));
    await account.rpc('wipe');
    assert.deepEqual(await account.query("select name from sqlite_master where name = 'email'"), []);
    await runtime.kill();
    await runtime.up();
    assert.equal((await account.fetch('/jmap/session')).status, 401);
  });

  it('finishes a wipe that was cut off', async () => {
    const account = await runtime.account();
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    await account.query('delete from mailbox');
    await runtime.kill();
    await runtime.up();
    assert.equal((await account.fetch('/jmap/session')).status, 401);
    assert.deepEqual(await account.query("select name from sqlite_master where name = 'email'"), []);
  });

  it('makes no tables for a mailbox that nobody made', async () => {
    const id = 'ffffffffffffffffffffffffffffffff';
    assert.equal(await runtime.call('MAILBOX', id, 'checkToken', [`pt_${id}_${'A'.repeat(43)}`]), null);
    assert.deepEqual(
      await runtime.call('MAILBOX', id, 'query', ["select name from sqlite_master where type = 'table'"]),
      [],
    );
  });

  it('can be made twice without losing anything', async () => {
    const account = await runtime.account();
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const before = await account.folders();
    const { id, address } = account;
    await account.rpc('create', { id, address, addresses: [address], quota: 0 });
    assert.deepEqual(await account.folders(), before);
    assert.equal((await account.emails()).length, 1);
  });

  it('refuses mail and tokens while it is disabled, and closes its sockets', async () => {
    const account = await runtime.account();
    const socket = await account.socket();
    await account.rpc('configure', { disabled: true });
    assert.equal(await socket.closed, 4401);
    assert.equal((await account.fetch('/jmap/session')).status, 401);
    assert.match((await runtime.inbound(account.address, message('a@b.test'))).text, /^550 5\.2\.1 /);
    await account.rpc('configure', { disabled: false });
    assert.equal((await account.fetch('/jmap/session')).status, 200);
  });

  it('never opens tables that a newer Worker wrote', async () => {
    const account = await runtime.account();
    await account.query('update schema set version = 1000');
    await runtime.kill();
    await runtime.up();
    assert.equal((await runtime.inbound(account.address, message('a@b.test'))).status, 503);
  });
});
