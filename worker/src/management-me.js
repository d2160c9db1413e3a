// SPDX-License-Identifier: GPL-3.0-or-later

import { clientOf } from './client-address.js';
import { beginAttempt, carry, done, json, newPassword, reach, userView } from './management-call.js';
import { samePassword, stretched } from './management-sign-in.js';
import { MAX_PASSWORD } from './passwords.js';
import { Refusal } from './refusal.js';

/** @import { Attempt } from './attempts.js' */
/** @import { Call, Caller } from './management-call.js' */

/**
 * GET me
 * @param {Call} call
 * @param {Caller} caller
 */
export function whoami({ directory }, { user, tokenId }) {
  return json({ ...userView(directory, user), tokenId });
}

/**
 * GET me/tokens
 * @param {Call} call
 * @param {Caller} caller
 */
export async function listTokens({ directory }, { user, tokenId }) {
  const tokens = await reach(() => directory.mailbox(user.id).listTokens());
  return json({
    tokens: tokens.map(({ id, name, createdAt, lastUsedAt }) => ({
      id,
      name,
      createdAt,
      lastUsedAt,
      current: id === tokenId,
    })),
  });
}

/**
 * DELETE me/tokens/*
 * @param {Call} call
 * @param {Caller} caller
 */
export async function revokeToken({ directory, names, members }, { user }) {
  members.end();
  const [id = ''] = names;
  if (!(await reach(() => directory.mailbox(user.id).revokeToken(id))))
    throw new Refusal('not-found', 'You have no token of this id. If you revoked it before, it is gone.');
  return done();
}

/**
 * POST me/password: needs the old one, so that a token found somewhere does not become the account.
 * @param {Call} call
 * @param {Caller} caller
 */
export async function changePassword({ directory, request, members }, { user, tokenId }) {
  const oldPassword = members.text('oldPassword', { max: MAX_PASSWORD });
  const password = newPassword(members, 'newPassword');
  const revokeOthers = members.has('revokeOtherTokens') && members.flag('revokeOtherTokens');
  members.end();
  /** @type {Attempt} */
  const forUser = { kind: 'user', of: user.id };
  /** @type {Attempt[]} */
  const attempts = [forUser, { kind: 'client', of: clientOf(request) }];
  beginAttempt(directory, attempts);
  const right = await stretched(directory, attempts, () => directory.stretcher.verify(oldPassword, user.password));
  if (!right) throw wrongOldPassword();
  directory.write(() => {
    directory.attempts.giveBack(attempts);
    directory.attempts.forget(forUser);
  });
  const kept = await directory.stretcher.make(password);
  directory.write(() => {
    const current = directory.users.get(user.id);
    if (current?.state !== 'active' || !samePassword(current, user)) throw wrongOldPassword();
    directory.users.setPassword(user.id, kept);
    if (revokeOthers) directory.users.revokeTokens(user.id, tokenId);
  });
  const settled = await carry(directory, user.id);
  return settled ? done() : json(userView(directory, directory.users.get(user.id) ?? user), 202);
}

function wrongOldPassword() {
  return new Refusal('wrong-credentials', 'The old password is not right. Check it, or ask an administrator.', {
    member: 'oldPassword',
  });
}
