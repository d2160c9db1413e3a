// SPDX-License-Identifier: GPL-3.0-or-later
//
// The management API, described in API.md: one table of routes, and what all of them have in common, which is who
// calls, how a body is read, and how an error is told. It runs inside the directory object.

import { addInvitation, listInvitations, revokeInvitation } from './management-invitations.js';
import { listTokens, changePassword, revokeToken, whoami } from './management-me.js';
import {
  changeSettings,
  getSettings,
  information,
  listDomains,
  putDomain,
  removeDomain,
} from './management-settings.js';
import { register, setUp, signIn } from './management-sign-in.js';
import {
  addAlias,
  addUser,
  changeUser,
  getUser,
  listUsers,
  removeAlias,
  removeUser,
  resetPassword,
} from './management-users.js';
import { reach } from './management-call.js';
import { readMembers } from './members.js';
import { Refusal, refusalResponse } from './refusal.js';
import { tokenOf } from './credentials.js';
import { API_BASE } from './version.js';

/** @import { Directory } from './directory.js' */
/** @import { Call, Caller } from './management-call.js' */

/** @typedef {(call: Call, caller: Caller) => Response | Promise<Response>} Handler */
/** @typedef {(call: Call) => Response | Promise<Response>} OpenHandler */

/** For anyone. @type {Record<string, Record<string, OpenHandler>>} */
const FOR_ALL = {
  '': { GET: information },
  setup: { POST: setUp },
  'sign-in': { POST: signIn },
  register: { POST: register },
};

/** For whoever has a token. @type {Record<string, Record<string, Handler>>} */
const FOR_USERS = {
  me: { GET: whoami },
  'me/password': { POST: changePassword },
  'me/tokens': { GET: listTokens },
  'me/tokens/*': { DELETE: revokeToken },
};

/** For administrators. @type {Record<string, Record<string, Handler>>} */
const FOR_ADMINISTRATORS = {
  users: { GET: listUsers, POST: addUser },
  'users/*': { GET: getUser, PATCH: changeUser, DELETE: removeUser },
  'users/*/password': { POST: resetPassword },
  'users/*/aliases/*': { PUT: addAlias, DELETE: removeAlias },
  invitations: { GET: listInvitations, POST: addInvitation },
  'invitations/*': { DELETE: revokeInvitation },
  settings: { GET: getSettings, PATCH: changeSettings },
  domains: { GET: listDomains },
  'domains/*': { PUT: putDomain, DELETE: removeDomain },
};

/**
 * @param {Directory} directory
 * @param {Request} request
 * @returns {Promise<Response>}
 */
export async function manage(directory, request) {
  try {
    return await answer(directory, request);
  } catch (error) {
    return refusalResponse(error);
  }
}

/**
 * @param {Directory} directory
 * @param {Request} request
 * @returns {Promise<Response>}
 */
async function answer(directory, request) {
  const url = new URL(request.url);
  const segments = pathOf(url);
  const open = match(FOR_ALL, segments);
  if (open !== null) {
    const handler = methodOf(open.methods, request);
    return handler({ directory, request, url, names: open.names, members: await readMembers(request) });
  }
  // Who has no token learns nothing of what there is. The body is read only for those who have one.
  const caller = await authenticate(directory, request);
  const mine = match(FOR_USERS, segments);
  if (mine === null && caller.user.role !== 'administrator') throw administratorOnly();
  const found = mine ?? match(FOR_ADMINISTRATORS, segments);
  if (found === null) throw new Refusal('not-found', `There is no ${url.pathname}. See the description of the API.`);
  const handler = methodOf(found.methods, request);
  const members = await readMembers(request);
  // The body may have taken its time; whoever was disabled or demoted meanwhile is too late.
  const user = directory.users.get(caller.user.id);
  if (user?.state !== 'active') throw notSignedIn();
  if (mine === null && user.role !== 'administrator') throw administratorOnly();
  return handler({ directory, request, url, names: found.names, members }, { ...caller, user });
}

/**
 * @param {URL} url
 * @returns {string[]}
 */
function pathOf(url) {
  try {
    return url.pathname.slice(API_BASE.length).split('/').map(decodeURIComponent);
  } catch {
    throw new Refusal('not-found', 'The path has a broken percent-encoding.');
  }
}

/**
 * @template T
 * @param {Record<string, T>} routes
 * @param {readonly string[]} segments
 * @returns {{ methods: T, names: string[] } | null}
 */
function match(routes, segments) {
  for (const [route, methods] of Object.entries(routes)) {
    const parts = route.split('/');
    const fits = (/** @type {string} */ part, /** @type {number} */ at) =>
      part === '*' ? segments[at] !== '' : part === segments[at];
    if (parts.length === segments.length && parts.every(fits))
      return { methods, names: segments.filter((_, at) => parts[at] === '*') };
  }
  return null;
}

/**
 * @template T
 * @param {Record<string, T>} methods
 * @param {Request} request
 * @returns {T}
 */
function methodOf(methods, request) {
  const handler = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
  if (handler !== undefined) return handler;
  const allow = Object.keys(methods).join(', ');
  throw new Refusal('method-not-allowed', `${request.method} has no meaning here. Use ${allow}.`, { allow });
}

/**
 * @param {Directory} directory
 * @param {Request} request
 * @returns {Promise<Caller>}
 */
async function authenticate(directory, request) {
  const presented = tokenOf(request);
  // Only a mailbox we made is asked: a made-up id must not call an object into being.
  if (presented === null || directory.users.get(presented.mailboxId)?.state !== 'active') throw notSignedIn();
  const { mailboxId, token } = presented;
  const checked = await reach(() => directory.mailbox(mailboxId).checkToken(token));
  const user = directory.users.get(mailboxId);
  if (checked === null || user?.state !== 'active') throw notSignedIn();
  return { user, tokenId: checked.tokenId };
}

function notSignedIn() {
  return new Refusal(
    'not-signed-in',
    'Send a token that is in force: "Authorization: Bearer pt_…", or Basic with the token as the password. ' +
      'POST sign-in makes one.',
  );
}

function administratorOnly() {
  return new Refusal('administrator-only', 'Sign in as an administrator of this Worker, or ask one.');
}
