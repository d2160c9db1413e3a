// SPDX-License-Identifier: GPL-3.0-or-later
//
// The delivery status notification (RFC 3464, in the multipart/report of RFC 6522) that a sender gets when a message
// could not be delivered to some of its recipients.

import { splitAddress } from './address.js';
import { parseHeader } from './mime-header.js';
import { mailDate } from './outgoing-message.js';

/** The most of the original header that is given back. */
const MAX_HEADER = 64 * 1024;

/**
 * @param {object} what
 * @param {string} what.to the envelope sender of the message that failed
 * @param {{ address: string, reply: string }[]} what.failed `reply` is an SMTP reply with an enhanced code
 * @param {Uint8Array} what.start first octets of the message, with its header
 * @param {number} what.sentAt milliseconds since the epoch
 * @param {number} what.now
 * @returns {Uint8Array} the message
 */
export function bounceMessage({ to, failed, start, sentAt, now }) {
  const { domain } = splitAddress(to);
  const boundary = `postern-${crypto.randomUUID()}`;
  const { end } = parseHeader(start);
  const original = start.subarray(0, Math.min(end, MAX_HEADER));
  const before = [
    `From: Mail delivery <postmaster@${domain}>`,
    `To: <${to}>`,
    'Subject: Your message could not be delivered',
    `Date: ${mailDate(now)}`,
    `Message-ID: <bounce-${crypto.randomUUID()}@${domain}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    `Your message of ${mailDate(sentAt)} was not delivered to:`,
    '',
    ...failed.flatMap(({ address, reply }) => [`  ${address}`, `    ${oneLine(reply)}`, '']),
    'Its other recipients, if it had any, are not concerned. The header of your message is attached.',
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; ${domain}`,
    `Arrival-Date: ${mailDate(sentAt)}`,
    '',
    ...failed.flatMap(({ address, reply }) => [
      `Final-Recipient: ${isAscii(address) ? 'rfc822' : 'utf-8'}; ${address}`,
      'Action: failed',
      `Status: ${/\b5\.\d{1,3}\.\d{1,3}\b/.exec(reply)?.[0] ?? '5.0.0'}`,
      `Diagnostic-Code: smtp; ${oneLine(reply)}`,
      '',
    ]),
    `--${boundary}`,
    `Content-Type: ${isAscii(new TextDecoder('latin1').decode(original)) ? 'text/rfc822-headers' : 'message/global-headers'}`,
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

/** @param {string} text */
function isAscii(text) {
  return /^[\x00-\x7f]*$/.test(text);
}

/** @param {string} text from another server; a line break in it would add fields of its own */
function oneLine(text) {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, 800);
}
