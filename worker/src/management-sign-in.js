// SPDX-License-Identifier: GPL-3.0-or-later
//
// The doors that need no token: the first administrator, registering, signing in. Each counts attempts first, checks
// what is cheap, stretches the password, and then looks again at what it knew, since others ran meanwhile.

import { canonicalAddress, isReserved } from './directory-address.js';
import { clientOf } from './client-address.js';
import { codeHash } from './invitations.js';
import { beginAttempt, carry, json, newPassword, ownAddress, randomId, reach, userView } from './management-call.js';
import { MAX_PASSWORD, secretsEqual } from './passwords.js';
import { Refusal } from './refusal.js';

/** @import { Attempt } from './attempts.js' */
/** @import { Directory } from './directory.js' */
/** @import { Call } from './management-call.js' */
/** @import { User } from './users.js' */

/** A shorter setup secret could be guessed at the rate that is allowed. */
const MIN_SECRET = 16;

/** Tokens one person may have: one a program and machine, and many left behind. */
const MAX_TOKENS = 100;

/**
 * POST setup: makes the first administrator, once.
 * @param {Call} call
 */
export async function setUp({ directory, request, members }) {
  const secret = members.text('secret', { max: 1024 });
  const person = personOf(directory, members);
  members.end();
  refuseSecondSetup(directory);
  const expected = directory.setupSecret;
  if (expected.length < MIN_SECRET)
    throw new Refusal(
      'setup-unavailable',
      `Give the Worker a secret SETUP_SECRET of at least ${MIN_SECRET} random characters, then repeat.`,
    );
  /** @type {Attempt[]} */
  const attempts = [
    { kind: 'setup', of: '' },
    { kind: 'client', of: clientOf(request) },
  ];
  beginAttempt(directory, attempts);
  if (!(await secretsEqual(secret, expected)))
    throw new Refusal('wrong-secret', 'Send the value of SETUP_SECRET that the Worker was deployed with.');
  const password = await stretched(directory, attempts, () => directory.stretcher.make(person.password));
  return welcome(directory, attempts, () => {
    refuseSecondSetup(directory);
    return { ...person, id: randomId(), role: /** @type {const} */ ('administrator'), quota: null, password };
  });
}

/** @param {Directory} directory */
function refuseSecondSetup(directory) {
  if (!directory.users.isEmpty())
    throw new Refusal('already-set-up', 'Sign in as the administrator instead; setup works once.');
}

/**
 * POST register: somebody makes their own account, as far as the policy lets them.
 * @param {Call} call
 */
export async function register({ directory, request, members }) {
  const person = personOf(directory, members);
  const code = members.has('invitation') ? members.text('invitation', { max: 100 }) : null;
  members.end();
  const { registration } = directory.settings.policy();
  if (registration === 'closed')
    throw new Refusal('registration-closed', 'Ask an administrator of this Worker for an account.');
  if (registration === 'invite' && code === null)
    throw new Refusal('invitation-needed', 'Ask an administrator of this Worker for an invitation, and send its code.');
  if (isReserved(person.local))
    throw new Refusal('invalid-value', `${person.address} speaks for the whole domain. Choose another name.`, {
      member: 'address',
    });
  /** @type {Attempt[]} */
  const attempts = [{ kind: 'client', of: clientOf(request) }];
  beginAttempt(directory, [...attempts, { kind: 'registration', of: clientOf(request) }]);
  const hash = code === null ? null : await codeHash(code);
  if (hash !== null && !directory.invitations.isGood(hash, Date.now())) throw invitationInvalid();
  if (directory.users.byAddress(person.address) !== null)
    throw new Refusal('address-taken', `${person.address} belongs to somebody already. Choose another address.`, {
      member: 'address',
    });
  const password = await stretched(directory, attempts, () => directory.stretcher.make(person.password));
  return welcome(directory, attempts, () => {
    if (hash !== null && !directory.invitations.use(hash, Date.now())) throw invitationInvalid();
    return { ...person, id: randomId(), role: /** @type {const} */ ('user'), quota: null, password };
  });
}

function invitationInvalid() {
  return new Refusal('invitation-invalid', 'The code is mistyped, used up, expired or revoked. Ask for a new one.', {
    member: 'invitation',
  });
}

/**
 * @param {Directory} directory
 * @param {import('./members.js').Members} members
 */
