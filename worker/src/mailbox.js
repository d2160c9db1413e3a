// SPDX-License-Identifier: GPL-3.0-or-later
//
// One person's mailbox: a Durable Object with its own database. This file is the object as others see it (RPC, HTTP,
// sockets, alarm) and keeps the order of things: a change, its state and what follows from it are one transaction, and
// only then is it pushed. An object that was never made, or has been wiped, has no tables and refuses everything.

import { DurableObject } from 'cloudflare:workers';
import { BlobStore, TooLarge } from './blob-store.js';
import { ownForm } from './address.js';
import { mailboxOfToken, readCredentials } from './credentials.js';
import { DueTable } from './due-table.js';
import { limitProblem, parseRequest, runRequest } from './jmap.js';
import { downloadBlob, uploadAnswer } from './jmap-blob.js';
import { IdCodec, newSalt } from './jmap-ids.js';
import { LIMITS, sessionObject } from './jmap-session.js';
import { MailStore } from './mail-store.js';
import { hasSchema, migrate } from './mailbox-schema.js';
import { Outgoing } from './outgoing.js';
import { Problem } from './problem.js';
import { CLOSE_DELETED, CLOSE_REVOKED, PushSockets, read as readSocket, send } from './push.js';
import { SubmissionStore } from './submission-store.js';
import { TokenStore } from './token-store.js';

/** @typedef {import('./contract').Env} Env */
/** @typedef {import('./contract').MailboxStub} MailboxStub */
/** @typedef {import('./contract').DeliveryResult} DeliveryResult */
/** @typedef {import('./push.js').ChangedTypes} ChangedTypes */

const DAY_MS = 24 * 60 * 60 * 1000;
const UPLOADS_KEPT_MS = DAY_MS;
/** Unused uploads of one mailbox, together. */
const MAX_UPLOADS = 2 * 1024 * 1024 * 1024;
const DELIVERIES_REMEMBERED_MS = 30 * DAY_MS;
/** The most that is taken from Email Routing or another mailbox. */
const MAX_MESSAGE = LIMITS.maxSizeUpload;

/**
 * @typedef {object} Configuration
 * @property {string} id
 * @property {string} salt
 * @property {string} address
 * @property {string[]} addresses
 * @property {string} displayName
 * @property {boolean} disabled
 * @property {number} version
 */

/** @implements {Omit<MailboxStub, never>} */
export class Mailbox extends DurableObject {
  #sql;
  #storage;
  #bindings;
  #blobs;
  #mail;
  #submissions;
  #tokens;
  #due;
  #sockets;
  #made;
  #uploads = 0;
  #requests = 0;
  /** @type {ChangedTypes} what the transaction that is running has changed */
  #changes = {};

  /**
   * @param {DurableObjectState} state
   * @param {Env} env
   */
  constructor(state, env) {
    super(state, env);
    this.#bindings = env;
    this.#storage = state.storage;
    this.#sql = state.storage.sql;
    this.#blobs = new BlobStore(state.storage);
    this.#mail = new MailStore(this.#sql, this.#blobs);
    this.#submissions = new SubmissionStore(this.#sql, this.#mail, this.#blobs);
    this.#tokens = new TokenStore(this.#sql);
    this.#due = new DueTable(state.storage);
    this.#sockets = new PushSockets(state);
    this.#made = hasSchema(this.#sql);
    if (this.#made) {
      migrate(state.storage);
      state.blockConcurrencyWhile(() => this.#due.arm());
    }
  }

  // --- what the directory asks ---------------------------------------------------------------------------------

  /** @type {MailboxStub['create']} */
  async create({ id, address, addresses, displayName = '', quota }) {
    if (!this.#made) migrate(this.#storage);
    this.#made = true;
    this.#storage.transactionSync(() => {
      if (this.#sql.exec('select 1 from mailbox').toArray().length > 0) return;
      this.#sql.exec(
        "insert into mailbox (one, id, salt, address, addresses, display_name, quota) values (1, ?, ?, ?, '[]', ?, ?)",
        id,
        newSalt(),
        address,
        displayName,
        quota,
      );
      this.#mail.makeFolders();
    });
    await this.configure({ address, addresses, displayName, quota });
  }

