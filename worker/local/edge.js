// SPDX-License-Identifier: GPL-3.0-or-later
//
// Stands where Email Routing does. `POST /email?from=&to=` with a raw message calls the Worker's real email() handler:
// 200 when it is stored, 400 with the SMTP reply as text when it is refused for good, 503 when the sender would try
// again. Everything else goes to the Worker as it is.

const MAX_MESSAGE = 25 * 1024 * 1024;

export default {
  /**
   * @param {Request} request
   * @param {{ MAIN: any }} env
   * @returns {Promise<Response>}
   */
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname !== '/email') return env.MAIN.fetch(request);
    if (request.method !== 'POST') return new Response('POST a message here\n', { status: 405 });
    const raw = new Uint8Array(await request.arrayBuffer());
    if (raw.byteLength > MAX_MESSAGE) return refusal('5.3.4 The message is larger than 25 MiB');
    /** @type {string | undefined} */
    let refused;
    try {
      await env.MAIN.email({
        from: url.searchParams.get('from') ?? '',
        to: url.searchParams.get('to') ?? '',
        raw: new Response(raw).body,
        rawSize: raw.byteLength,
        headers: headersOf(raw),
        setReject: (/** @type {string} */ reason) => {
          refused = reason;
        },
        forward: async () => {},
        reply: async () => {},
      });
      // Here setReject is an RPC call; one that nobody awaited arrives after the handler has returned.
      await new Promise((resolve) => setTimeout(resolve, 0));
    } catch (error) {
      return new Response(`451 4.3.0 ${error instanceof Error ? error.message : error}\n`, { status: 503 });
    }
    return refused === undefined ? new Response('250 2.0.0 Stored\n') : refusal(refused);
  },
};

/** @param {string} reason begins with an enhanced code */
function refusal(reason) {
  const code = /^5\.(2\.2|3\.4)/.test(reason) ? 552 : 550;
  return new Response(`${code} ${reason}\n`, { status: 400 });
}

/** @param {Uint8Array} raw */
function headersOf(raw) {
  const headers = new Headers();
  const text = new TextDecoder('latin1').decode(raw.subarray(0, 65536)).split(/\r?\n\r?\n/, 1)[0] ?? '';
  for (const line of text.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    try {
      if (colon > 0) headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    } catch {
      // Not every header of a mail is one of HTTP.
    }
  }
  return headers;
}
