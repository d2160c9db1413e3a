// SPDX-License-Identifier: GPL-3.0-or-later
//
// Requests (RFC 8620 section 3): a list of method calls, run in order, each of which may use what earlier ones
// answered. The methods themselves are in the table at the end, by the files of their nouns.

import { MethodError, isObject } from './jmap-arguments.js';
import { emailGet, emailChanges } from './jmap-email.js';
import { emailQuery } from './jmap-email-query.js';
import { emailImport, emailSet } from './jmap-email-set.js';
import { identityGet, mailboxChanges, mailboxGet } from './jmap-mailbox.js';
import { submissionChanges, submissionGet, submissionSet } from './jmap-submission.js';
import { CORE, LIMITS, MAIL, SUBMISSION, isKnownCapability } from './jmap-session.js';
import { Problem } from './problem.js';

/** @typedef {import('./jmap-arguments.js').Arguments} Arguments */
/** @typedef {[name: string, args: Arguments, callId: string]} Invocation */

/**
 * What a method works with.
 * @typedef {object} JmapContext
 * @property {SqlStorage} sql
 * @property {import('./mail-store.js').MailStore} mail
 * @property {import('./blob-store.js').BlobStore} blobs
 * @property {import('./submission-store.js').SubmissionStore} submissions
 * @property {import('./jmap-ids.js').IdCodec} ids
 * @property {string} accountId
 * @property {(addresses: string[]) => Promise<import('./contract').Resolution[]>} resolve
 * @property {string[]} addresses that the account owns, lower case
 * @property {string} displayName
 * @property {<T>(work: () => T) => T} transaction runs `work`; afterwards the changes are pushed
 * @property {(changed: import('./push.js').ChangedTypes) => void} changed tells which types the transaction changed
 * @property {number} configuration state of what the directory set: addresses, names
 * @property {() => { id: number, address: string }[]} identities
 * @property {(submission: number) => void} send called inside the transaction that made a submission
 * @property {() => void} tidyLater called inside a transaction that left something to be swept some day
 * @property {Map<string, string>} created creation ids of this request
 * @property {Set<string>} using
 * @property {(name: string, args: Arguments) => void} also adds a response behind the method's own
 */

/**
 * @param {string} text what should be a Request object
 * @returns {Arguments}
 */
export function parseRequest(text) {
  let request;
  try {
    request = JSON.parse(text);
  } catch {
    throw new Problem(400, 'The request is not JSON.', { type: 'urn:ietf:params:jmap:error:notJSON' });
  }
  return checkRequest(request);
}

/**
 * Throws the problem that a request has as a whole.
 * @param {any} request
 * @returns {Arguments}
 */
export function checkRequest(request) {
  const isCall = (/** @type {unknown} */ call) =>
    Array.isArray(call) &&
    call.length === 3 &&
    typeof call[0] === 'string' &&
    isObject(call[1]) &&
    typeof call[2] === 'string';
  if (
    !isObject(request) ||
    !Array.isArray(request.using) ||
    !request.using.every((/** @type {unknown} */ uri) => typeof uri === 'string') ||
    !Array.isArray(request.methodCalls) ||
    !request.methodCalls.every(isCall) ||
    (request.createdIds !== undefined && request.createdIds !== null && !isStringMap(request.createdIds))
  )
    throw new Problem(400, 'The JSON is not a JMAP request.', { type: 'urn:ietf:params:jmap:error:notRequest' });
  const unknown = request.using.find((/** @type {unknown} */ uri) => !isKnownCapability(uri));
  if (unknown !== undefined)
    throw new Problem(400, `This server does not have the capability ${unknown}.`, {
      type: 'urn:ietf:params:jmap:error:unknownCapability',
    });
  if (request.methodCalls.length > LIMITS.maxCallsInRequest)
    throw limitProblem('maxCallsInRequest', 'Too many method calls in one request.');
  return request;
}

/**
 * @param {keyof typeof LIMITS} limit
 * @param {string} detail
 */
export function limitProblem(limit, detail) {
  return new Problem(400, detail, { type: 'urn:ietf:params:jmap:error:limit', limit });
}

/**
 * Runs a checked request.
 * @param {Arguments} request
 * @param {Omit<JmapContext, 'created' | 'using' | 'also'>} mailbox
 * @param {string} sessionState
 * @returns {Promise<Arguments>} the Response object
 */
