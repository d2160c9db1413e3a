// SPDX-License-Identifier: GPL-3.0-or-later
//
// All that one mailbox has on disk, opened: the stores by their nouns, how it is configured, and the one way in which
// it is changed. A change, its state and what follows from it are one transaction, and only then is it pushed.

import { BlobStore } from './blob-store.js';
import { DueTable } from './due-table.js';
import { IdCodec, newSalt } from './jmap-ids.js';
import { MailStore } from './mail-store.js';
import { hasSchema, migrate } from './mailbox-schema.js';
import { Problem } from './problem.js';
import { PushSockets } from './push.js';
import { SubmissionStore } from './submission-store.js';
import { TokenStore } from './token-store.js';

/** @typedef {import('./push.js').ChangedTypes} ChangedTypes */

export const DAY_MS = 24 * 60 * 60 * 1000;
/** Keys of local deliveries: far longer than anybody repeats one. */
const DELIVERIES_REMEMBERED_MS = 30 * DAY_MS;

/**
 * @typedef {object} Configuration
 * @property {string} id
 * @property {string} salt
 * @property {string} address
 * @property {string[]} addresses all of them, lower case
 * @property {string} displayName
 * @property {boolean} disabled
 * @property {number} version
 */

export class MailboxData {
  #state;
  #storage;
  #made;
  /** @type {ChangedTypes} what the transaction that is running has changed */
  #changes = {};

  /** @param {DurableObjectState} state */
  constructor(state) {
    this.#state = state;
    this.#storage = state.storage;
    this.sql = state.storage.sql;
    this.blobs = new BlobStore(state.storage);
    this.mail = new MailStore(this.sql, this.blobs);
    this.submissions = new SubmissionStore(this.sql, this.mail, this.blobs);
    this.tokens = new TokenStore(this.sql);
    this.due = new DueTable(state.storage);
    this.sockets = new PushSockets(state);
    this.#made = this.#open();
  }

  /** @returns {boolean} false when the mailbox was never made, or its end was begun */
  #open() {
    if (!hasSchema(this.sql)) return false;
    migrate(this.#storage);
    if (this.sql.exec('select 1 from mailbox').toArray().length === 0) {
      // Wiping starts with the mailbox's row; an object that died there goes on now.
      this.#state.blockConcurrencyWhile(() => this.#deleteAll());
      return false;
    }
    this.#state.blockConcurrencyWhile(() => this.due.arm());
    return true;
  }

  /** @returns {boolean} */
  get isMade() {
    return this.#made;
  }

  mustBeMade() {
    if (!this.#made) throw new Problem(404, 'There is no such mailbox.');
  }

  /**
   * Makes the mailbox unless it is there.
   * @param {{ id: string, address: string, displayName: string, quota: number }} options
   */
  make({ id, address, displayName, quota }) {
    if (this.#made) return;
    migrate(this.#storage);
    this.#storage.transactionSync(() => {
      this.sql.exec(
        "insert into mailbox (one, id, salt, address, addresses, display_name, quota) values (1, ?, ?, ?, '[]', ?, ?)",
        id,
        newSalt(),
        address,
        displayName,
        quota,
      );
      this.mail.makeFolders();
    });
    this.#made = true;
  }

  /** Deletes everything. From the first moment on nothing is answered, even if this ends half way. */
  async wipe() {
    if (this.#made) this.sql.exec('delete from mailbox');
    this.#made = false;
    await this.#deleteAll();
  }

  async #deleteAll() {
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }

  /** @returns {Configuration} */
  configuration() {
    const row = this.sql.exec('select * from mailbox').one();
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

  /** @param {Parameters<import('./contract').MailboxStub['configure']>[0]} changes */
  configure({ address, addresses, quota, disabled, displayName }) {
    this.#storage.transactionSync(() => {
      const set = (/** @type {string} */ column, /** @type {string | number | undefined} */ value) => {
        if (value !== undefined) this.sql.exec(`update mailbox set ${column} = ?`, value);
      };
      set('address', address);
      set('quota', quota);
      set('disabled', disabled === undefined ? undefined : Number(disabled));
      set('display_name', displayName);
      if (addresses !== undefined) this.#setAddresses(addresses.map((item) => item.toLowerCase()));
      this.sql.exec('update mailbox set configuration = configuration + 1');
    });
  }