function personOf(directory, members) {
  const { address, local } = ownAddress(directory, members.text('address', { max: 320 }));
  const displayName = members.has('displayName') ? members.line('displayName', { max: 100 }) : '';
  return { address, local, displayName, password: newPassword(members, 'password') };
}

/**
 * Adds a user and has the mailbox made.
 * @param {Directory} directory
 * @param {readonly Attempt[]} attempts that were honest after all
 * @param {() => Parameters<Directory['users']['add']>[0]} prepare runs in the transaction
 * @returns {Promise<Response>}
 */
async function welcome(directory, attempts, prepare) {
  const id = directory.write(() => {
    const user = prepare();
    directory.users.add(user, Date.now());
    directory.attempts.giveBack(attempts);
    return user.id;
  });
  const settled = await carry(directory, id);
  return json(userView(directory, /** @type {User} */ (directory.users.get(id))), settled ? 201 : 202);
}

/**
 * @template T
 * @param {Directory} directory
 * @param {readonly Attempt[]} attempts given back when there is no room: that was no guess
 * @param {() => Promise<T>} stretch
 * @returns {Promise<T>}
 */
export async function stretched(directory, attempts, stretch) {
  try {
    return await stretch();
  } catch (error) {
    directory.write(() => directory.attempts.giveBack(attempts));
    throw error;
  }
}

/**
 * POST sign-in: a token for an address and a password.
 * @param {Call} call
 */
export async function signIn({ directory, request, url, members }) {
  const typed = members.text('address', { max: 320 });
  const password = members.text('password', { max: MAX_PASSWORD });
  const name = members.line('name', { max: 100, min: 1 });
  members.end();
  const found = directory.users.byAddress(canonicalAddress(typed));
  /** @type {Attempt} */
  const forUser = { kind: 'user', of: found?.id ?? typed.toLowerCase() };
  /** @type {Attempt[]} */
  const forClient = [{ kind: 'client', of: clientOf(request) }];
  beginAttempt(directory, [forUser, ...forClient]);
  const right = await stretched(directory, [forUser, ...forClient], () =>
    directory.stretcher.verify(password, found?.password ?? null),
  );
  if (!right || found === null) throw wrongCredentials();
  directory.write(() => {
    directory.attempts.forget(forUser);
    directory.attempts.giveBack(forClient);
  });
  if (found.password.cost < directory.stretcher.cost) await restretch(directory, found, password);
  return directory.inTurn(found.id, async () => {
    const user = directory.users.get(found.id);
    if (user === null || user.state === 'wiping' || !samePassword(user, found)) throw wrongCredentials();
    if (user.state === 'disabled')
      throw new Refusal('account-disabled', `${user.address} was disabled. Ask an administrator of this Worker.`);
    // What was decided about tokens before comes first; what is decided from here on waits for its turn behind us.
    const made = await reach(async () => {
      await directory.settleNow(user.id);
      const mailbox = directory.mailbox(user.id);
      if ((await mailbox.listTokens()).length >= MAX_TOKENS)
        throw new Refusal('limit-reached', `There are ${MAX_TOKENS} tokens already. Revoke one that is not in use.`);
      return mailbox.createToken({ name });
    });
    directory.write(() => directory.users.signedIn(user.id, Date.now()));
    const signedIn = directory.users.get(user.id) ?? user;
    const jmapUrl = new URL('/.well-known/jmap', url).href;
    return json({ token: made.token, tokenId: made.id, jmapUrl, user: userView(directory, signedIn) }, 201);
  });
}

function wrongCredentials() {
  return new Refusal(
    'wrong-credentials',
    'Check the address and the password. An administrator of this Worker can set a new password.',
  );
}

/**
 * The cost has risen since this password was kept: keeps it anew, unless it was changed just now.
 * @param {Directory} directory
 * @param {User} found gets the new hash
 * @param {string} password
 */
async function restretch(directory, found, password) {
  const kept = await directory.stretcher.make(password);
  const current = directory.users.get(found.id);
  if (current === null || !samePassword(current, found)) return;
  directory.write(() => directory.users.setPassword(found.id, kept));
  found.password = kept;
}

/**
 * @param {User} a
 * @param {User} b the same user, read at another time
 * @returns {boolean}
 */
export function samePassword(a, b) {
  return crypto.subtle.timingSafeEqual(a.password.hash, b.password.hash);
}
