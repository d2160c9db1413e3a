// SPDX-License-Identifier: GPL-3.0-or-later

/**
 * A problem as RFC 9457 has it, thrown or returned where a request as a whole fails.
 */
export class Problem extends Error {
  #status;
  #type;
  #members;

  /**
   * @param {number} status of HTTP
   * @param {string} detail for a person: what happened, why, what to do
   * @param {{ type?: string, [member: string]: unknown }} [members] the problem type's URI and what it defines
   */
  constructor(status, detail, { type = 'about:blank', ...members } = {}) {
    super(detail);
    this.#status = status;
    this.#type = type;
    this.#members = members;
  }

  /** @returns {{ type: string, status: number, detail: string }} */
  object() {
    return { type: this.#type, status: this.#status, detail: this.message, ...this.#members };
  }

  /** @returns {Response} */
  response() {
    return new Response(JSON.stringify(this.object()), {
      status: this.#status,
      headers: { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' },
    });
  }
}
