// SPDX-License-Identifier: GPL-3.0-or-later
//
// The ids that clients see. Each is a letter for the type, the salt of the mailbox, and the number in base 36. The
// salt keeps a mailbox that was deleted and made again from ever giving an id that a mail program remembers (a POP3
// client would never fetch such a message).

/** @typedef {'account' | 'blob' | 'email' | 'folder' | 'identity' | 'submission' | 'thread'} IdType */

const LETTERS = { account: 'u', blob: 'b', email: 'e', folder: 'f', identity: 'i', submission: 's', thread: 't' };

export class IdCodec {
  #salt;

  /** @param {string} salt lower-case letters and digits */
  constructor(salt) {
    this.#salt = salt;
  }

  /**
   * @param {IdType} type
   * @param {number} number
   */
  write(type, number) {
    return LETTERS[type] + this.#salt + number.toString(36);
  }

  /**
   * @param {IdType} type
   * @param {unknown} id
   * @returns {number | null} null for anything this mailbox never gave out as an id of that type
   */
  read(type, id) {
    const start = LETTERS[type] + this.#salt;
    if (typeof id !== 'string' || !id.startsWith(start)) return null;
    const digits = id.slice(start.length);
    if (!/^[1-9a-z][0-9a-z]{0,9}$/.test(digits)) return null;
    const number = parseInt(digits, 36);
    return Number.isSafeInteger(number) ? number : null;
  }
}

/** @returns {string} the salt for a new mailbox */
export function newSalt() {
  const octets = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(octets, (octet) => (octet % 36).toString(36)).join('');
}