  /** @param {string[]} addresses each is an identity; those that stay keep their id */
  #setAddresses(addresses) {
    const list = JSON.stringify(addresses);
    this.sql.exec('update mailbox set addresses = ?', list);
    this.sql.exec('delete from identity where address not in (select value from json_each(?))', list);
    const known = new Set(this.identities().map((identity) => identity.address));
    for (const address of addresses)
      if (!known.has(address)) this.sql.exec('insert into identity values (?, ?)', this.mail.raise(), address);
  }

  /** @returns {{ id: number, address: string }[]} */
  identities() {
    return this.sql
      .exec('select id, address from identity order by id')
      .toArray()
      .map((row) => ({ id: Number(row.id), address: String(row.address) }));
  }

  /** @returns {IdCodec} */
  ids() {
    return new IdCodec(this.configuration().salt);
  }

  /** @returns {string} */
  accountId() {
    return this.ids().write('account', 1);
  }

  /** @returns {string} */
  sessionState() {
    return String(this.configuration().version);
  }

  /**
   * Runs `work` as one transaction and then tells the sockets what it changed. The output gate holds what is told
   * until the transaction is on disk.
   * @template T
   * @param {() => T} work
   * @returns {T}
   */
  transaction(work) {
    this.#changes = {};
    const result = this.#storage.transactionSync(work);
    const changes = this.#changes;
    this.#changes = {};
    if (Object.keys(changes).length > 0) this.sockets.tell(changes, this.accountId(), String(this.mail.state()));
    return result;
  }

  /** @param {ChangedTypes} types */
  changed(types) {
    Object.assign(this.#changes, types);
  }

  /**
   * Receives a body; the alarm will look for what is left of it should it be cut off.
   * @param {ReadableStream<Uint8Array> | null} stream
   * @param {number} limit
   */
  receive(stream, limit) {
    return this.blobs.receive(stream, limit, () => this.sweepBy(Date.now() + DAY_MS / 12));
  }

  /** @param {number} at when there will be something to sweep */
  sweepBy(at) {
    this.due.add('sweep', 0, at);
    this.#state.waitUntil(this.due.arm());
  }

  /**
   * Files a message that came in.
   * @param {import('./blob-store.js').BlobDraft} draft
   */
  toInbox(draft) {
    const start = draft.head();
    const options = { folders: [this.mail.inbox()], keywords: [], receivedAt: Date.now() };
    this.mail.addEmail(draft.finish(), start, options);
    this.changed({ Email: true, Mailbox: true, EmailDelivery: true });
  }

  /** @param {string} key @returns {boolean} whether a local delivery with that key is here already */
  wasDelivered(key) {
    return this.sql.exec('select 1 from delivered where key = ?', key).toArray().length > 0;
  }

  /** @param {string} key */
  rememberDelivery(key) {
    this.sql.exec('insert into delivered values (?, ?)', key, Date.now());
    this.sweepBy(Date.now() + DAY_MS);
  }

  /** Drops what is past its time. */
  sweep() {
    const now = Date.now();
    const next = this.blobs.sweep();
    this.transaction(() => {
      this.submissions.sweep(now);
      this.mail.forgetTombstones();
      this.sql.exec('delete from delivered where at < ?', now - DELIVERIES_REMEMBERED_MS);
      const kept = this.sql
        .exec(
          `select 1 from submission union all select 1 from answered union all
           select 1 from delivered union all select 1 from tombstone limit 1`,
        )
        .toArray();
      const again = Math.min(next ?? Infinity, kept.length > 0 ? now + DAY_MS : Infinity);
      this.due.set('sweep', 0, Number.isFinite(again) ? again : null);
    });
  }
}
