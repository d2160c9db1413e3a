// SPDX-License-Identifier: GPL-3.0-or-later
//
// Folders, emails and their states. Every method that changes something is called inside a transaction of the caller,
// so that a change, its state and what follows from it are durable together or not at all.

import { messageHead, parseHeader } from './mime-header.js';

/** @typedef {import('./mime-header.js').MessageHead} MessageHead */
/** @typedef {import('./blob-store.js').BlobStore} BlobStore */
/** @typedef {import('./blob-store.js').Blob} Blob */

/**
 * @typedef {object} Email
 * @property {number} id
 * @property {number} blob
 * @property {number} thread
 * @property {number} size
 * @property {number} canonicalSize
 * @property {number} receivedAt milliseconds since the epoch
 * @property {string[]} keywords
 * @property {number[]} folders
 * @property {MessageHead} head
 */

/**
 * @typedef {object} Folder
 * @property {number} id
 * @property {string} name
 * @property {string | null} role
 * @property {number} sortOrder
 * @property {number} total
 * @property {number} unread
 */

/** @typedef {'Email' | 'Mailbox' | 'EmailSubmission'} ChangeType */

/** The tables of the types that have states. */
const TABLES = { Email: 'email', Mailbox: 'folder', EmailSubmission: 'submission' };

/** Tombstones beyond this many are dropped at the next sweep, oldest first. */
const TOMBSTONES_KEPT = 50_000;

/** @type {[role: string, name: string][]} in the order clients should show them */
const DEFAULT_FOLDERS = [
  ['inbox', 'Inbox'],
  ['drafts', 'Drafts'],
  ['sent', 'Sent'],
  ['archive', 'Archive'],
  ['junk', 'Junk'],
  ['trash', 'Trash'],
];

export class MailStore {
  #sql;
  #blobs;

  /**
   * @param {SqlStorage} sql
   * @param {BlobStore} blobs
   */
  constructor(sql, blobs) {
    this.#sql = sql;
    this.#blobs = blobs;
  }

