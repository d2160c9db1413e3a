// SPDX-License-Identifier: GPL-3.0-or-later
//
// A token names its mailbox in its own text, so finding the object to ask costs nothing. Whether the token is good is
// for that mailbox to say: here it is only read. Basic carries a token as its password, for programs that know
// nothing else; a person's password is never taken.

/** `pt_`, the mailbox id in hexadecimal, 256 random bits in base64url. */
const TOKEN = /^pt_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/;

/**
 * @param {Request} request
 * @returns {{ token: string, mailboxId: string } | null} null when there is no token, or nothing of a token's shape
 */
export function tokenOf(request) {
  const token = presented(request.headers.get('Authorization'));
  const mailboxId = token === null ? undefined : TOKEN.exec(token)?.[1];
  return token === null || mailboxId === undefined ? null : { token, mailboxId };
}

/**
 * @param {string | null} header
 * @returns {string | null}
 */
function presented(header) {
  const match = /^([A-Za-z]+) +([^ ]+) *$/.exec(header ?? '');
  const scheme = match?.[1]?.toLowerCase();
  const value = match?.[2] ?? '';
  if (scheme === 'bearer') return value;
  if (scheme !== 'basic' || value.length > 1024) return null;
  try {
    const pair = atob(value);
    const colon = pair.indexOf(':'); // RFC 7617 section 2: the user-id has no colon
    return colon < 0 ? null : pair.slice(colon + 1);
  } catch {
    return null;
  }
}
