// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parts of a message (RFC 2045, 2046) as RFC 8621 section 4.1.4 shows them. Broken messages have parts too: a
// multipart without its boundary is text, one without its end ends with the message.

import { headerValue, isHeaderProperty } from './header-property.js';
import { knownCharset, lastField, parseHeader, unfold, decodeWords, asMessageIds } from './mime-header.js';

/** @typedef {import('./mime-header.js').HeaderField} HeaderField */
/** @typedef {Record<string, any>} Arguments */

export const BODY_PART_PROPERTIES = [
  'partId',
  'blobId',
  'size',
  'headers',
  'name',
  'type',
  'charset',
  'disposition',
  'cid',
  'language',
  'location',
  'subParts',
];

const MAX_DEPTH = 30;
const MAX_PARTS = 1000;
const PREVIEW_LENGTH = 256;
const LF = 10;
const CR = 13;

/**
 * @typedef {object} Part
 * @property {string | null} partId null for a multipart
 * @property {HeaderField[]} fields
 * @property {string} type lower case
 * @property {Map<string, string>} parameters of Content-Type
 * @property {string | null} disposition lower case
 * @property {string | null} name
 * @property {string} encoding lower case
 * @property {number} start of the content, in the message
 * @property {number} end
 * @property {Part[] | null} parts
 */

/**
 * @typedef {object} BodyOptions
 * @property {string} blobId of the message
 * @property {string[]} properties of each part
 * @property {boolean} textValues
 * @property {boolean} htmlValues
 * @property {boolean} allValues
 * @property {number} maxValueOctets 0 is no limit
 */

/**
 * @param {Uint8Array} octets the whole message
 * @param {BodyOptions} options
 * @returns {Arguments} bodyStructure, bodyValues, textBody, htmlBody, attachments, hasAttachment, preview
 */
export function messageBody(octets, options) {
  const root = parseMessage(octets);
  /** @type {{ text: Part[], html: Part[], attachments: Part[] }} */
  const lists = { text: [], html: [], attachments: [] };
  sortParts([root], 'mixed', false, lists.html, lists.text, lists.attachments);
  const show = (/** @type {Part} */ part) => partObject(octets, part, options, false);
  return {
    bodyStructure: partObject(octets, root, options, true),
    bodyValues: bodyValues(octets, root, lists, options),
    textBody: lists.text.map(show),
    htmlBody: lists.html.map(show),
    attachments: lists.attachments.map(show),
    hasAttachment: lists.attachments.some((part) => part.disposition !== 'inline'),
    preview: preview(octets, lists),
  };
}

/**
 * @param {Uint8Array} octets the whole message
 * @param {string} partId
 * @returns {Uint8Array | null} the decoded content of one part
 */
export function partContent(octets, partId) {
  const part = leaves(parseMessage(octets)).find((leaf) => leaf.partId === partId);
  return part === undefined ? null : decodeContent(octets, part);
}

/**
 * @param {Uint8Array} octets
 * @returns {Part}
 */
export function parseMessage(octets) {
  const count = { parts: 0 };
  return parsePart(octets, 0, octets.length, 'text/plain', 0, count);
}

/**
 * @param {Uint8Array} octets
 * @param {number} start
 * @param {number} end
 * @param {string} defaultType
 * @param {number} depth
 * @param {{ parts: number }} count of leaves, which are numbered in order
 * @returns {Part}
 */
function parsePart(octets, start, end, defaultType, depth, count) {
  const header = parseHeader(octets.subarray(start, end));
  const { fields } = header;
  const contentType = parseParameters(lastField(fields, 'Content-Type')?.raw ?? '');
  const disposition = parseParameters(lastField(fields, 'Content-Disposition')?.raw ?? '');
  const type = /^[^\s/]+\/[^\s/]+$/.test(contentType.value) ? contentType.value : defaultType;
  const name = disposition.parameters.get('filename') ?? contentType.parameters.get('name') ?? null;
  /** @type {Part} */
  const part = {
    partId: null,
    fields,
    type,
    parameters: contentType.parameters,
    disposition: disposition.value || null,
    name: name === null ? null : decodeWords(name),
    encoding: (lastField(fields, 'Content-Transfer-Encoding')?.raw ?? '').trim().toLowerCase(),
    start: start + header.bodyStart,
    end,
    parts: null,
  };
  const boundary = contentType.parameters.get('boundary');
  if (type.startsWith('multipart/') && boundary && depth < MAX_DEPTH) {
    const inner = type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
    const ranges = splitMultipart(octets, part.start, end, boundary).slice(0, MAX_PARTS);
    if (ranges.length > 0 && count.parts < MAX_PARTS) {
      part.parts = ranges.map(([from, to]) => parsePart(octets, from, to, inner, depth + 1, count));
      return part;
    }
    part.type = 'text/plain';
  }
  part.partId = String(++count.parts);
  return part;
}

