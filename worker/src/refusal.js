// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every error of the management API is a problem (RFC 9457): what kind, as a stable URI and as its short code; what
// happened; and, in `detail`, what to do about it. Programs branch on `code`, people read `detail`.

/** `type` is this and the code. A tag URI (RFC 4151): stable, ours, and it promises no page to fetch. */
export const PROBLEM_BASE = 'tag:posternmail.github.io,2026:problem/';

/** The codes with their HTTP status and title; API.md lists the same, and a test holds them together. */
export const REFUSALS = /** @type {const} */ ({
  'invalid-json': [400, 'The request body is not the JSON that is wanted'],
  'not-signed-in': [401, 'A valid token is needed'],
  'wrong-credentials': [403, 'The address and password do not match'],
  'wrong-secret': [403, 'The setup secret is wrong'],
  'setup-unavailable': [403, 'Setup is switched off'],
  'account-disabled': [403, 'The account is disabled'],
  'administrator-only': [403, 'Only an administrator may do this'],
  'registration-closed': [403, 'Registration is closed'],
  'invitation-needed': [403, 'Registration needs an invitation'],
  'invitation-invalid': [403, 'The invitation is not valid'],
  'not-found': [404, 'There is nothing here by that name'],
  'method-not-allowed': [405, 'This cannot be done here'],
  'already-set-up': [409, 'There is an administrator already'],
  'address-taken': [409, 'The address is in use'],
  'last-administrator': [409, 'The last administrator must stay'],
  'domain-in-use': [409, 'The domain still has addresses'],
  'limit-reached': [409, 'There are too many already'],
  'body-too-large': [413, 'The request body is too large'],
  'unsupported-media-type': [415, 'The request body must be JSON'],
  'invalid-value': [422, 'A value cannot be accepted'],
  'too-many-attempts': [429, 'Too many attempts'],
  'internal-error': [500, 'Something went wrong here'],
  busy: [503, 'Too much at once'],
  'mailbox-unreachable': [503, 'The mailbox did not answer'],
});

/** @typedef {keyof typeof REFUSALS} RefusalCode */

/** Thrown by whoever finds the trouble, answered by the outermost layer of the API. */
export class Refusal extends Error {
  /**
   * @param {RefusalCode} code
   * @param {string} detail whole sentences: what happened here, and what to do
   * @param {{ member?: string, retryAfter?: number, allow?: string }} [more] `member` names the value at fault;
   *   `retryAfter` is in seconds; `allow` lists methods
   */
  constructor(code, detail, more = {}) {
    super(detail);
    this.name = 'Refusal';
    this.code = code;
    this.more = more;
  }

  /** @returns {Response} */
  toResponse() {
    const [status, title] = REFUSALS[this.code];
    const { member, retryAfter, allow } = this.more;
    const headers = new Headers({ 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
    if (retryAfter !== undefined) headers.set('Retry-After', String(retryAfter));
    if (allow !== undefined) headers.set('Allow', allow);
    if (status === 401) {
      // Two headers; the runtime writes them as one list, which RFC 9110 section 11.6.1 has mean the same.
      headers.append('WWW-Authenticate', 'Bearer realm="postern"');
      headers.append('WWW-Authenticate', 'Basic realm="postern", charset="UTF-8"');
    }
    const body = { type: PROBLEM_BASE + this.code, code: this.code, title, status, detail: this.message };
    return new Response(
      JSON.stringify({
        ...body,
        ...(member === undefined ? {} : { member }),
        ...(retryAfter === undefined ? {} : { retryAfter }),
      }),
      { status, headers },
    );
  }
}

/**
 * Turns whatever was thrown into an answer. What is not a problem is a fault of ours: it is logged, and the caller
 * learns nothing of its inside.
 * @param {unknown} error
 * @returns {Response}
 */
export function refusalResponse(error) {
  if (error instanceof Refusal) return error.toResponse();
  console.error('unexpected:', error instanceof Error ? (error.stack ?? error.message) : String(error));
  const overloaded = error instanceof Error && /** @type {{ overloaded?: boolean }} */ (error).overloaded === true;
  if (overloaded)
    return new Refusal('busy', 'The server has too much to do. Repeat the request shortly.', {
      retryAfter: 5,
    }).toResponse();
  const detail = 'The server could not finish this. Repeat the request; if it stays, look at the log of the Worker.';
  return new Refusal('internal-error', detail).toResponse();
}
