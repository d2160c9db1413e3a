// SPDX-License-Identifier: GPL-3.0-or-later
//
// The delivery status notification (RFC 3464, in the multipart/report of RFC 6522): what a sender is told about the
// recipients of a message. Who is told what is the sender's to say (NOTIFY, RFC 3461 section 4.1); without a word about
// it, a failure is told and a success is not.

import { splitAddress } from './address.js';
import { parseHeader } from './mime-header.js';
import { mailDate } from './outgoing-message.js';

/** The most of the original that is given back: of its header, or of all of it where RET=FULL asked for that. */
const MAX_ORIGINAL = 64 * 1024;

/**
 * What became of one recipient. Relayed is: handed to a service that will not tell more.
 * @typedef {object} Outcome
 * @property {string} address
 * @property {'failed' | 'delivered' | 'relayed'} action
 * @property {string} reply an SMTP reply with an enhanced code
 * @property {string | undefined} [orcpt] "rfc822;" and the address that the sender once gave
 */

/** @type {Record<Outcome['action'], { subject: string, text: string }>} */
const WORDS = {
  failed: {
    subject: 'Your message could not be delivered',
    text: 'was not delivered to:',
  },
  delivered: {
    subject: 'Your message was delivered',
    text: 'was delivered to:',
  },
  relayed: {
    subject: 'Your message was handed on',
    text: 'was handed on, to a server that will not report what becomes of it, for:',
  },
};

/**
 * @param {unknown} notify the parameter NOTIFY of a recipient, null or undefined when there was none
 * @param {'SUCCESS' | 'FAILURE'} outcome
 * @returns {boolean} whether the sender wants to be told
 */
export function isToBeTold(notify, outcome) {
  if (typeof notify !== 'string') return outcome === 'FAILURE';
  return notify.toUpperCase().split(',').includes(outcome);
}

/**
 * @param {object} what
 * @param {string} what.to the envelope sender of the message that this is about, never ''
 * @param {Outcome[]} what.outcomes of one action
 * @param {Uint8Array} what.start first octets of the message, with its header
 * @param {number} what.size octets of the message
 * @param {string | undefined} [what.ret] FULL or HDRS
 * @param {string | undefined} [what.envid]
 * @param {number} what.sentAt milliseconds since the epoch
 * @param {number} what.now
 * @returns {Uint8Array} the message
 */
export function deliveryReport({ to, outcomes, start, size, ret, envid, sentAt, now }) {
  const { domain } = splitAddress(to);
  const boundary = `postern-${crypto.randomUUID()}`;
  const words = WORDS[outcomes[0]?.action ?? 'failed'];
  // Only a failure gives the message back whole (RFC 3461 section 4.3).
  const isWhole =
    ret === 'FULL' && outcomes[0]?.action === 'failed' && size <= MAX_ORIGINAL && size === start.byteLength;
  const original = isWhole ? start : start.subarray(0, Math.min(parseHeader(start).end, MAX_ORIGINAL));
  const before = [
    `From: Mail delivery <postmaster@${domain}>`,
    `To: <${to}>`,
    `Subject: ${words.subject}`,
    `Date: ${mailDate(now)}`,
    `Message-ID: <report-${crypto.randomUUID()}@${domain}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    `Your message of ${mailDate(sentAt)} ${words.text}`,
    '',
    ...outcomes.flatMap(({ address, action, reply }) => [
      `  ${address}`,
      ...(action === 'failed' ? [`    ${oneLine(reply)}`] : []),
      '',
    ]),
    `Its other recipients, if it had any, are not concerned. ${isWhole ? 'Your message' : 'The header of your message'} is attached.`,
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; ${domain}`,
    ...(envid === undefined ? [] : [`Original-Envelope-Id: ${oneLine(envid)}`]),
    `Arrival-Date: ${mailDate(sentAt)}`,
    '',
    ...outcomes.flatMap(recipientFields),
    `--${boundary}`,
    `Content-Type: ${originalType(original, isWhole)}`,
    '',
    '',
  ].join('\r\n');
  const head = new TextEncoder().encode(before);
  const tail = new TextEncoder().encode(`\r\n--${boundary}--\r\n`);
  const message = new Uint8Array(head.byteLength + original.byteLength + tail.byteLength);
  message.set(head);
  message.set(original, head.byteLength);
  message.set(tail, head.byteLength + original.byteLength);
  return message;
}

/** @param {Outcome} outcome */
function recipientFields({ address, action, reply, orcpt }) {
  const status = action === 'failed' ? (/\b5\.\d{1,3}\.\d{1,3}\b/.exec(reply)?.[0] ?? '5.0.0') : '2.0.0';
  return [
    ...(orcpt === undefined ? [] : [`Original-Recipient: ${oneLine(orcpt)}`]),
    `Final-Recipient: ${isAscii(address) ? 'rfc822' : 'utf-8'}; ${address}`,
    `Action: ${action}`,
    `Status: ${status}`,
    ...(action === 'failed' ? [`Diagnostic-Code: smtp; ${oneLine(reply)}`] : []),
    '',
  ];
}

/**
 * @param {Uint8Array} original
 * @param {boolean} isWhole
 */
function originalType(original, isWhole) {
  const ascii = isAscii(new TextDecoder('latin1').decode(original));
  if (isWhole) return ascii ? 'message/rfc822' : 'message/global';
  return ascii ? 'text/rfc822-headers' : 'message/global-headers';
}

/** @param {string} text */
function isAscii(text) {
  return /^[\x00-\x7f]*$/.test(text);
}

/** @param {string} text from another server or the sender; a line break in it would add fields of its own */
function oneLine(text) {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, 800);
}
