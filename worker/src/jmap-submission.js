// SPDX-License-Identifier: GPL-3.0-or-later
//
// EmailSubmission (RFC 8621 section 7). A submission is final as soon as it is made: its recipients are rows that the
// alarm carries out, and what becomes of each is in `deliveryStatus`.
//
// JMAP has no idempotency key, and a client that lost an answer must not send twice. So a creation id of 32
// hexadecimal digits (which nobody chooses by accident) is one: its answer is kept for seven days, in the transaction
// that made the submission, and given again to a repeat, which then sends and changes nothing.

import { isAddress, ownForm, uniqueAddresses } from './address.js';
import {
  MethodError,
  SetError,
  changesAnswer,
  checkArgument,
  checkObjects,
  checkSet,
  getAnswer,
  isObject,
  isStringList,
  orNull,
  resolveId,
  settle,
} from './jmap-arguments.js';
import { writeUtcDate } from './jmap-email.js';
import { applyEmailSet } from './jmap-email-set.js';
import { MAX_OUTGOING, MAX_RECIPIENTS, POSTERN } from './jmap-session.js';
import { parseHeader } from './mime-header.js';
import { readEnvelope } from './submission-envelope.js';

/** @typedef {import('./jmap-arguments.js').Arguments} Arguments */
/** @typedef {import('./jmap.js').JmapContext} JmapContext */
/** @typedef {import('./contract').Resolution} Resolution */
/** @typedef {import('./submission-store.js').Submission} Submission */

const PROPERTIES = [
  'identityId',
  'emailId',
  'threadId',
  'envelope',
  'sendAt',
  'undoStatus',
  'deliveryStatus',
  'dsnBlobIds',
  'mdnBlobIds',
];
/** Per recipient, the Message-ID under which it left: the binding replaces the author's. */
const MESSAGE_IDS = 'deliveredMessageIds';

/** What the directory answers at once, and how many times it is asked: calls are limited on the free plan. */
const ADDRESSES_PER_QUESTION = 1000;
const MAX_ADDRESSES = 20 * ADDRESSES_PER_QUESTION;

const REPEATABLE = /^[A-Za-z]?[0-9A-Fa-f]{32}$/;

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function submissionGet(args, context) {
  const { submissions, ids, using, mail } = context;
  /** @type {Map<string, Arguments>} */
  const found = new Map();
  const wanted = isStringList(args.ids) ? args.ids.map((id) => ids.read('submission', id)) : submissions.ids();
  for (const number of wanted) {
    const submission = number === null ? null : submissions.find(number);
    if (submission !== null) found.set(ids.write('submission', submission.id), submissionObject(submission, context));
  }
  return getAnswer(args, String(mail.state()), found, using.has(POSTERN) ? [...PROPERTIES, MESSAGE_IDS] : PROPERTIES);
}

/** @type {Record<string, string>} */
const DELIVERED = { queued: 'queued', sent: 'unknown', failed: 'no' };

/**
 * @param {Submission} submission
 * @param {JmapContext} context
 * @returns {Arguments}
 */
