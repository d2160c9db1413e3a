// SPDX-License-Identifier: GPL-3.0-or-later
//
// Email/query (RFC 8621 section 4.4), put as one SQL statement. A filter becomes an expression over the email's row;
// `inMailbox` with `receivedAt`, which is what every client asks for first, reads the folder's own index in order and
// touches no email at all.

import { MethodError, checkArgument, isBoolean, isInteger, isObject, isString, isUnsigned } from './jmap-arguments.js';
import { LIMITS } from './jmap-session.js';

/** @typedef {import('./jmap-arguments.js').Arguments} Arguments */
/** @typedef {import('./jmap.js').JmapContext} JmapContext */
/** @typedef {{ sql: string, values: (string | number)[] }} Clause */

/** SQLite ends at a depth of 100 and at 100 values. */
const MAX_DEPTH = 12;
const MAX_VALUES = 80;

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function emailQuery(args, context) {
  checkArgument(args, 'position', isInteger);
  checkArgument(args, 'anchor', isString);
  checkArgument(args, 'anchorOffset', isInteger);
  checkArgument(args, 'limit', isUnsigned);
  checkArgument(args, 'calculateTotal', isBoolean);
  checkArgument(args, 'collapseThreads', isBoolean);
  checkArgument(args, 'filter', isObject);
  checkArgument(args, 'sort', Array.isArray);
  const query = new Query(args, context);
  const position = startOf(args, context, query);
  const asked = args.limit ?? Infinity;
  const limit = Math.min(asked, LIMITS.maxObjectsInGet);
  return {
    accountId: args.accountId,
    queryState: String(context.mail.state()),
    canCalculateChanges: false,
    position,
    ids: query.page(position, limit).map((id) => context.ids.write('email', id)),
    ...(args.calculateTotal ? { total: query.total() } : {}),
    ...(limit < asked ? { limit } : {}),
  };
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 * @param {Query} query
 */
function startOf(args, context, query) {
  if (typeof args.anchor === 'string') {
    const at = query.positionOf(context.ids.read('email', args.anchor));
    if (at === null) throw new MethodError('anchorNotFound');
    return Math.max(0, at + (args.anchorOffset ?? 0));
  }
  const position = args.position ?? 0;
  return position < 0 ? Math.max(0, query.total() + position) : position;
}

class Query {
  #sql;
  #tail;
  #values;
  #id;
  #order;

  /**
   * @param {Arguments} args
   * @param {JmapContext} context
   */
  constructor({ filter, sort }, { sql, ids }) {
    this.#sql = sql;
    const { folder, rest } = takeFolder(filter ?? null, ids);
    const where = rest === null ? null : compile(rest, ids, 0);
    if (where !== null && where.values.length > MAX_VALUES)
      throw new MethodError('unsupportedFilter', 'The filter has too many conditions.');
    const columns =
      folder === null ? { id: 'email.id', at: 'email.received_at' } : { id: 'filing.email', at: 'filing.received_at' };
    const keys = orderBy(sort ?? [], columns);
    // Ties go by id in the direction of the first key, so that a list read backwards is the list reversed.
    this.#order = [...keys, `${columns.id}${keys[0]?.endsWith(' desc') ? ' desc' : ''}`].join(', ');
    this.#id = columns.id;
    const needsEmail = folder === null || where !== null || keys.some((key) => key.includes('email.'));
    const tables = folder === null ? 'email' : needsEmail ? 'filing join email on email.id = filing.email' : 'filing';
    const conditions = [...(folder === null ? [] : ['filing.folder = ?']), ...(where === null ? [] : [where.sql])];
    this.#tail = `from ${tables} where ${conditions.join(' and ') || '1'}`;
    this.#values = [...(folder === null ? [] : [folder]), ...(where?.values ?? [])];
  }

  /** @returns {number} */
  total() {
    return Number(this.#sql.exec(`select count(*) as n ${this.#tail}`, ...this.#values).one().n);
  }

  /**
   * @param {number} position
   * @param {number} limit
   * @returns {number[]}
   */
  page(position, limit) {
    const statement = `select ${this.#id} as id ${this.#tail} order by ${this.#order} limit ? offset ?`;
    return this.#sql
      .exec(statement, ...this.#values, limit, position)
      .toArray()
      .map((row) => Number(row.id));
  }

  /**
   * @param {number | null} id
   * @returns {number | null}
   */
  positionOf(id) {
    const numbered = `select ${this.#id} as id, row_number() over (order by ${this.#order}) - 1 as at ${this.#tail}`;
    const row = this.#sql.exec(`select at from (${numbered}) where id = ?`, ...this.#values, id).toArray()[0];
    return row === undefined ? null : Number(row.at);
  }
}

/**
 * Takes `inMailbox` out of a plain condition, to be read from the folder's index.
 * @param {Arguments | null} filter
 * @param {import('./jmap-ids.js').IdCodec} ids
 * @returns {{ folder: number | null, rest: Arguments | null }}
 */
function takeFolder(filter, ids) {
  if (filter === null || filter.operator !== undefined || typeof filter.inMailbox !== 'string')
    return { folder: null, rest: filter };
  const { inMailbox, ...rest } = filter;
  return { folder: ids.read('folder', inMailbox) ?? -1, rest: Object.keys(rest).length > 0 ? rest : null };
}

/**
 * @param {unknown[]} sort
 * @param {{ id: string, at: string }} columns
 * @returns {string[]}
 */
function orderBy(sort, { at }) {
  /** @type {Record<string, string>} */
  const keys = {
    receivedAt: at,
    sentAt: "coalesce(unixepoch(email.head ->> '$.sentAt'), email.received_at / 1000)",
    size: 'email.size',
    from: "lower(coalesce(email.head ->> '$.from[0].name', email.head ->> '$.from[0].email', ''))",
    to: "lower(coalesce(email.head ->> '$.to[0].name', email.head ->> '$.to[0].email', ''))",
    subject: "lower(coalesce(email.head ->> '$.subject', ''))",
  };
  if (sort.length === 0) return [`${at} desc`];
  return sort.slice(0, 8).map((comparator) => {
    if (!isObject(comparator) || typeof comparator.property !== 'string')
      throw new MethodError('invalidArguments', 'sort is not a list of comparators.', { arguments: ['sort'] });
    if (comparator.collation !== undefined && comparator.collation !== null) throw new MethodError('unsupportedSort');
    const key = Object.hasOwn(keys, comparator.property) ? keys[comparator.property] : undefined;
    if (key === undefined) throw new MethodError('unsupportedSort', `Emails are not sorted by ${comparator.property}.`);
    checkArgument(comparator, 'isAscending', isBoolean);
    return `${key}${comparator.isAscending === false ? ' desc' : ''}`;
  });
}

const OPERATORS = ['AND', 'OR', 'NOT'];

/**
 * @param {unknown} filter
 * @param {import('./jmap-ids.js').IdCodec} ids
 * @param {number} depth
 * @returns {Clause}
 */
function compile(filter, ids, depth) {
  if (!isObject(filter)) throw new MethodError('invalidArguments', 'filter is no filter.', { arguments: ['filter'] });
  if (depth > MAX_DEPTH) throw new MethodError('unsupportedFilter', 'The filter is too deep.');
  if (filter.operator === undefined)
    return join(
      Object.entries(filter).map(([name, value]) => condition(name, value, ids)),
      ' and ',
      '1',
    );
  if (!OPERATORS.includes(filter.operator) || !Array.isArray(filter.conditions))
    throw new MethodError('invalidArguments', 'filter has an unknown operator.', { arguments: ['filter'] });
  const parts = filter.conditions.map((part) => compile(part, ids, depth + 1));
  if (filter.operator === 'AND') return join(parts, ' and ', '1');
  const any = join(parts, ' or ', '0');
  return filter.operator === 'OR' ? any : { sql: `(not ${any.sql})`, values: any.values };
}

/**
 * @param {Clause[]} parts
 * @param {string} word
 * @param {string} empty
 * @returns {Clause}
 */
function join(parts, word, empty) {
  if (parts.length === 0) return { sql: empty, values: [] };
  return { sql: `(${parts.map((part) => part.sql).join(word)})`, values: parts.flatMap((part) => part.values) };
}

/**
 * @param {string} name
 * @param {any} value
 * @param {import('./jmap-ids.js').IdCodec} ids
 * @returns {Clause}
 */
function condition(name, value, ids) {
  const folder = (/** @type {unknown} */ id) => ids.read('folder', id) ?? -1;
  const need = (/** @type {boolean} */ ok) => {
    if (!ok) throw new MethodError('invalidArguments', `The filter's ${name} is not what it should be.`);
  };
  const inList = (/** @type {string} */ column) => `exists (select 1 from json_each(${column}) where value = ?)`;
  switch (name) {
    case 'inMailbox':
      need(isString(value));
      return { sql: inList('email.folders'), values: [folder(value)] };
    case 'inMailboxOtherThan':
      need(Array.isArray(value));
      return {
        sql: 'exists (select 1 from json_each(email.folders) where value not in (select value from json_each(?)))',
        values: [JSON.stringify(value.map(folder))],
      };
    case 'before':
    case 'after': {
      const at = typeof value === 'string' ? Date.parse(value) : NaN;
      need(!Number.isNaN(at));
      return { sql: `email.received_at ${name === 'before' ? '<' : '>='} ?`, values: [at] };
    }
    case 'minSize':
    case 'maxSize':
      need(isUnsigned(value));
      return { sql: `email.size ${name === 'minSize' ? '>=' : '<'} ?`, values: [value] };
    case 'hasKeyword':
    case 'notKeyword':
      need(isString(value));
      return {
        sql: `${name === 'notKeyword' ? 'not ' : ''}${inList('email.keywords')}`,
        values: [String(value).toLowerCase()],
      };
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
    case 'subject':
      need(isString(value));
      return contains(`email.head ->> '$.${name}'`, value);
    case 'header':
      need(Array.isArray(value) && value.every(isString) && (value.length === 1 || value.length === 2));
      return headerCondition(value);
    default:
      throw new MethodError('unsupportedFilter', `Emails are not searched by ${name}.`);
  }
}

/**
 * @param {string} expression
 * @param {string} text
 * @returns {Clause}
 */
function contains(expression, text) {
  return { sql: `instr(lower(coalesce(${expression}, '')), lower(?)) > 0`, values: [text] };
}

/** @type {Record<string, string>} fields whose text is kept in the email's row */
const HEADERS = {
  'message-id': 'messageId',
  'in-reply-to': 'inReplyTo',
  references: 'references',
  subject: 'subject',
  from: 'from',
  sender: 'sender',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
  'reply-to': 'replyTo',
};

/** @param {string[]} value the field's name and, if given, what it contains */
function headerCondition([name = '', text]) {
  const key = HEADERS[name.toLowerCase()];
  if (key === undefined) throw new MethodError('unsupportedFilter', `Emails are not searched by the header ${name}.`);
  const expression = `email.head ->> '$.${key}'`;
  // Message ids are kept without their brackets.
  const wanted = name.toLowerCase() === 'message-id' ? text?.replace(/^<|>$/g, '') : text;
  return wanted === undefined ? { sql: `${expression} is not null`, values: [] } : contains(expression, wanted);
}
