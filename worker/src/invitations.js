// SPDX-License-Identifier: GPL-3.0-or-later
//
// An invitation is a code that lets somebody register. Only the code's hash is kept: it is shown once, to whoever
// makes it, like a token.

import { sha256 } from './passwords.js';

export const MAX_INVITATIONS = 1000;

/** Crockford's base 32: no I, L, O, U. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** @typedef {{ id: string, note: string, uses: number, usesLeft: number, expiresAt: string, createdAt: string, createdBy: string }} Invitation */

export class Invitations {
  /** @param {SqlStorage} sql */
  constructor(sql) {
    this.sql = sql;
  }

  /** @returns {number} how many stand, spent and expired ones that were not yet swept included */
  count() {
    return Number(this.sql.exec('select count(*) as n from invitation').one().n);
  }

  /**
   * @param {{ id: string, codeHash: Uint8Array, note: string, uses: number, expiresAt: number, createdBy: string }} made
   * @param {number} now
   */
  add({ id, codeHash, note, uses, expiresAt, createdBy }, now) {
    this.sql.exec(
      'insert into invitation values (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)',
      id,
      codeHash,
      note,
      uses,
      expiresAt,
      createdBy,
      now,
    );
  }

  /**
   * @param {number} now
   * @returns {Invitation[]} those that can still be used, the newest first
   */
  list(now) {
    return this.sql
      .exec('select * from invitation where uses_left > 0 and expires_at > ? order by created_at desc, id', now)
      .toArray()
      .map((row) => ({
        id: String(row.id),
        note: String(row.note),
        uses: Number(row.uses),
        usesLeft: Number(row.uses_left),
        expiresAt: new Date(Number(row.expires_at)).toISOString(),
        createdAt: new Date(Number(row.created_at)).toISOString(),
        createdBy: String(row.created_by),
      }));
  }

  /**
   * @param {Uint8Array} codeHash
   * @param {number} now
   * @returns {boolean} whether a use is left
   */
  isGood(codeHash, now) {
    const good = 'select 1 from invitation where code_hash = ? and uses_left > 0 and expires_at > ?';
    return this.sql.exec(good, codeHash, now).toArray().length > 0;
  }

  /**
   * Takes one use. Call it in the transaction that makes the user.
   * @param {Uint8Array} codeHash
   * @param {number} now
   * @returns {boolean} false when none was left
   */
  use(codeHash, now) {
    const taken = this.sql.exec(
      `update invitation set uses_left = uses_left - 1
       where code_hash = ? and uses_left > 0 and expires_at > ? returning id`,
      codeHash,
      now,
    );
    return taken.toArray().length > 0;
  }

  /**
   * @param {string} id
   * @returns {boolean} false when there is none
   */
  revoke(id) {
    return this.sql.exec('delete from invitation where id = ? returning id', id).toArray().length > 0;
  }

  /** @param {number} now */
  sweep(now) {
    this.sql.exec('delete from invitation where uses_left <= 0 or expires_at <= ?', now);
  }
}

/** @returns {string} 125 random bits as five groups of five */
export function generateCode() {
  const digits = Array.from(crypto.getRandomValues(new Uint8Array(25)), (byte) => DIGITS.charAt(byte % 32)).join('');
  return digits.replace(/(.{5})(?=.)/g, '$1-');
}

/**
 * @param {string} code as typed: case, spaces and dashes do not count, O is 0, I and L are 1
 * @returns {Promise<Uint8Array>}
 */
export function codeHash(code) {
  const digits = code.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  return sha256(`invitation:${digits}`);
}
