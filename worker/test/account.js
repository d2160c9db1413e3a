// SPDX-License-Identifier: GPL-3.0-or-later
//
// A mailbox as its owner's program sees it.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { Socket } from './socket.js';

export const USING = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail', 'urn:ietf:params:jmap:submission'];
export const POSTERN = 'urn:io.github.posternmail:jmap:postern';

/** @typedef {Record<string, any>} Json */

export class Account {
  #runtime;
  /** @type {Promise<Json> | null} */
  #session = null;

  /**
   * @param {import('./runtime.js').Runtime} runtime
   * @param {{ id: string, address: string, token: string, tokenId: string }} options
   */
  constructor(runtime, { id, address, token, tokenId }) {
    this.#runtime = runtime;
    this.id = id;
    this.address = address;
    this.token = token;
    this.tokenId = tokenId;
  }

  /**
   * @param {string} url
   * @param {RequestInit} [init]
   */
  fetch(url, init = {}) {
    const headers = { Authorization: `Bearer ${this.token}`, ...init.headers };
    // A restart moves the Worker to another port.
    return fetch(
      new URL(new URL(url, this.#runtime.url).pathname + new URL(url, this.#runtime.url).search, this.#runtime.url),
      {
        ...init,
        headers,
      },
    );
  }

  /**
   * Announces a body and sends one octet of it. What is too long is refused before it comes, and a client that goes
   * on sending may lose the answer.
   *
   * @param {string} path
   * @param {number} octets
   * @param {string} type
   * @returns {Promise<{ status: number, json: Json }>}
   */
  async announce(path, octets, type) {
    const { hostname, port } = new URL(this.#runtime.url);
    const headers = { Authorization: `Bearer ${this.token}`, 'Content-Type': type, 'Content-Length': octets };
    /** @type {import('node:http').IncomingMessage} */
    const answer = await new Promise((done, fail) => {
      const sent = request({ hostname, port, path, method: 'POST', headers }, done);
      sent.on('error', fail);
      sent.write('x');
    });
    let text = '';
    for await (const data of answer) text += data;
    return { status: Number(answer.statusCode), json: JSON.parse(text) };
  }

  /** @returns {Promise<Json>} */
  session() {
    this.#session ??= this.fetch('/jmap/session').then((answer) => /** @type {Promise<Json>} */ (answer.json()));
    return this.#session;
  }

  async accountId() {
    return String(Object.keys((await this.session()).accounts)[0]);
  }

  /**
   * @param {unknown} request
   * @param {RequestInit} [init]
   */
  async api(request, init = {}) {
    return this.fetch('/jmap/api', {
      method: 'POST',
      body: typeof request === 'string' ? request : JSON.stringify(request),
      ...init,
      headers: { 'Content-Type': 'application/json', ...init.headers },
    });
  }

  /**
   * Makes method calls; the account id is filled in.
   * @param {[name: string, args: Json][]} calls
   * @param {string[]} [using]
   * @returns {Promise<[name: string, args: Json, callId: string][]>}
   */
  async calls(calls, using = USING) {
    const accountId = await this.accountId();
    const methodCalls = calls.map(([name, args], i) => [name, { accountId, ...args }, `c${i}`]);
    const answer = await this.api({ using, methodCalls });
    assert.equal(answer.status, 200, await answer.clone().text());
    return /** @type {any} */ (await answer.json()).methodResponses;
  }

  /**
   * Makes one method call, which has to succeed.
   * @param {string} name
   * @param {Json} args
   * @param {string[]} [using]
   * @returns {Promise<Json>}
   */
  async call(name, args, using = USING) {
    const [response] = await this.calls([[name, args]], using);
    assert.equal(response?.[0], name, JSON.stringify(response));
    return /** @type {Json} */ (response?.[1]);
  }

  /**
   * Makes one method call, which has to fail.
   * @param {string} name
   * @param {Json} args
   * @returns {Promise<Json>}
   */
  async fails(name, args) {
    const [response] = await this.calls([[name, args]]);
    assert.equal(response?.[0], 'error', JSON.stringify(response));
    return /** @type {Json} */ (response?.[1]);
  }

  /** @returns {Promise<Record<string, string>>} ids by role */
  async folders() {
    const { list } = await this.call('Mailbox/get', { ids: null });
    return Object.fromEntries(list.map((/** @type {Json} */ folder) => [folder.role, folder.id]));
  }

  /**
   * The messages of a folder, oldest first.
   * @param {string} [role]
   * @param {string[]} [properties]
   * @returns {Promise<Json[]>}
   */
  async emails(role = 'inbox', properties = ['id', 'blobId', 'size', 'subject', 'keywords', 'mailboxIds']) {
    const inMailbox = (await this.folders())[role];
    const { ids } = await this.call('Email/query', {
      filter: { inMailbox },
      sort: [{ property: 'receivedAt', isAscending: true }],
    });
    return (await this.call('Email/get', { ids, properties })).list;
  }

  /**
   * @param {Uint8Array | string} octets
   * @returns {Promise<string>} the blob id
   */
  async upload(octets) {
    const answer = await this.fetch(`/jmap/upload/${await this.accountId()}`, { method: 'POST', body: octets });
    assert.equal(answer.status, 200, await answer.clone().text());
    return /** @type {any} */ (await answer.json()).blobId;
  }

  /**
   * @param {string} blobId
   * @param {{ name?: string, headers?: Record<string, string>, method?: string, accept?: string }} [options]
   */
  async download(blobId, { name = 'mail.eml', headers = {}, method = 'GET', accept = 'message/rfc822' } = {}) {
    const url = `/jmap/download/${await this.accountId()}/${blobId}/${name}?accept=${encodeURIComponent(accept)}`;
    return this.fetch(url, { headers, method });
  }

  /**
   * @param {string} blobId
   * @returns {Promise<Buffer>}
   */
  async octets(blobId) {
    const answer = await this.download(blobId);
    assert.equal(answer.status, 200);
    return Buffer.from(await answer.arrayBuffer());
  }

  /**
   * Puts a message into a folder.
   * @param {Uint8Array | string} octets
   * @param {{ role?: string, keywords?: Record<string, boolean> }} [options]
   * @returns {Promise<Json>}
   */
  async import(octets, { role = 'drafts', keywords = {} } = {}) {
    const blobId = await this.upload(octets);
    const mailboxIds = { [String((await this.folders())[role])]: true };
    const answer = await this.call('Email/import', { emails: { m: { blobId, mailboxIds, keywords } } });
    assert.equal(answer.notCreated, null, JSON.stringify(answer.notCreated));
    return answer.created.m;
  }

  async identityId() {
    const { list } = await this.call('Identity/get', { ids: null });
    return String(list[0].id);
  }

  /**
   * The arguments that submit an email.
   * @param {string} emailId
   * @param {string[]} to
   * @param {Json} [more] replaces what is given
   */
  async submission(emailId, to, more = {}) {
    return {
      identityId: await this.identityId(),
      emailId,
      envelope: { mailFrom: { email: this.address }, rcptTo: to.map((email) => ({ email })) },
      ...more,
    };
  }

  /**
   * Imports and submits a message, which has to be taken.
   * @param {Uint8Array | string} octets
   * @param {string[]} to
   * @param {Json} [more]
   * @returns {Promise<string>} the submission's id
   */
  async send(octets, to, more = {}) {
    const { id } = await this.import(octets);
    const answer = await this.call('EmailSubmission/set', { create: { s: await this.submission(id, to, more) } });
    assert.equal(answer.notCreated, null, JSON.stringify(answer.notCreated));
    return answer.created.s.id;
  }

  /**
   * @param {string} id
   * @returns {Promise<Json>} of each recipient, by address
   */
  async status(id) {
    const { list } = await this.call('EmailSubmission/get', { ids: [id] });
    return list[0].deliveryStatus;
  }

  /**
   * @param {string} statement
   * @param {...unknown} values
   * @returns {Promise<Json[]>}
   */
  query(statement, ...values) {
    return this.#runtime.call('MAILBOX', this.id, 'query', [statement, ...values]);
  }

  /** @param {string} method @param {...unknown} args */
  rpc(method, ...args) {
    return this.#runtime.call('MAILBOX', this.id, method, args);
  }

  /** @returns {Promise<Socket>} an open JMAP socket */
  socket() {
    return Socket.open(`${this.#runtime.url}/jmap/ws`, {
      Authorization: `Bearer ${this.token}`,
      'Sec-WebSocket-Protocol': 'jmap',
    });
  }
}
