// SPDX-License-Identifier: GPL-3.0-or-later
//
// Properties such as `header:List-Post:asURLs:all`: RFC 8621 section 4.1.3.

import { asAddresses, asDate, asGroupedAddresses, asMessageIds, asText, asUrls } from './mime-header.js';

/** @typedef {import('./mime-header.js').HeaderField} HeaderField */

/** @type {Record<string, (raw: string) => unknown>} */
const FORMS = {
  asRaw: (raw) => raw,
  asText,
  asAddresses,
  asGroupedAddresses,
  asMessageIds,
  asDate,
  asURLs: asUrls,
};

/** Fields of RFC 5322 and RFC 2369 on which a form has no meaning; others may be read in any form. */
const ADDRESSES = ['from', 'sender', 'reply-to', 'to', 'cc', 'bcc', 'resent-from', 'resent-sender', 'resent-reply-to'];
ADDRESSES.push('resent-to', 'resent-cc', 'resent-bcc');
const MESSAGE_IDS = ['message-id', 'in-reply-to', 'references', 'resent-message-id'];
const DATES = ['date', 'resent-date'];
const URLS = ['list-help', 'list-unsubscribe', 'list-subscribe', 'list-post', 'list-owner', 'list-archive'];
const TEXTS = ['subject', 'comments', 'keywords', 'list-id'];

/** @param {string} property */
function parse(property) {
  const match = /^header:([\x21-\x39\x3b-\x7e]+)(?::(as[A-Za-z]+))?(:all)?$/.exec(property);
  if (match === null) return null;
  const form = match[2] ?? 'asRaw';
  return Object.hasOwn(FORMS, form)
    ? { name: String(match[1]).toLowerCase(), form, all: match[3] !== undefined }
    : null;
}

/**
 * @param {string} name lower case
 * @param {string} form
 */
function isAllowed(name, form) {
  const known = [ADDRESSES, MESSAGE_IDS, DATES, URLS, TEXTS].find((names) => names.includes(name));
  switch (form) {
    case 'asText':
      return known === undefined || known === TEXTS;
    case 'asAddresses':
    case 'asGroupedAddresses':
      return known === undefined || known === ADDRESSES;
    case 'asMessageIds':
      return known === undefined || known === MESSAGE_IDS;
    case 'asDate':
      return known === undefined || known === DATES;
    case 'asURLs':
      return known === undefined || known === URLS;
    default:
      return true;
  }
}

/** @param {string} property */
export function isHeaderProperty(property) {
  const parsed = parse(property);
  return parsed !== null && isAllowed(parsed.name, parsed.form);
}

/**
 * @param {HeaderField[]} fields
 * @param {string} property one that `isHeaderProperty` knows
 * @returns {unknown}
 */
export function headerValue(fields, property) {
  const { name, form, all } = parse(property) ?? { name: '', form: 'asRaw', all: false };
  const read = FORMS[form] ?? FORMS.asRaw;
  const values = fields.filter((field) => field.name.toLowerCase() === name).map((field) => read?.(field.raw));
  return all ? values : (values.at(-1) ?? null);
}
