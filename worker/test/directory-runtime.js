// SPDX-License-Identifier: GPL-3.0-or-later
//
// Runs the directory in the real runtime with scripted mailboxes or real ones, its state in a folder that can be used again.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const worker = fileURLToPath(new URL('..', import.meta.url));

// The binary itself: the package's script would pass on neither the control descriptor nor a signal.
const binary = join(
  worker,
  `node_modules/@cloudflare/workerd-linux-${process.arch === 'arm64' ? 'arm64' : '64'}/bin/workerd`,
);

export const SECRET = 'a setup secret of some length';
export const PASSWORD = 'correct horse battery';

/**
 * @param {Record<string, string>} bindings
 * @param {boolean} realMailboxes
 * @returns {Promise<string>}
 */
async function configuration(bindings, realMailboxes) {
  const sources = (await readdir(join(worker, 'src'))).filter((name) => /(?<!\.test)\.js$/.test(name));
  const scripted = ['test/worker/directory-edge.js', 'test/worker/scripted-mailbox.js'];
  // The first module is the Worker.
  const first = realMailboxes ? ['src/index.js'] : scripted;
  const modules = [...new Set([...first, ...sources.map((name) => `src/${name}`)])];
  const text = (/** @type {string} */ value) => JSON.stringify(value);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "disk", disk = (path = "unset", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
  extensions = [(modules = [
    (name = "cloudflare-internal:email", internal = true, esModule = embed ${text(join(worker, 'local/email-module.js'))}),
  ])],
);
const main :Workerd.Worker = (
  modules = [${modules.map((name) => `(name = ${text(name)}, esModule = embed ${text(join(worker, name))})`).join(', ')}],
  compatibilityDate = "2026-04-01", compatibilityFlags = ["nodejs_compat", "enhanced_error_serialization"],
  bindings = [
    (name = "MAILBOX", durableObjectNamespace = "Mailbox"), (name = "DIRECTORY", durableObjectNamespace = "Directory"),
    ${Object.entries(bindings)
      .map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`)
      .join(', ')}
  ],
  durableObjectNamespaces = [
    (className = "Mailbox", uniqueKey = "postern-mailbox", enableSql = true),
    (className = "Directory", uniqueKey = "postern-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
);
`;
}

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {any} body parsed, or null
 * @property {Headers} headers
 */

export class DirectoryRuntime {
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null;
  #folder = '';
  #realMailboxes = false;
  url = '';
  log = '';

  /**
   * @param {Record<string, string>} [bindings] in place of the usual ones
   * @param {{ realMailboxes?: boolean }} [options] then there are no doors for tests
   * @returns {Promise<DirectoryRuntime>}
   */
  static async start(bindings = {}, { realMailboxes = false } = {}) {
    const self = new DirectoryRuntime();
    self.#realMailboxes = realMailboxes;
    self.#folder = await mkdtemp(join(tmpdir(), 'postern-directory-'));
    await mkdir(join(self.#folder, 'disk'));
    await self.run(bindings);
    return self;
  }

  /** @param {Record<string, string>} [bindings] */
  async run(bindings = {}) {
    const all = { DOMAINS: 'example.test, Other.test', SETUP_SECRET: SECRET, PASSWORD_COST: '1', ...bindings };
    const config = join(this.#folder, 'config.capnp');
    await writeFile(config, await configuration(all, this.#realMailboxes));
    const disk = `--directory-path=disk=${join(this.#folder, 'disk')}`;
    const child = spawn(binary, ['serve', '--import-path=/', config, disk, '--control-fd=3'], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        this.log += chunk;
      });
    const control = /** @type {import('node:stream').Readable} */ (child.stdio[3]);
    const heard = await Promise.race([once(control, 'data'), once(child, 'exit').then(() => null)]);
    if (heard === null) throw new Error(`The runtime did not start:\n${this.log}`);
    this.url = `http://127.0.0.1:${JSON.parse(String(heard[0]).split('\n')[0] ?? '').port}`;
  }

  async kill() {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async stop() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * @param {string} method
   * @param {string} path below the API, or from the root when it starts with a slash
   * @param {unknown} [body]
   * @param {{ token?: string, client?: string, headers?: Record<string, string> }} [options]
   * @returns {Promise<Answer>}
   */
  async call(method, path, body, { token, client = '192.0.2.1', headers = {} } = {}) {
    const response = await fetch(new URL(path.startsWith('/') ? path : `/api/v1/${path}`, this.url), {
      method,
      headers: {
        'CF-Connecting-IP': client,
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('Content-Type') ?? '');
    return { status: response.status, body: json ? JSON.parse(text) : text || null, headers: response.headers };
  }

  /**
   * @param {string} door
   * @param {string} body
   * @returns {Promise<any>}
   */
  async test(door, body = '') {
    return (await this.call('POST', `/test/${door}`, body)).body;
  }

  /**
   * @param {...string} addresses
   * @returns {Promise<any[]>}
   */
  async resolve(...addresses) {
    return this.test('resolve', JSON.stringify(addresses));
  }

  /**
   * Makes the first administrator and signs in.
   * @returns {Promise<string>} a token
   */
  async setUp() {
    await this.call('POST', 'setup', { secret: SECRET, address: 'ada@example.test', password: PASSWORD });
    return this.signIn('ada@example.test');
  }

  /**
   * @param {string} address
   * @param {string} [password]
   * @returns {Promise<string>} a token
   */
  async signIn(address, password = PASSWORD) {
    const { status, body } = await this.call('POST', 'sign-in', { address, password, name: 'test' });
    if (status !== 201) throw new Error(`No sign-in: ${JSON.stringify(body)}`);
    return body.token;
  }

  /**
   * Adds a user who signs in with PASSWORD.
   * @param {string} token an administrator's
   * @param {string} address
   * @param {object} [more]
   * @returns {Promise<any>} the user
   */
  async addUser(token, address, more = {}) {
    const { status, body } = await this.call('POST', 'users', { address, password: PASSWORD, ...more }, { token });
    if (status !== 201) throw new Error(`No user: ${JSON.stringify(body)}`);
    return body;
  }
}
