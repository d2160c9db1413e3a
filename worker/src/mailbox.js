// SPDX-License-Identifier: GPL-3.0-or-later
//
// One person's mailbox: a Durable Object with its own database. This file is the object as others see it: what the
// directory and other mailboxes call, HTTP, sockets and the alarm. An object that was never made, or has been wiped,
// has no tables and refuses everything.

import { DurableObject } from 'cloudflare:workers';
import { ownForm } from './address.js';
import { TooLarge } from './blob-store.js';
import { readCredentials } from './credentials.js';
import { JmapHttp, problemOf } from './jmap-http.js';
import { LIMITS } from './jmap-session.js';
import { MailboxData } from './mailbox-data.js';
import { Outgoing } from './outgoing.js';
import { Problem } from './problem.js';
import { CLOSE_DELETED, CLOSE_REVOKED } from './push.js';

/** @typedef {import('./contract').Env} Env */
/** @typedef {import('./contract').MailboxStub} MailboxStub */
/** @typedef {import('./contract').DeliveryResult} DeliveryResult */

/** The most that is taken from Email Routing or another mailbox. */
const MAX_MESSAGE = LIMITS.maxSizeUpload;
/** After a fault in the alarm itself. */
const ALARM_AGAIN_MS = 30_000;

/** @implements {MailboxStub} */
export class Mailbox extends DurableObject {
  #storage;
  #bindings;
  #data;
  #http;

  /**
   * @param {DurableObjectState} state
   * @param {Env} env
   */
  constructor(state, env) {
    super(state, env);
    this.#bindings = env;
    this.#storage = state.storage;
    this.#data = new MailboxData(state);
    this.#http = new JmapHttp(this.#data, (list) => env.DIRECTORY.getByName('directory').resolve(list));
  }

  // What the directory calls.

  /** @type {MailboxStub['create']} */
  async create({ id, address, addresses, displayName = '', quota }) {
    this.#data.make({ id, address, displayName, quota });
    this.#data.configure({ address, addresses, displayName, quota });
  }

  /** @type {MailboxStub['configure']} */
  async configure(changes) {
    this.#data.mustBeMade();
    this.#data.configure(changes);
    if (changes.disabled) this.#data.sockets.close(CLOSE_REVOKED, 'The mailbox is disabled');
  }

  /** @type {MailboxStub['createToken']} */
  async createToken({ name }) {
    this.#data.mustBeMade();
    return this.#data.tokens.create(this.#data.configuration().id, name, Date.now());
  }

  /** @type {MailboxStub['listTokens']} */
  async listTokens() {
    this.#data.mustBeMade();
    return this.#data.tokens.list();
  }

  /** @type {MailboxStub['revokeToken']} */
  async revokeToken(id) {
    this.#data.mustBeMade();
    const revoked = this.#data.tokens.revoke(id);
    this.#data.sockets.close(CLOSE_REVOKED, 'The token was revoked', { tokenId: id });
    return revoked;
  }

  /** @type {MailboxStub['revokeAllTokens']} */
  async revokeAllTokens({ exceptId }) {
    this.#data.mustBeMade();
    this.#data.tokens.revokeAll(exceptId);
    this.#data.sockets.close(CLOSE_REVOKED, 'The token was revoked', { exceptId });
  }

  /** @type {MailboxStub['checkToken']} */
  async checkToken(token) {
    const data = this.#data;
    if (!data.isMade) return null;
    const tokenId = await data.tokens.check(token, Date.now());
    // The mailbox may have been wiped or disabled while the hash was made.
    if (tokenId === null || !data.isMade) return null;
    const { id, address, disabled } = data.configuration();
    return disabled ? null : { mailboxId: id, tokenId, address };
  }

  /** @type {MailboxStub['usage']} */
  async usage() {
    this.#data.mustBeMade();
    return this.#data.mail.usage();
  }

  /** @type {MailboxStub['wipe']} */
  async wipe() {
    this.#data.sockets.close(CLOSE_DELETED, 'The mailbox was deleted');
    await this.#data.wipe();
  }

  // Mail coming in.

  /** @type {MailboxStub['deliver']} */
  async deliver({ size }, raw) {
    return this.#receive(raw, size, null);
  }

  /** @type {MailboxStub['deliverLocal']} */
  async deliverLocal({ key, size }, raw) {
    return this.#receive(raw, size, key);
  }