  /** @returns {number} */
  state() {
    return Number(this.#sql.exec('select state from mailbox').one().state);
  }

  /** @returns {number} the new state, which is also the id of what is being made in it */
  raise() {
    return Number(this.#sql.exec('update mailbox set state = state + 1 returning state').one().state);
  }

  makeFolders() {
    DEFAULT_FOLDERS.forEach(([role, name], i) => {
      const id = this.raise();
      this.#sql.exec(
        'insert into folder (id, name, role, sort_order, changed) values (?, ?, ?, ?, ?)',
        id,
        name,
        role,
        (i + 1) * 10,
        id,
      );
    });
  }

  /** @returns {Folder[]} */
  folders() {
    return this.#sql
      .exec('select id, name, role, sort_order, total, unread from folder order by sort_order, name')
      .toArray()
      .map((row) => ({
        id: Number(row.id),
        name: String(row.name),
        role: row.role === null ? null : String(row.role),
        sortOrder: Number(row.sort_order),
        total: Number(row.total),
        unread: Number(row.unread),
      }));
  }

  /** @returns {number} the folder where mail arrives */
  inbox() {
    return Number(this.#sql.exec("select id from folder where role = 'inbox'").one().id);
  }

  /** @returns {{ octets: number, messages: number, quota: number }} */
  usage() {
    const row = this.#sql.exec('select octets, messages, quota from mailbox').one();
    return { octets: Number(row.octets), messages: Number(row.messages), quota: Number(row.quota) };
  }

  /** @param {number} octets @returns {boolean} whether so much more would be within the quota */
  hasRoom(octets) {
    const { octets: used, quota } = this.usage();
    return quota === 0 || used + octets <= quota;
  }

  /**
   * Files a message whose blob is held for it.
   * @param {Blob} blob
   * @param {Uint8Array} start its first octets, with the header
   * @param {{ folders: number[], keywords: string[], receivedAt: number }} options
   * @returns {Email}
   */
  addEmail(blob, start, { folders, keywords, receivedAt }) {
    const head = messageHead(parseHeader(start).fields);
    const id = this.raise();
    const thread = id;
    this.#sql.exec(
      `insert into email (id, blob, thread, size, canonical_size, received_at, keywords, folders, head, changed)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      blob.id,
      thread,
      blob.size,
      blob.canonicalSize,
      receivedAt,
      JSON.stringify(keywords),
      JSON.stringify(folders),
      JSON.stringify(head),
      id,
    );
    for (const folder of folders) this.#file(folder, receivedAt, id, isUnread(keywords));
    this.#sql.exec('update mailbox set octets = octets + ?, messages = messages + 1', blob.size);
    return {
      id,
      blob: blob.id,
      thread,
      size: blob.size,
      canonicalSize: blob.canonicalSize,
      receivedAt,
      keywords,
      folders,
      head,
    };
  }

  /**
   * @param {number[]} ids
   * @returns {Map<number, Email>} those that are there
   */
  emails(ids) {
    /** @type {Map<number, Email>} */
    const found = new Map();
    const rows = this.#sql.exec(
      'select * from email where id in (select value from json_each(?))',
      JSON.stringify(ids),
    );
    for (const row of rows)
      found.set(Number(row.id), {
        id: Number(row.id),
        blob: Number(row.blob),
        thread: Number(row.thread),
        size: Number(row.size),
        canonicalSize: Number(row.canonical_size),
        receivedAt: Number(row.received_at),
        keywords: JSON.parse(String(row.keywords)),
        folders: JSON.parse(String(row.folders)),
        head: JSON.parse(String(row.head)),
      });
    return found;
  }

  /** @param {number} id @returns {Email | null} */
  email(id) {
    return this.emails([id]).get(id) ?? null;
  }

  /**
   * @param {Email} email as it is stored
   * @param {{ keywords: string[], folders: number[] }} wanted
   */
  changeEmail(email, { keywords, folders }) {
    const unread = isUnread(keywords);
    const state = this.raise();
    this.#sql.exec(
      'update email set keywords = ?, folders = ?, changed = ? where id = ?',
      JSON.stringify(keywords),
      JSON.stringify(folders),
      state,
      email.id,
    );
    for (const folder of email.folders)
      if (!folders.includes(folder)) this.#unfile(folder, email.receivedAt, email.id);
      else if (unread !== isUnread(email.keywords))
        this.#sql.exec(
          'update filing set unread = ? where folder = ? and received_at = ? and email = ?',
          unread ? 1 : 0,
          folder,
          email.receivedAt,
          email.id,
        );
    for (const folder of folders)
      if (!email.folders.includes(folder)) this.#file(folder, email.receivedAt, email.id, unread);
  }

  /** @param {Email} email */
  destroyEmail(email) {
    const state = this.raise();
    for (const folder of email.folders) this.#unfile(folder, email.receivedAt, email.id);
    this.#sql.exec('delete from email where id = ?', email.id);
    this.#sql.exec("insert into tombstone values (?, 'Email', ?)", state, email.id);
    this.#sql.exec('update mailbox set octets = octets - ?, messages = messages - 1', email.size);
    this.#blobs.release(email.blob);
  }

  /**
   * What happened to the objects of a type after a state, oldest first, cut after `limit` objects.
   * An object made and changed in one page is told as created; one made and destroyed in it is not told at all.
   * @param {ChangeType} type
   * @param {number} since
   * @param {number} limit
   * @returns {{ created: number[], updated: number[], destroyed: number[], newState: number, hasMore: boolean } | null}
   *   null when it can no longer be told, or the state is not one of ours
   */
  changes(type, since, limit) {
    const table = TABLES[type];
    const { state, floor } = this.#sql.exec('select state, floor from mailbox').one();
    if (since < Number(floor) || since > Number(state)) return null;
    const rows = this.#sql
      .exec(
        `select at, id, what from (
           select id as at, id, 'created' as what from ${table} where id > ?1
           union all
           select changed as at, id, 'updated' as what from ${table} where changed > ?1 and changed <> id
           union all
           select state as at, id, 'destroyed' as what from tombstone where state > ?1 and type = ?2
         ) order by at limit ?3`,
        since,
        type,
        limit + 1,
      )
      .toArray();
    const hasMore = rows.length > limit;
    if (hasMore) rows.pop();
    const newState = hasMore ? Number(rows.at(-1)?.at) : Number(state);
    /** @type {Record<string, number[]>} */
    const lists = { created: [], updated: [], destroyed: [] };
    const made = new Set(rows.filter((row) => row.what === 'created').map((row) => row.id));
    for (const { id, what } of rows) {
      if (what === 'updated' && made.has(id)) continue;
      // Its creation row went with it, so one made after `since` is known by its id alone.
      if (what === 'destroyed' && Number(id) > since) continue;
      lists[String(what)]?.push(Number(id));
    }
    const { created = [], updated = [], destroyed = [] } = lists;
    return { created, updated, destroyed, newState, hasMore };
  }

  /** Drops tombstones beyond what is kept; states before them can then no longer be told. */
  forgetTombstones() {
    const row = this.#sql
      .exec('select state from tombstone order by state desc limit 1 offset ?', TOMBSTONES_KEPT)
      .toArray()[0];
    if (row === undefined) return;
    this.#sql.exec('update mailbox set floor = ?', row.state);
    this.#sql.exec('delete from tombstone where state <= ?', row.state);
  }

  /**
   * @param {number} folder
   * @param {number} receivedAt
   * @param {number} email
   * @param {boolean} unread
   */
  #file(folder, receivedAt, email, unread) {
    this.#sql.exec('insert into filing values (?, ?, ?, ?)', folder, receivedAt, email, unread ? 1 : 0);
  }

  /**
   * @param {number} folder
   * @param {number} receivedAt
   * @param {number} email
   */
  #unfile(folder, receivedAt, email) {
    this.#sql.exec('delete from filing where folder = ? and received_at = ? and email = ?', folder, receivedAt, email);
  }
}

/** @param {string[]} keywords RFC 8621 section 2: drafts are never unread */
function isUnread(keywords) {
  return !keywords.includes('$seen') && !keywords.includes('$draft');
}
