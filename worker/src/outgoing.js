// SPDX-License-Identifier: GPL-3.0-or-later
//
// Carries out submissions, from the alarm. Each recipient is settled by itself and recorded before the next turn, so
// an object that dies between a send and its record sends that one again and no other: SMTP leaves no better choice.
// Failures of one turn are told to the sender in one report, made in the transaction that records them; so is each
// success that the sender wants to be told (NOTIFY, RFC 3461).

import { EmailMessage } from 'cloudflare:email';
import { deliveryReport, isToBeTold } from './delivery-report.js';
import { outgoingMessage } from './outgoing-message.js';
import { recipientParameters } from './submission-envelope.js';

/** @typedef {import('./submission-store.js').Submission} Submission */
/** @typedef {import('./submission-store.js').Recipient} Recipient */
/** @typedef {import('./contract').Env} Env */
/** @typedef {import('./contract').MailboxStub} MailboxStub */
/** @typedef {import('./mailbox-data.js').MailboxData} MailboxData */

/**
 * @typedef {{ status: 'sent' | 'failed' | 'later', reply: string, messageId?: string | null }} Outcome
 */

/**
 * What one turn does of one submission.
 * @typedef {object} Batch
 * @property {Submission} submission
 * @property {number} size octets
 * @property {{ recipient: Recipient, reply: string }[]} failed
 * @property {number} left groups not yet tried
 */

/** @typedef {{ batch: Batch, group: Recipient[] }} Job one call, for the recipients of one group */

/** Calls to other services in one alarm: the free plan ends an invocation at 50. */
const CALLS_PER_TURN = 40;
/** Messages up to this size are sent several at a time. */
const SMALL = 1024 * 1024;
/** How many are sent at a time; large ones are few, since each may be held whole by what carries it. */
const SMALL_AT_A_TIME = 6;
const LARGE_AT_A_TIME = 2;
const RETRY_BASE_MS = 60_000;
const MAX_RETRY_STEPS = 8;
/** Given up after this many times the first delay: five days. */
const LIFE_IN_BASES = 7200;

export class Outgoing {
  #data;
  #env;
  #toSelf;
  #baseMs;

  /**
   * @param {MailboxData} data
   * @param {Env} env
   * @param {MailboxStub['deliverLocal']} toSelf stands for a call to the mailbox's own object
   */
  constructor(data, env, toSelf) {
    this.#data = data;
    this.#env = env;
    this.#toSelf = toSelf;
    this.#baseMs = Number(env.RETRY_BASE_MS) || RETRY_BASE_MS;
  }

  /**
   * Sends what is due of some submissions, as far as one turn's calls go; the rest stays due.
   * @param {number[]} ids
   */
  async run(ids) {
    const data = this.#data;
    const now = Date.now();
    let calls = CALLS_PER_TURN;
    /** @type {Job[]} */
    const jobs = [];
    for (const id of ids) {
      const submission = data.submissions.find(id);
      const groups = submission === null ? [] : groupsOf(submission, now).slice(0, calls);
      if (submission === null || groups.length === 0) {
        if (calls > 0) this.#finish(id);
        continue;
      }
      calls -= groups.length;
      const size = data.blobs.find(submission.blob)?.size ?? 0;
      /** @type {Batch} */
      const batch = { submission, size, failed: [], left: groups.length };
      jobs.push(...groups.map((group) => ({ batch, group })));
    }
    const small = jobs.filter(({ batch }) => batch.size <= SMALL).values();
    const large = jobs.filter(({ batch }) => batch.size > SMALL).values();
    await Promise.all([
      ...Array.from({ length: SMALL_AT_A_TIME }, () => this.#drain(small)),
      ...Array.from({ length: LARGE_AT_A_TIME }, () => this.#drain(large)),
    ]);
  }

  /** @param {Iterator<Job> & Iterable<Job>} jobs shared by all who drain it */
  async #drain(jobs) {
    const data = this.#data;
    for (const { batch, group } of jobs) {
      // The mailbox may be wiped at any moment; then nothing more leaves it.
      if (!data.isMade) return;
      const { submission, failed } = batch;
      const outcome = await this.#send(submission, group, batch.size);
      if (!data.isMade) return;
      if (outcome.status === 'failed') failed.push(...group.map((recipient) => ({ recipient, reply: outcome.reply })));
      else data.transaction(() => this.#record(submission, group, outcome, batch.size));
      if (--batch.left > 0) continue;
      if (failed.length > 0) data.transaction(() => this.#bounce(batch));
      this.#finish(submission.id);
    }
  }

  /** @param {number} id of a submission of which nothing more is done in this turn */
  #finish(id) {
    this.#data.due.set('send', id, this.#data.submissions.nextAt(id));
  }

  /** @param {Batch} batch */
  #bounce({ submission, size, failed }) {
    const data = this.#data;
    const start = data.blobs.head(submission.blob);
    for (const { recipient, reply } of failed)
      data.submissions.settle(submission, recipient, { status: 'failed', reply });
    data.changed({ EmailSubmission: true });
    this.#tell(
      submission,
      failed.map(({ recipient, reply }) => ({ address: recipient.address, action: 'failed', reply })),
      { start, size },
    );
  }

