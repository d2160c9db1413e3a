// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the handlers of the management API share: what they are given, how they reach a mailbox, how they answer.

import { newAddress } from './directory-address.js';
import { MAX_PASSWORD, passwordFault } from './passwords.js';
import { Refusal } from './refusal.js';

/** @import { Directory } from './directory.js' */
/** @import { Attempt } from './attempts.js' */
/** @import { Members } from './members.js' */
/** @import { User } from './users.js' */

/** @typedef {{ user: User, tokenId: string }} Caller */

/**
 * @typedef {object} Call what a handler gets
 * @property {Directory} directory
 * @property {Request} request
 * @property {URL} url
 * @property {Members} members of the body
 * @property {readonly string[]} names what stood in the path for each `*`
 */

/**
 * Calls a mailbox; its silence is a problem of its own, not a fault of the API.
 * @template T
 * @param {() => Promise<T>} call
 * @returns {Promise<T>}
 * @throws {Refusal} mailbox-unreachable
 */
export async function reach(call) {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    console.error('mailbox:', error instanceof Error ? error.message : String(error));
    const detail = 'The mailbox did not answer just now. Repeat the request shortly.';
    throw new Refusal('mailbox-unreachable', detail, { retryAfter: 5 });
  }
}

/**
 * Carries what was written to the mailbox.
 * @param {Directory} directory
 * @param {string} id
 * @returns {Promise<boolean>} false when the mailbox has not confirmed; it will hear by itself. Answer 202 then
 */
export async function carry(directory, id) {
  try {
    await directory.settle(id);
    return true;
  } catch (error) {
    console.error(`mailbox ${id} will be told later:`, error instanceof Error ? error.message : String(error));
    return false;
  }
}

/**
 * @param {Directory} directory
 * @param {User} user
 * @returns {Record<string, unknown>} the user as the API shows it
 */
export function userView(directory, user) {
  return {
    id: user.id,
    address: user.address,
    aliases: directory.users.aliases(user.id),
    displayName: user.displayName,
    role: user.role,
    state: user.state,
    quota: user.quota,
    createdAt: new Date(user.createdAt).toISOString(),
    lastSignInAt: user.signedInAt === null ? null : new Date(user.signedInAt).toISOString(),
    settled: user.settled === user.revision,
  };
}

/**
 * @param {unknown} value
 * @param {number} [status]
 * @param {Record<string, string>} [headers]
 * @returns {Response}
 */
export function json(value, status = 200, headers = {}) {
  return Response.json(value, { status, headers: { 'Cache-Control': 'no-store', ...headers } });
}

/** @returns {Response} */
export function done() {
  return new Response(null, { status: 204, headers: { 'Cache-Control': 'no-store' } });
}

/**
 * Counts an attempt, or refuses it.
 * @param {Directory} directory
 * @param {readonly Attempt[]} attempts
 * @throws {Refusal} too-many-attempts, busy
 */
export function beginAttempt(directory, attempts) {
  directory.stretcher.refuseCrowd();
  const retryAfter = directory.write(() => directory.attempts.begin(attempts, Date.now()));
  if (retryAfter === 0) return;
  const minutes = Math.ceil(retryAfter / 60);
  const detail = `Too many attempts have failed. Wait ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}, then try again.`;
  throw new Refusal('too-many-attempts', detail, { retryAfter });
}

/**
 * Checks an address that somebody is to have here.
 * @param {Directory} directory
 * @param {string} text
 * @param {string} [member] that carried it
 * @returns {{ address: string, local: string }}
 * @throws {Refusal} invalid-value
 */
export function ownAddress(directory, text, member = 'address') {
  const checked = newAddress(text);
  if ('fault' in checked) throw new Refusal('invalid-value', checked.fault, { member });
  if (directory.settings.hasDomain(checked.domain)) return checked;
  const names = directory.settings.domains().map(({ name }) => name);
  const ours =
    names.length === 0
      ? 'This Worker has no domain yet. Set DOMAINS, or add one to its settings.'
      : `${checked.domain} is no domain of this Worker. Choose from: ${names.slice(0, 10).join(', ')}.`;
  throw new Refusal('invalid-value', ours, { member });
}

/**
 * @param {Members} members
 * @param {string} name
 * @returns {string} a password that is good enough to be kept
 * @throws {Refusal} invalid-value
 */
export function newPassword(members, name) {
  const password = members.text(name, { max: 4 * MAX_PASSWORD, min: 0 });
  const fault = passwordFault(password);
  if (fault !== null) throw new Refusal('invalid-value', fault, { member: name });
  return password;
}

/** @returns {string} 128 random bits in hexadecimal: the name of a mailbox, of an invitation */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
