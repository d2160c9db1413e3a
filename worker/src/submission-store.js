// SPDX-License-Identifier: GPL-3.0-or-later
//
// What has been handed over for sending: one submission, its recipients each with their own fate, and the answers
// given to clients that may ask twice. Changes are made inside a transaction of the caller.

/** @typedef {Record<string, string>} Parameters of DSN (RFC 3461), by upper-case name */
/** @typedef {{ email: string, parameters: Parameters | null }} Place */
/** @typedef {{ mailFrom: Place, rcptTo: Place[] }} Envelope */
/** @typedef {{ address: string, target: string | null }} Destination `target` is a mailbox id, null outside */

/**
 * @typedef {object} Recipient
 * @property {number} n
 * @property {string} address
 * @property {string | null} target
 * @property {'queued' | 'sent' | 'failed'} status
 * @property {string} reply what is known, as an SMTP reply
 * @property {string | null} messageId as the binding gave it; it replaces the author's on each call
 * @property {number} attempts
 * @property {number} nextAt milliseconds since the epoch
 */

/**
 * @typedef {object} Submission
 * @property {number} id
 * @property {number} identity
 * @property {number} email
 * @property {number} blob
 * @property {number} thread
 * @property {string} mailFrom '' is the null sender
 * @property {string} headerFrom
 * @property {Envelope} envelope
 * @property {number} sentAt milliseconds since the epoch
 * @property {number} open recipients not settled
 * @property {Recipient[]} recipients
 */

const DAY_MS = 24 * 60 * 60 * 1000;
/** How long a repeat of a client's own key is answered from memory. */
const ANSWERS_KEPT_MS = 7 * DAY_MS;
const SUBMISSIONS_KEPT_MS = 30 * DAY_MS;
/** Submissions that may wait at once in one mailbox. */
const MAX_WAITING = 10_000;

export class SubmissionStore {
  #sql;
  #mail;
  #blobs;

  /**
   * @param {SqlStorage} sql
   * @param {import('./mail-store.js').MailStore} mail
   * @param {import('./blob-store.js').BlobStore} blobs
   */
  constructor(sql, mail, blobs) {
    this.#sql = sql;
    this.#mail = mail;
    this.#blobs = blobs;
  }