  /**
   * Puts a report about some recipients into the sender's inbox, as far as the sender wants to be told.
   * @param {Submission} submission
   * @param {import('./delivery-report.js').Outcome[]} outcomes of one action
   * @param {{ start: Uint8Array, size: number }} original the first octets of the message, which may be gone from the
   *   store by now, and how many it had
   */
  #tell(submission, outcomes, original) {
    const data = this.#data;
    const { mailFrom, envelope, sentAt } = submission;
    // RFC 5321 section 4.5.5: nothing is ever told about a message with the null sender.
    if (mailFrom === '') return;
    const { RET: ret, ENVID: envid } = envelope.mailFrom.parameters ?? {};
    const wanted = outcomes.flatMap((outcome) => {
      const { NOTIFY, ORCPT } = recipientParameters(envelope, outcome.address);
      return isToBeTold(NOTIFY, outcome.action === 'failed' ? 'FAILURE' : 'SUCCESS')
        ? [{ ...outcome, orcpt: ORCPT }]
        : [];
    });
    if (wanted.length === 0) return;
    const message = deliveryReport({
      to: mailFrom,
      outcomes: wanted,
      ...original,
      ret,
      envid,
      sentAt,
      now: Date.now(),
    });
    data.toInbox(data.blobs.draftOf(message));
  }

  /**
   * @param {Submission} submission
   * @param {Recipient[]} group
   * @param {Outcome} outcome
   * @param {number} size
   */
  #record(submission, group, outcome, size) {
    const { submissions, blobs } = this.#data;
    const start = blobs.head(submission.blob);
    for (const recipient of group)
      if (outcome.status === 'later')
        submissions.postpone(submission, recipient, outcome.reply, Date.now() + this.#delay(recipient.attempts));
      else submissions.settle(submission, recipient, { ...outcome, status: 'sent' });
    this.#data.changed({ EmailSubmission: true });
    if (outcome.status === 'later') return;
    this.#tell(
      submission,
      group.map(({ address, target }) => ({
        address,
        action: target === null ? 'relayed' : 'delivered',
        reply: outcome.reply,
      })),
      { start, size },
    );
  }

  /**
   * @param {Submission} submission
   * @param {Recipient[]} group recipients that one call serves
   * @param {number} size
   * @returns {Promise<Outcome>}
   */
  async #send(submission, group, size) {
    const [{ address, target } = { address: '', target: null }] = group;
    const outcome =
      target === null ? await this.#outside(submission, address) : await this.#local(submission, address, target, size);
    if (outcome.status !== 'later' || Date.now() - submission.sentAt < this.#baseMs * LIFE_IN_BASES) return outcome;
    return { status: 'failed', reply: `550 5.4.7 Given up after five days; the last answer was: ${outcome.reply}` };
  }

  /**
   * @param {Submission} submission
   * @param {string} address
   * @returns {Promise<Outcome>}
   */
  async #outside(submission, address) {
    const raw = outgoingMessage(this.#data.blobs, submission, { outside: true, name: this.#nameOf(submission) });
    try {
      // Production wants the envelope's From to be that of the header.
      const { messageId } = (await this.#env.SEND.send(new EmailMessage(submission.headerFrom, address, raw))) ?? {};
      return { status: 'sent', reply: '250 2.0.0 Sent', messageId: messageId ?? null };
    } catch (error) {
      return bindingOutcome(error);
    }
  }

  /**
   * @param {Submission} submission
   * @param {string} address
   * @param {string} target
   * @param {number} size
   * @returns {Promise<Outcome>}
   */
  async #local(submission, address, target, size) {
    const { id: mailboxId } = this.#data.configuration();
    const name = this.#nameOf(submission);
    const raw = outgoingMessage(this.#data.blobs, submission, { outside: false, name });
    // Repeated until it is answered, stored once: the recipient remembers the key.
    const envelope = { key: `${mailboxId}:${name}:${target}`, from: submission.mailFrom, to: address, size };
    try {
      const result =
        target === mailboxId
          ? await this.#toSelf(envelope, raw)
          : await this.#env.MAILBOX.getByName(target).deliverLocal(envelope, raw);
      if ('refused' in result) return { status: 'failed', reply: `${smtpCode(result.refused)} ${result.refused}` };
      return { status: 'sent', reply: '250 2.0.0 Delivered' };
    } catch (error) {
      console.error(`Local delivery: ${error instanceof Error ? error.message : error}`);
      return { status: 'later', reply: '451 4.3.0 The mailbox did not answer' };
    }
  }

  /** @param {Submission} submission */
  #nameOf(submission) {
    return `${this.#data.configuration().salt}.${submission.id.toString(36)}.${submission.sentAt.toString(36)}`;
  }

  /**
   * @param {number} attempts made before
   * @returns {number} milliseconds: doubling, up to about four hours, with a fifth of jitter
   */
  #delay(attempts) {
    return Math.round(this.#baseMs * 2 ** Math.min(attempts, MAX_RETRY_STEPS) * (0.9 + Math.random() * 0.2));
  }
}

