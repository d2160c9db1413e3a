// SPDX-License-Identifier: GPL-3.0-or-later
//
// `cloudflare:email` needs this module, which plain workerd does not have. The message crosses to the stand-in of the
// binding by RPC, so it is a plain object.

class EmailMessage {
  /**
   * @param {string} from
   * @param {string} to
   * @param {ReadableStream<Uint8Array> | string} raw
   */
  constructor(from, to, raw) {
    return { from, to, 'EmailMessage::raw': raw };
  }
}

export default { EmailMessage };
