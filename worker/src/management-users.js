// SPDX-License-Identifier: GPL-3.0-or-later
//
// What administrators do with people. Whatever a mailbox must hear of is answered 202 when the mailbox has not
// confirmed it: it is written, and is carried out by itself.

import { canonicalAddress } from './directory-address.js';
import { carry, done, json, newPassword, ownAddress, randomId, reach, userView } from './management-call.js';
import { wrong } from './members.js';
import { generatePassword } from './passwords.js';
import { Refusal } from './refusal.js';
import { MAX_QUOTA } from './settings.js';
import { MAX_ALIASES, REVOKE_ALL } from './users.js';
import { API_BASE } from './version.js';

/** @import { Directory } from './directory.js' */
/** @import { Call } from './management-call.js' */
/** @import { Members } from './members.js' */
/** @import { User } from './users.js' */

const MAX_PAGE = 200;
const ROLES = /** @type {const} */ (['administrator', 'user']);
const STATES = /** @type {const} */ (['active', 'disabled']);

/**
 * @param {Directory} directory
 * @param {string} name an id, or one of the user's addresses
 * @returns {User}
 * @throws {Refusal} not-found
 */
function userNamed(directory, name) {
  const user = directory.users.get(name) ?? directory.users.byAddress(canonicalAddress(name));
  if (user === null) throw new Refusal('not-found', `There is no user ${name.slice(0, 320)}. See the list of users.`);
  return user;
}

/**
 * As `userNamed`, for a change: who is being deleted is no longer there.
 * @param {Directory} directory
 * @param {string | undefined} name
 * @returns {User}
 */
function standingUser(directory, name = '') {
  const user = userNamed(directory, name);
  if (user.state === 'wiping') throw new Refusal('not-found', `${user.address} is being deleted.`);
  return user;
}

/**
 * Answers with the user as it now is, once the mailbox has heard.
 * @param {Directory} directory
 * @param {string} id
 * @param {{ status?: number, headers?: Record<string, string>, more?: Record<string, unknown> }} [answer] `status`
 *   when it is settled
 * @returns {Promise<Response>}
 */
async function settledView(directory, id, { status = 200, headers = {}, more = {} } = {}) {
  const settled = await carry(directory, id);
  const user = userNamed(directory, id);
  return json({ ...userView(directory, user), ...more }, settled ? status : 202, headers);
}

/**
 * GET users?search=&limit=&after=
 * @param {Call} call
 */
export function listUsers({ directory, url }) {
  const query = url.searchParams;
  const search = (query.get('search') ?? '').trim().slice(0, 320);
  const limit = query.has('limit') ? Number(query.get('limit')) : 100;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw wrong('limit', `must be a whole number from 1 to ${MAX_PAGE}`);
  const after = query.get('after');
  const page = { search, limit: limit + 1, after: after === null ? null : readCursor(after) };
  const { users, total } = directory.users.list(page);
  const shown = users.slice(0, limit);
  const last = shown.at(-1);
  const next = users.length > limit && last !== undefined ? writeCursor(last) : null;
  return json({ users: shown.map((user) => userView(directory, user)), total, next });
}

/**
 * @param {User} user
 * @returns {string}
 */
