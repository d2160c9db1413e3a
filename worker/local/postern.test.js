// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { message } from '../test/messages.js';
import { Runtime } from '../test/runtime.js';

const HERE = dirname(fileURLToPath(import.meta.url));

describe('local runtime', () => {
  it('has every module of the Worker in its configuration', async () => {
    const config = await readFile(join(HERE, 'postern.capnp'), 'utf8');
    const listed = [...config.matchAll(/embed "\.\.\/src\/([^"]+)"/g)].map((match) => match[1]);
    const there = (await readdir(join(HERE, '../src'))).filter((name) => /(?<!\.test)\.js$/.test(name));
    assert.deepEqual([...listed].sort(), there.sort());
    assert.equal(listed[0], 'index.js', 'the first module is the Worker');
  });

  it('refuses a second Worker on the same state with exit status 3', async () => {
    const runtime = await Runtime.start();
    const outbound = await mkdtemp(join(tmpdir(), 'postern-outbound-'));
    const args = ['--state', join(runtime.directory, 'state'), '--outbound', outbound, '--domains', 'example.test'];
    const { status } = spawnSync(join(HERE, 'start'), args, { timeout: 10_000 });
    await runtime.stop();
    await rm(outbound, { recursive: true });
    await rm(`${outbound}-envelopes`, { recursive: true });
    assert.equal(status, 3);
  });

  it('says how it is used', () => {
    const { status, stderr } = spawnSync(join(HERE, 'start'), ['--nonsense', 'x']);
    assert.equal(status, 2);
    assert.match(String(stderr), /usage: start/);
  });
});

describe('stand-in of the send_email binding', () => {
  /** @type {Runtime} */
  let runtime;
  before(async () => {
    runtime = await Runtime.start();
  });
  after(() => runtime.stop());

  /**
   * @param {string} raw
   * @param {string} [to]
   * @param {string} [from]
   */
  const send = (raw, to = 'x@verified.test', from = 'ada@example.test') => runtime.sendDirectly(from, to, raw);
  const good = () => message('ada@example.test');

  it('writes exactly the octets it was given, and the envelope beside them', async () => {
    const raw = message('ada@example.test', { body: 'caf\u00e9 \0 .\r\n..\r\n' });
    const { messageId } = await send(raw);
    const sent = (await runtime.outbound()).find((mail) => mail.messageId === messageId);
    assert.equal(sent?.octets.toString(), raw);
    assert.deepEqual([sent?.from, sent?.to], ['ada@example.test', 'x@verified.test']);
  });

  /** @type {[name: string, code: string, raw: () => string, to?: string][]} */
  const refused = [
    ['a From unlike the envelope', 'E_VALIDATION_ERROR', () => message('eve@example.test')],
    ['two From fields', 'E_VALIDATION_ERROR', () => `From: <ada@example.test>\r\n${good()}`],
    ['no Message-ID', 'E_FIELD_MISSING', () => good().replace(/Message-ID: .*\r\n/, '')],
    ['Received', 'E_HEADER_NOT_ALLOWED', () => `Received: from a by b\r\n${good()}`],
    ['X-Received', 'E_HEADER_NOT_ALLOWED', () => `X-Received: by b\r\n${good()}`],
    ['Return-Path', 'E_HEADER_NOT_ALLOWED', () => `Return-Path: <a@b.test>\r\n${good()}`],
    ['Bcc', 'E_HEADER_NOT_ALLOWED', () => `Bcc: <a@b.test>\r\n${good()}`],
    ['DKIM-Signature', 'E_HEADER_NOT_ALLOWED', () => `DKIM-Signature: v=1\r\n${good()}`],
    ['ARC-Seal', 'E_HEADER_NOT_ALLOWED', () => `ARC-Seal: i=1\r\n${good()}`],
    ['refuse.test', 'E_RECIPIENT_SUPPRESSED', good, 'x@refuse.test'],
    ['unverified.test', 'E_RECIPIENT_NOT_ALLOWED', good, 'x@unverified.test'],
    ['tempfail.test', 'E_RATE_LIMIT_EXCEEDED', good, 'x@tempfail.test'],
  ];
  for (const [name, code, raw, to] of refused)
    it(`refuses ${name} with ${code}`, async () => {
      assert.equal((await send(raw(), to)).code, code);
    });

  it('takes 5 MiB for anybody and 25 MiB for verified addresses, and no more', async () => {
    const raw = (/** @type {number} */ size) => good() + 'x'.repeat(size - good().length);
    const limit = 5 * 1024 * 1024;
    assert.equal((await send(raw(limit + 50), 'x@world.test')).code, 'E_CONTENT_TOO_LARGE');
    assert.ok((await send(raw(limit - 50), 'x@world.test')).messageId);
    assert.ok((await send(raw(5 * limit - 50), 'x@verified.test')).messageId);
    assert.equal((await send(raw(5 * limit + 50), 'x@verified.test')).code, 'E_CONTENT_TOO_LARGE');
  });

  it('fails once@tempfail.test the first time only', async () => {
    const raw = good();
    assert.equal((await send(raw, 'once@tempfail.test')).code, 'E_RATE_LIMIT_EXCEEDED');
    assert.ok((await send(raw, 'once@tempfail.test')).messageId);
  });
});
