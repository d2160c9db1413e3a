// SPDX-License-Identifier: GPL-3.0-or-later
//
// An object has one alarm; this table says what it is for. Rows are written in the transaction that makes the work,
// so none is forgotten; `arm` follows the earliest of them.

/** @typedef {'send' | 'sweep'} DueKind */

export class DueTable {
  #storage;
  #sql;

  /** @param {DurableObjectStorage} storage */
  constructor(storage) {
    this.#storage = storage;
    this.#sql = storage.sql;
  }

  /**
   * Work that is already waiting for an earlier time stays there.
   * @param {DueKind} kind
   * @param {number} ref
   * @param {number} at milliseconds since the epoch
   */
  add(kind, ref, at) {
    this.#sql.exec(
      `insert into due values (?, ?, ?) on conflict do update set at = excluded.at where excluded.at < at`,
      kind,
      ref,
      at,
    );
  }

  /**
   * Replaces when the work is due; null when there is none any more.
   * @param {DueKind} kind
   * @param {number} ref
   * @param {number | null} at
   */
  set(kind, ref, at) {
    if (at === null) this.#sql.exec('delete from due where kind = ? and ref = ?', kind, ref);
    else this.#sql.exec('insert into due values (?, ?, ?) on conflict do update set at = excluded.at', kind, ref, at);
  }

  /**
   * @param {number} now
   * @returns {{ kind: DueKind, ref: number }[]} oldest first
   */
  ready(now) {
    return this.#sql
      .exec('select kind, ref from due where at <= ? order by at limit 100', now)
      .toArray()
      .map((row) => ({ kind: /** @type {DueKind} */ (row.kind), ref: Number(row.ref) }));
  }

  /** Sets the alarm to the earliest row, unless it is already set at least as early. */
  async arm() {
    const { at } = this.#sql.exec('select min(at) as at from due').one();
    if (at === null) return;
    const armed = await this.#storage.getAlarm();
    if (armed === null || armed > Number(at)) await this.#storage.setAlarm(Number(at));
  }
}
