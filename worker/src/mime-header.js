// SPDX-License-Identifier: GPL-3.0-or-later
//
// The header of a message, read from its octets: where each field lies, and the forms of RFC 8621 section 4.1.2.
//
// What arrives by mail is often not what the standards ask for, and none of it may be refused here: any line that is
// no field is passed over, octets that are no UTF-8 become U+FFFD, a date that cannot be read is null.

const CR = 13;
const LF = 10;

/**
 * One field. `start` to `end` are its octets with the line end; `raw` is the text behind the colon, folds included,
 * without the last line end.
 * @typedef {{ name: string, raw: string, start: number, end: number }} HeaderField
 */

/** @typedef {{ name: string | null, email: string }} EmailAddress */
/** @typedef {{ name: string | null, addresses: EmailAddress[] }} AddressGroup */

/**
 * @param {Uint8Array} octets a message or a part, at least its header
 * @returns {{ fields: HeaderField[], end: number, bodyStart: number, complete: boolean }} `end` is where the header's
 *   last line ends; `bodyStart` is behind the empty line; `complete` is false when no empty line was seen
 */
export function parseHeader(octets) {
  /** @type {HeaderField[]} */
  const fields = [];
  const decoder = new TextDecoder();
  let at = 0;
  let complete = false;
  let bodyStart = octets.length;
  let fieldStart = -1;
  const close = (/** @type {number} */ end) => {
    if (fieldStart < 0) return;
    const text = decoder.decode(octets.subarray(fieldStart, end)).replaceAll('\0', '');
    const colon = text.indexOf(':');
    const name = text.slice(0, colon).trimEnd();
    fields.push({ name, raw: text.slice(colon + 1).replace(/\r?\n$/, ''), start: fieldStart, end });
    fieldStart = -1;
  };
  while (at < octets.length) {
    let next = octets.indexOf(LF, at);
    next = next < 0 ? octets.length : next + 1;
    if (octets[at] === LF || (octets[at] === CR && octets[at + 1] === LF)) {
      complete = true;
      bodyStart = next;
      break;
    }
    const folded = octets[at] === 32 || octets[at] === 9;
    if (!folded) {
      close(at);
      if (isFieldStart(octets, at, next)) fieldStart = at;
    }
    at = next;
  }
  close(at);
  return { fields, end: at, bodyStart, complete };
}

/**
 * @param {Uint8Array} octets
 * @param {number} at
 * @param {number} end
 */
function isFieldStart(octets, at, end) {
  let i = at;
  for (; i < end; i++) {
    const c = Number(octets[i]);
    if (c === 58) break;
    if (c <= 32 || c >= 127) {
      // White space before the colon is obsolete syntax (RFC 5322 section 4.5) that still arrives.
      let j = i;
      while (octets[j] === 32 || octets[j] === 9) j++;
      return j > i && octets[j] === 58 && i > at;
    }
  }
  return i > at && i < end;
}

/**
 * @param {HeaderField[]} fields
 * @param {string} name
 * @returns {HeaderField | undefined} the last one of that name, as RFC 8621 section 4.1.3 wants
 */
export function lastField(fields, name) {
  const wanted = name.toLowerCase();
  return fields.findLast((field) => field.name.toLowerCase() === wanted);
}

/** @param {string} raw */
export function unfold(raw) {
  return raw.replace(/\r?\n(?=[ \t])/g, '');
}

/**
 * @param {string} raw
 * @returns {string} the Text form: unfolded, encoded words decoded, in NFC
 */
export function asText(raw) {
  return decodeWords(unfold(raw).trim()).normalize('NFC');
}

/**
 * @param {string} raw
 * @returns {string[] | null}
 */
export function asMessageIds(raw) {
  const ids = [...stripComments(unfold(raw)).matchAll(/<([^<>]+)>/g)].map((match) =>
    String(match[1]).replace(/\s/g, ''),
  );
  return ids.length > 0 ? ids : null;
}

/**
 * @param {string} raw
 * @returns {string[] | null}
 */
export function asUrls(raw) {
  const urls = [...unfold(raw).matchAll(/<([^<>]+)>/g)].map((match) => String(match[1]).replace(/\s/g, ''));
  return urls.length > 0 ? urls : null;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** @type {Record<string, number>} RFC 5322 section 4.3, hours */
const ZONES = { ut: 0, gmt: 0, z: 0, edt: -4, est: -5, cdt: -5, cst: -6, mdt: -6, mst: -7, pdt: -7, pst: -8 };

/**
 * @param {string} raw
 * @returns {string | null} RFC 3339 with the sender's own offset
 */
export function asDate(raw) {
  const match =
    /^\s*(?:[a-z]+\s*,\s*)?(\d{1,2})\s+([a-z]{3})[a-z]*\s+(\d{2,4})\s+(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s*([+-]\d{4}|[a-z]+)?/i.exec(
      stripComments(unfold(raw)),
    );
  if (match === null) return null;
  const month = MONTHS.indexOf(String(match[2]).toLowerCase());
  let year = Number(match[3]);
  if (String(match[3]).length === 2) year += year < 50 ? 2000 : 1900;
  else if (String(match[3]).length === 3) year += 1900;
  const [day, hour, minute, second] = [match[1], match[4], match[5], match[6] ?? 0].map(Number);
  const zone = match[7] ?? '+0000';
  let offset = 0;
  if (/^[+-]/.test(zone)) offset = (zone[0] === '-' ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3)));
  else offset = (ZONES[zone.toLowerCase()] ?? 0) * 60;
  const check = new Date(Date.UTC(year, month, day, hour, minute, Math.min(Number(second), 59)));
  if (month < 0 || check.getUTCDate() !== day || check.getUTCHours() !== hour || Number(minute) > 59) return null;
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const size = Math.abs(offset);
  const suffix = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return check.toISOString().slice(0, 19) + suffix;
}