  /**
   * @param {ReadableStream<Uint8Array> | null} raw null for no octets at all
   * @param {number} size as far as it is known
   * @param {string | null} key of a local delivery
   * @returns {Promise<DeliveryResult>}
   */
  async #receive(raw, size, key) {
    const data = this.#data;
    const early = this.#verdict(size, key);
    if (early !== null) {
      await raw?.cancel().catch(() => {});
      return early;
    }
    let draft;
    try {
      draft = await data.receive(raw, MAX_MESSAGE);
    } catch (error) {
      if (error instanceof TooLarge) return { refused: '5.3.4 The message is too large' };
      throw error;
    }
    // Much may have happened while the message came in.
    const late = this.#verdict(draft.size, key);
    if (late !== null) {
      if (data.isMade) draft.discard();
      return late;
    }
    try {
      data.transaction(() => {
        if (key !== null) data.rememberDelivery(key);
        data.toInbox(draft);
      });
    } catch (error) {
      draft.discard();
      throw error;
    }
    return { ok: true };
  }

  /**
   * @param {number} size
   * @param {string | null} key
   * @returns {DeliveryResult | null} null when a message of that size is to be stored
   */
  #verdict(size, key) {
    const data = this.#data;
    if (!data.isMade) return { refused: '5.1.1 There is no such mailbox' };
    if (key !== null && data.wasDelivered(key)) return { ok: true };
    if (data.configuration().disabled) return { refused: '5.2.1 The mailbox is disabled' };
    if (size > MAX_MESSAGE) return { refused: '5.3.4 The message is too large' };
    return data.mail.hasRoom(size) ? null : { refused: '5.2.2 The mailbox is full' };
  }

  // Programs of the mailbox's owner.

  /**
   * @param {Request} request
   * @returns {Promise<Response>}
   */
  async fetch(request) {
    try {
      const tokenId = await this.#signIn(request);
      return tokenId === null ? unauthorized() : await this.#http.route(request, tokenId);
    } catch (error) {
      return problemOf(error).response();
    }
  }

  /**
   * @param {Request} request
   * @returns {Promise<string | null>} the id of the token
   */
  async #signIn(request) {
    const presented = readCredentials(request);
    const login = presented === null ? null : await this.checkToken(presented.token);
    if (login === null) return null;
    const user = presented?.user ?? '';
    return user === '' || this.#data.configuration().addresses.includes(ownForm(user)) ? login.tokenId : null;
  }

  /**
   * @param {WebSocket} socket
   * @param {string | ArrayBuffer} message
   */
  async webSocketMessage(socket, message) {
    // What was on its way while the socket was being closed from here is no longer answered.
    if (this.#data.isMade && socket.readyState === WebSocket.READY_STATE_OPEN)
      await this.#http.message(socket, message);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  async webSocketClose(socket, code) {
    // 1005 and 1006 are never sent: RFC 6455 section 7.4.1.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  // What was put off.

  async alarm() {
    try {
      if (this.#data.isMade) await this.#work();
    } catch (error) {
      // The runtime gives up an alarm that throws too often; what is due stays in its table instead.
      console.error(`Alarm: ${error instanceof Error ? error.stack : error}`);
      await this.#storage.setAlarm(Date.now() + ALARM_AGAIN_MS).catch(() => {});
    }
  }

  async #work() {
    const data = this.#data;
    const ready = data.due.ready(Date.now());
    if (ready.some(({ kind }) => kind === 'sweep')) data.sweep();
    const outgoing = new Outgoing(data, this.#bindings, (envelope, raw) => this.deliverLocal(envelope, raw));
    await outgoing.run(ready.filter(({ kind }) => kind === 'send').map(({ ref }) => ref));
    if (data.isMade) await data.due.arm();
  }
}

function unauthorized() {
  const response = new Problem(401, 'Sign in with a token of this mailbox.').response();
  // Clients read the schemes to tell their user which to set. The runtime joins them into one line, as RFC 9110
  // section 11.6.1 allows; Basic stands last, since its parameters have a comma of their own.
  response.headers.append('WWW-Authenticate', 'Bearer realm="Postern"');
  response.headers.append('WWW-Authenticate', 'Basic realm="Postern", charset="UTF-8"');
  return response;
}
