// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { USING } from '../test/account.js';
import { Runtime } from '../test/runtime.js';
import { message } from '../test/messages.js';

const ERROR = 'urn:ietf:params:jmap:error:';

describe('jmap requests', () => {
  /** @type {Runtime} */
  let runtime;
  /** @type {import('../test/account.js').Account} */
  let account;
  before(async () => {
    runtime = await Runtime.start();
    account = await runtime.account();
    for (const subject of ['one', 'two', 'three'])
      await runtime.inbound(account.address, message('a@elsewhere.test', { subject }));
  });
  after(() => runtime.stop());

  it('answers Core/echo with what it was given', async () => {
    const args = { hello: true, deep: { list: [1, 'two', null] } };
    const answer = await account.api({ using: USING, methodCalls: [['Core/echo', args, 'x']] });
    const { methodResponses, sessionState } = /** @type {any} */ (await answer.json());
    assert.deepEqual(methodResponses, [['Core/echo', args, 'x']]);
    assert.equal(sessionState, (await account.session()).state);
  });

  /** @type {[name: string, body: unknown, type: string][]} */
  const problems = [
    ['what is not JSON', '{"using":', 'notJSON'],
    ['JSON that is no request', '[]', 'notRequest'],
    ['null', 'null', 'notRequest'],
    ['a request without methodCalls', { using: USING }, 'notRequest'],
    ['a call that is no triple', { using: USING, methodCalls: [['Core/echo', {}]] }, 'notRequest'],
    ['a capability nobody knows', { using: [...USING, 'urn:example:none'], methodCalls: [] }, 'unknownCapability'],
    ['a capability named like a property of objects', { using: ['constructor'], methodCalls: [] }, 'unknownCapability'],
    ['too many calls', { using: USING, methodCalls: Array(65).fill(['Core/echo', {}, 'a']) }, 'limit'],
  ];
  for (const [name, body, type] of problems)
    it(`answers ${name} with 400 and ${type}`, async () => {
      const answer = await account.api(body);
      assert.equal(answer.status, 400);
      assert.equal(answer.headers.get('Content-Type'), 'application/problem+json');
      assert.equal(/** @type {any} */ (await answer.json()).type, ERROR + type);
    });

  it('answers a request over 10 MB with the limit it broke', async () => {
    const { status, json } = await account.announce('/jmap/api', 10_000_001, 'application/json');
    assert.deepEqual([status, json.type, json.limit], [400, `${ERROR}limit`, 'maxSizeRequest']);
  });

  it('takes JSON only, with or without a charset', async () => {
    const body = JSON.stringify({ using: USING, methodCalls: [] });
    assert.equal((await account.api(body, { headers: { 'Content-Type': 'text/plain' } })).status, 415);
    assert.equal(
      (await account.api(body, { headers: { 'Content-Type': 'application/json; charset=utf-8' } })).status,
      200,
    );
  });

  it('accepts quota in using, and mail without core', async () => {
    const accountId = await account.accountId();
    for (const using of [[...USING, 'urn:ietf:params:jmap:quota'], ['urn:ietf:params:jmap:mail']]) {
      const answer = await account.api({ using, methodCalls: [['Mailbox/get', { accountId, ids: null }, 'a']] });
      assert.equal(/** @type {any} */ (await answer.json()).methodResponses[0][0], 'Mailbox/get');
    }
  });

  it('knows only the methods of the capabilities in using', async () => {
    const accountId = await account.accountId();
    const methodCalls = [
      ['Email/query', { accountId }, 'a'],
      ['Identity/get', { accountId, ids: null }, 'b'],
      ['Nothing/get', { accountId }, 'c'],
      ['constructor', { accountId }, 'd'],
    ];
    const answer = await account.api({ using: ['urn:ietf:params:jmap:core'], methodCalls });
    for (const [name, { type }] of /** @type {any} */ (await answer.json()).methodResponses)
      assert.deepEqual([name, type], ['error', 'unknownMethod']);
    const none = await account.api({ using: [], methodCalls: [['Core/echo', {}, 'a']] });
    assert.equal(/** @type {any} */ (await none.json()).methodResponses[0][1].type, 'unknownMethod');
  });

  it('refuses a missing and a strange accountId', async () => {
    assert.equal((await account.fails('Mailbox/get', { accountId: undefined, ids: null })).type, 'invalidArguments');
    assert.equal((await account.fails('Mailbox/get', { accountId: 'u1', ids: null })).type, 'accountNotFound');
  });

  it('goes on with the calls behind one that failed', async () => {
    const responses = await account.calls([
      ['Email/changes', { sinceState: 'garbage' }],
      ['Core/echo', { a: 1 }],
    ]);
    assert.deepEqual(responses[0]?.[1], { type: 'cannotCalculateChanges' });
    assert.equal(responses[1]?.[0], 'Core/echo');
  });

  it('resolves references to results, through arrays too', async () => {
    const responses = await account.calls([
      ['Email/query', { sort: [{ property: 'receivedAt' }] }],
      [
        'Email/get',
        { '#ids': { resultOf: 'c0', name: 'Email/query', path: '/ids' }, properties: ['threadId', 'subject'] },
      ],
      ['Core/echo', { '#threads': { resultOf: 'c1', name: 'Email/get', path: '/list/*/threadId' } }],
      ['Core/echo', { '#first': { resultOf: 'c1', name: 'Email/get', path: '/list/0/subject' } }],
      ['Core/echo', { '#folders': { resultOf: 'c0', name: 'Email/query', path: '/ids/*' } }],
    ]);
    const list = responses[1]?.[1].list;
    assert.deepEqual(
      list.map((/** @type {any} */ email) => email.subject),
      ['one', 'two', 'three'],
    );
    assert.deepEqual(
      responses[2]?.[1].threads,
      list.map((/** @type {any} */ email) => email.threadId),
    );
    assert.equal(responses[3]?.[1].first, 'one');
    assert.deepEqual(responses[4]?.[1].folders, responses[0]?.[1].ids);
  });

  /** @type {[name: string, reference: unknown][]} */
  const broken = [
    ['to no call', { resultOf: 'zz', name: 'Core/echo', path: '' }],
    ['to another method', { resultOf: 'c0', name: 'Email/get', path: '/a' }],
    ['to a property that is not there', { resultOf: 'c0', name: 'Core/echo', path: '/b' }],
    ['beyond an array', { resultOf: 'c0', name: 'Core/echo', path: '/list/9' }],
    ['through the prototype', { resultOf: 'c0', name: 'Core/echo', path: '/constructor' }],
    ['that is no reference', 'x'],
  ];
  for (const [name, reference] of broken)
    it(`refuses a reference ${name}`, async () => {
      const responses = await account.calls([
        ['Core/echo', { a: 1, list: [1] }],
        ['Core/echo', { '#x': reference }],
      ]);
      assert.equal(responses[1]?.[1].type, 'invalidResultReference');
    });

  it('refuses an argument given twice', async () => {
    const responses = await account.calls([
      ['Core/echo', { a: 1 }],
      ['Core/echo', { x: 1, '#x': { resultOf: 'c0', name: 'Core/echo', path: '/a' } }],
    ]);
    assert.equal(responses[1]?.[1].type, 'invalidArguments');
  });

  it('carries creation ids from one request to the next', async () => {
    const blobId = await account.upload(message(account.address));
    const accountId = await account.accountId();
    const mailboxIds = { [String((await account.folders()).drafts)]: true };
    const first = await account.api({
      using: USING,
      methodCalls: [['Email/import', { accountId, emails: { k: { blobId, mailboxIds } } }, 'a']],
      createdIds: {},
    });
    const { createdIds } = /** @type {any} */ (await first.json());
    assert.match(createdIds.k, /^e/);
    const second = await account.api({
      using: USING,
      methodCalls: [['Email/set', { accountId, update: { '#k': { 'keywords/$seen': true } } }, 'a']],
      createdIds,
    });
    assert.deepEqual(/** @type {any} */ (await second.json()).methodResponses[0][1].updated, { [createdIds.k]: null });
  });
});
