// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { POSTERN } from '../test/account.js';
import { binaryMessage, message } from '../test/messages.js';
import { Runtime, until } from '../test/runtime.js';

const MIB = 1024 * 1024;

describe('jmap over http', () => {
  /** @type {Runtime} */
  let runtime;
  /** @type {import('../test/account.js').Account} */
  let account;
  before(async () => {
    runtime = await Runtime.start();
    account = await runtime.account({ name: 'ada', aliases: ['countess'] });
  });
  after(() => runtime.stop());

  /**
   * @param {string} authorization
   * @returns {Promise<Response>}
   */
  const session = (authorization) =>
    fetch(`${runtime.url}/jmap/session`, { headers: { Authorization: authorization } });
  const basic = (/** @type {string} */ user, /** @type {string} */ password) =>
    `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

  it('takes the token as Bearer, and as Basic with any address of the mailbox or none', async () => {
    const { token } = account;
    for (const good of [
      `Bearer ${token}`,
      `bearer ${token}`,
      basic('', token),
      basic('ada@example.test', token),
      basic('ADA@Example.Test', token),
      basic('ada+tag@example.test', token),
      basic('countess@example.test', token),
    ])
      assert.equal((await session(good)).status, 200, good);
  });

  it('refuses everything else with 401', async () => {
    const { token, id } = account;
    const other = await runtime.account();
    for (const bad of [
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
      `Bearer pt_${id}_${'A'.repeat(43)}`,
      `Bearer ${token.replace(id, other.id)}`,
      `Bearer pt_${'0'.repeat(32)}_${'A'.repeat(43)}`,
      basic('bob@example.test', token),
      basic('ada@example.test', 'a password'),
      'Basic !!!',
      'Digest x',
      '',
    ])
      assert.equal((await session(bad)).status, 401, bad);
  });

  it('names both schemes when it refuses', async () => {
    const answer = await session(`Bearer pt_${account.id}_${'A'.repeat(43)}`);
    assert.match(String(answer.headers.get('WWW-Authenticate')), /^Bearer realm="Postern", Basic realm="Postern"/);
    assert.equal(answer.headers.get('Content-Type'), 'application/problem+json');
  });

  it('tells absolute URLs of the origin it was asked at', async () => {
    const found = await account.session();
    for (const key of ['apiUrl', 'downloadUrl', 'uploadUrl', 'eventSourceUrl'])
      assert.ok(found[key].startsWith(`${runtime.url}/jmap/`), found[key]);
    const socket = found.capabilities['urn:ietf:params:jmap:websocket'];
    assert.deepEqual(socket, { url: `${runtime.url.replace('http', 'ws')}/jmap/ws`, supportsPush: true });
    const accountId = found.primaryAccounts['urn:ietf:params:jmap:mail'];
    assert.equal(found.accounts[accountId].name, account.address);
    assert.equal(found.primaryAccounts['urn:ietf:params:jmap:submission'], accountId);
    assert.ok(POSTERN in found.capabilities);
    assert.equal(found.capabilities['urn:ietf:params:jmap:core'].maxSizeUpload, 26 * MIB);
    assert.equal(found.username, account.address);
  });

  it('is found from the well-known place', async () => {
    const answer = await account.fetch('/.well-known/jmap');
    assert.deepEqual(/** @type {any} */ (await answer.json()).apiUrl, `${runtime.url}/jmap/api`);
  });

  it('changes the session state when the directory changes the mailbox', async () => {
    const other = await runtime.account();
    const { state } = await other.session();
    await other.rpc('configure', { addresses: [other.address, 'more@example.test'] });
    const { state: next } = /** @type {any} */ (await (await other.fetch('/jmap/session')).json());
    assert.notEqual(next, state);
    const { list } = await other.call('Identity/get', { ids: null });
    assert.deepEqual(
      list.map((/** @type {any} */ identity) => identity.email),
      [other.address, 'more@example.test'],
    );
  });

  it('answers 204 where the event source would be', async () => {
    assert.equal((await account.fetch('/jmap/eventsource?types=*&closeafter=no&ping=0')).status, 204);
  });

  it('answers 404 and 405 as problems', async () => {
    const missing = await account.fetch('/jmap/nothing');
    assert.deepEqual([missing.status, missing.headers.get('Content-Type')], [404, 'application/problem+json']);
    assert.equal((await account.fetch('/jmap/api')).status, 405);
  });

  it('stores an upload of any type and says 200', async () => {
    const url = `/jmap/upload/${await account.accountId()}`;
    for (const type of ['message/rfc822', 'application/json', 'x/y']) {
      const answer = await account.fetch(url, { method: 'POST', body: 'a body', headers: { 'Content-Type': type } });
      assert.equal(answer.status, 200);
      const { size, type: told, blobId } = /** @type {any} */ (await answer.json());
      assert.deepEqual([size, told], [6, type]);
      assert.equal((await account.octets(blobId)).toString(), 'a body');
    }
    const empty = await account.fetch(url, { method: 'POST' });
    assert.equal(/** @type {any} */ (await empty.json()).size, 0);
  });

  it('takes 26 MiB and refuses an octet more, announced or not', async () => {
    const url = `/jmap/upload/${await account.accountId()}`;
    const most = binaryMessage(26 * MIB);
    assert.ok(most.equals(await account.octets(await account.upload(most))));
    const more = Buffer.concat([most, Buffer.from('x')]);
    assert.equal((await account.announce(url, more.length, 'message/rfc822')).status, 413);
    /** @type {any} */
    const chunked = { method: 'POST', body: new Blob([more]).stream(), duplex: 'half' };
    const answer = await account.fetch(url, chunked);
    assert.equal(answer.status, 413);
    assert.equal(/** @type {any} */ (await answer.json()).limit, 'maxSizeUpload');
    assert.deepEqual(await account.query('select id from blob where uses = 0'), []);
  });

  it('refuses a ninth upload at a time', async () => {
    const { hostname, port } = new URL(runtime.url);
    const path = `/jmap/upload/${await account.accountId()}`;
    const headers = { Authorization: `Bearer ${account.token}`, 'Content-Length': 100 };
    // None of them can end, so exactly one finds no room.
    /** @type {import('node:http').ClientRequest[]} */
    const held = [];
    const refused = await new Promise((done) => {
      for (let i = 0; i < 9; i++) {
        const sent = request({ hostname, port, path, method: 'POST', headers }, done);
        sent.on('error', () => {});
        sent.write('x');
        held.push(sent);
      }
    });
    assert.equal(refused.statusCode, 400);
    let text = '';
    for await (const data of refused) text += data;
    assert.equal(JSON.parse(text).limit, 'maxConcurrentUpload');
    for (const sent of held) sent.destroy();
    // The room is given back.
    await until(async () => (await account.fetch(path, { method: 'POST', body: 'x' })).status === 200, {
      what: 'room',
    });
  });

  it('knows no other account', async () => {
    const other = await runtime.account();
    const blobId = await account.upload('secret');
    const strange = await other.accountId();
    assert.equal((await account.fetch(`/jmap/upload/${strange}`, { method: 'POST', body: 'x' })).status, 404);
    assert.equal((await account.fetch(`/jmap/download/${strange}/${blobId}/x`)).status, 404);
    assert.equal((await other.fetch(`/jmap/download/${strange}/${blobId}/x`)).status, 404);
  });

  it('downloads with the type and name that were asked for, or none', async () => {
    const blobId = await account.upload('some text');
    const named = await account.download(blobId, { name: 'a%20mail.eml', accept: 'message/rfc822' });
    assert.equal(named.headers.get('Content-Type'), 'message/rfc822');
    assert.equal(named.headers.get('Content-Length'), '9');
    assert.equal(named.headers.get('Content-Disposition'), "attachment; filename*=UTF-8''a%20mail.eml");
    assert.equal(await named.text(), 'some text');
    const bare = await account.fetch(`/jmap/download/${await account.accountId()}/${blobId}/?accept=`);
    assert.equal(bare.headers.get('Content-Type'), 'application/octet-stream');
    assert.equal(await bare.text(), 'some text');
    const head = await account.download(blobId, { method: 'HEAD' });
    assert.equal(head.headers.get('Content-Length'), '9');
    assert.equal((await account.download(`${blobId}9`)).status, 404);
  });

  it('gives ranges exactly, across the borders of chunks too', async () => {
    const raw = binaryMessage(3 * MIB + 100);
    const blobId = await account.upload(raw);
    /** @type {[range: string, start: number, end: number][]} */
    const ranges = [
      ['bytes=0-0', 0, 1],
      ['bytes=0-99', 0, 100],
      [`bytes=${MIB - 1}-${MIB}`, MIB - 1, MIB + 1],
      [`bytes=${MIB}-${2 * MIB - 1}`, MIB, 2 * MIB],
      [`bytes=${MIB - 5}-${3 * MIB + 5}`, MIB - 5, 3 * MIB + 6],
      ['bytes=100-', 100, raw.length],
      ['bytes=-7', raw.length - 7, raw.length],
      [`bytes=${raw.length - 1}-999999999`, raw.length - 1, raw.length],
    ];
    for (const [range, start, end] of ranges) {
      const answer = await account.download(blobId, { headers: { Range: range } });
      assert.equal(answer.status, 206, range);
      assert.equal(answer.headers.get('Content-Range'), `bytes ${start}-${end - 1}/${raw.length}`);
      assert.ok(raw.subarray(start, end).equals(Buffer.from(await answer.arrayBuffer())), range);
    }
    const beyond = await account.download(blobId, { headers: { Range: `bytes=${raw.length}-` } });
    assert.deepEqual([beyond.status, beyond.headers.get('Content-Range')], [416, `bytes */${raw.length}`]);
    for (const odd of ['lines=1-2', 'bytes=5-2', 'bytes=-', 'bytes=0-1,3-4'])
      assert.equal((await account.download(blobId, { headers: { Range: odd } })).status, 200, odd);
  });

  it('honours If-Range', async () => {
    const blobId = await account.upload('0123456789');
    const etag = String((await account.download(blobId)).headers.get('ETag'));
    const same = await account.download(blobId, { headers: { Range: 'bytes=2-3', 'If-Range': etag } });
    assert.equal(await same.text(), '23');
    const other = await account.download(blobId, { headers: { Range: 'bytes=2-3', 'If-Range': '"x"' } });
    assert.equal(await other.text(), '0123456789');
  });

  it('downloads one decoded part of a message', async () => {
    const raw = message('a@elsewhere.test', {
      more: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
      body: '--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--b--\r\n',
    });
    const { id } = await account.import(raw);
    const { list } = await account.call('Email/get', { ids: [id], properties: ['attachments'] });
    const [part] = list[0].attachments;
    assert.equal(part.size, 5);
    assert.deepEqual(await account.octets(part.blobId), Buffer.from([0, 1, 2, 3, 4]));
    assert.equal((await account.download(`${part.blobId}9`)).status, 404);
  });

  it('forgets a revoked token at once, and only that one', async () => {
    const other = await runtime.account();
    const { id, token } = await other.rpc('createToken', { name: 'laptop' });
    assert.equal((await session(`Bearer ${token}`)).status, 200);
    assert.deepEqual(
      (await other.rpc('listTokens')).map((/** @type {any} */ item) => [item.name, item.lastUsedAt !== null]),
      [
        ['test', false],
        ['laptop', true],
      ],
    );
    assert.equal(await other.rpc('revokeToken', id), true);
    assert.equal(await other.rpc('revokeToken', id), false);
    assert.equal((await session(`Bearer ${token}`)).status, 401);
    assert.equal((await other.fetch('/jmap/session')).status, 200);
    await other.rpc('revokeAllTokens', {});
    assert.equal((await other.fetch('/jmap/session')).status, 401);
  });

  it('keeps no token, only its hash', async () => {
    const rows = await account.query('select id, name, hex(hash) as hash from token');
    assert.ok(!JSON.stringify(rows).includes(account.token.slice(-20)));
    assert.equal(rows[0]?.hash.length, 64);
  });
});
