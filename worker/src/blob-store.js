// SPDX-License-Identifier: GPL-3.0-or-later
//
// Octets in rows of at most 1 MiB, since a row of a Durable Object ends at 2 MB.
//
// What fits one chunk is held back and written together with whatever refers to it, in the caller's transaction. A
// longer body is written chunk by chunk as it comes; each write is durable on its own, so until `finish` its blob row
// says it is not whole, and an `upload` row says when to remove it if `finish` never comes.

import { CanonicalCounter } from './canonical-size.js';

const CHUNK = 1024 * 1024;
/** A body that is still not whole after this long was cut off. */
const PARTIAL_LIFE_MS = 60 * 60 * 1000;

/** A body longer than the receiver takes; what was written of it is removed again. */
export class TooLarge extends Error {}

/** @typedef {{ id: number, size: number, canonicalSize: number }} Blob */

export class BlobStore {
  #storage;
  #sql;
  #now;

  /**
   * @param {DurableObjectStorage} storage
   * @param {() => number} now milliseconds since the epoch
   */
  constructor(storage, now = Date.now) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#now = now;
  }

  /**
   * Receives a body. Nothing refers to it and nobody sees it until the returned draft is finished.
   * Throws TooLarge beyond `limit` octets, and whatever the stream throws when it is cut off.
   * @param {ReadableStream<Uint8Array> | null} stream
   * @param {number} limit
   * @param {() => void} willSweep called when chunks were left for the sweep to watch over
   * @returns {Promise<BlobDraft>}
   */
  async receive(stream, limit, willSweep) {
    const draft = new BlobDraft(this.#storage, this.#now, willSweep);
    if (stream === null) return draft;
    const reader = stream.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return draft;
        if (draft.size + value.byteLength > limit) throw new TooLarge(`The body is longer than ${limit} octets`);
        draft.write(value);
      }
    } catch (error) {
      draft.discard();
      await reader.cancel(error).catch(() => {});
      throw error;
    }
  }

  /**
   * @param {Uint8Array} octets
   * @returns {BlobDraft} ready to be finished
   */
  draftOf(octets) {
    const draft = new BlobDraft(this.#storage, this.#now, () => {});
    draft.write(octets);
    return draft;
  }

  /**
   * @param {number} id
   * @returns {Blob | null}
   */
  find(id) {
    const row = this.#sql.exec('select size, canonical_size from blob where id = ? and uses > 0', id).toArray()[0];
    return row ? { id, size: Number(row.size), canonicalSize: Number(row.canonical_size) } : null;
  }

  /**
   * The first octets of a blob, at most one chunk.
   * @param {number} id
   * @returns {Uint8Array}
   */
  head(id) {
    return this.#chunk(id, 0) ?? new Uint8Array(0);
  }

  /**
   * A whole blob in memory; for bodies that have to be parsed.
   * @param {number} id
   * @returns {Uint8Array}
   */
  bytes(id) {
    const size = this.find(id)?.size ?? 0;
    const all = new Uint8Array(size);
    for (let n = 0; n * CHUNK < size; n++) all.set(this.#need(id, n), n * CHUNK);
    return all;
  }

  /**
   * Streams octets `start` to `end` (exclusive), one chunk in memory at a time.
   * @param {number} id
   * @param {number} start
   * @param {number} end
   * @returns {ReadableStream<Uint8Array>}
   */
  stream(id, start, end) {
    let at = start;
    return new ReadableStream({
      type: 'bytes',
      pull: (controller) => {
        if (at >= end) {
          controller.close();
          // A pending BYOB read has to be answered for the close to be seen.
          /** @type {ReadableByteStreamController} */ (controller).byobRequest?.respond(0);
          return;
        }
        const n = Math.floor(at / CHUNK);
        const data = this.#need(id, n).subarray(at - n * CHUNK, end - n * CHUNK);
        at += data.byteLength;
        controller.enqueue(data);
      },
    });
  }

  /**
   * Says that the one use of a blob just finished is as an upload, which ends at `until`. Call inside that transaction.
   * @param {number} id
   * @param {number} until
   */
  keepUntil(id, until) {
    this.#sql.exec('insert into upload values (?, ?)', id, until);
  }

  /**
   * One more thing refers to the blob.
   * @param {number} id
   */
  hold(id) {
    this.#sql.exec('update blob set uses = uses + 1 where id = ?', id);
  }

  /**
   * One thing less refers to the blob; after the last one its octets go. Call inside a transaction.
   * @param {number} id
   */
  release(id) {
    const row = this.#sql.exec('update blob set uses = uses - 1 where id = ? returning uses', id).toArray()[0];
    if (row === undefined || Number(row.uses) > 0) return;
    this.#sql.exec('delete from chunk where blob = ?', id);
    this.#sql.exec('delete from blob where id = ?', id);
  }

  /**
   * Removes uploads whose time is over and bodies that were cut off.
   * @returns {number | null} when to sweep next, null when nothing waits
   */
  sweep() {
    const over = this.#sql
      .exec('select blob, size, uses from upload join blob on id = blob where until <= ?', this.#now())
      .toArray();
    for (const { blob, size, uses } of over)
      this.#storage.transactionSync(() => {
        this.#sql.exec('delete from upload where blob = ?', blob);
        this.release(Number(blob));
        // A body that was cut off never counted as an upload.
        if (Number(uses) > 0) this.#sql.exec('update mailbox set uploads = uploads - ?', size);
      });
    const next = this.#sql.exec('select min(until) as at from upload').one().at;
    return next === null ? null : Number(next);
  }

  /**
   * @param {number} id
   * @param {number} n
   */
  #chunk(id, n) {
    const row = this.#sql.exec('select data from chunk where blob = ? and n = ?', id, n).toArray()[0];
    return row ? new Uint8Array(/** @type {ArrayBuffer} */ (row.data)) : null;
  }

  /**
   * @param {number} id
   * @param {number} n
   */
  #need(id, n) {
    const data = this.#chunk(id, n);
    if (data === null) throw new Error('The message was removed while it was being read');
    return data;
  }
}

