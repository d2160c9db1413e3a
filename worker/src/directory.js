// SPDX-License-Identifier: GPL-3.0-or-later
//
// The directory: one object, named "directory". It says where mail goes (`resolve`, called for each message) and
// serves the management API (`fetch`).
//
// What it decides about a user takes effect in that user's mailbox, another object, and no transaction spans two
// objects. So a decision is written first, together with a higher revision of the user, and then carried to the
// mailbox: at once by whoever made it, and should that fail or be killed, by the alarm until the mailbox confirms.
// A mailbox is made, told, and wiped in this one way.

import { DurableObject } from 'cloudflare:workers';
import { Attempts } from './attempts.js';
import { parseAddress, withoutTag } from './directory-address.js';
import { migrate } from './directory-schema.js';
import { Invitations } from './invitations.js';
import { carry } from './management-call.js';
import { manage } from './management.js';
import { Stretcher } from './passwords.js';
import { Settings } from './settings.js';
import { REVOKE_ALL, Users } from './users.js';

/** @import { Env, MailboxStub, Resolution } from './contract.js' */
/** @import { User } from './users.js' */

/** Addresses in one question. A message has at most a few hundred recipients. */
const MAX_RESOLVE = 1000;

/** Mailboxes told in one turn of the alarm: calls of one invocation are limited to 50 on the free plan,
 * and one user takes three at most. */
const SETTLE_A_TURN = 15;

const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 300_000;

/** Everything of the domain that nobody has: one answer for all, it tells a prober nothing. */
const UNKNOWN_USER = '5.1.1 There is no such user here. Check the address for a mistake.';
const DISABLED_USER = '5.2.1 This mailbox is disabled and takes no mail.';

/** @extends {DurableObject<Env>} */
export class Directory extends DurableObject {
  /** @type {Map<string, Promise<unknown>>} per user, the last of what is being said to the mailbox */
  #turns = new Map();
  #retryMs = FIRST_RETRY_MS;
  #lastTold = '';
  /** @type {number | null} */
  #alarmAt = null;

  /**
   * @param {DurableObjectState} ctx
   * @param {Env} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    this.attempts = new Attempts(sql);
    this.invitations = new Invitations(sql);
    this.settings = new Settings(sql);
    this.users = new Users(sql);
    this.stretcher = new Stretcher(Number(env.PASSWORD_COST ?? 0) || undefined);
    void ctx.blockConcurrencyWhile(async () => {
      migrate(ctx.storage);
      this.settings.seedDomains(env.DOMAINS ?? '');
      this.#alarmAt = await ctx.storage.getAlarm();
      this.arm();
    });
  }

  /** @returns {string} empty when setup is switched off */
  get setupSecret() {
    return this.env.SETUP_SECRET ?? '';
  }

  /**
   * @param {Request} request under `/api/v1/`
   * @returns {Promise<Response>}
   */
  async fetch(request) {
    return manage(this, request);
  }

  /**
   * @param {string[]} addresses in any spelling
   * @returns {Promise<Resolution[]>} for each: its mailbox, a refusal, or null when its domain is not ours
   */
  async resolve(addresses) {
    if (addresses.length > MAX_RESOLVE) throw new Error(`More than ${MAX_RESOLVE} addresses at once.`);
    /** @type {Resolution[]} */
    const resolutions = [];
    for (const address of addresses) {
      const found = this.find(address);
      if (found === 'elsewhere') resolutions.push(null);
      else if (found === null) resolutions.push({ local: true, refused: UNKNOWN_USER });
      else if (found.state !== 'active') resolutions.push({ local: true, refused: DISABLED_USER });
      else {
        // Made in this moment, or the object died while making it: a mailbox that is not there would bounce.
        if (found.settled === 0) await this.settle(found.id);
        resolutions.push({ mailboxId: found.id, address: found.address });
      }
    }
    return resolutions;
  }

  /**
   * @param {string} text an address in any spelling
   * @returns {User | null | 'elsewhere'} who gets mail to it; null: nobody, though the domain is ours
   */
  find(text) {
    const parsed = parseAddress(text);
    if (parsed === null || !this.settings.hasDomain(parsed.domain)) return 'elsewhere';
    const { domain } = parsed;
    const local = withoutTag(parsed.local);
    return (
      this.users.byAddress(`${parsed.local}@${domain}`) ??
      this.users.byAddress(`${local}@${domain}`) ??
      // RFC 5321 section 4.5.1 and RFC 2142: these reach a person at every domain.
      (local === 'postmaster' || local === 'abuse' ? this.users.firstAdministrator() : null) ??
      this.#catchAll(domain)
    );
  }

