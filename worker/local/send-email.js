// SPDX-License-Identifier: GPL-3.0-or-later
//
// Stands where the send_email binding does, and refuses what production refuses, with its codes. What it takes is
// written as outbound/<uuid>.eml, complete at once, after outbound-envelopes/<uuid>.json; one of each per call.
//
// The recipient's domain decides what else happens, as a test wants it:
//   verified.test    a verified address of the account: up to 25 MiB; any other takes 5 MiB
//   refuse.test      on the suppression list: never
//   unverified.test  the account is on the free plan and the address not verified: never
//   tempfail.test    rate limit: not now, and never better; once@tempfail.test only the first time for each message
//   slow.test        takes two seconds

import { WorkerEntrypoint } from 'cloudflare:workers';

const MIB = 1024 * 1024;
const SLOW_MS = 2000;
const REFUSED_FIELD = /^(received|x-received|return-path|bcc|dkim-signature|arc-[a-z-]+)$/i;

/** Messages that once@tempfail.test has refused already. */
const refusedOnce = new Set();

/** @extends {WorkerEntrypoint<{ OUTBOUND: Fetcher, ENVELOPES: Fetcher }>} */
export class SendEmail extends WorkerEntrypoint {
  /**
   * @param {any} message what EmailMessage makes
   * @returns {Promise<{ messageId: string }>}
   */
  async send({ from, to, 'EmailMessage::raw': raw }) {
    if (raw === undefined) throw refusal('E_VALIDATION_ERROR', 'only raw messages are taken here');
    const octets = new Uint8Array(await new Response(raw).arrayBuffer());
    if (typeof to !== 'string' || !to.includes('@')) throw refusal('E_VALIDATION_ERROR', 'one recipient is needed');
    const domain = to.slice(to.lastIndexOf('@') + 1).toLowerCase();
    const limit = domain === 'verified.test' ? 25 * MIB : 5 * MIB;
    if (octets.byteLength > limit) throw refusal('E_CONTENT_TOO_LARGE', `the message is larger than ${limit} octets`);
    const fields = fieldsOf(octets);
    checkFields(fields, from);
    if (domain === 'refuse.test') throw refusal('E_RECIPIENT_SUPPRESSED', `email to ${to} is suppressed`);
    if (domain === 'unverified.test') throw refusal('E_RECIPIENT_NOT_ALLOWED', `email to ${to} not allowed`);
    if (domain === 'tempfail.test') this.#failForNow(to, fields);
    if (domain === 'slow.test') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    const id = crypto.randomUUID();
    const messageId = `<${id}@stand-in.invalid>`;
    const envelope = JSON.stringify({ from, to, messageId, at: new Date().toISOString() });
    // The envelope first: whoever sees the message finds it.
    await put(this.env.ENVELOPES, `${id}.json`, envelope);
    await put(this.env.OUTBOUND, `${id}.eml`, octets);
    return { messageId };
  }

  /**
   * @param {string} to
   * @param {{ name: string, value: string }[]} fields
   */
  #failForNow(to, fields) {
    const key = `${to} ${fields.find(({ name }) => name.toLowerCase() === 'message-id')?.value}`;
    if (/^once@/i.test(to) && refusedOnce.has(key)) return;
    refusedOnce.add(key);
    throw refusal('E_RATE_LIMIT_EXCEEDED', 'too many messages, try again later');
  }
}

export default {};

/**
 * @param {string} code
 * @param {string} text
 */
function refusal(code, text) {
  return Object.assign(new Error(text), { code });
}

/**
 * @param {{ name: string, value: string }[]} fields
 * @param {string} from the envelope's
 */
function checkFields(fields, from) {
  const all = (/** @type {string} */ wanted) => fields.filter(({ name }) => name.toLowerCase() === wanted);
  const [author, ...others] = all('from');
  const address = /<([^<>]*)>\s*$/.exec(author?.value ?? '')?.[1] ?? author?.value.trim();
  if (others.length > 0 || address?.toLowerCase() !== String(from).toLowerCase())
    throw refusal('E_VALIDATION_ERROR', 'From: header does not match mail from');
  if (all('message-id').length !== 1) throw refusal('E_FIELD_MISSING', 'invalid message-id');
  const refused = fields.find(({ name }) => REFUSED_FIELD.test(name));
  if (refused !== undefined) throw refusal('E_HEADER_NOT_ALLOWED', `invalid headers set: ${refused.name}`);
}

/** @param {Uint8Array} octets */
function fieldsOf(octets) {
  const text = new TextDecoder('latin1').decode(octets);
  const [header = ''] = text.split('\r\n\r\n', 1);
  return header
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
    .map((line) => {
      const colon = line.indexOf(':');
      return { name: line.slice(0, Math.max(colon, 0)).trim(), value: line.slice(colon + 1) };
    });
}

/**
 * @param {Fetcher} directory
 * @param {string} name
 * @param {string | Uint8Array} body
 */
async function put(directory, name, body) {
  const answer = await directory.fetch(`http://disk/${name}`, { method: 'PUT', body });
  if (!answer.ok) throw refusal('E_INTERNAL_SERVER_ERROR', `cannot write ${name}: ${answer.status}`);
}
