// SPDX-License-Identifier: GPL-3.0-or-later

import { canonicalDomain } from './directory-address.js';

export const MAX_DOMAINS = 100;

/** The platform gives one object no more storage than this. */
export const MAX_QUOTA = 10 * 1024 ** 3;

/** @typedef {'closed' | 'invite' | 'open'} Registration */
/** @typedef {{ registration: Registration, defaultQuota: number }} Policy */

/** @type {Readonly<Policy>} */
const DEFAULTS = { registration: 'closed', defaultQuota: 1024 ** 3 };

/** Who may register, how much a mailbox holds, and which domains are ours. */
export class Settings {
  /** @param {SqlStorage} sql */
  constructor(sql) {
    this.sql = sql;
  }

  /** @returns {Policy} */
  policy() {
    const rows = this.sql.exec('select name, value from setting').toArray();
    return { ...DEFAULTS, ...Object.fromEntries(rows.map(({ name, value }) => [name, JSON.parse(String(value))])) };
  }

  /** @param {Partial<Policy>} changes */
  change(changes) {
    for (const [name, value] of Object.entries(changes))
      this.sql.exec('insert or replace into setting values (?, ?)', name, JSON.stringify(value));
  }

  /**
   * Takes the domains the Worker was deployed with. They are the first word; once there is a user, the live list is.
   * @param {string} domains comma-separated
   */
  seedDomains(domains) {
    if (this.sql.exec('select 1 from user limit 1').toArray().length > 0) return;
    const names = domains.split(',').map((name) => canonicalDomain(name.trim()));
    const wanted = JSON.stringify(names.filter((name) => name !== null).slice(0, MAX_DOMAINS));
    const differ = `select value from json_each(?1) except select name from domain
      union all select * from (select name from domain except select value from json_each(?1))`;
    if (this.sql.exec(differ, wanted).toArray().length === 0) return;
    this.sql.exec('delete from domain');
    this.sql.exec('insert or ignore into domain select value, null from json_each(?)', wanted);
  }

  /** @returns {{ name: string, catchAll: string | null }[]} by name; `catchAll` is a first address */
  domains() {
    return this.sql
      .exec(
        `select domain.name as name, user.address as catchAll from domain
         left join user on user.id = domain.catch_all order by name`,
      )
      .toArray()
      .map(({ name, catchAll }) => ({ name: String(name), catchAll: catchAll === null ? null : String(catchAll) }));
  }

  /**
   * @param {string} name canonical
   * @returns {boolean}
   */
  hasDomain(name) {
    return this.sql.exec('select 1 from domain where name = ?', name).toArray().length > 0;
  }

  /**
   * @param {string} name canonical
   * @param {string | null} catchAll the id of the user who gets mail to unknown names
   */
  putDomain(name, catchAll) {
    this.sql.exec('insert into domain values (?1, ?2) on conflict (name) do update set catch_all = ?2', name, catchAll);
  }

  /** @param {string} name canonical */
  removeDomain(name) {
    this.sql.exec('delete from domain where name = ?', name);
  }

  /**
   * @param {string} name canonical
   * @returns {number} how many addresses are in the domain
   */
  addressesIn(name) {
    const suffix = `@${name}`;
    return Number(
      this.sql.exec('select count(*) as n from address where substr(address, -length(?1)) = ?1', suffix).one().n,
    );
  }
}
