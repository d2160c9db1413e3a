// SPDX-License-Identifier: GPL-3.0-or-later
//
// A message as it leaves. Bcc never does. What the binding refuses (trace fields, signatures that it makes itself) is
// taken out for the world, Message-ID and Date are added where they are missing, and every line ends with CRLF: a
// bare CR or LF means different things to different servers, which is how mail is smuggled.

import { splitAddress } from './address.js';
import { parseHeader } from './mime-header.js';

/** @typedef {import('./blob-store.js').BlobStore} BlobStore */
/** @typedef {import('./submission-store.js').Submission} Submission */

const CR = 13;
const LF = 10;
const REFUSED = /^(received|x-received|return-path|dkim-signature|arc-.*|bcc|resent-bcc)$/i;
const PRIVATE = /^(bcc|resent-bcc)$/i;

/**
 * @param {BlobStore} blobs
 * @param {Submission} submission
 * @param {{ outside: boolean, name: string }} options `name` is unique to this submission; a missing Message-ID is
 *   made of it, so that all recipients and all attempts carry the same one
 * @returns {ReadableStream<Uint8Array>}
 */
export function outgoingMessage(blobs, submission, { outside, name }) {
  const blob = blobs.find(submission.blob);
  if (blob === null) throw new Error('The message of a submission is not there');
  const start = blobs.head(blob.id);
  const { fields, end } = parseHeader(start);
  const dropped = outside ? REFUSED : PRIVATE;
  const has = (/** @type {string} */ wanted) => fields.some((field) => field.name.toLowerCase() === wanted);
  const eol = start[start.indexOf(LF) - 1] === CR || outside ? '\r\n' : '\n';
  const added = [];
  if (!has('message-id')) added.push(`Message-ID: <${name}@${splitAddress(submission.headerFrom).domain}>${eol}`);
  if (!has('date')) added.push(`Date: ${mailDate(submission.sentAt)}${eol}`);
  const kept = fields
    .filter((field) => !dropped.test(field.name))
    .map((field) => start.subarray(field.start, field.end));
  // With nothing to take out or add, the header is kept octet for octet, lines that are no field included.
  const intact = added.length === 0 && kept.length === fields.length && !outside;
  const header = intact ? [start.subarray(0, end)] : [new TextEncoder().encode(added.join('')), ...kept];
  const ends = outside ? new LineEnds() : null;
  const body = blobs.stream(blob.id, end, blob.size).getReader();
  const pieces = header.filter((piece) => piece.byteLength > 0).values();
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      for (;;) {
        const next = pieces.next();
        const piece = next.done ? (await body.read()).value : next.value;
        const octets = piece === undefined ? ends?.finish() : ends ? ends.convert(piece) : piece.slice();
        if (octets !== undefined && octets.byteLength > 0) controller.enqueue(octets);
        if (piece === undefined) {
          controller.close();
          /** @type {ReadableByteStreamController} */ (controller).byobRequest?.respond(0);
        }
        if (piece === undefined || (octets !== undefined && octets.byteLength > 0)) return;
      }
    },
    cancel: (reason) => body.cancel(reason),
  });
}

/** Makes every line end CRLF, over pieces cut anywhere. */
export class LineEnds {
  #afterCr = false;

  /**
   * @param {Uint8Array} octets
   * @returns {Uint8Array} a copy
   */
  convert(octets) {
    if (!this.#afterCr && isClean(octets)) return octets.slice();
    const out = new Uint8Array(octets.byteLength * 2 + 1);
    let to = 0;
    for (const octet of octets) {
      if (octet === LF || this.#afterCr) {
        out[to++] = CR;
        out[to++] = LF;
      }
      if (octet !== CR && octet !== LF) out[to++] = octet;
      this.#afterCr = octet === CR;
    }
    return out.subarray(0, to);
  }

  /** @returns {Uint8Array} what a CR at the very end still owes */
  finish() {
    return this.#afterCr ? Uint8Array.of(CR, LF) : new Uint8Array(0);
  }
}

/**
 * Whether every CR and LF stands in a CRLF, so that nothing has to be done; native searches make this cheap.
 * @param {Uint8Array} octets
 */
function isClean(octets) {
  let lines = 0;
  for (let at = octets.indexOf(LF); at >= 0; at = octets.indexOf(LF, at + 1), lines++)
    if (at === 0 || octets[at - 1] !== CR) return false;
  for (let at = octets.indexOf(CR); at >= 0; at = octets.indexOf(CR, at + 1)) lines--;
  return lines === 0;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * @param {number} at milliseconds since the epoch
 * @returns {string} RFC 5322 section 3.3
 */
export function mailDate(at) {
  const date = new Date(at);
  const time = date.toISOString().slice(11, 19);
  return `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${time} +0000`;
}