/**
 * @param {string} raw
 * @returns {EmailAddress[]}
 */
export function asAddresses(raw) {
  return asGroupedAddresses(raw).flatMap((group) => group.addresses);
}

/**
 * @param {string} raw
 * @returns {AddressGroup[]} addresses outside a group are in groups without a name
 */
export function asGroupedAddresses(raw) {
  /** @type {AddressGroup[]} */
  const groups = [];
  /** @type {AddressGroup} */
  let group = { name: null, addresses: [] };
  const finish = () => {
    if (group.name !== null || group.addresses.length > 0) groups.push(group);
    group = { name: null, addresses: [] };
  };
  let mailbox = new MailboxText();
  const take = () => {
    const address = mailbox.address();
    if (address !== null) group.addresses.push(address);
    mailbox = new MailboxText();
  };
  for (const token of addressTokens(unfold(raw))) {
    if (token.type === 'special' && token.text === ',') take();
    else if (token.type === 'special' && token.text === ':' && group.name === null && !mailbox.inAngle) {
      const name = mailbox.phrase();
      mailbox = new MailboxText();
      finish();
      group.name = name;
    } else if (token.type === 'special' && token.text === ';') {
      take();
      finish();
    } else mailbox.add(token);
  }
  take();
  finish();
  return groups;
}

/** What stands between two commas of an address list. */
class MailboxText {
  /** @type {{ text: string, quoted: boolean, space: boolean }[]} */
  #words = [];
  #comment = '';
  #spec = '';
  inAngle = false;
  #sawAngle = false;
  #space = false;

  /** @param {AddressToken} token */
  add(token) {
    if (token.type === 'space') this.#space = true;
    else if (token.type === 'comment') this.#comment ||= token.text;
    else if (token.text === '<' && token.type === 'special') this.inAngle = this.#sawAngle = true;
    else if (token.text === '>' && token.type === 'special') this.inAngle = false;
    else if (this.inAngle) {
      this.#spec += token.type === 'quoted' ? quoteLocal(token.text) : token.text;
      // A source route (RFC 5322 section 4.4) is no part of the address.
      if (token.text === ':') this.#spec = '';
    } else {
      this.#words.push({ text: token.text, quoted: token.type === 'quoted', space: this.#space });
      this.#space = false;
    }
  }

  /** @returns {string} the words as a display name */
  phrase() {
    const text = this.#words.map((word, i) => (word.space && i > 0 ? ' ' : '') + word.text).join('');
    return decodeWords(text).trim();
  }

