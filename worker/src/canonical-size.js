// SPDX-License-Identifier: GPL-3.0-or-later
//
// How long a message is once it is spoken by POP3: every bare LF becomes CRLF, and a last line without an end gets
// one. Dots that the protocol doubles are not counted (RFC 1939 section 11 means the message, not the wire). A bare
// CR stays what it is: it ends no line. An empty message stays empty.

const CR = 13;
const LF = 10;

export class CanonicalCounter {
  #size = 0;
  #bare = 0;
  #last = 0;

  /** @param {Uint8Array} octets */
  feed(octets) {
    const { length } = octets;
    if (length === 0) return;
    // indexOf is native: a line costs one call, not one turn per octet.
    for (let at = octets.indexOf(LF); at >= 0; at = octets.indexOf(LF, at + 1))
      if ((at > 0 ? octets[at - 1] : this.#last) !== CR) this.#bare++;
    this.#last = Number(octets[length - 1]);
    this.#size += length;
  }

  /** @returns {number} octets, for all that was fed */
  total() {
    const open = this.#size > 0 && this.#last !== LF;
    return this.#size + this.#bare + (open ? 2 : 0);
  }
}
