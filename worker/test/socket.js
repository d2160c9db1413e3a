// SPDX-License-Identifier: GPL-3.0-or-later
//
// A WebSocket client (RFC 6455) that is just enough for tests: Node 18 has none.

import { randomBytes } from 'node:crypto';
import { request } from 'node:http';

export class Socket {
  #stream;
  #buffer = Buffer.alloc(0);
  /** @type {any[]} */
  #messages = [];
  /** @type {((message: any) => void)[]} */
  #waiting = [];
  /** @type {Promise<number>} with the close code; 1006 when the connection was lost */
  closed;
  /** @type {(code: number) => void} */
  #close = () => {};
  /** Headers of the answer to the upgrade. */
  headers;

  /**
   * @param {import('node:stream').Duplex} stream
   * @param {import('node:http').IncomingHttpHeaders} headers
   */
  constructor(stream, headers) {
    this.#stream = stream;
    this.headers = headers;
    this.closed = new Promise((done) => (this.#close = done));
    stream.on('data', (data) => this.#feed(data));
    stream.on('close', () => this.#close(1006));
    stream.on('error', () => this.#close(1006));
  }

  /**
   * @param {string} url
   * @param {Record<string, string>} headers
   * @returns {Promise<Socket>} fails with the status when there was no upgrade
   */
  static open(url, headers) {
    return new Promise((done, fail) => {
      const upgrade = {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      };
      const asked = request(url, { headers: { ...upgrade, ...headers } });
      asked.on('upgrade', (answer, stream, head) => {
        const socket = new Socket(stream, answer.headers);
        if (head.length > 0) socket.#feed(head);
        done(socket);
      });
      asked.on('response', (answer) => {
        answer.resume();
        fail(Object.assign(new Error(`No upgrade: ${answer.statusCode}`), { status: answer.statusCode }));
      });
      asked.on('error', fail);
      asked.end();
    });
  }

  /** @param {unknown} message sent as JSON; a string as it is */
  send(message) {
    const data = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    this.#frame(1, data);
  }

  /**
   * @param {number} [timeoutMs]
   * @returns {Promise<any>} the next message
   */
  receive(timeoutMs = 20_000) {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    return new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error('No message came')), timeoutMs);
      this.#waiting.push((message) => {
        clearTimeout(timer);
        done(message);
      });
    });
  }

  /** @returns {number} messages that came and were not taken */
  get pending() {
    return this.#messages.length;
  }

  end() {
    this.#stream.destroy();
  }

  /**
   * @param {number} opcode
   * @param {Buffer} data
   */
  #frame(opcode, data) {
    const mask = randomBytes(4);
    const { length } = data;
    const size = length < 126 ? Buffer.from([0x80 | length]) : Buffer.alloc(length < 65536 ? 3 : 9);
    if (length >= 65536) {
      size[0] = 0x80 | 127;
      size.writeBigUInt64BE(BigInt(length), 1);
    } else if (length >= 126) {
      size[0] = 0x80 | 126;
      size.writeUInt16BE(length, 1);
    }
    const masked = Buffer.from(data.map((octet, i) => octet ^ Number(mask[i % 4])));
    this.#stream.write(Buffer.concat([Buffer.from([0x80 | opcode]), size, mask, masked]));
  }

  /** @param {Buffer} data */
  #feed(data) {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    for (;;) {
      if (this.#buffer.length < 2) return;
      const short = Number(this.#buffer[1]) & 0x7f;
      const head = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (this.#buffer.length < head) return;
      const length =
        short === 127 ? Number(this.#buffer.readBigUInt64BE(2)) : short === 126 ? this.#buffer.readUInt16BE(2) : short;
      if (this.#buffer.length < head + length) return;
      const opcode = Number(this.#buffer[0]) & 0x0f;
      const payload = this.#buffer.subarray(head, head + length);
      this.#buffer = this.#buffer.subarray(head + length);
      if (opcode === 8) {
        this.#close(payload.length >= 2 ? payload.readUInt16BE(0) : 1005);
        this.#frame(8, Buffer.from(payload));
        this.#stream.end();
      } else if (opcode === 9) this.#frame(10, Buffer.from(payload));
      else if (opcode === 1) this.#take(JSON.parse(payload.toString()));
    }
  }

  /** @param {any} message */
  #take(message) {
    const next = this.#waiting.shift();
    if (next) next(message);
    else this.#messages.push(message);
  }
}
