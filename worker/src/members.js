// SPDX-License-Identifier: GPL-3.0-or-later
//
// A JSON body, read with a limit and taken apart member by member. What nobody asked for is refused by name: a
// misspelt "quotta" must not be a success that changes nothing.

import { Refusal } from './refusal.js';

/** Far more than any request of the API needs. */
const MAX_BODY = 64 * 1024;

/**
 * @param {Request} request
 * @returns {Promise<Members>} empty for a request without a body
 * @throws {Refusal} body-too-large, unsupported-media-type, invalid-json
 */
export async function readMembers(request) {
  const text = await readText(request);
  if (text === '') return new Members({});
  const type = (request.headers.get('Content-Type') ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new Refusal('unsupported-media-type', 'Send JSON, with the header Content-Type: application/json.');
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal('invalid-json', 'The body does not parse as JSON in UTF-8.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal('invalid-json', 'The body must be one JSON object.');
  return new Members(value);
}

/**
 * @param {Request} request
 * @returns {Promise<string>}
 */
async function readText(request) {
  if (request.body === null) return '';
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let text = '';
  let size = 0;
  try {
    for await (const chunk of request.body) {
      size += chunk.byteLength;
      if (size > MAX_BODY) break;
      text += decoder.decode(chunk, { stream: true });
    }
    if (size <= MAX_BODY) return text + decoder.decode();
  } catch {
    throw new Refusal('invalid-json', 'The body was cut off, or is not UTF-8.');
  }
  throw new Refusal('body-too-large', `The body is larger than ${MAX_BODY} octets.`);
}

export class Members {
  /** @type {Set<string>} */
  #asked = new Set();

  /** @param {Record<string, unknown>} values */
  constructor(values) {
    this.values = new Map(Object.entries(values));
  }

  /**
   * @param {string} name
   * @returns {boolean}
   */
  has(name) {
    this.#asked.add(name);
    return this.values.has(name);
  }

  /**
   * @param {string} name
   * @param {{ max: number, min?: number }} limits in UTF-16 units
   * @returns {string}
   */
  text(name, { max, min = 1 }) {
    const value = this.#take(name);
    if (typeof value !== 'string') throw wrong(name, 'must be a string');
    if (value.length < min) throw wrong(name, min === 1 ? 'must not be empty' : `must have at least ${min} characters`);
    if (value.length > max) throw wrong(name, `must have at most ${max} characters`);
    return value;
  }

  /**
   * A name that people read in lists: trimmed, one line.
   * @param {string} name
   * @param {{ max: number, min?: number }} limits
   * @returns {string}
   */
  line(name, limits) {
    const value = this.text(name, { max: limits.max, min: 0 }).trim().normalize('NFC');
    if (value.length < (limits.min ?? 0)) throw wrong(name, 'must not be empty');
    if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(value)) throw wrong(name, 'must be one line without control characters');
    return value;
  }

  /**
   * @param {string} name
   * @param {{ min: number, max: number }} limits both included
   * @returns {number}
   */
  integer(name, { min, max }) {
    const value = this.#take(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
      throw wrong(name, `must be a whole number from ${min} to ${max}`);
    return value;
  }

  /**
   * @param {string} name
   * @returns {boolean}
   */
  flag(name) {
    const value = this.#take(name);
    if (typeof value !== 'boolean') throw wrong(name, 'must be true or false');
    return value;
  }

  /**
   * @template {string} T
   * @param {string} name
   * @param {readonly T[]} choices
   * @returns {T}
   */
  choice(name, choices) {
    const value = this.#take(name);
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined) throw wrong(name, `must be one of: ${choices.join(', ')}`);
    return chosen;
  }

  /**
   * @param {string} name
   * @returns {boolean} whether the member is there and is null
   */
  isNull(name) {
    return this.has(name) && this.values.get(name) === null;
  }

  /**
   * @param {string} name
   * @param {{ max: number }} limits of the count
   * @returns {string[]}
   */
  texts(name, { max }) {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.some((item) => typeof item !== 'string'))
      throw wrong(name, 'must be an array of strings');
    if (value.length > max) throw wrong(name, `must have at most ${max} items`);
    return value;
  }

  /** Call it when all is taken. @throws {Refusal} invalid-value for a member nobody asked for */
  end() {
    for (const name of this.values.keys())
      if (!this.#asked.has(name)) throw wrong(name.slice(0, 50), 'is not known here; leave it out');
  }

  /** @param {string} name */
  #take(name) {
    if (!this.has(name)) throw wrong(name, 'is missing');
    return this.values.get(name);
  }
}

/**
 * @param {string} member
 * @param {string} fault completes the sentence that begins with the member's name
 * @returns {Refusal}
 */
export function wrong(member, fault) {
  return new Refusal('invalid-value', `"${member}" ${fault}.`, { member });
}
