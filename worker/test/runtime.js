// SPDX-License-Identifier: GPL-3.0-or-later
//
// A Worker in the real runtime for one test file: local/start with its state in a directory of its own, and one module
// more than it has otherwise, `worker/entry.js`, through which a test can call an object's methods and look at its tables.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Account } from './account.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const LOCAL = resolve(HERE, '../local');
const START_TIMEOUT_MS = 30_000;

export const DOMAIN = 'example.test';

export class Runtime {
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null;
  #directory;
  #environment;
  #accounts = 0;
  #log = '';
  /** Where the Worker answers. */
  url = '';
  /** Where mail is posted that comes from the world. */
  inboundUrl = '';

  /**
   * @param {string} directory
   * @param {Record<string, string>} environment
   */
  constructor(directory, environment) {
    this.#directory = directory;
    this.#environment = environment;
  }

  /**
   * @param {Record<string, string>} [environment]
   * @returns {Promise<Runtime>}
   */
  static async start(environment = {}) {
    const directory = await mkdtemp(join(tmpdir(), 'postern-worker-'));
    const text = await readFile(join(LOCAL, 'postern.capnp'), 'utf8');
    const config = text
      .replace(/embed "([^"]+)"/g, (_, path) => `embed "${resolve(LOCAL, path)}"`)
      .replace(/name = "([^"]+)"(?=, esModule = embed "[^"]*\/src\/)/g, 'name = "src/$1"')
      .replace(
        'modules = [\n',
        `modules = [(name = "test/worker/entry.js", esModule = embed "${join(HERE, 'worker/entry.js')}"),\n`,
      );
    await writeFile(join(directory, 'test.capnp'), config);
    const runtime = new Runtime(directory, environment);
    await runtime.up();
    return runtime;
  }

  /** Starts the process, for the first time or again on the same state. */
  async up() {
    const at = (/** @type {string} */ name) => join(this.#directory, name);
    const args = ['--state', at('state'), '--outbound', at('outbound'), '--domains', DOMAIN, '--control-fd', '3'];
    const child = spawn(join(LOCAL, 'start'), [...args, '--config', at('test.capnp')], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, POSTERN_RETRY_BASE_MS: '40', ...this.#environment },
    });
    this.#child = child;
    child.stdout?.on('data', (data) => (this.#log += data));
    child.stderr?.on('data', (data) => (this.#log += data));
    // A test that is stopped must not leave its Worker behind.
    process.once('exit', () => child.kill('SIGKILL'));
    const control = /** @type {import('node:stream').Readable} */ (child.stdio[3]);
    /** @type {Record<string, number>} */
    const ports = {};
    let text = '';
    const ready = new Promise((done, fail) => {
      control.on('data', (data) => {
        text += data;
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) {
          const { event, socket, port } = JSON.parse(line);
          if (event === 'listen') ports[socket] = port;
        }
        if (ports.http && ports.inbound) done(undefined);
      });
      child.once('exit', (code) => fail(new Error(`The Worker ended with ${code}:\n${this.#log}`)));
    });
    const late = sleep(START_TIMEOUT_MS, 'late', { ref: false });
    if ((await Promise.race([ready, late])) === 'late') throw new Error(`The Worker did not start:\n${this.#log}`);
    this.url = `http://127.0.0.1:${ports.http}`;
    this.inboundUrl = `http://127.0.0.1:${ports.inbound}`;
  }

  /** Kills the process as a power failure would, and waits until it is gone. */
  async kill() {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  async stop() {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** @returns {string} what the Worker printed so far */
  get log() {
    return this.#log;
  }

  /**
   * Makes a mailbox that the directory knows, with a token.
   * @param {object} [options]
   * @param {string} [options.name] local part
   * @param {number} [options.quota]
   * @param {string[]} [options.aliases] local parts
   * @returns {Promise<Account>}
   */
  async account({ name = `user${++this.#accounts}`, quota = 0, aliases = [] } = {}) {
    const id = randomBytes(16).toString('hex');
    const address = `${name}@${DOMAIN}`;
    const addresses = [address, ...aliases.map((alias) => `${alias}@${DOMAIN}`)];
    await this.call('TEST', 'names', 'add', [addresses, id]);
    await this.call('MAILBOX', id, 'create', [{ id, address, addresses, displayName: name, quota }]);
    const { token, id: tokenId } = await this.call('MAILBOX', id, 'createToken', [{ name: 'test' }]);
    return new Account(this, { id, address, token, tokenId });
  }

  /**
   * Calls a method of an object.
   * @param {'MAILBOX' | 'TEST'} binding
   * @param {string} name
   * @param {string} method
   * @param {unknown[]} args JSON; a `Uint8Array` as the last one goes as a stream
   * @returns {Promise<any>}
   */
  async call(binding, name, method, args) {
    const last = args.at(-1);
    const stream = last instanceof Uint8Array ? last : undefined;
    const query = encodeURIComponent(JSON.stringify(stream ? args.slice(0, -1) : args));
    const answer = await fetch(
      `${this.url}/test/${binding}/${name}/${method}?args=${query}${stream ? '&stream=1' : ''}`,
      {
        method: 'POST',
        body: stream,
      },
    );
    const { value, error } = /** @type {any} */ (await answer.json());
    if (error !== undefined) throw new Error(error);
    return value;
  }

  /**
   * Gives a message to the stand-in of the binding, past the mailbox.
   * @param {string} from
   * @param {string} to
   * @param {string} raw
   * @returns {Promise<{ messageId?: string, code?: string }>}
   */
  async sendDirectly(from, to, raw) {
    const answer = await fetch(`${this.url}/test/TEST/send/mail`, {
      method: 'POST',
      body: JSON.stringify([from, to, raw]),
    });
    return /** @type {any} */ (await answer.json()).value;
  }

  /** Where its state is. */
  get directory() {
    return this.#directory;
  }

  /**
   * Posts a message as Email Routing would hand it over.
   * @param {string} to
   * @param {Uint8Array | string} raw
   * @param {string} [from]
   * @returns {Promise<{ status: number, text: string }>}
   */
  async inbound(to, raw, from = 'someone@elsewhere.test') {
    const query = new URLSearchParams({ from, to });
    const answer = await fetch(`${this.inboundUrl}/email?${query}`, { method: 'POST', body: raw });
    return { status: answer.status, text: await answer.text() };
  }

  /**
   * What has left for the world so far.
   * @returns {Promise<{ from: string, to: string, messageId: string, octets: Buffer }[]>} in no order
   */
  async outbound() {
    const names = (await readdir(join(this.#directory, 'outbound'))).filter((name) => name.endsWith('.eml'));
    return Promise.all(
      names.map(async (name) => {
        const envelope = join(this.#directory, 'outbound-envelopes', name.replace('.eml', '.json'));
        return {
          ...JSON.parse(await readFile(envelope, 'utf8')),
          octets: await readFile(join(this.#directory, 'outbound', name)),
        };
      }),
    );
  }
}

/**
 * Waits until `look` gives something, and gives that.
 * @template T
 * @param {() => Promise<T | null | undefined | false>} look
 * @param {{ what: string, timeoutMs?: number }} options
 * @returns {Promise<T>}
 */
export async function until(look, { what, timeoutMs = 20_000 }) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}`);
    await sleep(20);
  }
}
