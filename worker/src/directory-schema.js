// SPDX-License-Identifier: GPL-3.0-or-later
//
// The directory's tables, as numbered steps. A step that has been released is never edited: the next one changes what
// it did. All steps that are missing run in one transaction, so an object has the old shape or the new, never between.

/** @type {readonly string[]} step n is at index n - 1 */
const STEPS = [
  `
  -- The id is the mailbox's. "revision" counts changes the mailbox must hear of, "settled" is the last it confirmed
  -- (0: it was never made), "revoke" says which tokens must die with that: null none, '*' all, else all but this id.
  create table user (
    id text primary key,
    address text not null,
    display_name text not null,
    role text not null check (role in ('administrator', 'user')),
    state text not null check (state in ('active', 'disabled', 'wiping')),
    quota integer,
    salt blob not null, hash blob not null, cost integer not null,
    created_at integer not null,
    signed_in_at integer,
    revision integer not null,
    settled integer not null,
    revoke text
  ) without rowid;
  create index user_by_address on user (address, id);
  create index user_administrator on user (created_at, id) where role = 'administrator' and state = 'active';
  create index user_unsettled on user (id) where settled <> revision;

  -- Everything that leads to a user, the first address and the aliases alike. Being here is owning it.
  create table address (address text primary key, user text not null references user (id)) without rowid;
  create index address_by_user on address (user);

  create table domain (name text primary key, catch_all text references user (id)) without rowid;

  create table invitation (
    id text primary key,
    code_hash blob not null unique,
    note text not null,
    uses_left integer not null,
    uses integer not null,
    expires_at integer not null,
    created_by text not null,
    created_at integer not null
  ) without rowid;

  create table attempt (key text primary key, count integer not null, until integer not null) without rowid;
  create index attempt_by_until on attempt (until);

  create table setting (name text primary key, value text not null) without rowid;
  `,
];

/**
 * @param {DurableObjectStorage} storage
 * @throws {Error} when a newer version has been here; then nothing is touched
 */
export function migrate(storage) {
  const { sql } = storage;
  storage.transactionSync(() => {
    sql.exec('create table if not exists migration (step integer primary key, at integer not null)');
    const done = Number(sql.exec('select coalesce(max(step), 0) as step from migration').one().step);
    if (done > STEPS.length)
      throw new Error(`The directory is of schema ${done}, this Worker knows ${STEPS.length}: deploy the newer one.`);
    STEPS.slice(done).forEach((step, index) => {
      sql.exec(step);
      sql.exec('insert into migration values (?, ?)', done + index + 1, Date.now());
    });
  });
}
