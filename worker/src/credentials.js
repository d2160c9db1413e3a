// SPDX-License-Identifier: GPL-3.0-or-later
//
// A token names its mailbox in its own text, so finding the object to ask costs nothing. Whether the token is good is
// for that mailbox to say: here it is only read.

const TOKEN = /^pt_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

/**
 * @param {string} token
 * @returns {string | null} the mailbox it belongs to, null when it has not the form of a token
 */
export function mailboxOfToken(token) {
  return TOKEN.exec(token)?.[1] ?? null;
}

/**
 * Reads `Authorization`: Bearer with a token, or Basic with a token as the password.
 * @param {Request} request
 * @returns {{ token: string, user: string | null } | null} `user` is null for Bearer and for an empty Basic user
 */
export function readCredentials(request) {
  const [, scheme = '', value = ''] =
    /^\s*([A-Za-z]+)\s+(\S+)\s*$/.exec(request.headers.get('Authorization') ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return { token: value, user: null };
  if (scheme.toLowerCase() !== 'basic') return null;
  let text;
  try {
    text = new TextDecoder().decode(Uint8Array.from(atob(value), (c) => c.charCodeAt(0)));
  } catch {
    return null;
  }
  const colon = text.indexOf(':');
  return colon < 0 ? null : { token: text.slice(colon + 1), user: text.slice(0, colon) || null };
}

/**
 * @param {Request} request
 * @returns {{ token: string, mailboxId: string } | null} null when there is no token, or nothing of a token's shape
 */
export function tokenOf(request) {
  const token = readCredentials(request)?.token;
  const mailboxId = token === undefined ? null : mailboxOfToken(token);
  return token === undefined || mailboxId === null ? null : { token, mailboxId };
}