/**
 * The recipients that are due, those of one mailbox together: they get one copy.
 * @param {Submission} submission
 * @param {number} now
 * @returns {Recipient[][]}
 */
function groupsOf(submission, now) {
  /** @type {Map<string, Recipient[]>} */
  const groups = new Map();
  for (const recipient of submission.recipients) {
    if (recipient.status !== 'queued' || recipient.nextAt > now) continue;
    const key = recipient.target ?? `outside ${recipient.n}`;
    groups.set(key, [...(groups.get(key) ?? []), recipient]);
  }
  return [...groups.values()];
}

/** @param {string} refused begins with an enhanced code */
function smtpCode(refused) {
  return refused.startsWith('5.2.2') ? 552 : 550;
}

/** @type {Record<string, string>} what cannot get better by waiting, as a reply; the rest is tried again */
const PERMANENT = {
  E_RECIPIENT_NOT_ALLOWED:
    '550 5.7.1 Cloudflare sends only to verified addresses on its free plan: use the paid plan, or a relay for mail to the world',
  E_RECIPIENT_SUPPRESSED: '550 5.1.1 The address is on the suppression list, since mail to it has bounced before',
  E_CONTENT_TOO_LARGE:
    '552 5.3.4 The message is larger than Cloudflare sends to this recipient (5 MiB, or 25 MiB when verified)',
  E_SENDER_NOT_VERIFIED: "550 5.7.1 The sender's domain is not set up for sending at Cloudflare",
  E_SENDER_DOMAIN_NOT_AVAILABLE: "550 5.7.1 The sender's domain is not set up for sending at Cloudflare",
  E_TOO_MANY_RECIPIENTS: '550 5.5.3 Too many recipients',
  E_FIELD_MISSING: '554 5.6.0 The message lacks something that Cloudflare demands',
  E_VALIDATION_ERROR: '554 5.6.0 Cloudflare does not take the message as it is',
  E_INVALID_CONTENT: '554 5.6.0 Cloudflare does not take the message as it is',
};

/**
 * @param {unknown} error what the binding threw
 * @returns {Outcome}
 */
export function bindingOutcome(error) {
  const code = String(/** @type {any} */ (error)?.code ?? '');
  const text = error instanceof Error ? error.message : String(error);
  const permanent =
    PERMANENT[code] ?? (code.startsWith('E_HEADER_') ? '554 5.6.0 Cloudflare refuses a header field' : undefined);
  if (permanent !== undefined) return { status: 'failed', reply: `${permanent} (${code}: ${text})` };
  // The free plan's refusal comes as words only, and names neither plan nor remedy.
  if (/destination address is not a verified address/i.test(text))
    return { status: 'failed', reply: `${PERMANENT.E_RECIPIENT_NOT_ALLOWED} (${text})` };
  return { status: 'later', reply: `451 4.3.0 ${code || 'The sending service failed'}: ${text}` };
}
