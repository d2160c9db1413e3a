// SPDX-License-Identifier: GPL-3.0-or-later
//
// Mail addresses as text: RFC 5321 section 4.1.2 with RFC 6531, as far as a Worker has to tell a good one.

const LOCAL = '(?:"(?:[^"\\\\\\x00-\\x1f\\x7f]|\\\\[\\x20-\\x7e])+"|[^\\s"(),:;<>@[\\\\\\]\\x00-\\x1f\\x7f]+)';
const DOMAIN = '(?:\\[[^\\]\\s\\x00-\\x1f]+\\]|[^\\s"(),:;<>@[\\\\\\]\\x00-\\x1f\\x7f]+)';
const ADDRESS = new RegExp(`^${LOCAL}@${DOMAIN}$`);

/** @param {string} address */
export function isAddress(address) {
  return address.length <= 320 && ADDRESS.test(address) && !/\.\.|^\.|\.@|@\.|@-/.test(address.replace(/^".*"@/, 'q@'));
}

/**
 * @param {string} address
 * @returns {{ local: string, domain: string }} split at the last `@`
 */
export function splitAddress(address) {
  const at = address.lastIndexOf('@');
  return { local: address.slice(0, Math.max(at, 0)), domain: address.slice(at + 1) };
}

/**
 * @param {string} address
 * @returns {string} as addresses of a mailbox are compared: lower case, without `+tag`
 */
export function ownForm(address) {
  const { local, domain } = splitAddress(address);
  const plus = local.indexOf('+');
  return `${plus > 0 ? local.slice(0, plus) : local}@${domain}`.toLowerCase();
}

/**
 * @param {string[]} addresses
 * @returns {string[]} each once; domains are compared without case, local parts as they are
 */
export function uniqueAddresses(addresses) {
  /** @type {Map<string, string>} */
  const seen = new Map();
  for (const address of addresses) {
    const { local, domain } = splitAddress(address);
    const key = `${local}@${domain.toLowerCase()}`;
    if (!seen.has(key)) seen.set(key, address);
  }
  return [...seen.values()];
}
