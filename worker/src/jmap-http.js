// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a mailbox serves under /jmap/ by HTTP, and the same requests over a WebSocket.

import { TooLarge } from './blob-store.js';
import { checkRequest, limitProblem, parseRequest, runRequest } from './jmap.js';
import { downloadBlob, uploadAnswer } from './jmap-blob.js';
import { LIMITS, sessionObject } from './jmap-session.js';
import { DAY_MS } from './mailbox-data.js';
import { partContent } from './mime-body.js';
import { Problem } from './problem.js';
import { send } from './push.js';

/** @typedef {import('./mailbox-data.js').MailboxData} MailboxData */
/** @typedef {import('./contract').Resolution} Resolution */

const UPLOADS_KEPT_MS = DAY_MS;
/** Uploads that are kept, together. */
const MAX_UPLOADS = 2 * 1024 * 1024 * 1024;
const PLACES = ['', 'session', 'api', 'upload', 'download', 'ws', 'eventsource'];

export class JmapHttp {
  #data;
  #resolve;
  #uploads = new Turnstile(LIMITS.maxConcurrentUpload);
  #requests = new Turnstile(LIMITS.maxConcurrentRequests);

  /**
   * @param {MailboxData} data
   * @param {(addresses: string[]) => Promise<Resolution[]>} resolve asks the directory
   */
  constructor(data, resolve) {
    this.#data = data;
    this.#resolve = resolve;
  }

  /**
   * @param {Request} request with a good token
   * @param {string} tokenId
   * @returns {Promise<Response>}
   */
  async route(request, tokenId) {
    const url = new URL(request.url);
    const { method } = request;
    const [place = '', ...rest] = url.pathname.replace(/^\/jmap\/?/, '').split('/');
    const isGet = method === 'GET' || method === 'HEAD';
    if ((place === 'session' || place === '') && isGet) return this.#session(url);
    if (place === 'api' && method === 'POST') return this.#api(request, tokenId);
    if (place === 'upload' && method === 'POST') return this.#upload(request, tokenId, rest);
    if (place === 'download' && isGet) return this.#download(request, url, rest);
    if (place === 'ws' && method === 'GET') return this.#data.sockets.accept(request, tokenId);
    // There is no event source: 204 tells a client not to ask again (HTML standard, section 9.2.3).
    if (place === 'eventsource' && isGet) return new Response(null, { status: 204 });
    if (!PLACES.includes(place)) throw new Problem(404, 'There is nothing here.');
    throw new Problem(405, `${method} has no meaning here.`);
  }

  /** @param {URL} url */
  #session(url) {
    const { address } = this.#data.configuration();
    const accountId = this.#data.accountId();
    return jsonResponse(sessionObject(url, { accountId, address, sessionState: this.#data.sessionState() }));
  }

  /**
   * @param {Request} request
   * @param {string} tokenId
   */
  async #api(request, tokenId) {
    const type = (request.headers.get('Content-Type') ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json') throw new Problem(415, 'A JMAP request is application/json.');
    if (!this.#requests.enter(tokenId))
      throw limitProblem('maxConcurrentRequests', 'Too many requests at once; wait for some to end.');
    try {
      return jsonResponse(await this.#run(parseRequest(await readText(request, LIMITS.maxSizeRequest))));
    } finally {
      this.#requests.leave(tokenId);
    }
  }

  /** @param {Record<string, any>} request */
  async #run(request) {
    const answer = await runRequest(request, this.#context(), this.#data.sessionState());
    await this.#data.due.arm();
    return answer;
  }

  /** @returns {Omit<import('./jmap.js').JmapContext, 'created' | 'using' | 'also'>} */
  #context() {
    const data = this.#data;
    const { sql, mail, blobs, submissions } = data;
    const { addresses, displayName, version } = data.configuration();
    return {
      sql,
      mail,
      blobs,
      submissions,
      ids: data.ids(),
      accountId: data.accountId(),
      addresses,
      displayName,
      configuration: version,
      identities: () => data.identities(),
      resolve: this.#resolve,
      transaction: (work) => data.transaction(work),
      changed: (types) => data.changed(types),
      send: (id) => data.due.add('send', id, Date.now()),
      tidyLater: () => data.due.add('sweep', 0, Date.now() + DAY_MS),
    };
  }

  /**
   * @param {Request} request
   * @param {string} tokenId
   * @param {string[]} rest the account
   */
  async #upload(request, tokenId, [account]) {
    this.#checkAccount(account);
    if (Number(request.headers.get('Content-Length') ?? 0) > LIMITS.maxSizeUpload) throw tooLarge();
    if (!this.#uploads.enter(tokenId))
      throw limitProblem('maxConcurrentUpload', 'Too many uploads at once; wait for some to end.');
    try {
      const { id, size } = await this.#keep(request.body);
      const data = this.#data;
      await data.due.arm();
      return jsonResponse(uploadAnswer(request, data.accountId(), data.ids().write('blob', id), size));
    } catch (error) {
      if (error instanceof TooLarge) throw tooLarge();
      throw error;
    } finally {
      this.#uploads.leave(tokenId);
    }
  }

  /** @param {ReadableStream<Uint8Array> | null} body */
  async #keep(body) {
    const { sql, blobs, due } = this.#data;
    const until = Date.now() + UPLOADS_KEPT_MS;
    const draft = await this.#data.receive(body, LIMITS.maxSizeUpload);
    this.#data.mustBeMade();
    const kept = Number(sql.exec('select uploads from mailbox').one().uploads);
    if (kept + draft.size > MAX_UPLOADS) {
      draft.discard();
      throw new Problem(507, 'Too much was uploaded in one day; what is not used is removed after that.');
    }
    return this.#data.transaction(() => {
      const blob = draft.finish();
      blobs.keepUntil(blob.id, until);
      sql.exec('update mailbox set uploads = uploads + ?', blob.size);
      due.add('sweep', 0, until);
      return blob;
    });
  }

