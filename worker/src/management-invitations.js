// SPDX-License-Identifier: GPL-3.0-or-later

import { codeHash, generateCode, MAX_INVITATIONS } from './invitations.js';
import { done, json, randomId } from './management-call.js';
import { wrong } from './members.js';
import { Refusal } from './refusal.js';

/** @import { Call, Caller } from './management-call.js' */
/** @import { Members } from './members.js' */

const DAY_MS = 86_400_000;
const DEFAULT_LIFE_MS = 7 * DAY_MS;
const MAX_LIFE_MS = 366 * DAY_MS;

/**
 * GET invitations
 * @param {Call} call
 */
export function listInvitations({ directory }) {
  return json({ invitations: directory.invitations.list(Date.now()) });
}

/**
 * POST invitations
 * @param {Call} call
 * @param {Caller} caller
 */
export async function addInvitation({ directory, url, members }, { user }) {
  const now = Date.now();
  const note = members.has('note') ? members.line('note', { max: 200 }) : '';
  const uses = members.has('uses') ? members.integer('uses', { min: 1, max: 1000 }) : 1;
  const expiresAt = members.has('expiresAt') ? timeOf(members, now) : now + DEFAULT_LIFE_MS;
  members.end();
  const code = generateCode();
  const hash = await codeHash(code);
  const id = randomId();
  directory.write(() => {
    directory.invitations.sweep(now);
    if (directory.invitations.count() >= MAX_INVITATIONS)
      throw new Refusal('limit-reached', `${MAX_INVITATIONS} invitations stand. Revoke some first.`);
    directory.invitations.add({ id, codeHash: hash, note, uses, expiresAt, createdBy: user.address }, now);
  });
  const made = directory.invitations.list(now).find((invitation) => invitation.id === id);
  // Behind the #, so that the code reaches no server's log when the link is opened in a browser.
  return json({ ...made, code, link: new URL(`/invitation#${code}`, url).href }, 201);
}

/**
 * @param {Members} members
 * @param {number} now
 * @returns {number} milliseconds since the epoch
 */
function timeOf(members, now) {
  const text = members.text('expiresAt', { max: 40 });
  const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
  const time = rfc3339.test(text) ? Date.parse(text) : NaN;
  if (!(time > now && time <= now + MAX_LIFE_MS))
    throw wrong('expiresAt', 'must be a time as RFC 3339 has it, in the future and within a year');
  return time;
}

/**
 * DELETE invitations/*
 * @param {Call} call
 */
export function revokeInvitation({ directory, members, names: [id = ''] }) {
  members.end();
  if (!directory.write(() => directory.invitations.revoke(id)))
    throw new Refusal('not-found', 'There is no invitation of this id: used up, expired, revoked, or never made.');
  return done();
}