/**
 * @param {Uint8Array} octets
 * @param {number} start
 * @param {number} end
 * @param {string} boundary
 * @returns {[from: number, to: number][]} the line end before a delimiter belongs to it
 */
function splitMultipart(octets, start, end, boundary) {
  const delimiter = new TextEncoder().encode(`--${boundary}`);
  /** @type {[number, number][]} */
  const ranges = [];
  let open = -1;
  for (let at = start; at < end;) {
    let next = octets.indexOf(LF, at);
    next = next < 0 || next >= end ? end : next + 1;
    if (octets[at] === 45 && isDelimiter(octets, at, next, delimiter)) {
      if (open >= 0) ranges.push([open, Math.max(open, beforeLineEnd(octets, at))]);
      open = next;
      if (octets[at + delimiter.length] === 45 && octets[at + delimiter.length + 1] === 45) return ranges;
    }
    at = next;
  }
  if (open >= 0) ranges.push([open, end]);
  return ranges;
}

/**
 * @param {Uint8Array} octets
 * @param {number} at
 * @param {number} next
 * @param {Uint8Array} delimiter
 */
function isDelimiter(octets, at, next, delimiter) {
  if (next - at < delimiter.length) return false;
  for (let i = 0; i < delimiter.length; i++) if (octets[at + i] !== delimiter[i]) return false;
  const rest = String.fromCharCode(
    ...octets.subarray(at + delimiter.length, Math.min(next, at + delimiter.length + 80)),
  );
  return /^(--)?[ \t]*\r?\n?$/.test(rest);
}

/**
 * @param {Uint8Array} octets
 * @param {number} at
 */
function beforeLineEnd(octets, at) {
  if (octets[at - 1] !== LF) return at;
  return octets[at - 2] === CR ? at - 2 : at - 1;
}

/**
 * A value with parameters: RFC 2045 section 5.1, with the continuations and charsets of RFC 2231.
 * @param {string} raw
 * @returns {{ value: string, parameters: Map<string, string> }} the value in lower case
 */
export function parseParameters(raw) {
  const text = unfold(raw);
  const value = (/^[^;]*/.exec(text)?.[0] ?? '')
    .replace(/\([^)]*\)/g, '')
    .trim()
    .toLowerCase();
  /** @type {Map<string, { text: string, encoded: boolean }[]>} */
  const pieces = new Map();
  const pattern = /;\s*([^\s=;*]+)(?:\*(\d{1,3}))?(\*)?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g;
  for (const [, name = '', index, star, quoted, plain] of text.matchAll(pattern)) {
    const key = name.toLowerCase();
    const list = pieces.get(key) ?? [];
    const piece = quoted !== undefined ? quoted.replace(/\\(.)/g, '$1') : (plain ?? '').trim();
    if (list[Number(index ?? 0)] === undefined || star)
      list[Number(index ?? 0)] = { text: piece, encoded: star !== undefined };
    pieces.set(key, list);
  }
  const parameters = new Map([...pieces].map(([key, list]) => [key, joinPieces(list)]));
  return { value, parameters };
}

