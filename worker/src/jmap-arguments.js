// SPDX-License-Identifier: GPL-3.0-or-later
//
// What methods have in common: their errors, and the arguments of /get, /changes and /set (RFC 8620 section 5).

import { LIMITS } from './jmap-session.js';

/** @typedef {Record<string, any>} Arguments */
/** @typedef {import('./jmap.js').JmapContext} JmapContext */

/** A method that failed as a whole: RFC 8620 section 3.6.2. */
export class MethodError extends Error {
  /**
   * @param {string} type
   * @param {string} [description]
   * @param {Arguments} [members]
   */
  constructor(type, description, members = {}) {
    super(description ?? type);
    this.type = type;
    this.args = { type, ...(description === undefined ? {} : { description }), ...members };
  }
}

/** One object of a /set or /import that failed: RFC 8620 section 5.3. */
export class SetError extends Error {
  /**
   * @param {string} type
   * @param {string} [description]
   * @param {Arguments} [members]
   */
  constructor(type, description, members = {}) {
    super(description ?? type);
    this.object = { type, ...(description === undefined ? {} : { description }), ...members };
  }
}

/**
 * Runs `work` for one object; a SetError becomes its entry in `refused`.
 * @param {Record<string, object>} refused
 * @param {string} key
 * @param {() => void} work
 */
export function settle(refused, key, work) {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SetError)) throw error;
    refused[key] = error.object;
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
export function isStringList(value) {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/**
 * Throws unless an argument is absent, null or what `check` wants.
 * @param {Arguments} args
 * @param {string} name
 * @param {(value: unknown) => boolean} check
 */
export function checkArgument(args, name, check) {
  const value = args[name];
  if (value !== undefined && value !== null && !check(value))
    throw new MethodError('invalidArguments', `${name} is not what it should be.`, { arguments: [name] });
}

/** @param {unknown} value */
export const isBoolean = (value) => typeof value === 'boolean';
/** @param {unknown} value */
export const isInteger = (value) => Number.isSafeInteger(value);
/** @param {unknown} value */
export const isUnsigned = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** @param {unknown} value */
export const isString = (value) => typeof value === 'string';

/**
 * Reads `ids` and `properties` of a /get.
 * @param {Arguments} args
 * @param {{ known: (property: string) => boolean, all: boolean }} rules `all`: whether ids may be null for everything
 * @returns {{ ids: string[] | null, properties: string[] | null }}
 */
export function getArguments(args, { known, all }) {
  checkArgument(args, 'ids', isStringList);
  checkArgument(args, 'properties', isStringList);
  const ids = args.ids ?? null;
  // An Email/get without ids would be the whole store: aerc sends one.
  if (ids === null && !all) throw new MethodError('requestTooLarge', 'ids must be given.');
  if (ids !== null && ids.length > LIMITS.maxObjectsInGet)
    throw new MethodError('requestTooLarge', `At most ${LIMITS.maxObjectsInGet} ids may be asked for.`);
  const properties = args.properties ?? null;
  const unknown = (properties ?? []).find((/** @type {string} */ property) => property !== 'id' && !known(property));
  if (unknown !== undefined)
    throw new MethodError('invalidArguments', `There is no property ${unknown}.`, { arguments: ['properties'] });
  return { ids: ids === null ? null : [...new Set(/** @type {string[]} */ (ids))], properties };
}

/**
 * The answer to a /get from objects with all properties.
 * @param {Arguments} args
 * @param {string} state
 * @param {Map<string, Arguments>} objects those that exist
 * @param {string[]} known properties beside `id`
 * @returns {Arguments}
 */
export function getAnswer(args, state, objects, known) {
  const { ids, properties } = getArguments(args, { known: (property) => known.includes(property), all: true });
  /** @type {Arguments[]} */
  const list = [];
  /** @type {string[]} */
  const notFound = [];
  for (const id of ids ?? objects.keys()) {
    const object = objects.get(id);
    if (object === undefined) notFound.push(id);
    else list.push(pick(object, properties));
  }
  return { accountId: args.accountId, state, list, notFound };
}

/**
 * @param {Arguments} object
 * @param {string[] | null} properties
 * @returns {Arguments} always with `id`
 */
export function pick(object, properties) {
  if (properties === null) return object;
  return Object.fromEntries(Object.entries(object).filter(([key]) => key === 'id' || properties.includes(key)));
}

/** The most changes told in one answer. */
const MAX_CHANGES = 5000;

/**
 * The answer to a /changes.
 * @param {Arguments} args
 * @param {JmapContext} context
 * @param {import('./mail-store.js').ChangeType} type
 * @param {import('./jmap-ids.js').IdType} idType
 * @returns {Arguments}
 */
export function changesAnswer(args, { mail, ids }, type, idType) {
  if (typeof args.sinceState !== 'string') throw new MethodError('invalidArguments', 'sinceState is missing.');
  checkArgument(args, 'maxChanges', (value) => isUnsigned(value) && Number(value) > 0);
  const since = /^(0|[1-9][0-9]{0,14})$/.test(args.sinceState) ? Number(args.sinceState) : -1;
  const found = mail.changes(type, since, Math.min(args.maxChanges ?? MAX_CHANGES, MAX_CHANGES));
  if (found === null) throw new MethodError('cannotCalculateChanges');
  const write = (/** @type {number} */ id) => ids.write(idType, id);
  return {
    accountId: args.accountId,
    oldState: args.sinceState,
    newState: String(found.newState),
    hasMoreChanges: found.hasMore,
    created: found.created.map(write),
    updated: found.updated.map(write),
    destroyed: found.destroyed.map(write),
  };
}

/**
 * Checks the arguments that every /set has.
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function checkSet(args, { mail }) {
  checkArgument(args, 'create', isObject);
  checkArgument(args, 'update', isObject);
  checkArgument(args, 'destroy', isStringList);
  checkObjects(args.create);
  checkObjects(args.update);
  const count =
    Object.keys(args.create ?? {}).length + Object.keys(args.update ?? {}).length + (args.destroy ?? []).length;
  if (count > LIMITS.maxObjectsInSet)
    throw new MethodError('requestTooLarge', `At most ${LIMITS.maxObjectsInSet} objects may be set at once.`);
  checkState(args, mail.state());
}

/** @param {unknown} objects */
export function checkObjects(objects) {
  if (Object.values(objects ?? {}).some((object) => !isObject(object)))
    throw new MethodError('invalidArguments', 'What is to be made or changed is given as objects.');
}

/**
 * @param {Arguments} args
 * @param {number} state
 */
export function checkState(args, state) {
  checkArgument(args, 'ifInState', isString);
  if (typeof args.ifInState === 'string' && args.ifInState !== String(state)) throw new MethodError('stateMismatch');
}

/**
 * An id in an argument, or `#` and a creation id of this request.
 * @param {unknown} id
 * @param {JmapContext} context
 * @returns {string | null}
 */
export function resolveId(id, { created }) {
  if (typeof id !== 'string') return null;
  return id.startsWith('#') ? (created.get(id.slice(1)) ?? null) : id;
}

/**
 * @param {Record<string, object>} map
 * @returns {Record<string, object> | null} null for none, as RFC 8620 section 5.3 tells them
 */
export function orNull(map) {
  return Object.keys(map).length > 0 ? map : null;
}
