// SPDX-License-Identifier: GPL-3.0-or-later
//
// The Worker with a way in for tests: POST /test/BINDING/NAME/METHOD?args=[…] calls an object's method. A mailbox also
// answers `query` (SQL on its own tables) and `work` (its alarm, now); names that a test made stand in front of the
// real directory.

import { EmailMessage } from 'cloudflare:email';
import worker, { Directory as RealDirectory, Mailbox as RealMailbox } from '../../src/index.js';

export class Mailbox extends RealMailbox {
  /**
   * @param {string} statement
   * @param {...any} values
   */
  async query(statement, ...values) {
    return this.ctx.storage.sql.exec(statement, ...values).toArray();
  }

  async work() {
    await this.alarm();
  }

  /**
   * What a delivery costs: rows and index entries written.
   * @param {string} to
   * @param {string} raw
   */
  async rowsWrittenBy(to, raw) {
    const { sql } = this.ctx.storage;
    const exec = sql.exec.bind(sql);
    /** @type {SqlStorageCursor<any>[]} */
    const cursors = [];
    Object.defineProperty(sql, 'exec', {
      configurable: true,
      value: (/** @type {string} */ statement, /** @type {any[]} */ ...values) => {
        const cursor = exec(statement, ...values);
        cursors.push(cursor);
        return cursor;
      },
    });
    const stream = /** @type {ReadableStream<Uint8Array>} */ (new Response(raw).body);
    await this.deliver({ from: '', to, size: 0 }, stream);
    Reflect.deleteProperty(sql, 'exec');
    return cursors.reduce((sum, cursor) => sum + cursor.rowsWritten, 0);
  }

  #bornAt = Math.random();

  /** Another number in each life of the object. */
  async bornAt() {
    return this.#bornAt;
  }

  async alarmAt() {
    return this.ctx.storage.getAlarm();
  }
}

/** The real directory, and names added for a test without a person behind them. */
export class Directory extends RealDirectory {
  /**
   * @param {string[]} addresses
   * @param {string} mailboxId
   */
  async add(addresses, mailboxId) {
    for (const address of addresses) await this.ctx.storage.put(`test:${address}`, mailboxId);
  }

  /** @param {boolean} down whether nothing is answered */
  async setDown(down) {
    await this.ctx.storage.put('test:down', down);
  }

  /** @param {string[]} addresses */
  async resolve(addresses) {
    if (await this.ctx.storage.get('test:down')) throw new Error('The directory is down');
    const real = await super.resolve(addresses);
    return Promise.all(
      addresses.map(async (address, i) => {
        const own = address.toLowerCase().replace(/\+[^@]*@/, '@');
        const mailboxId = await this.ctx.storage.get(`test:${own}`);
        return mailboxId ? { mailboxId: String(mailboxId), address: own } : (real[i] ?? null);
      }),
    );
  }
}

export default {
  ...worker,

  /**
   * @param {Request} request
   * @param {any} env
   */
  async fetch(request, env) {
    const url = new URL(request.url);
    if (!url.pathname.startsWith('/test/')) return worker.fetch(request, env);
    const [, , binding = '', name = '', method = ''] = url.pathname.split('/');
    const object = binding === 'TEST' ? env.DIRECTORY.getByName('directory') : env[binding].getByName(name);
    if (name === 'send') return sendMail(request, env);
    const args = JSON.parse(url.searchParams.get('args') ?? '[]');
    if (url.searchParams.has('stream')) args.push(request.body);
    try {
      return Response.json({ value: (await object[method](...args)) ?? null });
    } catch (error) {
      return Response.json({ error: String(error) });
    }
  },
};

/**
 * @param {Request} request with [from, to, raw] as its body
 * @param {any} env
 */
async function sendMail(request, env) {
  const [from, to, raw] = /** @type {string[]} */ (await request.json());
  try {
    return Response.json({ value: await env.SEND.send(new EmailMessage(String(from), String(to), String(raw))) });
  } catch (error) {
    return Response.json({ value: { code: /** @type {any} */ (error).code } });
  }
}
