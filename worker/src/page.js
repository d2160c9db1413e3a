// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a person sees who opens the Worker, or an invitation to it, in a browser: two sentences, no script.

const PAGES = /** @type {Record<string, (host: string) => string>} */ ({
  '/': (host) =>
    `This is ${host}, a Postern mail server.\n\nTo read mail from it, open Postern and give it this address.\n`,
  '/invitation': (host) =>
    `You are invited to a mailbox at ${host}.\n\nOpen Postern, add an account, and paste the whole address of this ` +
    `page there.\nThe code is what stands behind the # in it; keep it to yourself.\n`,
});

/**
 * @param {URL} url
 * @returns {Response | null} null when no page is there
 */
export function page(url) {
  const words = Object.hasOwn(PAGES, url.pathname) ? PAGES[url.pathname] : undefined;
  if (words === undefined) return null;
  return new Response(words(url.host), {
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    },
  });
}
