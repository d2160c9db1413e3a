// SPDX-License-Identifier: GPL-3.0-or-later
//
// The rows of people and of the addresses that lead to them. Nothing here waits, so each method is whole within one
// transaction of its caller. What a mailbox must hear of raises its user's revision; the directory carries it there.

import { Refusal } from './refusal.js';

/** @import { Stretched } from './passwords.js' */

export const MAX_USERS = 10_000;
export const MAX_ALIASES = 100;

/** @typedef {'administrator' | 'user'} Role */
/** @typedef {'active' | 'disabled' | 'wiping'} State */

/**
 * @typedef {object} User
 * @property {string} id the mailbox's id
 * @property {string} address
 * @property {string} displayName
 * @property {Role} role
 * @property {State} state
 * @property {number | null} quota octets, 0 for no limit, null for the default of the settings
 * @property {Stretched} password
 * @property {number} createdAt
 * @property {number | null} signedInAt
 * @property {number} revision
 * @property {number} settled
 * @property {string | null} revoke
 */

/** What must be true of the tokens of a user before a change counts as carried out. */
export const REVOKE_ALL = '*';

/**
 * @param {Record<string, SqlStorageValue>} row
 * @returns {User}
 */
function userOf(row) {
  return {
    id: String(row.id),
    address: String(row.address),
    displayName: String(row.display_name),
    role: /** @type {Role} */ (row.role),
    state: /** @type {State} */ (row.state),
    quota: row.quota === null ? null : Number(row.quota),
    password: {
      salt: new Uint8Array(/** @type {ArrayBuffer} */ (row.salt)),
      hash: new Uint8Array(/** @type {ArrayBuffer} */ (row.hash)),
      cost: Number(row.cost),
    },
    createdAt: Number(row.created_at),
    signedInAt: row.signed_in_at === null ? null : Number(row.signed_in_at),
    revision: Number(row.revision),
    settled: Number(row.settled),
    revoke: row.revoke === null ? null : String(row.revoke),
  };
}

export class Users {
  /** @param {SqlStorage} sql */
  constructor(sql) {
    this.sql = sql;
  }

  /** @returns {boolean} asked by strangers, so it reads no more than one row */
  isEmpty() {
    return this.sql.exec('select 1 from user limit 1').toArray().length === 0;
  }

  /** @returns {number} */
  count() {
    return Number(this.sql.exec('select count(*) as n from user').one().n);
  }

  /**
   * @param {string} id
   * @returns {User | null}
   */
  get(id) {
    const [row] = this.sql.exec('select * from user where id = ?', id).toArray();
    return row === undefined ? null : userOf(row);
  }

  /**
   * @param {string} address canonical; the first address or an alias, to the letter
   * @returns {User | null}
   */
  byAddress(address) {
    const [row] = this.sql
      .exec('select user.* from address join user on user.id = address.user where address.address = ?', address)
      .toArray();
    return row === undefined ? null : userOf(row);
  }

  /** @returns {User | null} the oldest administrator who can read mail: postmaster, until somebody else is named */
  firstAdministrator() {
    const [row] = this.sql
      .exec(`select * from user where role = 'administrator' and state = 'active' order by created_at, id limit 1`)
      .toArray();
    return row === undefined ? null : userOf(row);
  }

  /**
   * @param {string} id
   * @returns {string[]} by name, without the first address
   */
  aliases(id) {
    return this.sql
      .exec(
        `select address.address as address from address join user on user.id = address.user
         where user.id = ? and address.address <> user.address order by 1`,
        id,
      )
      .toArray()
      .map((row) => String(row.address));
  }

  /**
   * @param {{ id: string, address: string, displayName: string, role: Role, quota: number | null, password: Stretched }} user
   * @param {number} now
   * @throws {Refusal} address-taken, limit-reached
   */
  add({ id, address, displayName, role, quota, password }, now) {
    if (this.count() >= MAX_USERS)
      throw new Refusal('limit-reached', `This Worker has ${MAX_USERS} users, and takes no more.`);
    this.#refuseTaken(address);
    this.sql.exec(
      `insert into user values (?, ?, ?, ?, 'active', ?, ?, ?, ?, ?, null, 1, 0, null)`,
      ...[id, address, displayName, role, quota, password.salt, password.hash, password.cost, now],
    );
    this.sql.exec('insert into address values (?, ?)', address, id);
  }

  /**
   * @param {User} user
   * @param {string} address canonical
   * @returns {boolean} false when it was the user's already
   * @throws {Refusal} address-taken, limit-reached
   */
  addAlias(user, address) {
    if (this.byAddress(address)?.id === user.id) return false;
    this.#refuseTaken(address);
    if (this.aliases(user.id).length >= MAX_ALIASES)
      throw new Refusal('limit-reached', `${user.address} has ${MAX_ALIASES} aliases. Remove one first.`);
    this.sql.exec('insert into address values (?, ?)', address, user.id);
    this.touch(user.id);
    return true;
  }

  /**
   * @param {User} user
   * @param {string} address canonical
   * @returns {boolean} false when it is no alias of the user
   */
  removeAlias(user, address) {
    const gone = this.sql.exec(
      'delete from address where address = ? and user = ? and address <> ? returning 1 as one',
      ...[address, user.id, user.address],
    );
    if (gone.toArray().length === 0) return false;
    this.touch(user.id);
    return true;
  }