/** @param {{ text: string, encoded: boolean }[]} list perhaps with holes */
function joinPieces(list) {
  const all = list.filter((piece) => piece !== undefined);
  if (!all[0]?.encoded) return all.map((piece) => piece.text).join('');
  const [, charset = '', first = ''] = /^([^']*)'[^']*'(.*)$/s.exec(all[0].text) ?? ['', '', all[0].text];
  const text = [first, ...all.slice(1).map((piece) => piece.text)].join('');
  const octets = Uint8Array.from(
    [...text.matchAll(/%([0-9a-f]{2})|([\s\S])/gi)].map(([, hex, plain]) =>
      hex !== undefined ? parseInt(hex, 16) : String(plain).charCodeAt(0) & 0xff,
    ),
  );
  return new TextDecoder(knownCharset(charset) ?? 'utf-8').decode(octets);
}

/**
 * RFC 8621 section 4.1.4 gives this algorithm: which parts are shown as the text, and which hang on it.
 * @param {Part[]} parts
 * @param {string} multipartType
 * @param {boolean} inAlternative
 * @param {Part[] | null} html
 * @param {Part[] | null} text
 * @param {Part[]} attachments
 */
function sortParts(parts, multipartType, inAlternative, html, text, attachments) {
  const textLength = text?.length ?? -1;
  const htmlLength = html?.length ?? -1;
  parts.forEach((part, i) => {
    if (part.parts !== null) {
      const subtype = part.type.slice('multipart/'.length);
      sortParts(part.parts, subtype, inAlternative || subtype === 'alternative', html, text, attachments);
      return;
    }
    const isText = part.type === 'text/plain' || part.type === 'text/html';
    const isMedia = /^(image|audio|video)\//.test(part.type);
    const isInline =
      part.disposition !== 'attachment' &&
      (isText || isMedia) &&
      (i === 0 || (multipartType !== 'related' && (isMedia || part.name === null)));
    if (!isInline) {
      attachments.push(part);
      return;
    }
    if (multipartType === 'alternative') {
      if (part.type === 'text/plain') text?.push(part);
      else if (part.type === 'text/html') html?.push(part);
      else attachments.push(part);
      return;
    }
    if (inAlternative) {
      // Inside an alternative, what is of one form ends the other.
      if (part.type === 'text/plain') html = null;
      if (part.type === 'text/html') text = null;
    }
    text?.push(part);
    html?.push(part);
    if ((text === null || html === null) && isMedia) attachments.push(part);
  });
  if (multipartType !== 'alternative' || text === null || html === null) return;
  // An alternative with only one of both forms shows that one for both.
  if (textLength === text.length && htmlLength !== html.length) text.push(...html.slice(htmlLength));
  if (htmlLength === html.length && textLength !== text.length) html.push(...text.slice(textLength));
}

/**
 * @param {Uint8Array} octets
 * @param {Part} part
 * @param {BodyOptions} options
 * @param {boolean} deep whether to go into the parts of a multipart
 * @returns {Arguments}
 */
function partObject(octets, part, options, deep) {
  /** @type {Arguments} */
  const object = {};
  for (const property of options.properties) object[property] = partProperty(octets, part, property, options);
  if (part.parts !== null && deep)
    object.subParts = part.parts.map((inner) => partObject(octets, inner, options, true));
  return object;
}

/**
 * @param {Uint8Array} octets
 * @param {Part} part
 * @param {string} property
 * @param {BodyOptions} options
 */
function partProperty(octets, part, property, { blobId }) {
  const text = (/** @type {string} */ name) => {
    const field = lastField(part.fields, name);
    return field === undefined ? null : decodeWords(unfold(field.raw)).trim();
  };
  switch (property) {
    case 'partId':
      return part.partId;
    case 'blobId':
      return part.partId === null ? null : partBlobId(blobId, part.partId);
    case 'size':
      return part.parts === null ? decodeContent(octets, part).byteLength : 0;
    case 'headers':
      return part.fields.map(({ name, raw }) => ({ name, value: raw }));
    case 'name':
      return part.name;
    case 'type':
      return part.type;
    case 'charset':
      return part.parameters.get('charset') ?? (part.type.startsWith('text/') ? 'us-ascii' : null);
    case 'disposition':
      return part.disposition;
    case 'cid':
      return asMessageIds(lastField(part.fields, 'Content-ID')?.raw ?? '')?.[0] ?? text('Content-ID');
    case 'language':
      return text('Content-Language')?.split(/\s*,\s*/) ?? null;
    case 'location':
      return text('Content-Location');
    case 'subParts':
      return null;
    default:
      return isHeaderProperty(property) ? headerValue(part.fields, property) : null;
  }
}

/**
 * @param {string} blobId of the message
 * @param {string} partId
 */
function partBlobId(blobId, partId) {
  return `${blobId}-${partId}`;
}

/**
 * @param {Part} part
 * @returns {Part[]}
 */
function leaves(part) {
  return part.parts === null ? [part] : part.parts.flatMap(leaves);
}

/**
 * @param {Uint8Array} octets
 * @param {Part} root
 * @param {{ text: Part[], html: Part[] }} lists
 * @param {BodyOptions} options
 */
function bodyValues(octets, root, lists, options) {
  /** @type {Set<Part>} */
  const wanted = new Set();
  if (options.textValues) lists.text.forEach((part) => wanted.add(part));
  if (options.htmlValues) lists.html.forEach((part) => wanted.add(part));
  if (options.allValues) leaves(root).forEach((part) => wanted.add(part));
  /** @type {Arguments} */
  const values = {};
  for (const part of wanted) {
    if (!part.type.startsWith('text/')) continue;
    const { text, problem } = decodeText(octets, part);
    values[String(part.partId)] = { ...truncate(text, part.type, options.maxValueOctets), isEncodingProblem: problem };
  }
  return values;
}

/**
 * @param {string} text
 * @param {string} type
 * @param {number} limit octets of UTF-8; 0 is no limit
 * @returns {{ value: string, isTruncated: boolean }}
 */
function truncate(text, type, limit) {
  const octets = new TextEncoder().encode(text);
  if (limit === 0 || octets.byteLength <= limit) return { value: text, isTruncated: false };
  let end = limit;
  while (end > 0 && (Number(octets[end]) & 0xc0) === 0x80) end--;
  let value = new TextDecoder().decode(octets.subarray(0, end));
  // A tag must not be cut in the middle.
  if (type === 'text/html' && value.lastIndexOf('<') > value.lastIndexOf('>'))
    value = value.slice(0, value.lastIndexOf('<'));
  return { value, isTruncated: true };
}

/**
 * @param {Uint8Array} octets
 * @param {Part} part
 * @returns {{ text: string, problem: boolean }}
 */
function decodeText(octets, part) {
  const content = decodeContent(octets, part);
  const named = part.parameters.get('charset') ?? 'utf-8';
  // Mail that claims US-ASCII and is not is mostly UTF-8.
  const label = knownCharset(/^us-ascii$/i.test(named) ? 'utf-8' : named);
  let problem = label === null;
  let text;
  try {
    text = new TextDecoder(label ?? 'utf-8', { fatal: true, ignoreBOM: false }).decode(content);
  } catch {
    problem = true;
    text = new TextDecoder(label ?? 'utf-8').decode(content);
  }
  return { text: text.replaceAll('\r\n', '\n'), problem };
}

/**
 * @param {Uint8Array} octets
 * @param {Part} part
 * @returns {Uint8Array}
 */
function decodeContent(octets, part) {
  const content = octets.subarray(part.start, part.end);
  if (part.encoding === 'base64') return decodeBase64(content);
  return part.encoding === 'quoted-printable' ? decodeQuotedPrintable(content) : content;
}

const BASE64 = new Int8Array(256).fill(-1);
for (const [value, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  BASE64[c.charCodeAt(0)] = value;

/** @param {Uint8Array} octets */
function decodeBase64(octets) {
  const out = new Uint8Array(Math.ceil((octets.length * 3) / 4));
  let to = 0;
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    if (octet === 61) break;
    const value = Number(BASE64[octet]);
    if (value < 0) continue;
    held = ((held << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[to++] = (held >> bits) & 0xff;
    }
  }
  return out.subarray(0, to);
}

/** @param {Uint8Array} octets */
function decodeQuotedPrintable(octets) {
  const out = new Uint8Array(octets.length);
  let to = 0;
  for (let i = 0; i < octets.length; i++) {
    if (octets[i] !== 61) {
      out[to++] = Number(octets[i]);
      continue;
    }
    const text = String.fromCharCode(...octets.subarray(i + 1, i + 3));
    if (/^[0-9a-f]{2}$/i.test(text)) {
      out[to++] = parseInt(text, 16);
      i += 2;
    } else if (text[0] === '\n') i += 1;
    else if (text === '\r\n') i += 2;
    else out[to++] = 61;
  }
  return out.subarray(0, to);
}

/**
 * @param {Uint8Array} octets
 * @param {{ text: Part[], html: Part[] }} lists
 */
function preview(octets, lists) {
  const part =
    lists.text.find(({ type }) => type === 'text/plain') ?? lists.html.find(({ type }) => type === 'text/html');
  if (part === undefined) return '';
  const { text } = decodeText(octets, { ...part, end: Math.min(part.end, part.start + 16 * 1024) });
  const plain = part.type === 'text/html' ? stripTags(text) : text;
  return [...plain.replace(/\s+/g, ' ').trim()].slice(0, PREVIEW_LENGTH).join('');
}

/** @param {string} html */
function stripTags(html) {
  return html
    .replace(/<(style|script|head)\b[\s\S]*?(<\/\1\s*>|$)/gi, ' ')
    .replace(/<[^>]*>?/g, ' ')
    .replace(
      /&(nbsp|lt|gt|quot|amp);/g,
      (_, name) => ({ nbsp: ' ', lt: '<', gt: '>', quot: '"', amp: '&' })[String(name)] ?? '',
    );
}