function writeCursor({ address, id }) {
  return btoa(`${id} ${address}`).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * @param {string} cursor
 * @returns {{ address: string, id: string }}
 */
function readCursor(cursor) {
  try {
    const [id, address] = atob(cursor.replaceAll('-', '+').replaceAll('_', '/')).split(' ');
    if (id !== undefined && address !== undefined) return { id, address };
  } catch {
    // told below
  }
  throw wrong('after', 'must be what an earlier page gave as "next"');
}

/**
 * POST users
 * @param {Call} call
 */
export async function addUser({ directory, members }) {
  const { address } = ownAddress(directory, members.text('address', { max: 320 }));
  const displayName = members.has('displayName') ? members.line('displayName', { max: 100 }) : '';
  const role = members.has('role') ? members.choice('role', ROLES) : 'user';
  const quota = quotaOf(members) ?? null;
  const aliases = members.has('aliases') ? members.texts('aliases', { max: MAX_ALIASES }) : [];
  const generated = members.has('password') ? null : generatePassword();
  const password = generated ?? newPassword(members, 'password');
  members.end();
  const also = aliases.map((alias) => ownAddress(directory, alias, 'aliases').address);
  refuseTaken(directory, [address, ...also]);
  const kept = await directory.stretcher.make(password);
  const id = randomId();
  directory.write(() => {
    directory.users.add({ id, address, displayName, role, quota, password: kept }, Date.now());
    const user = userNamed(directory, id);
    for (const alias of also) directory.users.addAlias(user, alias);
  });
  const headers = { Location: `${API_BASE}users/${id}` };
  return settledView(directory, id, { status: 201, headers, more: generated === null ? {} : { password: generated } });
}

/**
 * Says before the stretching what the transaction would say after it.
 * @param {Directory} directory
 * @param {readonly string[]} addresses
 */
function refuseTaken(directory, addresses) {
  for (const address of addresses)
    if (directory.users.byAddress(address) !== null)
      throw new Refusal('address-taken', `${address} belongs to somebody already. Choose another address.`, {
        member: 'address',
      });
}

/**
 * @param {Members} members
 * @returns {number | null | undefined} octets, 0 for no limit, null for the default; undefined when it is not there
 */
function quotaOf(members) {
  if (!members.has('quota')) return undefined;
  return members.isNull('quota') ? null : members.integer('quota', { min: 0, max: MAX_QUOTA });
}

/**
 * GET users/*
 * @param {Call} call
 */
export async function getUser({ directory, names: [name = ''] }) {
  const user = userNamed(directory, name);
  if (user.state === 'wiping' || user.settled === 0) return json({ ...userView(directory, user), usage: null });
  const usage = await reach(() => directory.mailbox(user.id).usage());
  const { octets, messages, quota } = usage;
  return json({ ...userView(directory, user), usage: { octets, messages, quota } });
}

/**
 * PATCH users/*
 * @param {Call} call
 */
export async function changeUser({ directory, members, names: [name] }) {
  /** @type {Parameters<Directory['users']['change']>[1]} */
  const changes = {};
  if (members.has('displayName')) changes.displayName = members.line('displayName', { max: 100 });
  if (members.has('role')) changes.role = members.choice('role', ROLES);
  if (members.has('state')) changes.state = members.choice('state', STATES);
  const quota = quotaOf(members);
  if (quota !== undefined) changes.quota = quota;
  members.end();
  const user = standingUser(directory, name);
  directory.write(() => directory.users.change(user, changes));
  return settledView(directory, user.id);
}

/**
 * DELETE users/*
 * @param {Call} call
 */
export async function removeUser({ directory, members, names: [name = ''] }) {
  members.end();
  const user = userNamed(directory, name);
  if (user.state !== 'wiping') directory.write(() => directory.users.remove(user));
  if (await carry(directory, user.id)) return done();
  return json(userView(directory, directory.users.get(user.id) ?? user), 202);
}

/**
 * POST users/{user}/password: a new password, given or generated; all tokens die.
 * @param {Call} call
 */
export async function resetPassword({ directory, members, names: [name] }) {
  const generated = members.has('password') ? null : generatePassword();
  const password = generated ?? newPassword(members, 'password');
  members.end();
  const { id } = standingUser(directory, name);
  const kept = await directory.stretcher.make(password);
  directory.write(() => {
    standingUser(directory, id);
    directory.users.setPassword(id, kept);
    directory.users.revokeTokens(id, REVOKE_ALL);
    directory.attempts.forget({ kind: 'user', of: id });
  });
  return settledView(directory, id, { more: generated === null ? {} : { password: generated } });
}

/**
 * PUT users/{user}/aliases/{address}
 * @param {Call} call
 */
export async function addAlias({ directory, members, names: [name, alias = ''] }) {
  members.end();
  const user = standingUser(directory, name);
  const { address } = ownAddress(directory, alias, 'alias');
  const isNew = directory.write(() => directory.users.addAlias(user, address));
  return settledView(directory, user.id, { status: isNew ? 201 : 200 });
}

/**
 * DELETE users/{user}/aliases/{address}
 * @param {Call} call
 */
export async function removeAlias({ directory, members, names: [name, alias = ''] }) {
  members.end();
  const user = standingUser(directory, name);
  if (!directory.write(() => directory.users.removeAlias(user, canonicalAddress(alias))))
    throw new Refusal('not-found', `${alias.slice(0, 320)} is no alias of ${user.address}.`);
  return settledView(directory, user.id);
}
