// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tokens of programs: `pt_<mailbox id>_<256 random bits>`. Only the SHA-256 is kept; so many random bits need no
// stretching. The mailbox id in the token's text is how the outer Worker finds the object without asking anybody.

/** @typedef {import('./contract').TokenInfo} TokenInfo */

const MAX_TOKENS = 500;
/** Last use is kept to the hour: a row for every request would cost more than it tells. */
const USED_STEP_MS = 60 * 60 * 1000;

export class TokenStore {
  #sql;

  /** @param {SqlStorage} sql */
  constructor(sql) {
    this.#sql = sql;
  }

  /**
   * @param {string} mailboxId
   * @param {string} name
   * @param {number} now
   * @returns {Promise<{ id: string, token: string }>}
   */
  async create(mailboxId, name, now) {
    if (Number(this.#sql.exec('select count(*) as n from token').one().n) >= MAX_TOKENS)
      throw new Error(`A mailbox has at most ${MAX_TOKENS} tokens; revoke some`);
    const token = `pt_${mailboxId}_${base64url(crypto.getRandomValues(new Uint8Array(32)))}`;
    const id = base64url(crypto.getRandomValues(new Uint8Array(12)));
    this.#sql.exec('insert into token values (?, ?, ?, ?, null)', id, name, await hash(token), now);
    return { id, token };
  }

  /** @returns {TokenInfo[]} */
  list() {
    return this.#sql
      .exec('select id, name, created_at, used_at from token order by created_at, id')
      .toArray()
      .map((row) => ({
        id: String(row.id),
        name: String(row.name),
        createdAt: new Date(Number(row.created_at)).toISOString(),
        lastUsedAt: row.used_at === null ? null : new Date(Number(row.used_at)).toISOString(),
      }));
  }

  /** @param {string} id @returns {boolean} whether there was one */
  revoke(id) {
    return this.#sql.exec('delete from token where id = ?', id).rowsWritten > 0;
  }

  /** @param {string | undefined} exceptId */
  revokeAll(exceptId) {
    this.#sql.exec('delete from token where id <> ?', exceptId ?? '');
  }

  /**
   * @param {string} token
   * @param {number} now
   * @returns {Promise<string | null>} the token's id
   */
  async check(token, now) {
    const given = await hash(token);
    /** @type {{ id: string, usedAt: number | null } | null} */
    let found = null;
    // Every row is compared, each in constant time, so that time tells nothing about any hash.
    for (const row of this.#sql.exec('select id, hash, used_at from token'))
      if (crypto.subtle.timingSafeEqual(/** @type {ArrayBuffer} */ (row.hash), given))
        found = { id: String(row.id), usedAt: row.used_at === null ? null : Number(row.used_at) };
    if (found === null) return null;
    if (found.usedAt === null || now - found.usedAt > USED_STEP_MS)
      this.#sql.exec('update token set used_at = ? where id = ?', now, found.id);
    return found.id;
  }
}

/** @param {string} token */
function hash(token) {
  return crypto.subtle.digest('SHA-256', new TextEncoder().encode(token));
}

/** @param {Uint8Array} octets */
function base64url(octets) {
  return btoa(String.fromCharCode(...octets))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
