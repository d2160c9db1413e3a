// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a mailbox keeps on disk, as numbered migrations.
//
// One counter, `mailbox.state`, is the JMAP state of every type. It is raised once for each object that is made,
// changed or destroyed, so an object's integer key is the state in which it was made, `changed` is the state of its
// last change, and a page of changes can end after any object. Destroyed objects leave a row in `tombstone`. Nothing
// but the newest tombstones has to be kept for `/changes` to be right, and no log grows with mail that stays.
//
// Rows written are what a Worker is billed for (index entries count), so an ordinary mail costs eight: blob, chunk,
// email and its index, filing, folder, mailbox, and the alarm only where something is to be done later.

/** @type {string[]} each is run once, in order; never edit one that has been released */
const MIGRATIONS = [
  `
  create table mailbox (
    one integer primary key check (one = 1),
    id text not null,
    salt text not null,                  -- makes ids of this mailbox unlike those of any other, for ever
    address text not null,
    addresses text not null,             -- JSON list, lower case
    display_name text not null,
    quota integer not null,              -- octets; 0 is no limit
    disabled integer not null default 0,
    configuration integer not null default 1, -- raised when the session object changes
    state integer not null default 0,
    floor integer not null default 0,    -- changes since an older state cannot be told
    octets integer not null default 0,
    messages integer not null default 0,
    uploads integer not null default 0   -- octets of uploads that are kept, used or not
  );
  create table token (
    id text primary key,
    name text not null,
    hash blob not null,                  -- SHA-256 of the whole token
    created_at integer not null,
    used_at integer
  ) without rowid;
  create table identity (id integer primary key, address text not null unique);
  create table folder (
    id integer primary key,
    name text not null,
    role text,
    sort_order integer not null,
    total integer not null default 0,
    unread integer not null default 0,
    changed integer not null             -- state of the last change, counts included
  );
  create table blob (
    id integer primary key autoincrement,
    size integer not null,
    canonical_size integer not null,     -- with every bare LF as CRLF and a final CRLF
    uses integer not null                -- emails, submissions and uploads that hold it; 0 while it is being received
  );
  create table chunk (
    blob integer not null, n integer not null, data blob not null, primary key (blob, n)
  ) without rowid;
  create table upload (                  -- blobs that go away at a time unless something uses them by then
    blob integer primary key, until integer not null
  );
  create table email (
    id integer primary key,
    blob integer not null,
    thread integer not null,
    size integer not null,
    canonical_size integer not null,
    received_at integer not null,        -- milliseconds since the epoch
    keywords text not null,              -- JSON list, lower case, sorted
    folders text not null,               -- JSON list of folder ids; filing has the same, by folder
    head text not null,                  -- JSON: what mime-header.js made of the header
    changed integer not null
  );
  create index email_changed on email (changed);
  create table filing (
    folder integer not null, received_at integer not null, email integer not null, unread integer not null,
    primary key (folder, received_at, email)
  ) without rowid;
  create trigger filing_added after insert on filing begin
    update folder set total = total + 1, unread = unread + new.unread,
      changed = (select state from mailbox) where id = new.folder;
  end;
  create trigger filing_removed after delete on filing begin
    update folder set total = total - 1, unread = unread - old.unread,
      changed = (select state from mailbox) where id = old.folder;
  end;
  create trigger filing_read after update of unread on filing when new.unread <> old.unread begin
    update folder set unread = unread + new.unread - old.unread,
      changed = (select state from mailbox) where id = new.folder;
  end;
  create table tombstone (state integer primary key, type text not null, id integer not null);
  create table submission (
    id integer primary key,
    identity integer not null,
    email integer not null,
    blob integer not null,
    thread integer not null,
    mail_from text not null,             -- '' is the null sender
    header_from text not null,
    envelope text not null,              -- JSON, as it is told to clients
    sent_at integer not null,
    open integer not null,               -- recipients not yet settled
    changed integer not null
  );
  create table recipient (
    submission integer not null, n integer not null,
    address text not null,
    target text,                         -- mailbox id of a local recipient, null outside
    status text not null,                -- queued, sent, failed
    reply text not null,
    message_id text,                     -- as the binding gave it
    attempts integer not null default 0,
    next_at integer not null,
    primary key (submission, n)
  ) without rowid;
  create table answered (                -- submissions by the client's own key, so that a repeat sends nothing
    key text primary key, submission integer not null, result text not null, at integer not null
  ) without rowid;
  create table delivered (               -- keys of local deliveries, so that a repeat stores nothing
    key text primary key, at integer not null
  ) without rowid;
  create table due (                     -- what the one alarm has to do, and when
    kind text not null, ref integer not null, at integer not null, primary key (kind, ref)
  ) without rowid;
  `,
];

/**
 * True once `migrate` has run in this object; an object that was never made, or was wiped, has no tables at all.
 * @param {SqlStorage} sql
 */
export function hasSchema(sql) {
  return sql.exec("select 1 from sqlite_master where type = 'table' and name = 'schema'").toArray().length > 0;
}

/**
 * Brings the tables up to what this code knows, in one transaction. Throws when they are newer than that: an older
 * Worker must not write what it does not understand.
 * @param {DurableObjectStorage} storage
 */
export function migrate(storage) {
  const { sql } = storage;
  storage.transactionSync(() => {
    sql.exec('create table if not exists schema (version integer not null)');
    const row = sql.exec('select version from schema').toArray()[0];
    const version = Number(row?.version ?? 0);
    if (version > MIGRATIONS.length)
      throw new Error(
        `The mailbox was written by a newer Worker (schema ${version}, this one knows ${MIGRATIONS.length})`,
      );
    for (const step of MIGRATIONS.slice(version)) sql.exec(step);
    if (version === MIGRATIONS.length) return;
    sql.exec('delete from schema');
    sql.exec('insert into schema values (?)', MIGRATIONS.length);
  });
}
