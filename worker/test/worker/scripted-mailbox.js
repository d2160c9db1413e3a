// SPDX-License-Identifier: GPL-3.0-or-later
//
// A mailbox as the directory sees one, which remembers what it was told and fails when it is asked to: what the real
// one cannot be made to do at will. Its state is on disk, so it outlives a killed runtime as the real one does.

import { DurableObject } from 'cloudflare:workers';

const base64url = (/** @type {Uint8Array} */ bytes) => Buffer.from(bytes).toString('base64url');

/** @typedef {{ id: string, name: string, token: string, createdAt: string, lastUsedAt: null }} Token */

export class Mailbox extends DurableObject {
  /** @returns {any} */
  get state() {
    return this.ctx.storage.kv.get('state') ?? { tokens: [], told: [], octets: 0 };
  }

  /** @param {object} changes */
  keep(changes) {
    this.ctx.storage.kv.put('state', { ...this.state, ...changes });
  }

  /**
   * @param {string} call
   * @param {unknown} [what]
   */
  tell(call, what) {
    if (this.ctx.storage.kv.get('failing')) throw new Error('This mailbox fails on purpose.');
    if (this.ctx.storage.kv.get('gone')) throw new Error('This mailbox is no more.');
    this.keep({ told: [...this.state.told, what === undefined ? call : { [call]: what }] });
  }

  /** @param {boolean} failing */
  fail(failing) {
    this.ctx.storage.kv.put('failing', failing);
  }

  read() {
    return { ...this.state, gone: this.ctx.storage.kv.get('gone') ?? false };
  }

  /** @param {object} options */
  create(options) {
    this.tell('create', options);
    this.keep(options);
  }

  /** @param {object} options */
  configure(options) {
    this.tell('configure', options);
    this.keep(options);
  }

  /** @param {{ name: string }} options */
  createToken({ name }) {
    this.tell('createToken');
    const { id: mailboxId, tokens } = this.state;
    const id = crypto.randomUUID();
    const token = `pt_${mailboxId}_${base64url(crypto.getRandomValues(new Uint8Array(32)))}`;
    this.keep({ tokens: [...tokens, { id, name, token, createdAt: new Date().toISOString(), lastUsedAt: null }] });
    return { id, token };
  }

  /** @param {number} count */
  stuff(count) {
    const tokens = Array.from({ length: count }, (_, id) => ({ id: `${id}`, name: 'x', token: 'x', createdAt: '' }));
    this.keep({ tokens: [...this.state.tokens, ...tokens] });
  }

  listTokens() {
    return this.state.tokens.map((/** @type {Token} */ { token, ...shown }) => shown);
  }

  /** @param {string} id */
  revokeToken(id) {
    const tokens = this.state.tokens.filter((/** @type {Token} */ token) => token.id !== id);
    const found = tokens.length < this.state.tokens.length;
    this.keep({ tokens });
    return found;
  }

  /** @param {{ exceptId?: string }} options */
  revokeAllTokens({ exceptId }) {
    this.tell('revokeAllTokens', { exceptId });
    this.keep({ tokens: this.state.tokens.filter((/** @type {Token} */ token) => token.id === exceptId) });
  }

  /** @param {string} text */
  checkToken(text) {
    this.tell('checkToken');
    const { id, tokens, disabled, address } = this.state;
    const token = tokens.find((/** @type {Token} */ each) => each.token === text);
    return token === undefined || disabled ? null : { mailboxId: id, tokenId: token.id, address };
  }

  /**
   * @param {{ from: string, to: string, size: number }} envelope
   * @param {ReadableStream} raw
   */
  async deliver(envelope, raw) {
    this.tell('deliver', envelope);
    if (envelope.from.startsWith('too-much@')) return { refused: '5.2.2 The mailbox is full.' };
    this.keep({ message: await new Response(raw).text() });
    return { ok: true };
  }

  usage() {
    return { octets: this.state.octets, messages: 0, quota: this.state.quota };
  }

  async wipe() {
    if (this.ctx.storage.kv.get('failing')) throw new Error('This mailbox fails on purpose.');
    await this.ctx.storage.deleteAll();
    this.ctx.storage.kv.put('gone', true);
  }

  /** @param {Request} request */
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    const authorization = request.headers.get('Authorization');
    return Response.json({ id: this.state.id, pathname, search, authorization, body: await request.text() });
  }
}