  /**
   * @param {User} user
   * @param {{ displayName?: string, role?: Role, quota?: number | null, state?: 'active' | 'disabled' }} changes
   * @throws {Refusal} last-administrator
   */
  change(user, changes) {
    const { displayName, role, quota, state } = { ...user, ...changes };
    if (role !== 'administrator' || state !== 'active') this.#keepAnAdministrator(user);
    this.sql.exec(
      'update user set display_name = ?, role = ?, quota = ?, state = ? where id = ?',
      ...[displayName, role, quota, state, user.id],
    );
    if (state === 'disabled' && user.state === 'active') this.revokeTokens(user.id, REVOKE_ALL);
    else if (displayName !== user.displayName || quota !== user.quota || state !== user.state) this.touch(user.id);
  }

  /**
   * Begins the end of a user: the addresses are free at once, the row stays until the mailbox is wiped.
   * @param {User} user
   * @throws {Refusal} last-administrator
   */
  remove(user) {
    this.#keepAnAdministrator(user);
    this.sql.exec('update domain set catch_all = null where catch_all = ?', user.id);
    this.sql.exec('delete from address where user = ?', user.id);
    this.sql.exec(`update user set state = 'wiping' where id = ?`, user.id);
    this.touch(user.id);
  }

  /**
   * @param {string} id of a user whose mailbox is no more
   */
  forget(id) {
    this.sql.exec(`delete from user where id = ? and state = 'wiping'`, id);
  }

  /**
   * @param {string} id
   * @param {Stretched} password
   */
  setPassword(id, { salt, hash, cost }) {
    this.sql.exec('update user set salt = ?, hash = ?, cost = ? where id = ?', salt, hash, cost, id);
  }

  /**
   * @param {string} id
   * @param {number} now
   */
  signedIn(id, now) {
    this.sql.exec('update user set signed_in_at = ? where id = ?', now, id);
  }

  /**
   * Notes that the mailbox must hear of something.
   * @param {string} id
   */
  touch(id) {
    this.sql.exec('update user set revision = revision + 1 where id = ?', id);
  }

  /** The default quota has changed: all who follow it must hear. */
  touchFollowers() {
    this.sql.exec('update user set revision = revision + 1 where quota is null');
  }

  /**
   * Notes that tokens must die. Two different wishes become the greater one.
   * @param {string} id
   * @param {string} which REVOKE_ALL, or the id of the one token that stays
   */
  revokeTokens(id, which) {
    this.sql.exec(
      `update user set revision = revision + 1, revoke = iif(revoke is null or revoke = ?2, ?2, ?3) where id = ?1`,
      ...[id, which, REVOKE_ALL],
    );
  }

  /**
   * The mailbox has confirmed a revision.
   * @param {User} user as it was when the mailbox was told
   */
  settle({ id, revision }) {
    this.sql.exec(
      'update user set settled = ?2, revoke = iif(revision = ?2, null, revoke) where id = ?1',
      id,
      revision,
    );
  }

  /**
   * @param {string} after an id, or the empty string
   * @param {number} limit
   * @returns {string[]} ids, in order, of users whose mailboxes have yet to hear of something
   */
  unsettled(after, limit) {
    return this.sql
      .exec('select id from user where settled <> revision and id > ? order by id limit ?', after, limit)
      .toArray()
      .map((row) => String(row.id));
  }

  /**
   * @param {{ search: string, limit: number, after: { address: string, id: string } | null }} page
   * @returns {{ users: User[], total: number }} by address; `total` counts all that match
   */
  list({ search, limit, after }) {
    // instr, not LIKE: a pattern is limited to 50 octets, and % in it would mean something.
    const matches = `(?1 = '' or instr(lower(user.address), ?1) > 0 or instr(lower(user.display_name), ?1) > 0
      or exists (select 1 from address where address.user = user.id and instr(address.address, ?1) > 0))`;
    const needle = search.toLowerCase();
    const rows = this.sql.exec(
      `select * from user where ${matches} and (address, id) > (?2, ?3) order by address, id limit ?4`,
      ...[needle, after?.address ?? '', after?.id ?? '', limit],
    );
    const users = rows.toArray().map(userOf);
    const total = Number(this.sql.exec(`select count(*) as n from user where ${matches}`, needle).one().n);
    return { users, total };
  }

  /** @param {string} address */
  #refuseTaken(address) {
    if (this.byAddress(address) !== null)
      throw new Refusal('address-taken', `${address} belongs to somebody already. Choose another address.`, {
        member: 'address',
      });
  }

  /**
   * @param {User} user who is about to stop being an active administrator
   * @throws {Refusal} last-administrator
   */
  #keepAnAdministrator(user) {
    if (user.role !== 'administrator' || user.state !== 'active') return;
    const others = this.sql.exec(
      `select 1 from user where role = 'administrator' and state = 'active' and id <> ? limit 1`,
      user.id,
    );
    if (others.toArray().length > 0) return;
    const detail = `${user.address} is the only administrator. Make somebody else an administrator first.`;
    throw new Refusal('last-administrator', detail);
  }
}
