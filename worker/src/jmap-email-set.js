// SPDX-License-Identifier: GPL-3.0-or-later
//
// Email/set and Email/import (RFC 8621 sections 4.6 and 4.8).

import {
  MethodError,
  SetError,
  checkArgument,
  checkObjects,
  checkSet,
  checkState,
  isObject,
  orNull,
  resolveId,
  settle,
} from './jmap-arguments.js';
import { writeUtcDate } from './jmap-email.js';
import { LIMITS } from './jmap-session.js';
import { parseHeader } from './mime-header.js';

/** @typedef {import('./jmap-arguments.js').Arguments} Arguments */
/** @typedef {import('./jmap.js').JmapContext} JmapContext */
/** @typedef {import('./mail-store.js').Email} Email */

const MAX_KEYWORDS = 100;

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function emailSet(args, context) {
  return context.transaction(() => applyEmailSet(args, context));
}

/**
 * As `emailSet`, inside a transaction of the caller.
 * @param {Arguments} args
 * @param {JmapContext} context
 * @returns {Arguments}
 */
export function applyEmailSet(args, context) {
  const { mail, ids } = context;
  checkSet(args, context);
  const oldState = String(mail.state());
  /** @type {Record<string, object>} */
  const notCreated = {};
  /** @type {Record<string, null>} */
  const updated = {};
  /** @type {Record<string, object>} */
  const notUpdated = {};
  /** @type {string[]} */
  const destroyed = [];
  /** @type {Record<string, object>} */
  const notDestroyed = {};
  for (const key of Object.keys(args.create ?? {}))
    notCreated[key] = {
      type: 'forbidden',
      description: 'Write the message, upload it and use Email/import: this server does not compose messages.',
    };
  const doomed = new Set(args.destroy ?? []);
  for (const [key, patch] of Object.entries(args.update ?? {}))
    settle(notUpdated, key, () => {
      const email = findEmail(key, context);
      if (doomed.has(key)) throw new SetError('willDestroy');
      mail.changeEmail(email, patchEmail(email, patch, context));
      context.changed({ Email: true, Mailbox: true });
      updated[ids.write('email', email.id)] = null;
    });
  for (const key of doomed)
    settle(notDestroyed, key, () => {
      mail.destroyEmail(findEmail(key, context));
      context.changed({ Email: true, Mailbox: true });
      destroyed.push(resolveId(key, context) ?? key);
    });
  if (destroyed.length > 0) context.tidyLater();
  return {
    accountId: args.accountId,
    oldState,
    newState: String(mail.state()),
    created: null,
    notCreated: orNull(notCreated),
    updated: orNull(/** @type {any} */ (updated)),
    notUpdated: orNull(notUpdated),
    destroyed: destroyed.length > 0 ? destroyed : null,
    notDestroyed: orNull(notDestroyed),
  };
}

/**
 * @param {string} key
 * @param {JmapContext} context
 * @returns {Email}
 */
function findEmail(key, context) {
  const id = context.ids.read('email', resolveId(key, context));
  const email = id === null ? null : context.mail.email(id);
  if (email === null) throw new SetError('notFound');
  return email;
}

/**
 * @param {Email} email
 * @param {Arguments} patch
 * @param {JmapContext} context
 * @returns {{ keywords: string[], folders: number[] }}
 */
function patchEmail(email, patch, context) {
  let keywords = new Set(email.keywords);
  let folders = new Set(email.folders);
  /** @type {string[]} */
  const invalid = [];
  // Whole values come before patches into them, whatever their order in the object.
  for (const [path, value] of Object.entries(patch))
    if (path === 'keywords') keywords = new Set(readKeywords(value));
    else if (path === 'mailboxIds') folders = new Set(readFolders(value, context));
  for (const [path, value] of Object.entries(patch)) {
    const [property, key] = splitPath(path);
    if (key === null) {
      if (property !== 'keywords' && property !== 'mailboxIds' && !isUnchanged(property, value, email, context))
        invalid.push(path);
    } else if (property === 'keywords' && !('keywords' in patch)) {
      const [keyword] = readKeywords({ [key]: true });
      if (value === null) keywords.delete(String(keyword));
      else if (value === true) keywords.add(String(keyword));
      else invalid.push(path);
    } else if (property === 'mailboxIds' && !('mailboxIds' in patch)) {
      const folder = context.ids.read('folder', key);
      if (value === null) folders.delete(folder ?? -1);
      else if (value === true) folders.add(Number(readFolders({ [key]: true }, context)[0]));
      else invalid.push(path);
    } else throw new SetError('invalidPatch', `${path} cannot be patched.`);
  }
  if (invalid.length > 0) throw new SetError('invalidProperties', 'These cannot be changed.', { properties: invalid });
  if (folders.size === 0)
    throw new SetError('invalidProperties', 'An email is in at least one mailbox.', { properties: ['mailboxIds'] });
  if (keywords.size > MAX_KEYWORDS) throw new SetError('tooManyKeywords');
  return { keywords: [...keywords].sort(), folders: [...folders] };
}

