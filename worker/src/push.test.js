// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { USING } from '../test/account.js';
import { message } from '../test/messages.js';
import { Runtime } from '../test/runtime.js';
import { Socket } from '../test/socket.js';

/** The runtime puts an idle object to sleep after ten seconds. */
const EVICTED_MS = 11_000;

describe('push', () => {
  /** @type {Runtime} */
  let runtime;
  before(async () => {
    runtime = await Runtime.start();
  });
  after(() => runtime.stop());

  const state = async (/** @type {import('../test/account.js').Account} */ account) =>
    (await account.call('Email/get', { ids: [] })).state;

  it('speaks the subprotocol jmap, and nothing without it', async () => {
    const account = await runtime.account();
    const socket = await account.socket();
    assert.equal(socket.headers['sec-websocket-protocol'], 'jmap');
    socket.end();
    const headers = { Authorization: `Bearer ${account.token}` };
    await assert.rejects(Socket.open(`${runtime.url}/jmap/ws`, headers), { status: 400 });
    await assert.rejects(Socket.open(`${runtime.url}/jmap/ws`, { 'Sec-WebSocket-Protocol': 'jmap' }), { status: 401 });
    assert.equal((await account.fetch('/jmap/ws')).status, 426);
  });

  it('tells a new mail with the state that it made, to those who asked', async () => {
    const account = await runtime.account();
    const accountId = await account.accountId();
    const [all, some, none] = [await account.socket(), await account.socket(), await account.socket()];
    all.send({ '@type': 'WebSocketPushEnable', dataTypes: null });
    some.send({ '@type': 'WebSocketPushEnable', dataTypes: ['Mailbox', 'Nonsense'] });
    for (const socket of [all, some]) {
      // An answer says that what was sent before it is done.
      socket.send({ '@type': 'Request', id: 'r', using: USING, methodCalls: [] });
      await socket.receive();
    }
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const now = await state(account);
    assert.deepEqual(await all.receive(), {
      '@type': 'StateChange',
      changed: { [accountId]: { Email: now, Mailbox: now, EmailDelivery: now } },
      pushState: now,
    });
    assert.deepEqual((await some.receive()).changed, { [accountId]: { Mailbox: now } });
    some.send({ '@type': 'WebSocketPushDisable' });
    some.send({ '@type': 'Request', id: 'r', using: USING, methodCalls: [] });
    await some.receive();
    const [email] = await account.emails();
    await account.call('Email/set', { update: { [email?.id]: { 'keywords/$seen': true } } });
    assert.deepEqual(Object.keys((await all.receive()).changed[accountId]).sort(), ['Email', 'Mailbox']);
    assert.deepEqual([some.pending, none.pending], [0, 0]);
    for (const socket of [all, some, none]) socket.end();
  });

  it('tells a submission and its outcome', async () => {
    const account = await runtime.account();
    const accountId = await account.accountId();
    const { id } = await account.import(message(account.address));
    const create = { s: await account.submission(id, ['x@verified.test']) };
    const socket = await account.socket();
    socket.send({ '@type': 'WebSocketPushEnable', dataTypes: ['EmailSubmission'] });
    await account.call('EmailSubmission/set', { create });
    for (let i = 0; i < 2; i++) assert.ok((await socket.receive()).changed[accountId].EmailSubmission);
    socket.end();
  });

  it('says nothing when nothing was changed', async () => {
    const account = await runtime.account();
    const socket = await account.socket();
    socket.send({ '@type': 'WebSocketPushEnable', dataTypes: null });
    await account.call('Email/set', { destroy: ['nope'], update: { nope: {} } });
    await account.upload('x');
    socket.send({ '@type': 'Request', id: 'last', using: USING, methodCalls: [] });
    assert.equal((await socket.receive()).requestId, 'last');
    socket.end();
  });

  it('tells at once what was missed since a push state', async () => {
    const account = await runtime.account();
    const old = await state(account);
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    const socket = await account.socket();
    socket.send({ '@type': 'WebSocketPushEnable', dataTypes: ['Email'], pushState: old });
    const now = await state(account);
    assert.deepEqual(await socket.receive(), {
      '@type': 'StateChange',
      changed: { [await account.accountId()]: { Email: now } },
      pushState: now,
    });
    socket.send({ '@type': 'WebSocketPushEnable', dataTypes: ['Email'], pushState: now });
    socket.send({ '@type': 'Request', id: 'r', using: USING, methodCalls: [] });
    assert.equal((await socket.receive())['@type'], 'Response');
    socket.end();
  });

  it('answers requests and tells what is wrong with others', async () => {
    const account = await runtime.account();
    const accountId = await account.accountId();
    const socket = await account.socket();
    const methodCalls = [['Mailbox/get', { accountId, ids: [] }, 'a']];
    socket.send({ '@type': 'Request', id: 'r1', using: USING, methodCalls });
    const answer = await socket.receive();
    assert.deepEqual(
      [answer['@type'], answer.requestId, answer.methodResponses[0][0]],
      ['Response', 'r1', 'Mailbox/get'],
    );
    /** @type {[sent: unknown, requestId: string | null, type: string][]} */
    const wrong = [
      ['{', null, 'notJSON'],
      ['null', null, 'notRequest'],
      ['[]', null, 'notRequest'],
      [{ '@type': 'Nonsense', id: 'r2' }, 'r2', 'notRequest'],
      [{ '@type': 'Request', id: 'r3', using: USING }, 'r3', 'notRequest'],
      [{ '@type': 'Request', id: 'r4', using: ['urn:x'], methodCalls: [] }, 'r4', 'unknownCapability'],
    ];
    for (const [sent, requestId, type] of wrong) {
      socket.send(sent);
      const error = await socket.receive();
      assert.deepEqual(
        [error['@type'], error.requestId, error.type],
        ['RequestError', requestId, `urn:ietf:params:jmap:error:${type}`],
      );
    }
    socket.end();
  });

  it('closes the sockets of a revoked token, and those only', async () => {
    const account = await runtime.account();
    const staying = await account.socket();
    const { id, token } = await account.rpc('createToken', { name: 'other' });
    const headers = { Authorization: `Bearer ${token}`, 'Sec-WebSocket-Protocol': 'jmap' };
    const going = await Socket.open(`${runtime.url}/jmap/ws`, headers);
    await account.rpc('revokeToken', id);
    assert.equal(await going.closed, 4401);
    staying.send({ '@type': 'Request', id: 'r', using: USING, methodCalls: [] });
    assert.equal((await staying.receive()).requestId, 'r');
    await account.rpc('revokeAllTokens', { exceptId: account.tokenId });
    staying.send({ '@type': 'Request', id: 'r', using: USING, methodCalls: [] });
    assert.equal((await staying.receive()).requestId, 'r');
    await account.rpc('revokeAllTokens', {});
    assert.equal(await staying.closed, 4401);
  });

  it('refuses a sixty-fifth socket', async () => {
    const account = await runtime.account();
    const sockets = [];
    for (let i = 0; i < 64; i++) sockets.push(await account.socket());
    await assert.rejects(account.socket(), { status: 503 });
    for (const socket of sockets) socket.end();
  });

  it('wakes a sleeping mailbox to tell of a mail', async () => {
    const account = await runtime.account();
    const socket = await account.socket();
    socket.send({ '@type': 'WebSocketPushEnable', dataTypes: ['Email'] });
    socket.send({ '@type': 'Request', id: 'r', using: USING, methodCalls: [] });
    await socket.receive();
    const before = await account.rpc('bornAt');
    await sleep(EVICTED_MS);
    await runtime.inbound(account.address, message('a@elsewhere.test'));
    assert.ok((await socket.receive()).changed[await account.accountId()].Email);
    assert.notEqual(await account.rpc('bornAt'), before, 'the object was not asleep');
    socket.end();
  });
});