  /**
   * @param {Omit<Submission, 'id' | 'open' | 'recipients'>} submission its blob is held from now on
   * @param {Destination[]} destinations
   * @returns {number} the id
   */
  add(submission, destinations) {
    const id = this.#mail.raise();
    this.#blobs.hold(submission.blob);
    this.#sql.exec(
      `insert into submission (id, identity, email, blob, thread, mail_from, header_from, envelope, sent_at, open, changed)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      submission.identity,
      submission.email,
      submission.blob,
      submission.thread,
      submission.mailFrom,
      submission.headerFrom,
      JSON.stringify(submission.envelope),
      submission.sentAt,
      destinations.length,
      id,
    );
    destinations.forEach(({ address, target }, n) =>
      this.#sql.exec(
        "insert into recipient values (?, ?, ?, ?, 'queued', '250 2.0.0 Queued', null, 0, ?)",
        id,
        n,
        address,
        target,
        submission.sentAt,
      ),
    );
    return id;
  }

  /** @returns {boolean} whether one more may wait */
  hasRoom() {
    return Number(this.#sql.exec("select count(*) as n from due where kind = 'send'").one().n) < MAX_WAITING;
  }

  /** @returns {number[]} */
  ids() {
    return this.#sql
      .exec('select id from submission order by id')
      .toArray()
      .map((row) => Number(row.id));
  }

  /** @param {number} id @returns {Submission | null} */
  find(id) {
    const row = this.#sql.exec('select * from submission where id = ?', id).toArray()[0];
    if (row === undefined) return null;
    const recipients = this.#sql.exec('select * from recipient where submission = ? order by n', id).toArray();
    return {
      id,
      identity: Number(row.identity),
      email: Number(row.email),
      blob: Number(row.blob),
      thread: Number(row.thread),
      mailFrom: String(row.mail_from),
      headerFrom: String(row.header_from),
      envelope: JSON.parse(String(row.envelope)),
      sentAt: Number(row.sent_at),
      open: Number(row.open),
      recipients: recipients.map((recipient) => ({
        n: Number(recipient.n),
        address: String(recipient.address),
        target: recipient.target === null ? null : String(recipient.target),
        status: /** @type {Recipient['status']} */ (recipient.status),
        reply: String(recipient.reply),
        messageId: recipient.message_id === null ? null : String(recipient.message_id),
        attempts: Number(recipient.attempts),
        nextAt: Number(recipient.next_at),
      })),
    };
  }

  /**
   * Records how one recipient ended. After the last one the message itself is let go.
   * @param {Submission} submission
   * @param {Recipient} recipient
   * @param {{ status: 'sent' | 'failed', reply: string, messageId?: string | null }} outcome
   */
  settle(submission, recipient, { status, reply, messageId = null }) {
    const changed = this.#sql.exec(
      `update recipient set status = ?, reply = ?, message_id = ?, attempts = attempts + 1
       where submission = ? and n = ? and status = 'queued'`,
      status,
      reply,
      messageId,
      submission.id,
      recipient.n,
    );
    if (changed.rowsWritten === 0) return;
    const { open } = this.#sql
      .exec(
        'update submission set open = open - 1, changed = ? where id = ? returning open',
        this.#mail.raise(),
        submission.id,
      )
      .one();
    if (Number(open) === 0) this.#blobs.release(submission.blob);
  }

  /**
   * @param {Submission} submission
   * @param {Recipient} recipient
   * @param {string} reply
   * @param {number} nextAt
   */
  postpone(submission, recipient, reply, nextAt) {
    this.#sql.exec(
      `update recipient set reply = ?, attempts = attempts + 1, next_at = ? where submission = ? and n = ?`,
      reply,
      nextAt,
      submission.id,
      recipient.n,
    );
    this.#sql.exec('update submission set changed = ? where id = ?', this.#mail.raise(), submission.id);
  }

  /** @param {number} id @returns {number | null} when the next recipient of a submission is due */
  nextAt(id) {
    const { at } = this.#sql
      .exec("select min(next_at) as at from recipient where submission = ? and status = 'queued'", id)
      .one();
    return at === null ? null : Number(at);
  }

  /** @param {Submission} submission one that is not open */
  destroy(submission) {
    const state = this.#mail.raise();
    this.#sql.exec('delete from recipient where submission = ?', submission.id);
    this.#sql.exec('delete from submission where id = ?', submission.id);
    this.#sql.exec("insert into tombstone values (?, 'EmailSubmission', ?)", state, submission.id);
  }

  /**
   * @param {string} key the client's
   * @returns {Record<string, unknown> | null} what was answered to it
   */
  answered(key) {
    const row = this.#sql.exec('select result from answered where key = ?', key).toArray()[0];
    return row === undefined ? null : JSON.parse(String(row.result));
  }

  /**
   * @param {string} key
   * @param {number} submission
   * @param {object} result
   * @param {number} at
   */
  remember(key, submission, result, at) {
    this.#sql.exec('insert into answered values (?, ?, ?, ?)', key, submission, JSON.stringify(result), at);
  }

  /**
   * Drops what is past its time.
   * @param {number} now
   */
  sweep(now) {
    this.#sql.exec('delete from answered where at < ?', now - ANSWERS_KEPT_MS);
    const old = this.#sql
      .exec('select id from submission where open = 0 and sent_at < ? limit 500', now - SUBMISSIONS_KEPT_MS)
      .toArray();
    for (const { id } of old) {
      const submission = this.find(Number(id));
      if (submission !== null) this.destroy(submission);
    }
  }
}