  /**
   * @param {Request} request
   * @param {URL} url
   * @param {string[]} rest account, blob and name; the name may be empty, or missing with its slash
   */
  #download(request, url, [account, blobId = '', name = '']) {
    this.#checkAccount(account);
    const { blobs } = this.#data;
    const [whole = '', partId] = blobId.split('-', 2);
    const id = this.#data.ids().read('blob', whole);
    const blob = id === null ? null : blobs.find(id);
    const wanted = { type: url.searchParams.get('accept'), name: decodeSegment(name), etag: blobId };
    if (blob === null) throw new Problem(404, 'There is no such blob.');
    if (partId === undefined)
      return downloadBlob(request, blob.size, (start, end) => blobs.stream(blob.id, start, end), wanted);
    const part = partContent(blobs.bytes(blob.id), partId);
    if (part === null) throw new Problem(404, 'The message has no such part.');
    return downloadBlob(request, part.byteLength, (start, end) => streamOf(part.subarray(start, end)), wanted);
  }

  /** @param {string | undefined} account */
  #checkAccount(account) {
    if (decodeSegment(account ?? '') !== this.#data.accountId()) throw new Problem(404, 'There is no such account.');
  }

  /**
   * Answers one message of a client over its socket (RFC 8887 section 4.3).
   * @param {WebSocket} socket
   * @param {string | ArrayBuffer} text
   */
  async message(socket, text) {
    /** @type {any} */
    let message = null;
    const requestId = () => (typeof message?.id === 'string' ? message.id : null);
    try {
      message = parseMessage(text);
      const { '@type': type, id: _, ...request } = message;
      if (type === 'WebSocketPushEnable')
        this.#data.sockets.enable(socket, message, this.#data.accountId(), String(this.#data.mail.state()));
      else if (type === 'WebSocketPushDisable') this.#data.sockets.disable(socket);
      else if (type === 'Request') {
        const answer = await this.#run(checkRequest(request));
        send(socket, { '@type': 'Response', requestId: requestId(), ...answer });
      } else throw notRequest();
    } catch (error) {
      send(socket, { '@type': 'RequestError', requestId: requestId(), ...problemOf(error).object() });
    }
  }
}

/** Lets so many in at once for each token: one program's haste is not another's trouble. */
class Turnstile {
  #limit;
  /** @type {Map<string, number>} */
  #inside = new Map();

  /** @param {number} limit */
  constructor(limit) {
    this.#limit = limit;
  }

  /** @param {string} key @returns {boolean} false when there is no room; else `leave` has to follow */
  enter(key) {
    const inside = this.#inside.get(key) ?? 0;
    if (inside >= this.#limit) return false;
    this.#inside.set(key, inside + 1);
    return true;
  }

  /** @param {string} key */
  leave(key) {
    const inside = (this.#inside.get(key) ?? 1) - 1;
    if (inside > 0) this.#inside.set(key, inside);
    else this.#inside.delete(key);
  }
}

/**
 * @param {string | ArrayBuffer} text
 * @returns {Record<string, any>}
 */
function parseMessage(text) {
  if (typeof text !== 'string') throw notRequest();
  if (text.length > LIMITS.maxSizeRequest) throw limitProblem('maxSizeRequest', 'The request is too large.');
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    throw new Problem(400, 'The message is not JSON.', { type: 'urn:ietf:params:jmap:error:notJSON' });
  }
  if (typeof message !== 'object' || message === null) throw notRequest();
  return message;
}

function notRequest() {
  return new Problem(400, 'That is no message of RFC 8887.', { type: 'urn:ietf:params:jmap:error:notRequest' });
}

/**
 * @param {unknown} error
 * @returns {Problem} what may be told of it
 */
export function problemOf(error) {
  if (error instanceof Problem) return error;
  console.error(error instanceof Error ? error.stack : error);
  return new Problem(500, 'Something went wrong in the mailbox; try again.');
}

function tooLarge() {
  return new Problem(413, `An upload has at most ${LIMITS.maxSizeUpload} octets.`, {
    type: 'urn:ietf:params:jmap:error:limit',
    limit: 'maxSizeUpload',
  });
}

/** @param {object} value */
function jsonResponse(value) {
  return new Response(JSON.stringify(value), {
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  });
}

/** @param {Uint8Array} octets */
function streamOf(octets) {
  return /** @type {ReadableStream<Uint8Array>} */ (new Response(octets).body ?? new Blob([]).stream());
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
