// SPDX-License-Identifier: GPL-3.0-or-later
//
// The outer Worker only routes. It has 10 ms of processor time on the free plan, `email()` included, so whatever
// parses, stretches or stores runs in an object. Bodies pass through as streams, untouched.

import { tokenOf } from './credentials.js';
import { page } from './page.js';
import { Refusal, refusalResponse } from './refusal.js';
import { API_BASE, LEAST_BRIDGE_VERSION, VERSION } from './version.js';

/** @import { Env } from './contract.js' */

export { Directory } from './directory.js';
export { Mailbox } from './mailbox.js';

export default {
  /**
   * @param {Request} request
   * @param {Env} env
   * @returns {Promise<Response>}
   */
  async fetch(request, env) {
    try {
      return await route(request, env);
    } catch (error) {
      return refusalResponse(error);
    }
  },

  /**
   * Returns only when the mailbox has the message on disk. Whatever throws makes the sender try again later.
   * @param {ForwardableEmailMessage} message
   * @param {Env} env
   */
  async email(message, env) {
    const { from, to, raw, rawSize } = message;
    const [found = null] = await env.DIRECTORY.getByName('directory').resolve([to]);
    const result =
      found === null
        ? { refused: '5.1.1 This server has no mailboxes in that domain.' }
        : 'refused' in found
          ? found
          : await env.MAILBOX.getByName(found.mailboxId).deliver({ from, to, size: rawSize ?? 0 }, raw);
    // Away from production setReject is a call that would be overtaken by our return.
    if ('refused' in result) await message.setReject(result.refused);
  },
};

/**
 * @param {Request} request
 * @param {Env} env
 * @returns {Response | Promise<Response>}
 */
function route(request, env) {
  const url = new URL(request.url);
  const { pathname } = url;
  if (pathname.startsWith('/jmap/')) return toMailbox(request, request, env);
  // RFC 8620 section 2.2 would let us redirect; not every client brings its credentials along.
  if (pathname === '/.well-known/jmap')
    return toMailbox(request, new Request(new URL('/jmap/session', url), request), env);
  if (`${pathname}/`.startsWith(API_BASE)) return env.DIRECTORY.getByName('directory').fetch(request);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new Refusal('method-not-allowed', 'Only GET and HEAD have a meaning here.', { allow: 'GET, HEAD' });
  if (pathname === '/.well-known/postern') return postern(url);
  const text = page(url);
  if (text !== null) return text;
  throw new Refusal(
    'not-found',
    `There is no ${pathname.slice(0, 200)} here. /.well-known/postern says what there is.`,
  );
}

/**
 * @param {Request} request whose credentials say which mailbox
 * @param {Request} forwarded
 * @param {Env} env
 * @returns {Promise<Response>}
 */
function toMailbox(request, forwarded, env) {
  const presented = tokenOf(request);
  if (presented === null)
    throw new Refusal(
      'not-signed-in',
      `Send a token of this Worker: "Authorization: Bearer pt_…", or Basic with the token as the password. ` +
        `A person's password is not taken here; POST ${API_BASE}sign-in makes a token from it.`,
    );
  return env.MAILBOX.getByName(presented.mailboxId).fetch(forwarded);
}

/**
 * What a bridge asks first: whether this is a Postern, and whether the two understand each other.
 * @param {URL} url
 * @returns {Response}
 */
function postern(url) {
  return Response.json(
    {
      name: 'Postern',
      version: VERSION,
      leastBridgeVersion: LEAST_BRIDGE_VERSION,
      apiUrl: new URL(API_BASE, url).href,
      jmapUrl: new URL('/.well-known/jmap', url).href,
    },
    { headers: { 'Cache-Control': 'public, max-age=300' } },
  );
}
