// SPDX-License-Identifier: GPL-3.0-or-later
//
// The Worker with scripted mailboxes, and a side door for tests: POST /test/… reaches what HTTP does not.

import worker, { Directory as RealDirectory } from '../../src/index.js';

export { Mailbox } from './scripted-mailbox.js';

export class Directory extends RealDirectory {
  /**
   * @param {string} query
   * @returns {unknown[]}
   */
  peek(query) {
    return this.ctx.storage.sql.exec(query).toArray();
  }
}

export default {
  ...worker,
  /**
   * @param {Request} request
   * @param {any} env
   */
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith('/test/')) return worker.fetch(request, env);
    const directory = env.DIRECTORY.getByName('directory');
    const mailbox = env.MAILBOX.getByName(searchParams.get('id') ?? '');
    switch (pathname) {
      case '/test/resolve':
        return Response.json(await directory.resolve(await request.json()));
      case '/test/peek':
        return Response.json(await directory.peek(await request.text()));
      case '/test/fail':
        return Response.json((await mailbox.fail((await request.text()) === 'true')) ?? null);
      case '/test/stuff':
        return Response.json((await mailbox.stuff(Number(await request.text()))) ?? null);
      case '/test/mailbox':
        return Response.json(await mailbox.read());
      case '/test/email': {
        /** @type {string | undefined} */
        let rejected;
        const message = {
          from: searchParams.get('from') ?? '',
          to: searchParams.get('to') ?? '',
          raw: request.body,
          rawSize: Number(request.headers.get('Content-Length')),
          setReject: (/** @type {string} */ reason) => {
            rejected = reason;
          },
        };
        try {
          await worker.email(/** @type {any} */ (message), env);
        } catch (error) {
          return Response.json({ thrown: String(error) });
        }
        return Response.json(rejected === undefined ? { accepted: true } : { rejected });
      }
      default:
        return new Response(null, { status: 404 });
    }
  },
};
