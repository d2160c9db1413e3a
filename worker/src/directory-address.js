// SPDX-License-Identifier: GPL-3.0-or-later
//
// One address has many spellings; the directory knows one of them. Case never counts, a domain is kept in its ASCII
// form, quotes that quote nothing fall off, and `+tag` is looked through. New addresses are held to a narrower
// grammar than mail from outside: it must be typed, read aloud and put in a path.

/** RFC 5321 section 4.5.3.1. */
const MAX_LOCAL = 64;
const MAX_ADDRESS = 254;

/** RFC 1035 section 2.3.4, and no label of digits at the end, which would be an IPv4 address. */
const DOMAIN = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A dot-atom (RFC 5322 section 3.2.3) less `+`, which starts a tag, and less what old mailers route by: `%`, `!`, `/`. */
const LOCAL = /^[a-z0-9_'&=~^#$*?{}|`-]+(?:\.[a-z0-9_'&=~^#$*?{}|`-]+)*$/;

/**
 * Names that speak for the domain (RFC 2142), or to which certificate authorities send proofs of control. Nobody
 * may take one by registering; an administrator may give it to someone.
 */
const RESERVED = new Set(
  (
    'postmaster abuse hostmaster webmaster admin administrator root noc security ssladmin sslwebmaster sysadmin ' +
    'mailer-daemon noreply no-reply info support dmarc tlsrpt mta-sts autoconfig autodiscover'
  ).split(' '),
);

/**
 * @param {string} text a domain in any spelling, U-labels included
 * @returns {string | null} lower case, A-labels; null when it is no domain name
 */
export function canonicalDomain(text) {
  let name = text.toLowerCase();
  if (/[^\x00-\x7f]/.test(name)) {
    if (/[/?#@:\\%[\]\s]/.test(name)) return null;
    try {
      name = new URL(`http://${name}`).hostname; // UTS 46, as every client does it
    } catch {
      return null;
    }
  }
  return DOMAIN.test(name) ? name : null;
}

/**
 * Reads an address as it comes from outside.
 * @param {string} text
 * @returns {{ local: string, domain: string } | null} null when it cannot be an address of any domain
 */
export function parseAddress(text) {
  if (text.length > 1024) return null;
  const at = text.lastIndexOf('@');
  if (at < 1) return null;
  let local = text.slice(0, at);
  if (/^".*"$/s.test(local)) local = local.slice(1, -1).replace(/\\(.)/gs, '$1');
  const domain = canonicalDomain(text.slice(at + 1));
  return domain === null || local === '' ? null : { local: local.toLowerCase(), domain };
}

/**
 * @param {string} text in any spelling
 * @returns {string} the one spelling the directory knows, tag included; empty when it is no address
 */
export function canonicalAddress(text) {
  const parsed = parseAddress(text);
  return parsed === null ? '' : `${parsed.local}@${parsed.domain}`;
}

/**
 * The local part without its tag: `ada+lists` is `ada`'s. A leading `+` is no tag, there is nobody before it.
 * @param {string} local
 * @returns {string}
 */
export function withoutTag(local) {
  const plus = local.indexOf('+');
  return plus > 0 ? local.slice(0, plus) : local;
}

/**
 * @param {string} local
 * @returns {boolean}
 */
export function isReserved(local) {
  return RESERVED.has(local);
}

/**
 * Checks an address that somebody is to have.
 * @param {string} text
 * @returns {{ address: string, local: string, domain: string } | { fault: string }} `fault` says what to change
 */
export function newAddress(text) {
  const at = text.lastIndexOf('@');
  if (at < 1) return { fault: 'Give a whole address, such as ada@example.com.' };
  const local = text.slice(0, at).toLowerCase();
  const domain = canonicalDomain(text.slice(at + 1));
  if (domain === null) return { fault: 'What stands behind the @ is not a domain name.' };
  if (local.includes('+'))
    return { fault: 'Leave out the + and what follows: mail to name+anything reaches name by itself.' };
  if (local.length > MAX_LOCAL || !LOCAL.test(local))
    return {
      fault: `Before the @ use up to ${MAX_LOCAL} letters a to z, digits, and . _ - between them.`,
    };
  const address = `${local}@${domain}`;
  if (address.length > MAX_ADDRESS) return { fault: `The address is longer than ${MAX_ADDRESS} characters.` };
  return { address, local, domain };
}