  /** @returns {EmailAddress | null} */
  address() {
    if (this.#sawAngle) {
      const name = this.phrase() || decodeWords(this.#comment).trim();
      return this.#spec === '' ? null : { name: name === '' ? null : name, email: this.#spec };
    }
    if (this.#words.length === 0) return null;
    const email = this.#words.map((word) => (word.quoted ? quoteLocal(word.text) : word.text)).join('');
    const name = decodeWords(this.#comment).trim();
    return { name: name === '' ? null : name, email };
  }
}

/** @param {string} text */
function quoteLocal(text) {
  return /^[^\s"(),:;<>@[\\\]]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** @typedef {{ type: 'atom' | 'quoted' | 'comment' | 'special' | 'space', text: string }} AddressToken */

/**
 * @param {string} text
 * @returns {Generator<AddressToken>}
 */
function* addressTokens(text) {
  let i = 0;
  while (i < text.length) {
    const c = String(text[i]);
    if (/\s/.test(c)) {
      i++;
      yield { type: 'space', text: c };
    } else if (c === '"') {
      let quoted = '';
      for (i++; i < text.length && text[i] !== '"'; i++) {
        if (text[i] === '\\') i++;
        quoted += text[i] ?? '';
      }
      i++;
      yield { type: 'quoted', text: quoted };
    } else if (c === '(') {
      const end = commentEnd(text, i);
      yield { type: 'comment', text: text.slice(i + 1, end - 1).replace(/\\(.)/g, '$1') };
      i = end;
    } else if (c === '[') {
      const close = text.indexOf(']', i);
      const end = close < 0 ? text.length : close + 1;
      yield { type: 'atom', text: text.slice(i, end) };
      i = end;
    } else if (',:;<>'.includes(c)) {
      i++;
      yield { type: 'special', text: c };
    } else {
      const match = /^[^\s",:;<>()[]+/.exec(text.slice(i, i + 4096));
      const atom = match ? match[0] : c;
      i += atom.length;
      yield { type: 'atom', text: atom };
    }
  }
}

/**
 * @param {string} text
 * @param {number} start where the parenthesis opens
 */
function commentEnd(text, start) {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return i + 1;
  }
  return text.length + 1;
}

/** @param {string} text */
function stripComments(text) {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') i = commentEnd(text, i) - 1;
    else out += text[i];
  }
  return out;
}

/**
 * Decodes RFC 2047 encoded words; space between two of them is dropped, an unknown charset leaves the word as it is.
 * @param {string} text
 */
export function decodeWords(text) {
  if (!text.includes('=?')) return text;
  const joined = text.replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+(?==\?[^?\s]+\?[bq]\?[^?\s]*\?=)/gi, '$1');
  /** @type {{ charset: string, octets: number[] } | null} */
  let open = null;
  let out = '';
  const flush = () => {
    if (open !== null) out += new TextDecoder(open.charset).decode(Uint8Array.from(open.octets));
    open = null;
  };
  let at = 0;
  // Neighbours of one charset are decoded together: senders cut multi-octet characters between words.
  for (const match of joined.matchAll(/=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi)) {
    const [whole, charset = '', encoding = '', payload = ''] = match;
    const label = knownCharset(charset);
    if (match.index > at) {
      flush();
      out += joined.slice(at, match.index);
    }
    at = match.index + whole.length;
    const octets = label === null ? null : encoding.toLowerCase() === 'q' ? fromQ(payload) : fromBase64(payload);
    if (label === null || octets === null) {
      flush();
      out += whole;
      continue;
    }
    if (open !== null && open.charset !== label) flush();
    open ??= { charset: label, octets: [] };
    for (const octet of octets) open.octets.push(octet);
  }
  flush();
  return (out + joined.slice(at)).replace(/[\r\n\0]/g, '');
}

/**
 * @param {string} charset
 * @returns {string | null} its name as TextDecoder has it
 */
export function knownCharset(charset) {
  try {
    return new TextDecoder(charset).encoding;
  } catch {
    return null;
  }
}

/** @param {string} text */
function fromQ(text) {
  const octets = [];
  for (let i = 0; i < text.length; i++) {
    const hex = text[i] === '=' ? /^[0-9a-f]{2}/i.exec(text.slice(i + 1, i + 3)) : null;
    if (hex !== null) {
      octets.push(parseInt(hex[0], 16));
      i += 2;
    } else octets.push(text[i] === '_' ? 32 : text.charCodeAt(i) & 0xff);
  }
  return octets;
}

/**
 * @param {string} text
 * @returns {number[] | null}
 */
function fromBase64(text) {
  try {
    return Array.from(atob(text.replace(/=+$/, '')), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}

/**
 * What is kept of a header beside the message, for listing it without reading the body.
 * @typedef {object} MessageHead
 * @property {string[] | null} messageId
 * @property {string[] | null} inReplyTo
 * @property {string[] | null} references
 * @property {EmailAddress[] | null} sender
 * @property {EmailAddress[] | null} from
 * @property {EmailAddress[] | null} to
 * @property {EmailAddress[] | null} cc
 * @property {EmailAddress[] | null} bcc
 * @property {EmailAddress[] | null} replyTo
 * @property {string | null} subject
 * @property {string | null} sentAt
 */

/** Fields beyond this many characters are not kept: no person wrote them. */
const MAX_FIELD = 128 * 1024;
/** All that is kept, as JSON in UTF-8: a row ends at 2 MB, and a mail must not be impossible to store. */
const MAX_HEAD = 1024 * 1024;

/**
 * @param {HeaderField[]} fields
 * @returns {MessageHead}
 */
export function messageHead(fields) {
  /**
   * @template T
   * @param {string} name
   * @param {(raw: string) => T} form
   * @returns {T | null}
   */
  const get = (name, form) => {
    const field = lastField(fields, name);
    return field === undefined || field.raw.length > MAX_FIELD ? null : form(field.raw);
  };
  /** @type {MessageHead} */
  const head = {
    messageId: get('Message-ID', asMessageIds),
    inReplyTo: get('In-Reply-To', asMessageIds),
    references: get('References', asMessageIds),
    sender: get('Sender', asAddresses),
    from: get('From', asAddresses),
    to: get('To', asAddresses),
    cc: get('Cc', asAddresses),
    bcc: get('Bcc', asAddresses),
    replyTo: get('Reply-To', asAddresses),
    subject: get('Subject', asText),
    sentAt: get('Date', asDate),
  };
  const isTooLong = () => new TextEncoder().encode(JSON.stringify(head)).byteLength > MAX_HEAD;
  for (const key of /** @type {const} */ (['bcc', 'cc', 'to', 'replyTo', 'sender', 'references', 'inReplyTo', 'from']))
    if (isTooLong()) head[key] = null;
  return head;
}