  /**
   * @param {string} domain
   * @returns {User | null}
   */
  #catchAll(domain) {
    const [row] = this.ctx.storage.sql.exec('select catch_all from domain where name = ?', domain).toArray();
    const user = typeof row?.catch_all === 'string' ? this.users.get(row.catch_all) : null;
    return user?.state === 'active' ? user : null;
  }

  /**
   * @param {string} id
   * @returns {MailboxStub}
   */
  mailbox(id) {
    return this.env.MAILBOX.getByName(id);
  }

  /**
   * Changes rows, all or nothing, and sees to it that the mailboxes concerned will hear.
   * @template T
   * @param {() => T} change does not wait
   * @returns {T}
   */
  write(change) {
    const result = this.ctx.storage.transactionSync(change);
    this.arm();
    return result;
  }

  /**
   * Runs what concerns one mailbox after everything else that does, so that no older word overtakes a newer one.
   * @template T
   * @param {string} id
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async inTurn(id, work) {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }

  /**
   * Brings a mailbox to what the directory says of it; returns when it has confirmed.
   * @param {string} id
   * @returns {Promise<void>}
   * @throws {Error} when the mailbox did not answer; the alarm goes on trying
   */
  settle(id) {
    return this.inTurn(id, () => this.settleNow(id));
  }

  /**
   * As `settle`, for who has the turn.
   * @param {string} id
   * @returns {Promise<void>}
   */
  async settleNow(id) {
    for (let user = this.users.get(id); user !== null && user.settled !== user.revision; user = this.users.get(id)) {
      const told = user;
      await this.#tell(told);
      this.write(() => {
        if (told.state === 'wiping') this.users.forget(id);
        else this.users.settle(told);
      });
    }
  }

  /** @param {User} user */
  async #tell(user) {
    const { id, address, displayName, revoke } = user;
    const stub = this.mailbox(id);
    if (user.state === 'wiping') return stub.wipe();
    const quota = user.quota ?? this.settings.policy().defaultQuota;
    const addresses = [address, ...this.users.aliases(id)];
    if (user.settled === 0) await stub.create({ id, address, addresses, displayName, quota });
    if (revoke !== null) await stub.revokeAllTokens(revoke === REVOKE_ALL ? {} : { exceptId: revoke });
    await stub.configure({ address, addresses, displayName, quota, disabled: user.state === 'disabled' });
  }

  /**
   * Carries on what was left: mailboxes that have yet to hear, counts and invitations that ran out. Never throws; the
   * platform gives up on an alarm that fails often.
   */
  async alarm() {
    this.#alarmAt = null;
    try {
      const ids = this.users.unsettled(this.#lastTold, SETTLE_A_TURN);
      // Round and round, so that mailboxes in trouble do not keep the others waiting.
      this.#lastTold = ids.length < SETTLE_A_TURN ? '' : (ids.at(-1) ?? '');
      let told = 0;
      for (const id of ids) if (await carry(this, id)) told += 1;
      this.#retryMs = told > 0 || ids.length === 0 ? FIRST_RETRY_MS : Math.min(this.#retryMs * 2, LAST_RETRY_MS);
      this.attempts.sweep(Date.now());
      this.invitations.sweep(Date.now());
    } catch (error) {
      console.error('directory alarm:', error instanceof Error ? error.message : String(error));
    }
    this.arm();
  }

  /** Sets the alarm for the next thing that is due; one that is set for earlier stays. */
  arm() {
    const now = Date.now();
    const retryAt = this.users.unsettled('', 1).length > 0 ? now + this.#retryMs : Infinity;
    const sweepAt = this.attempts.nextSweep() ?? Infinity;
    const next = Math.max(now, Math.min(retryAt, sweepAt));
    if (next === Infinity || (this.#alarmAt !== null && this.#alarmAt <= next)) return;
    this.#alarmAt = next;
    void this.ctx.storage.setAlarm(next);
  }
}