/**
 * @param {string} path
 * @returns {[property: string, key: string | null]}
 */
function splitPath(path) {
  const cut = path.indexOf('/');
  if (cut < 0) return [path, null];
  return [
    path.slice(0, cut),
    path
      .slice(cut + 1)
      .replaceAll('~1', '/')
      .replaceAll('~0', '~'),
  ];
}

/**
 * A client may send back what the server told it (RFC 8620 section 5.3).
 * @param {string} property
 * @param {unknown} value
 * @param {Email} email
 * @param {JmapContext} context
 */
function isUnchanged(property, value, email, { ids }) {
  switch (property) {
    case 'id':
      return value === ids.write('email', email.id);
    case 'blobId':
      return value === ids.write('blob', email.blob);
    case 'threadId':
      return value === ids.write('thread', email.thread);
    case 'size':
      return value === email.size;
    case 'receivedAt':
      return value === writeUtcDate(email.receivedAt);
    default:
      return false;
  }
}

/**
 * @param {unknown} value
 * @returns {string[]}
 */
function readKeywords(value) {
  const names = isObject(value) && Object.values(value).every((item) => item === true) ? Object.keys(value) : null;
  // RFC 8621 section 4.1.1
  if (names === null || !names.every((name) => /^[\x21\x23\x24\x26\x27\x2b-\x5b\x5e-\x7a\x7c\x7e]{1,255}$/.test(name)))
    throw new SetError('invalidProperties', 'That is no set of keywords.', { properties: ['keywords'] });
  if (names.length > MAX_KEYWORDS) throw new SetError('tooManyKeywords');
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

/**
 * @param {unknown} value
 * @param {JmapContext} context
 * @returns {number[]}
 */
function readFolders(value, context) {
  const known = new Set(context.mail.folders().map((folder) => folder.id));
  const given = isObject(value) && Object.values(value).every((item) => item === true) ? Object.keys(value) : [];
  const folders = given.map((id) => context.ids.read('folder', resolveId(id, context)));
  if (folders.length === 0 || !folders.every((folder) => folder !== null && known.has(folder)))
    throw new SetError('invalidProperties', 'There is no such mailbox.', { properties: ['mailboxIds'] });
  return [...new Set(folders.map(Number))];
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function emailImport(args, context) {
  const { mail } = context;
  checkArgument(args, 'emails', isObject);
  const emails = args.emails;
  if (!isObject(emails)) throw new MethodError('invalidArguments', 'emails is missing.');
  checkObjects(emails);
  if (Object.keys(emails).length > LIMITS.maxObjectsInSet)
    throw new MethodError('requestTooLarge', `At most ${LIMITS.maxObjectsInSet} emails may be imported at once.`);
  return context.transaction(() => {
    checkState(args, mail.state());
    const oldState = String(mail.state());
    /** @type {Record<string, object>} */
    const created = {};
    /** @type {Record<string, object>} */
    const notCreated = {};
    for (const [key, email] of Object.entries(emails))
      settle(notCreated, key, () => {
        created[key] = importOne(email, context);
        context.created.set(key, /** @type {Arguments} */ (created[key]).id);
      });
    return {
      accountId: args.accountId,
      oldState,
      newState: String(mail.state()),
      created: orNull(created),
      notCreated: orNull(notCreated),
    };
  });
}

/**
 * @param {Arguments} wanted
 * @param {JmapContext} context
 */
function importOne(wanted, context) {
  const { mail, blobs, ids } = context;
  const keywords = readKeywords(wanted.keywords ?? {}).sort();
  const folders = readFolders(wanted.mailboxIds, context);
  const receivedAt =
    wanted.receivedAt === undefined || wanted.receivedAt === null ? Date.now() : readDate(wanted.receivedAt);
  const number = ids.read('blob', resolveId(wanted.blobId, context));
  const blob = number === null ? null : blobs.find(number);
  if (blob === null)
    throw new SetError('invalidProperties', 'There is no such blob; upload it again.', { properties: ['blobId'] });
  if (!mail.hasRoom(blob.size)) throw new SetError('overQuota', 'The mailbox is full.');
  const start = blobs.head(blob.id);
  if (blob.size === 0 || parseHeader(start).fields.length === 0)
    throw new SetError('invalidEmail', 'The blob is no message: it does not begin with a header.');
  blobs.hold(blob.id);
  const email = mail.addEmail(blob, start, { folders, keywords, receivedAt });
  context.changed({ Email: true, Mailbox: true });
  return {
    id: ids.write('email', email.id),
    blobId: ids.write('blob', email.blob),
    threadId: ids.write('thread', email.thread),
    size: email.size,
  };
}

/** @param {unknown} value */
function readDate(value) {
  const at =
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) ? Date.parse(value) : NaN;
  if (Number.isNaN(at)) throw new SetError('invalidProperties', 'That is no UTC date.', { properties: ['receivedAt'] });
  return at;
}
