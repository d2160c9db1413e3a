// SPDX-License-Identifier: GPL-3.0-or-later
//
// The envelope of a submission (RFC 8621 section 7): who sends, who receives, and the parameters of the one extension
// that is offered, delivery status notifications (RFC 3461). Values are not in xtext here, but as they are meant.

import { uniqueAddresses } from './address.js';
import { SetError, isObject } from './jmap-arguments.js';

/** @typedef {import('./submission-store.js').Parameters} Parameters */
/** @typedef {import('./submission-store.js').Place} Place */
/** @typedef {import('./submission-store.js').Envelope} Envelope */

/** @type {Record<string, RegExp>} what an ENVID or an ORCPT is becomes a line of a report: no line ends in it */
const OF_SENDER = { RET: /^(FULL|HDRS)$/i, ENVID: /^[^\x00-\x1f\x7f]{1,100}$/ };
/** @type {Record<string, RegExp>} */
const OF_RECIPIENT = {
  NOTIFY: /^(NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY)){0,2})$/i,
  ORCPT: /^[A-Za-z0-9-]{1,30};[^\x00-\x1f\x7f]{1,500}$/,
};

/**
 * @param {unknown} wanted
 * @param {import('./mime-header.js').MessageHead} head
 * @returns {{ mailFrom: string, envelope: Envelope, given: string[] }}
 */
export function readEnvelope(wanted, head) {
  if (wanted === null) {
    const mailFrom = (head.sender ?? head.from ?? [])[0]?.email ?? '';
    const given = uniqueAddresses(
      [...(head.to ?? []), ...(head.cc ?? []), ...(head.bcc ?? [])].map(({ email }) => email),
    );
    const place = (/** @type {string} */ email) => ({ email, parameters: null });
    return { mailFrom, given, envelope: { mailFrom: place(mailFrom), rcptTo: given.map(place) } };
  }
  if (!isObject(wanted) || !Array.isArray(wanted.rcptTo)) throw noEnvelope('That is no envelope.');
  const envelope = {
    mailFrom: readPlace(wanted.mailFrom, OF_SENDER),
    rcptTo: wanted.rcptTo.map((/** @type {unknown} */ place) => readPlace(place, OF_RECIPIENT)),
  };
  return { mailFrom: envelope.mailFrom.email, given: envelope.rcptTo.map(({ email }) => email), envelope };
}

/**
 * @param {unknown} place
 * @param {Record<string, RegExp>} known parameters; those of extensions that are not offered have no meaning here
 * @returns {Place}
 */
function readPlace(place, known) {
  if (!isObject(place) || typeof place.email !== 'string') throw noEnvelope('That is no envelope.');
  const { email, parameters = null } = place;
  if (parameters !== null && !isObject(parameters)) throw noEnvelope('Parameters are an object or null.');
  /** @type {Parameters} */
  const kept = {};
  for (const [name, value] of Object.entries(parameters ?? {})) {
    const pattern = known[name.toUpperCase()];
    if (pattern === undefined) continue;
    if (typeof value !== 'string' || !pattern.test(value))
      throw noEnvelope(`The parameter ${name.toUpperCase()} has no such value (RFC 3461 section 4).`);
    kept[name.toUpperCase()] = value;
  }
  return { email, parameters: Object.keys(kept).length > 0 ? kept : null };
}

/** @param {string} description */
function noEnvelope(description) {
  return new SetError('invalidProperties', description, { properties: ['envelope'] });
}

/**
 * @param {Envelope} envelope
 * @param {string} address of a recipient; one that is named twice has the parameters of the first time
 * @returns {Partial<Record<'NOTIFY' | 'ORCPT', string>>}
 */
export function recipientParameters({ rcptTo }, address) {
  return rcptTo.find(({ email }) => email === address)?.parameters ?? {};
}
