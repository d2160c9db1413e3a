// SPDX-License-Identifier: GPL-3.0-or-later
//
// How often something may be tried. An attempt counts before its outcome is known, so a crowd of guesses sent at once
// finds no gap, and is given back when it was an honest one. Counts are on disk: an idle object is evicted after
// seconds, and a guesser must not be able to wait for that.

const MINUTE_MS = 60_000;

/** Keys kept at most; past that the oldest go. They are counts of strangers: losing some only forgives. */
const MAX_KEYS = 20_000;

/** Keys that may have come since the last sweep; a flood must not wait for the alarm. */
const SWEEP_AFTER = 5_000;

/** What is limited, per key: `limit` attempts in `windowMs`, which begins with the first. */
export const LIMITS = /** @type {const} */ ({
  /** Wrong passwords for one person. Tokens in use do not depend on it, so a lock-out by a stranger stops no mail. */
  user: { limit: 10, windowMs: 15 * MINUTE_MS },
  /** Wrong passwords, secrets and codes from one client; an office behind one address has many people. */
  client: { limit: 50, windowMs: 15 * MINUTE_MS },
  /** Wrong setup secrets, whoever sends them. */
  setup: { limit: 10, windowMs: 15 * MINUTE_MS },
  /** Accounts made by one client. */
  registration: { limit: 10, windowMs: 60 * MINUTE_MS },
});

/** @typedef {{ kind: keyof typeof LIMITS, of: string }} Attempt */

export class Attempts {
  #sinceSweep = 0;

  /** @param {SqlStorage} sql */
  constructor(sql) {
    this.sql = sql;
  }

  /**
   * Counts one attempt against every key, or none when one of them is used up.
   * @param {readonly Attempt[]} attempts
   * @param {number} now
   * @returns {number} 0 when it may go on, else the seconds to wait
   */
  begin(attempts, now) {
    let wait = 0;
    for (const { kind, of } of attempts) {
      const [row] = this.sql.exec('select count, until from attempt where key = ?', `${kind}:${of}`).toArray();
      if (row && Number(row.count) >= LIMITS[kind].limit)
        wait = Math.max(wait, Math.ceil((Number(row.until) - now) / 1000));
    }
    if (wait > 0) return wait;
    this.#sinceSweep += attempts.length;
    if (this.#sinceSweep > SWEEP_AFTER) this.sweep(now);
    for (const { kind, of } of attempts)
      this.sql.exec(
        `insert into attempt values (?1, 1, ?2) on conflict (key) do update
         set count = iif(until > ?3, count + 1, 1), until = iif(until > ?3, until, ?2)`,
        `${kind}:${of}`,
        now + LIMITS[kind].windowMs,
        now,
      );
    return 0;
  }

  /**
   * Gives one attempt back: it was no guess.
   * @param {readonly Attempt[]} attempts
   */
  giveBack(attempts) {
    for (const { kind, of } of attempts) {
      this.sql.exec('update attempt set count = count - 1 where key = ?', `${kind}:${of}`);
      this.sql.exec('delete from attempt where key = ? and count <= 0', `${kind}:${of}`);
    }
  }

  /**
   * Forgets all attempts of a key: the right person has come.
   * @param {Attempt} attempt
   */
  forget({ kind, of }) {
    this.sql.exec('delete from attempt where key = ?', `${kind}:${of}`);
  }

  /**
   * Drops what no longer counts.
   * @param {number} now
   */
  sweep(now) {
    this.#sinceSweep = 0;
    this.sql.exec('delete from attempt where until <= ?', now);
    this.sql.exec(
      `delete from attempt where key in (select key from attempt order by until desc limit -1 offset ?)`,
      MAX_KEYS,
    );
  }

  /** @returns {number | null} when there is something to sweep */
  nextSweep() {
    const until = this.sql.exec('select max(until) as until from attempt').one().until;
    return until === null ? null : Number(until);
  }
}
