// SPDX-License-Identifier: GPL-3.0-or-later
//
// A person's password is stretched by PBKDF2-HMAC-SHA-256. The platform refuses more than 100,000 iterations a call,
// so the calls are chained: each stretches what the one before gave. The number of calls is the cost; it stands beside
// each hash, and a sign-in with a lower one than today's stores the password anew.
//
// Stretching takes tens of milliseconds of the one thread that also says where mail goes. So one password is
// stretched at a time, between its calls other work runs, and a crowd is turned away.

import { Refusal } from './refusal.js';

/** What one call may do at most; production refuses more. */
const ITERATIONS = 100_000;

/** Calls for a new hash: 600,000 iterations, about 75 ms. */
export const COST = 6;

/** How many may wait for the stretcher: with the one at work, about two seconds. */
const MAX_WAITING = 24;

export const MIN_PASSWORD = 10;
export const MAX_PASSWORD = 1024;

/** @typedef {{ salt: Uint8Array, hash: Uint8Array, cost: number }} Stretched */

/**
 * Judges a password that somebody is to have.
 * @param {string} password
 * @returns {string | null} what to change, or null when it is good
 */
export function passwordFault(password) {
  const length = [...password.normalize('NFC')].length;
  if (length < MIN_PASSWORD)
    return `The password has ${length} characters. Use at least ${MIN_PASSWORD}; a few unrelated words are easy to keep.`;
  if (length > MAX_PASSWORD) return `The password is longer than ${MAX_PASSWORD} characters. Use a shorter one.`;
  // RFC 8265 section 4.2: controls are not part of a password.
  if (/[\p{Cc}\p{Cs}]/u.test(password)) return 'The password has a control character in it. Leave that out.';
  return null;
}

/** What can be read aloud and typed: no 0 and O, no 1, I and L. */
const LETTERS = '23456789abcdefghjkmnpqrstuvwxyz';

/** @returns {string} 99 random bits as five groups of four */
export function generatePassword() {
  let text = '';
  // Bytes of 248 and above are thrown away, so that each of the 31 letters is equally likely.
  while (text.length < 20)
    for (const byte of crypto.getRandomValues(new Uint8Array(32))) if (byte < 248) text += LETTERS.charAt(byte % 31);
  return [0, 4, 8, 12, 16].map((at) => text.slice(at, at + 4)).join('-');
}

/** Stretches one password at a time. */
export class Stretcher {
  #waiting = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {number} [cost] calls for a new hash */
  constructor(cost = COST) {
    this.cost = cost;
  }

  /**
   * Call it before an attempt is counted: who is turned away has not tried.
   * @throws {Refusal} busy
   */
  refuseCrowd() {
    if (this.#waiting >= MAX_WAITING)
      throw new Refusal('busy', 'Too many people sign in just now. Try again in a few seconds.', { retryAfter: 3 });
  }

  /**
   * @param {string} password
   * @returns {Promise<Stretched>}
   * @throws {Refusal} busy
   */
  async make(password) {
    const salt = crypto.getRandomValues(new Uint8Array(16));
    return { salt, hash: await this.#stretch(password, salt, this.cost), cost: this.cost };
  }

  /**
   * @param {string} password
   * @param {Stretched | null} kept null for a user who is not there: the same work is done, and the answer is no
   * @returns {Promise<boolean>}
   * @throws {Refusal} busy
   */
  async verify(password, kept) {
    const { salt, hash, cost } = kept ?? { salt: new Uint8Array(16), hash: new Uint8Array(32), cost: this.cost };
    const found = await this.#stretch(password, salt, cost);
    // A hash from cheaper days must not be told from no hash at all.
    if (cost < this.cost) await this.#stretch(password, salt, this.cost - cost);
    return crypto.subtle.timingSafeEqual(found, hash) && kept !== null;
  }

  /**
   * @param {string} password
   * @param {Uint8Array} salt
   * @param {number} cost
   * @returns {Promise<Uint8Array>}
   */
  async #stretch(password, salt, cost) {
    this.refuseCrowd();
    this.#waiting += 1;
    const turn = this.#last.then(() => chain(password, salt, cost));
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }
}

/**
 * @param {string} password
 * @param {Uint8Array} salt
 * @param {number} cost
 * @returns {Promise<Uint8Array>} 32 octets
 */
async function chain(password, salt, cost) {
  let value = new TextEncoder().encode(password.normalize('NFC'));
  for (let call = 0; call < cost; call += 1) {
    const key = await crypto.subtle.importKey('raw', value, 'PBKDF2', false, ['deriveBits']);
    const options = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ITERATIONS };
    value = new Uint8Array(await crypto.subtle.deriveBits(options, key, 256));
    // The runtime computes at once and goes on at once: without a pause nothing else would run, no mail be routed.
    await scheduler.wait(0);
  }
  return value;
}

/**
 * Compares two secrets of any length without telling by the time taken where, or whether in length, they differ.
 * @param {string} given
 * @param {string} kept
 * @returns {Promise<boolean>}
 */
export async function secretsEqual(given, kept) {
  const [a, b] = await Promise.all([given, kept].map(sha256));
  return a !== undefined && b !== undefined && crypto.subtle.timingSafeEqual(a, b);
}

/**
 * @param {string} text
 * @returns {Promise<Uint8Array>} 32 octets
 */
export async function sha256(text) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}
