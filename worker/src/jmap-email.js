// SPDX-License-Identifier: GPL-3.0-or-later
//
// Email/get and Email/changes (RFC 8621 section 4). What a list shows comes from the email's row; only `header:`,
// `headers` and what concerns the body read the message itself.

import {
  MethodError,
  changesAnswer,
  checkArgument,
  getArguments,
  isBoolean,
  isStringList,
  isUnsigned,
} from './jmap-arguments.js';
import { POSTERN } from './jmap-session.js';
import { BODY_PART_PROPERTIES, messageBody } from './mime-body.js';
import { headerValue, isHeaderProperty } from './header-property.js';
import { parseHeader } from './mime-header.js';

/** @typedef {import('./jmap-arguments.js').Arguments} Arguments */
/** @typedef {import('./jmap.js').JmapContext} JmapContext */
/** @typedef {import('./mail-store.js').Email} Email */

const STORED = ['id', 'blobId', 'threadId', 'mailboxIds', 'keywords', 'size', 'receivedAt'];
const HEAD = [
  'messageId',
  'inReplyTo',
  'references',
  'sender',
  'from',
  'to',
  'cc',
  'bcc',
  'replyTo',
  'subject',
  'sentAt',
];
const BODY = ['hasAttachment', 'preview', 'bodyStructure', 'bodyValues', 'textBody', 'htmlBody', 'attachments'];
/** RFC 8621 section 4.2 */
const DEFAULTS = [...STORED, ...HEAD, ...BODY.filter((property) => property !== 'bodyStructure')];
const DEFAULT_PART = [
  'partId',
  'blobId',
  'size',
  'name',
  'type',
  'charset',
  'disposition',
  'cid',
  'language',
  'location',
];

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function emailGet(args, context) {
  const extended = context.using.has(POSTERN);
  const known = (/** @type {string} */ property) =>
    STORED.includes(property) ||
    HEAD.includes(property) ||
    BODY.includes(property) ||
    property === 'headers' ||
    (property === 'canonicalSize' && extended) ||
    isHeaderProperty(property);
  const { ids, properties } = getArguments(args, { known, all: false });
  checkBodyArguments(args);
  const wanted = properties ?? DEFAULTS;
  const numbers = (ids ?? []).map((id) => context.ids.read('email', id));
  const found = context.mail.emails(numbers.filter((number) => number !== null));
  /** @type {Arguments[]} */
  const list = [];
  /** @type {string[]} */
  const notFound = [];
  (ids ?? []).forEach((id, i) => {
    const email = found.get(numbers[i] ?? -1);
    if (email === undefined) notFound.push(id);
    else list.push(emailObject(email, wanted, args, context));
  });
  return { accountId: args.accountId, state: String(context.mail.state()), list, notFound };
}

/** @param {Arguments} args */
function checkBodyArguments(args) {
  for (const name of ['fetchTextBodyValues', 'fetchHTMLBodyValues', 'fetchAllBodyValues'])
    checkArgument(args, name, isBoolean);
  checkArgument(args, 'maxBodyValueBytes', isUnsigned);
  checkArgument(args, 'bodyProperties', isStringList);
  const unknown = (args.bodyProperties ?? []).find(
    (/** @type {string} */ property) => !BODY_PART_PROPERTIES.includes(property) && !isHeaderProperty(property),
  );
  if (unknown !== undefined)
    throw new MethodError('invalidArguments', `A body part has no ${unknown}.`, { arguments: ['bodyProperties'] });
}

/**
 * @param {Email} email
 * @param {string[]} wanted
 * @param {Arguments} args
 * @param {JmapContext} context
 */
function emailObject(email, wanted, args, { ids, blobs }) {
  /** @type {Arguments} */
  const object = { id: ids.write('email', email.id) };
  const needsBody = wanted.some((property) => BODY.includes(property));
  const needsHeader = wanted.some((property) => property === 'headers' || isHeaderProperty(property));
  const octets = needsBody ? blobs.bytes(email.blob) : needsHeader ? blobs.head(email.blob) : new Uint8Array(0);
  const { fields } = parseHeader(needsHeader ? octets : new Uint8Array(0));
  const body = needsBody
    ? messageBody(octets, {
        blobId: ids.write('blob', email.blob),
        properties: args.bodyProperties ?? DEFAULT_PART,
        textValues: args.fetchTextBodyValues ?? false,
        htmlValues: args.fetchHTMLBodyValues ?? false,
        allValues: args.fetchAllBodyValues ?? false,
        maxValueOctets: args.maxBodyValueBytes ?? 0,
      })
    : null;
  for (const property of wanted)
    if (STORED.includes(property)) object[property] = storedProperty(email, property, ids);
    else if (HEAD.includes(property)) object[property] = /** @type {Arguments} */ (email.head)[property];
    else if (property === 'canonicalSize') object[property] = email.canonicalSize;
    else if (property === 'headers') object[property] = fields.map(({ name, raw }) => ({ name, value: raw }));
    else if (isHeaderProperty(property)) object[property] = headerValue(fields, property);
    else object[property] = /** @type {Arguments} */ (body)[property];
  return object;
}

/**
 * @param {Email} email
 * @param {string} property
 * @param {import('./jmap-ids.js').IdCodec} ids
 */
function storedProperty(email, property, ids) {
  switch (property) {
    case 'id':
      return ids.write('email', email.id);
    case 'blobId':
      return ids.write('blob', email.blob);
    case 'threadId':
      return ids.write('thread', email.thread);
    case 'mailboxIds':
      return Object.fromEntries(email.folders.map((folder) => [ids.write('folder', folder), true]));
    case 'keywords':
      return Object.fromEntries(email.keywords.map((keyword) => [keyword, true]));
    case 'receivedAt':
      return writeUtcDate(email.receivedAt);
    default:
      return email.size;
  }
}

/**
 * @param {number} at milliseconds since the epoch
 * @returns {string} a UTCDate (RFC 8620 section 1.4: no fraction when it is zero)
 */
export function writeUtcDate(at) {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function emailChanges(args, context) {
  return changesAnswer(args, context, 'Email', 'email');
}