/** A body on its way in. */
export class BlobDraft {
  #storage;
  #sql;
  #now;
  #willSweep;
  #buffer = new Uint8Array(16 * 1024);
  #fill = 0;
  #chunks = 0;
  /** @type {number | null} */
  #id = null;
  #canonical = new CanonicalCounter();
  /** Octets so far. */
  size = 0;

  /**
   * @param {DurableObjectStorage} storage
   * @param {() => number} now
   * @param {() => void} willSweep
   */
  constructor(storage, now, willSweep) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#now = now;
    this.#willSweep = willSweep;
  }

  /**
   * The first octets, at most one chunk; meaningful once all is written.
   * @returns {Uint8Array}
   */
  head() {
    if (this.#id === null) return this.#buffer.subarray(0, this.#fill);
    const { data } = this.#sql.exec('select data from chunk where blob = ? and n = 0', this.#id).one();
    return new Uint8Array(/** @type {ArrayBuffer} */ (data));
  }

  /** @param {Uint8Array} octets */
  write(octets) {
    this.size += octets.byteLength;
    this.#canonical.feed(octets);
    while (octets.byteLength > 0) {
      if (this.#fill === CHUNK) this.#spill();
      this.#grow(Math.min(CHUNK, this.#fill + octets.byteLength));
      const take = Math.min(CHUNK - this.#fill, octets.byteLength);
      this.#buffer.set(octets.subarray(0, take), this.#fill);
      this.#fill += take;
      octets = octets.subarray(take);
    }
  }

  /**
   * Makes the blob whole, with one use. Call inside the transaction that also writes what refers to it.
   * @returns {Blob}
   */
  finish() {
    const canonicalSize = this.#canonical.total();
    if (this.#id === null) this.#id = this.#insert(1, this.size, canonicalSize);
    else {
      const kept = this.#sql
        .exec(
          'update blob set uses = 1, size = ?, canonical_size = ? where id = ? returning id',
          this.size,
          canonicalSize,
          this.#id,
        )
        .toArray();
      if (kept.length === 0) throw new Error('The body took longer to arrive than partial bodies are kept');
      this.#sql.exec('delete from upload where blob = ?', this.#id);
    }
    if (this.#fill > 0) this.#append();
    return { id: this.#id, size: this.size, canonicalSize };
  }

  /** Removes what was already written. */
  discard() {
    const id = this.#id;
    if (id === null) return;
    this.#id = null;
    this.#storage.transactionSync(() => {
      this.#sql.exec('delete from chunk where blob = ?', id);
      this.#sql.exec('delete from upload where blob = ?', id);
      this.#sql.exec('delete from blob where id = ?', id);
    });
  }

  #spill() {
    if (this.#id === null)
      this.#storage.transactionSync(() => {
        this.#id = this.#insert(0, 0, 0);
        this.#sql.exec('insert into upload values (?, ?)', this.#id, this.#now() + PARTIAL_LIFE_MS);
        this.#willSweep();
      });
    this.#append();
  }

  #append() {
    this.#sql.exec(
      'insert into chunk values (?, ?, ?)',
      this.#id,
      this.#chunks++,
      this.#fill === this.#buffer.byteLength ? this.#buffer : this.#buffer.slice(0, this.#fill),
    );
    this.#fill = 0;
  }

  /**
   * @param {number} uses
   * @param {number} size
   * @param {number} canonicalSize
   */
  #insert(uses, size, canonicalSize) {
    const row = this.#sql
      .exec('insert into blob (size, canonical_size, uses) values (?, ?, ?) returning id', size, canonicalSize, uses)
      .one();
    return Number(row.id);
  }

  /** @param {number} wanted */
  #grow(wanted) {
    if (wanted <= this.#buffer.byteLength) return;
    const bigger = new Uint8Array(Math.min(CHUNK, Math.max(wanted, this.#buffer.byteLength * 2)));
    bigger.set(this.#buffer.subarray(0, this.#fill));
    this.#buffer = bigger;
  }
}