export async function runRequest(request, mailbox, sessionState) {
  /** @type {Invocation[]} */
  const responses = [];
  const created = new Map(Object.entries(request.createdIds ?? {}));
  const using = new Set(request.using);
  for (const [name, args, callId] of request.methodCalls) {
    /** @type {[string, Arguments][]} */
    const extra = [];
    /** @type {JmapContext} */
    const context = { ...mailbox, created, using, also: (method, answer) => extra.push([method, answer]) };
    try {
      const method = METHODS[name];
      if (!Object.hasOwn(METHODS, name) || method === undefined || !isUsed(using, method.capability))
        throw new MethodError('unknownMethod');
      const resolved = resolveReferences(args, responses);
      if (method.capability !== CORE) checkAccount(resolved, mailbox.accountId);
      responses.push([name, await method.run(resolved, context), callId]);
    } catch (error) {
      responses.push(['error', errorArguments(error, name), callId]);
    }
    for (const [method, answer] of extra) responses.push([method, answer, callId]);
  }
  return {
    methodResponses: responses,
    ...(request.createdIds ? { createdIds: Object.fromEntries(created) } : {}),
    sessionState,
  };
}

/**
 * @param {Set<string>} using
 * @param {string} capability
 */
function isUsed(using, capability) {
  // aerc names mail alone, without core, and is answered.
  return capability === CORE ? using.size > 0 : using.has(capability);
}

/**
 * @param {unknown} error
 * @param {string} name
 */
function errorArguments(error, name) {
  if (error instanceof MethodError) return error.args;
  console.error(`${name}: ${error instanceof Error ? error.stack : error}`);
  return { type: 'serverFail', description: 'Something went wrong in the mailbox; try again.' };
}

/**
 * @param {Arguments} args
 * @param {string} accountId
 */
function checkAccount(args, accountId) {
  if (typeof args.accountId !== 'string') throw new MethodError('invalidArguments', 'accountId is missing.');
  if (args.accountId !== accountId) throw new MethodError('accountNotFound');
}

/**
 * Puts results of earlier calls where `#name` asks for them: RFC 8620 section 3.7.
 * @param {Arguments} args
 * @param {Invocation[]} responses
 * @returns {Arguments}
 */
export function resolveReferences(args, responses) {
  /** @type {Arguments} */
  const resolved = {};
  for (const [key, value] of Object.entries(args)) {
    if (!key.startsWith('#')) {
      resolved[key] = value;
      continue;
    }
    const name = key.slice(1);
    if (Object.hasOwn(args, name)) throw new MethodError('invalidArguments', `Both ${name} and ${key} are given.`);
    if (!isObject(value)) throw new MethodError('invalidResultReference', `${key} is not a ResultReference.`);
    const source = responses.find(([method, , callId]) => callId === value.resultOf && method === value.name);
    const found = source === undefined ? undefined : evaluatePointer(source[1], value.path);
    if (found === undefined) throw new MethodError('invalidResultReference', `${key} points at nothing.`);
    resolved[name] = found;
  }
  return resolved;
}

/**
 * A JSON pointer (RFC 6901) in which `*` goes through an array and joins what it finds.
 * @param {any} value
 * @param {unknown} path
 * @returns {any} undefined when it points at nothing
 */
function evaluatePointer(value, path) {
  if (path === '') return value;
  if (typeof path !== 'string' || !path.startsWith('/')) return undefined;
  const cut = path.indexOf('/', 1);
  const key = path
    .slice(1, cut < 0 ? undefined : cut)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~');
  const rest = cut < 0 ? '' : path.slice(cut);
  if (Array.isArray(value)) {
    if (key === '*') {
      const found = value.map((item) => evaluatePointer(item, rest));
      return found.includes(undefined) ? undefined : found.flat(1);
    }
    return /^(0|[1-9][0-9]*)$/.test(key) && Number(key) < value.length
      ? evaluatePointer(value[Number(key)], rest)
      : undefined;
  }
  return isObject(value) && Object.hasOwn(value, key) ? evaluatePointer(value[key], rest) : undefined;
}

/** @param {unknown} value */
function isStringMap(value) {
  return isObject(value) && Object.values(value).every((item) => typeof item === 'string');
}

/** @type {Record<string, { capability: string, run: (args: Arguments, context: JmapContext) => Arguments | Promise<Arguments> }>} */
const METHODS = {
  'Core/echo': { capability: CORE, run: (args) => args },
  'Mailbox/get': { capability: MAIL, run: mailboxGet },
  'Mailbox/changes': { capability: MAIL, run: mailboxChanges },
  'Email/get': { capability: MAIL, run: emailGet },
  'Email/changes': { capability: MAIL, run: emailChanges },
  'Email/query': { capability: MAIL, run: emailQuery },
  'Email/set': { capability: MAIL, run: emailSet },
  'Email/import': { capability: MAIL, run: emailImport },
  'Identity/get': { capability: SUBMISSION, run: identityGet },
  'EmailSubmission/get': { capability: SUBMISSION, run: submissionGet },
  'EmailSubmission/changes': { capability: SUBMISSION, run: submissionChanges },
  'EmailSubmission/set': { capability: SUBMISSION, run: submissionSet },
};