  /** @type {MailboxStub['configure']} */
  async configure({ address, addresses, quota, disabled, displayName }) {
    this.#mustBeMade();
    this.#storage.transactionSync(() => {
      const set = (/** @type {string} */ column, /** @type {string | number | undefined} */ value) => {
        if (value !== undefined) this.#sql.exec(`update mailbox set ${column} = ?`, value);
      };
      set('address', address);
      set('quota', quota);
      set('disabled', disabled === undefined ? undefined : disabled ? 1 : 0);
      set('display_name', displayName);
      if (addresses !== undefined) this.#setAddresses(addresses.map((item) => item.toLowerCase()));
      this.#sql.exec('update mailbox set configuration = configuration + 1');
    });
    if (disabled) this.#sockets.close(CLOSE_REVOKED, 'The mailbox is disabled');
  }

  /** @type {MailboxStub['createToken']} */
  async createToken({ name }) {
    this.#mustBeMade();
    return this.#tokens.create(this.#configuration().id, name, Date.now());
  }

  /** @type {MailboxStub['listTokens']} */
  async listTokens() {
    this.#mustBeMade();
    return this.#tokens.list();
  }

  /** @type {MailboxStub['revokeToken']} */
  async revokeToken(id) {
    this.#mustBeMade();
    const revoked = this.#tokens.revoke(id);
    this.#sockets.close(CLOSE_REVOKED, 'The token was revoked', { tokenId: id });
    return revoked;
  }

  /** @type {MailboxStub['revokeAllTokens']} */
  async revokeAllTokens({ exceptId }) {
    this.#mustBeMade();
    this.#tokens.revokeAll(exceptId);
    this.#sockets.close(CLOSE_REVOKED, 'The token was revoked', { exceptId });
  }

  /** @type {MailboxStub['checkToken']} */
  async checkToken(token) {
    if (!this.#made) return null;
    const { id, address, disabled } = this.#configuration();
    if (disabled || mailboxOfToken(token) !== id) return null;
    const tokenId = await this.#tokens.check(token, Date.now());
    return tokenId === null || !this.#made ? null : { mailboxId: id, tokenId, address };
  }

  /** @type {MailboxStub['usage']} */
  async usage() {
    this.#mustBeMade();
    return this.#mail.usage();
  }

  /** @type {MailboxStub['wipe']} */
  async wipe() {
    // Everything is refused from here on; without its row the mailbox stays so even if this ends half way.
    this.#made = false;
    if (hasSchema(this.#sql)) this.#sql.exec('delete from mailbox');
    this.#sockets.close(CLOSE_DELETED, 'The mailbox was deleted');
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }

  // --- mail coming in ------------------------------------------------------------------------------------------

  /** @type {MailboxStub['deliver']} */
  async deliver({ size }, raw) {
    return this.#receive(raw, size, null);
  }

  /** @type {MailboxStub['deliverLocal']} */
  async deliverLocal({ key, size }, raw) {
    return this.#receive(raw, size, key);
  }

  /**
   * @param {ReadableStream<Uint8Array>} raw
   * @param {number} size as far as it is known
   * @param {string | null} key of a local delivery
   * @returns {Promise<DeliveryResult>}
   */
  async #receive(raw, size, key) {
    const refused = this.#refusal(size) ?? (key !== null && this.#wasDelivered(key) ? 'known' : null);
    if (refused !== null) {
      await raw.cancel().catch(() => {});
      return refused === 'known' ? { ok: true } : { refused };
    }
    let draft;
    try {
      draft = await this.#blobs.receive(raw, MAX_MESSAGE, () => this.#due.add('sweep', 0, Date.now() + DAY_MS / 12));
    } catch (error) {
      if (error instanceof TooLarge) return { refused: '5.3.4 The message is too large' };
      throw error;
    }
    // Much may have happened while the message came in.
    const late = this.#refusal(draft.size);
    if (late !== null) {
      draft.discard();
      return { refused: late };
    }
    if (key !== null && this.#wasDelivered(key)) {
      draft.discard();
      return { ok: true };
    }
    this.#transaction(() => {
      if (key !== null) this.#sql.exec('insert into delivered values (?, ?)', key, Date.now());
      this.#file(draft);
    });
    await this.#due.arm();
    return { ok: true };
  }

  /**
   * @param {import('./blob-store.js').BlobDraft} draft
   */
  #file(draft) {
    const start = draft.head().slice();
    const options = { folders: [this.#mail.inbox()], keywords: [], receivedAt: Date.now() };
    this.#mail.addEmail(draft.finish(), start, options);
    this.#changed({ Email: true, Mailbox: true, EmailDelivery: true });
  }

  /**
   * @param {number} size
   * @returns {string | null} why nothing of that size is taken now
   */
  #refusal(size) {
    if (!this.#isMade()) return '5.1.1 There is no such mailbox';
    if (this.#configuration().disabled) return '5.2.1 The mailbox is disabled';
    if (size > MAX_MESSAGE) return '5.3.4 The message is too large';
    return this.#mail.hasRoom(size) ? null : '5.2.2 The mailbox is full';
  }

  /** @param {string} key */
  #wasDelivered(key) {
    return this.#sql.exec('select 1 from delivered where key = ?', key).toArray().length > 0;
  }

  // --- JMAP over HTTP ------------------------------------------------------------------------------------------

  /**
   * @param {Request} request
   * @returns {Promise<Response>}
   */
  async fetch(request) {
    try {
      const login = await this.#authenticate(request);
      if (login === null) return unauthorized();
      return await this.#route(request, login);
    } catch (error) {
      if (error instanceof Problem) return error.response();
      console.error(
        `${request.method} ${new URL(request.url).pathname}: ${error instanceof Error ? error.stack : error}`,
      );
      return new Problem(500, 'Something went wrong in the mailbox; try again.').response();
    }
  }

  /** @param {Request} request */
  async #authenticate(request) {
    const credentials = readCredentials(request);
    if (credentials === null) return null;
    const login = await this.checkToken(credentials.token);
    if (login === null) return null;
    const { user } = credentials;
    const owned = user === null || this.#configuration().addresses.includes(ownForm(user));
    return owned ? login : null;
  }

  /**
   * @param {Request} request
   * @param {{ tokenId: string }} login
   * @returns {Promise<Response>}
   */
  async #route(request, { tokenId }) {
    const url = new URL(request.url);
    const { method } = request;
    const [place = '', ...rest] = url.pathname.replace(/^\/jmap\/?/, '').split('/');
    const isGet = method === 'GET' || method === 'HEAD';
    if ((place === 'session' || place === '') && isGet) return this.#session(url);
    if (place === 'api' && method === 'POST') return this.#api(request);
    if (place === 'upload' && method === 'POST') return this.#upload(request, rest[0]);
    if (place === 'download' && isGet) return this.#download(request, url, rest);
    if (place === 'ws' && method === 'GET') return this.#sockets.accept(request, tokenId);
    // RFC 8620 section 7.3 has no way to say "not here" but this; 204 tells a client not to come back.
    if (place === 'eventsource' && isGet) return new Response(null, { status: 204 });
    const known = ['session', 'api', 'upload', 'download', 'ws', 'eventsource', ''].includes(place);
    throw known ? new Problem(405, `${method} has no meaning here.`) : new Problem(404, 'There is nothing here.');
  }

  /** @param {URL} url */
  #session(url) {
    const { address } = this.#configuration();
    const session = sessionObject(url, { accountId: this.#accountId(), address, sessionState: this.#sessionState() });
    return jsonResponse(session);
  }

  /** @param {Request} request */
  async #api(request) {
    const type = (request.headers.get('Content-Type') ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json') throw new Problem(415, 'A JMAP request is application/json.');
    if (this.#requests >= LIMITS.maxConcurrentRequests)
      throw limitProblem('maxConcurrentRequests', 'Too many requests at once; wait for some to end.');
    this.#requests++;
    try {
      const text = await readText(request, LIMITS.maxSizeRequest);
      return jsonResponse(await this.#run(parseRequest(text)));
    } finally {
      this.#requests--;
    }
  }

  /** @param {Record<string, any>} request */
  async #run(request) {
    const answer = await runRequest(request, this.#jmapContext(), this.#sessionState());
    await this.#due.arm();
    return answer;
  }

  /**
   * @param {Request} request
   * @param {string | undefined} account
   */
  async #upload(request, account) {
    this.#checkAccount(account);
    const declared = Number(request.headers.get('Content-Length') ?? 0);
    if (declared > LIMITS.maxSizeUpload) throw tooLarge();
    if (this.#uploads >= LIMITS.maxConcurrentUpload)
      throw limitProblem('maxConcurrentUpload', 'Too many uploads at once; wait for some to end.');
    this.#uploads++;
    try {
      const until = Date.now() + UPLOADS_KEPT_MS;
      const draft = await this.#blobs.receive(request.body, LIMITS.maxSizeUpload, () =>
        this.#due.add('sweep', 0, until),
      );
      this.#mustBeMade();
      const blob = this.#storage.transactionSync(() => {
        const { uploads } = this.#sql
          .exec('update mailbox set uploads = uploads + ? returning uploads', draft.size)
          .one();
        if (Number(uploads) > MAX_UPLOADS) return null;
        const whole = draft.finish();
        this.#blobs.keepUntil(whole.id, until);
        this.#due.add('sweep', 0, until);
        return whole;
      });
      if (blob === null) {
        draft.discard();
        this.#sql.exec('update mailbox set uploads = uploads - ?', draft.size);
        throw new Problem(507, 'Too much has been uploaded and not used; it is removed after a day.');
      }
      await this.#due.arm();
      return jsonResponse(uploadAnswer(request, this.#accountId(), this.#ids().write('blob', blob.id), blob.size));
    } catch (error) {
      if (error instanceof TooLarge) throw tooLarge();
      throw error;
    } finally {
      this.#uploads--;
    }
  }

  /**
   * @param {Request} request
   * @param {URL} url
   * @param {string[]} rest account, blob and name; the name may be empty, or missing with its slash
   */
  #download(request, url, [account, blobId, name]) {
    this.#checkAccount(account);
    const id = this.#ids().read('blob', blobId);
    const blob = id === null ? null : this.#blobs.find(id);
    if (blob === null) throw new Problem(404, 'There is no such blob.');
    return downloadBlob(request, this.#blobs, blob, {
      type: url.searchParams.get('accept') ?? url.searchParams.get('type'),
      name: decodeSegment(name ?? ''),
    });
  }

  /** @param {string | undefined} account */
  #checkAccount(account) {
    if (decodeSegment(account ?? '') !== this.#accountId()) throw new Problem(404, 'There is no such account.');
  }

  // --- JMAP over WebSocket -------------------------------------------------------------------------------------

  /**
   * @param {WebSocket} socket
   * @param {string | ArrayBuffer} data
   */
  async webSocketMessage(socket, data) {
    if (!this.#isMade()) return;
    const requestId = (/** @type {any} */ message) => (typeof message?.id === 'string' ? message.id : null);
    let message = null;
    try {
      if (typeof data !== 'string')
        throw new Problem(400, 'Messages are text.', { type: 'urn:ietf:params:jmap:error:notRequest' });
      if (data.length > LIMITS.maxSizeRequest) throw limitProblem('maxSizeRequest', 'The request is too large.');
      message = JSON.parse(data);
      switch (message?.['@type']) {
        case 'Request': {
          const { '@type': _, id, ...request } = message;
          const answer = await this.#run(parseRequest(JSON.stringify(request)));
          send(socket, { '@type': 'Response', requestId: requestId(message), ...answer });
          return;
        }
        case 'WebSocketPushEnable':
          return this.#sockets.enable(socket, message, this.#accountId(), String(this.#mail.state()));
        case 'WebSocketPushDisable':
          return this.#sockets.disable(socket);
        default:
          throw new Problem(400, 'There is no such message.', { type: 'urn:ietf:params:jmap:error:notRequest' });
      }
    } catch (error) {
      const problem = problemOf(error);
      send(socket, { '@type': 'RequestError', requestId: requestId(message), ...problem.object() });
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  async webSocketClose(socket, code) {
    // 1005 and 1006 are never sent: RFC 6455 section 7.4.1.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  // --- what is done by the alarm -------------------------------------------------------------------------------

  async alarm() {
    try {
      if (this.#isMade()) await this.#work();
    } catch (error) {
      // A throwing alarm is given up by the runtime after some tries; what is due stays in the table instead.
      console.error(`Alarm: ${error instanceof Error ? error.stack : error}`);
      await this.#storage.setAlarm(Date.now() + 30_000).catch(() => {});
    }
  }

  async #work() {
    const { id: mailboxId, salt } = this.#configuration();
    const outgoing = new Outgoing({
      mailboxId,
      salt,
      env: this.#bindings,
      blobs: this.#blobs,
      submissions: this.#submissions,
      due: this.#due,
      transaction: (work) => this.#transaction(work),
      changed: (types) => this.#changed(types),
      toInbox: (octets) => this.#file(this.#blobs.draftOf(octets)),
      toSelf: (envelope, raw) => this.deliverLocal(envelope, raw),
    });
    for (const { kind, ref } of this.#due.ready(Date.now())) {
      if (kind === 'sweep') this.#sweep();
      else if (outgoing.hasCalls()) await outgoing.run(ref);
      if (!this.#isMade()) return;
    }
    await this.#due.arm();
  }

  #sweep() {
    const now = Date.now();
    const next = this.#blobs.sweep();
    this.#transaction(() => {
      this.#submissions.sweep(now);
      this.#mail.forgetTombstones();
      this.#sql.exec('delete from delivered where at < ?', now - DELIVERIES_REMEMBERED_MS);
      const kept = this.#sql
        .exec('select 1 from submission union all select 1 from answered union all select 1 from delivered limit 1')
        .toArray();
      const daily = kept.length > 0 ? now + DAY_MS : null;
      this.#due.set('sweep', 0, next !== null && daily !== null ? Math.min(next, daily) : (next ?? daily));
    });
  }

  // --- the mailbox itself --------------------------------------------------------------------------------------

  /** @returns {Configuration} */
  #configuration() {
    const row = this.#sql.exec('select * from mailbox').one();
    return {
      id: String(row.id),
      salt: String(row.salt),
      address: String(row.address),
      addresses: JSON.parse(String(row.addresses)),
      displayName: String(row.display_name),
      disabled: row.disabled !== 0,
      version: Number(row.configuration),
    };
  }

  /** @param {string[]} addresses lower case */
  #setAddresses(addresses) {
    this.#sql.exec('update mailbox set addresses = ?', JSON.stringify(addresses));
    this.#sql.exec(
      'delete from identity where address not in (select value from json_each(?))',
      JSON.stringify(addresses),
    );
    for (const address of addresses)
      if (this.#sql.exec('select 1 from identity where address = ?', address).toArray().length === 0)
        this.#sql.exec('insert into identity values (?, ?)', this.#mail.raise(), address);
  }

  #isMade() {
    return this.#made && this.#sql.exec('select 1 from mailbox').toArray().length > 0;
  }

  #mustBeMade() {
    if (!this.#isMade()) throw new Problem(404, 'There is no such mailbox.');
  }

  #ids() {
    return new IdCodec(this.#configuration().salt);
  }

  #accountId() {
    return this.#ids().write('account', 1);
  }

  #sessionState() {
    return String(this.#configuration().version);
  }

  /** @returns {Omit<import('./jmap.js').JmapContext, 'created' | 'using' | 'also'>} */
  #jmapContext() {
    const { salt, addresses, displayName, version } = this.#configuration();
    const ids = new IdCodec(salt);
    return {
      sql: this.#sql,
      mail: this.#mail,
      blobs: this.#blobs,
      submissions: this.#submissions,
      ids,
      accountId: ids.write('account', 1),
      addresses,
      displayName,
      configuration: version,
      identities: () =>
        this.#sql
          .exec('select id, address from identity order by id')
          .toArray()
          .map((row) => ({ id: Number(row.id), address: String(row.address) })),
      resolve: (list) => this.#bindings.DIRECTORY.getByName('directory').resolve(list),
      transaction: (work) => this.#transaction(work),
      changed: (types) => this.#changed(types),
      send: (id) => {
        this.#due.add('send', id, Date.now());
        this.#due.add('sweep', 0, Date.now() + DAY_MS);
      },
    };
  }

  /**
   * Runs `work` as one transaction and then tells the sockets what it changed. The output gate holds what is told
   * until the transaction is on disk.
   * @template T
   * @param {() => T} work
   * @returns {T}
   */
  #transaction(work) {
    this.#changes = {};
    const result = this.#storage.transactionSync(work);
    const changes = this.#changes;
    this.#changes = {};
    if (Object.keys(changes).length > 0) this.#sockets.tell(changes, this.#accountId(), String(this.#mail.state()));
    return result;
  }

  /** @param {ChangedTypes} types */
  #changed(types) {
    Object.assign(this.#changes, types);
  }
}

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof Problem) return error;
  if (error instanceof SyntaxError)
    return new Problem(400, 'The message is not JSON.', { type: 'urn:ietf:params:jmap:error:notJSON' });
  console.error(`WebSocket: ${error instanceof Error ? error.stack : error}`);
  return new Problem(500, 'Something went wrong in the mailbox; try again.');
}

function tooLarge() {
  return new Problem(413, `An upload has at most ${LIMITS.maxSizeUpload} octets.`, {
    type: 'urn:ietf:params:jmap:error:limit',
    limit: 'maxSizeUpload',
  });
}

function unauthorized() {
  const response = new Problem(401, 'Sign in with a token of this mailbox.').response();
  // One line for each scheme: clients read them to tell their user which to set.
  response.headers.append('WWW-Authenticate', 'Bearer realm="Postern"');
  response.headers.append('WWW-Authenticate', 'Basic realm="Postern", charset="UTF-8"');
  return response;
}

/** @param {object} value */
function jsonResponse(value) {
  return new Response(JSON.stringify(value), {
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  });
}

/** @param {string} segment of a path */
function decodeSegment(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * @param {Request} request
 * @param {number} limit octets
 */
async function readText(request, limit) {
  const tooMuch = () => limitProblem('maxSizeRequest', `A request has at most ${limit} octets.`);
  if (Number(request.headers.get('Content-Length') ?? 0) > limit) throw tooMuch();
  const decoder = new TextDecoder();
  let size = 0;
  let text = '';
  for await (const piece of request.body ?? []) {
    size += piece.byteLength;
    if (size > limit) throw tooMuch();
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