function submissionObject(submission, { ids, using }) {
  const { recipients } = submission;
  const status = recipients.map((recipient) => [
    recipient.address,
    {
      smtpReply: recipient.reply,
      delivered: recipient.status === 'sent' && recipient.target !== null ? 'yes' : DELIVERED[recipient.status],
      displayed: 'unknown',
    },
  ]);
  return {
    id: ids.write('submission', submission.id),
    identityId: ids.write('identity', submission.identity),
    emailId: ids.write('email', submission.email),
    threadId: ids.write('thread', submission.thread),
    envelope: submission.envelope,
    sendAt: writeUtcDate(submission.sentAt),
    undoStatus: 'final',
    deliveryStatus: Object.fromEntries(status),
    dsnBlobIds: [],
    mdnBlobIds: [],
    ...(using.has(POSTERN)
      ? { [MESSAGE_IDS]: Object.fromEntries(recipients.map(({ address, messageId }) => [address, messageId])) }
      : {}),
  };
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function submissionChanges(args, context) {
  return changesAnswer(args, context, 'EmailSubmission', 'submission');
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export async function submissionSet(args, context) {
  checkSet(args, context);
  checkArgument(args, 'onSuccessUpdateEmail', isObject);
  checkArgument(args, 'onSuccessDestroyEmail', isStringList);
  checkObjects(args.onSuccessUpdateEmail);
  const destinations = await resolveAll(args, context);
  return context.transaction(() => applySubmissionSet(args, context, destinations));
}

/**
 * Asks the directory about every recipient, before the transaction: nothing may be awaited inside one.
 * @param {Arguments} args
 * @param {JmapContext} context
 * @returns {Promise<Map<string, Resolution>>}
 */
async function resolveAll(args, context) {
  /** @type {Set<string>} */
  const addresses = new Set();
  for (const [key, wanted] of Object.entries(args.create ?? {}))
    settle({}, key, () => {
      if (repeatOf(key, context) === null)
        for (const address of readSubmission(wanted, context).recipients) addresses.add(address);
    });
  if (addresses.size > MAX_ADDRESSES)
    throw new MethodError('requestTooLarge', `At most ${MAX_ADDRESSES} recipients may be given in one request.`);
  const list = [...addresses];
  /** @type {Map<string, Resolution>} */
  const destinations = new Map();
  for (let start = 0; start < list.length; start += ADDRESSES_PER_QUESTION) {
    const asked = list.slice(start, start + ADDRESSES_PER_QUESTION);
    const found = await context.resolve(asked);
    asked.forEach((address, i) => destinations.set(address, found[i] ?? null));
  }
  return destinations;
}

/**
 * @param {string} key
 * @param {JmapContext} context
 */
function repeatOf(key, { submissions }) {
  return REPEATABLE.test(key) ? submissions.answered(key) : null;
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 * @param {Map<string, Resolution>} destinations
 */
function applySubmissionSet(args, context, destinations) {
  const { mail, ids, submissions } = context;
  checkSet(args, context);
  const oldState = String(mail.state());
  /** @type {Record<string, object>} */
  const created = {};
  /** @type {Record<string, object>} */
  const notCreated = {};
  /** @type {Record<string, object>} */
  const notUpdated = {};
  /** @type {string[]} */
  const destroyed = [];
  /** @type {Record<string, object>} */
  const notDestroyed = {};
  /** @type {Map<string, { emailId: string, repeated: boolean }>} by `#` and creation id, or id */
  const succeeded = new Map();
  for (const [key, wanted] of Object.entries(args.create ?? {}))
    settle(notCreated, key, () => {
      const repeat = repeatOf(key, context);
      const { emailId, ...answer } = repeat ?? create(key, wanted, context, destinations);
      created[key] = answer;
      context.created.set(key, String(answer.id));
      succeeded.set(`#${key}`, { emailId: String(emailId), repeated: repeat !== null });
    });
  for (const key of Object.keys(args.update ?? {}))
    notUpdated[key] =
      ids.read('submission', resolveId(key, context)) === null ? { type: 'notFound' } : { type: 'cannotUnsend' };
  for (const key of new Set(args.destroy ?? []))
    settle(notDestroyed, key, () => {
      const id = ids.read('submission', resolveId(key, context));
      const submission = id === null ? null : submissions.find(id);
      if (submission === null) throw new SetError('notFound');
      if (submission.open > 0) throw new SetError('forbidden', 'The message is still being sent.');
      submissions.destroy(submission);
      context.changed({ EmailSubmission: true });
      destroyed.push(key);
      succeeded.set(key, { emailId: ids.write('email', submission.email), repeated: false });
    });
  const answer = {
    accountId: args.accountId,
    oldState,
    newState: String(mail.state()),
    created: orNull(created),
    notCreated: orNull(notCreated),
    updated: null,
    notUpdated: orNull(notUpdated),
    destroyed: destroyed.length > 0 ? destroyed : null,
    notDestroyed: orNull(notDestroyed),
  };
  if (args.onSuccessUpdateEmail || args.onSuccessDestroyEmail) implicitEmailSet(args, context, succeeded);
  return answer;
}

/**
 * The Email/set of `onSuccess…`, in the same transaction: a message that left is in Sent, one that did not is not.
 * @param {Arguments} args
 * @param {JmapContext} context
 * @param {Map<string, { emailId: string, repeated: boolean }>} succeeded
 */
function implicitEmailSet(args, context, succeeded) {
  /** @type {Arguments} */
  const update = {};
  /** @type {string[]} */
  const destroy = [];
  /** @type {string[]} */
  const already = [];
  for (const [key, patch] of Object.entries(args.onSuccessUpdateEmail ?? {})) {
    const done = succeeded.get(key);
    if (done?.repeated) already.push(done.emailId);
    else if (done) update[done.emailId] = patch;
  }
  /** @type {string[]} */
  const gone = [];
  for (const key of args.onSuccessDestroyEmail ?? []) {
    const done = succeeded.get(key);
    if (done?.repeated) gone.push(done.emailId);
    else if (done) destroy.push(done.emailId);
  }
  const answer = applyEmailSet({ accountId: args.accountId, update, destroy }, context);
  // What the first answer did is told again, and not done again: the user may have moved the message since.
  for (const id of already) answer.updated = { ...answer.updated, [id]: null };
  if (gone.length > 0) answer.destroyed = [...(answer.destroyed ?? []), ...gone];
  context.also('Email/set', answer);
}

/**
 * @param {string} key
 * @param {Arguments} wanted
 * @param {JmapContext} context
 * @param {Map<string, Resolution>} destinations
 * @returns {Record<string, unknown>} what is answered, and the `emailId`
 */
function create(key, wanted, context, destinations) {
  const { submissions, ids } = context;
  const { email, identity, mailFrom, headerFrom, envelope, recipients } = readSubmission(wanted, context);
  const resolved = recipients.map((address) => ({ address, to: destinations.get(address) ?? null }));
  const refused = resolved.filter(({ to }) => to !== null && 'refused' in to);
  if (refused.length > 0)
    throw new SetError(
      'invalidRecipients',
      refused.map(({ address, to }) => `${address}: ${/** @type {any} */ (to).refused}`).join('; '),
      {
        invalidRecipients: refused.map(({ address }) => address),
      },
    );
  if (email.size > MAX_OUTGOING && resolved.some(({ to }) => to === null))
    throw new SetError('tooLarge', 'The message is larger than what can leave this server.', { maxSize: MAX_OUTGOING });
  if (!submissions.hasRoom())
    throw new SetError('rateLimit', '4.3.1 Too many messages are waiting to be sent; try again later.');
  const sentAt = Date.now();
  const id = submissions.add(
    { identity, email: email.id, blob: email.blob, thread: email.thread, mailFrom, headerFrom, envelope, sentAt },
    resolved.map(({ address, to }) => ({ address, target: to !== null && 'mailboxId' in to ? to.mailboxId : null })),
  );
  const answer = {
    id: ids.write('submission', id),
    threadId: ids.write('thread', email.thread),
    undoStatus: 'final',
    sendAt: writeUtcDate(sentAt),
    emailId: ids.write('email', email.id),
  };
  if (REPEATABLE.test(key)) submissions.remember(key, id, answer, sentAt);
  context.changed({ EmailSubmission: true });
  context.send(id);
  context.tidyLater();
  return answer;
}

/**
 * Reads and checks one submission, all but who of its recipients exists.
 * @param {Arguments} wanted
 * @param {JmapContext} context
 */
function readSubmission(wanted, context) {
  const { mail, ids, blobs } = context;
  const unknown = Object.keys(wanted).filter(
    (key) => !['identityId', 'emailId', 'envelope'].includes(key) && wanted[key] !== null,
  );
  if (unknown.length > 0) throw new SetError('invalidProperties', 'These cannot be set.', { properties: unknown });
  const emailId = ids.read('email', resolveId(wanted.emailId, context));
  const email = emailId === null ? null : mail.email(emailId);
  if (email === null) throw new SetError('invalidProperties', 'There is no such email.', { properties: ['emailId'] });
  const identityId = ids.read('identity', wanted.identityId);
  const identity = context.identities().find(({ id }) => id === identityId);
  if (identity === undefined)
    throw new SetError('invalidProperties', 'There is no such identity.', { properties: ['identityId'] });
  const header = parseHeader(blobs.head(email.blob));
  if (!header.complete && header.end < email.size)
    throw new SetError('invalidEmail', 'The header is too long.', { properties: ['emailId'] });
  const from = header.fields.filter((field) => field.name.toLowerCase() === 'from');
  const authors = email.head.from ?? [];
  const headerFrom = authors[0]?.email ?? '';
  if (from.length !== 1 || authors.length !== 1 || !isAddress(headerFrom))
    throw new SetError('invalidEmail', 'The message must have exactly one From address.', { properties: ['from'] });
  const { mailFrom, envelope, given } = readEnvelope(wanted.envelope ?? null, email.head);
  const owned = new Set(context.addresses);
  if (!owned.has(ownForm(headerFrom)))
    throw new SetError('forbiddenFrom', `5.7.1 ${headerFrom} is not an address of this mailbox.`);
  if (mailFrom !== '' && !owned.has(ownForm(mailFrom)))
    throw new SetError('forbiddenMailFrom', `5.7.1 ${mailFrom} is not an address of this mailbox.`);
  if (given.length === 0) throw new SetError('noRecipients', 'There is nobody to send to.');
  const invalid = given.filter((address) => !isAddress(address));
  if (invalid.length > 0)
    throw new SetError('invalidRecipients', '5.1.3 These are no mail addresses.', { invalidRecipients: invalid });
  const recipients = uniqueAddresses(given);
  if (recipients.length > MAX_RECIPIENTS)
    throw new SetError('tooManyRecipients', 'Too many recipients for one message.', { maxRecipients: MAX_RECIPIENTS });
  return { email, identity: identity.id, mailFrom, headerFrom, envelope, recipients };
}
