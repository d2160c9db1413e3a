// SPDX-License-Identifier: GPL-3.0-or-later
//
// JMAP over WebSocket (RFC 8887), on sockets that hibernate: all that is known of one is in its attachment, so the
// object may be put to sleep between two messages and costs nothing meanwhile.

/** @typedef {{ Email?: boolean, Mailbox?: boolean, EmailSubmission?: boolean, EmailDelivery?: boolean, Thread?: boolean }} ChangedTypes */
/** @typedef {{ tokenId: string, origin: string, push: boolean, types: string[] | null }} Attachment */

const PUSHED = ['Email', 'EmailDelivery', 'EmailSubmission', 'Mailbox'];
/** Longest message taken from a client; the same as a request over HTTP. */
const MAX_SOCKETS = 64;

/** Close codes of our own: RFC 6455 section 7.4.2 leaves 4000–4999 to applications. */
export const CLOSE_REVOKED = 4401;
export const CLOSE_DELETED = 4410;

export class PushSockets {
  #state;

  /** @param {DurableObjectState} state */
  constructor(state) {
    this.#state = state;
  }

  /**
   * @param {Request} request
   * @param {string} tokenId
   * @returns {Response} the upgrade, or why there is none
   */
  accept(request, tokenId) {
    const offered = (request.headers.get('Sec-WebSocket-Protocol') ?? '').split(',').map((name) => name.trim());
    if (request.headers.get('Upgrade')?.toLowerCase() !== 'websocket')
      return new Response(null, { status: 426, headers: { Upgrade: 'websocket' } });
    // RFC 8887 section 4.1: without the subprotocol the connection is not made.
    if (!offered.includes('jmap')) return new Response('The subprotocol jmap is needed.', { status: 400 });
    if (this.#state.getWebSockets().length >= MAX_SOCKETS)
      return new Response('Too many connections are open.', { status: 503, headers: { 'Retry-After': '60' } });
    const { 0: client, 1: server } = new WebSocketPair();
    this.#state.acceptWebSocket(server, [tokenTag(tokenId)]);
    write(server, { tokenId, origin: new URL(request.url).origin, push: false, types: null });
    return new Response(null, { status: 101, webSocket: client, headers: { 'Sec-WebSocket-Protocol': 'jmap' } });
  }

  /**
   * @param {WebSocket} socket
   * @param {Record<string, any>} message a WebSocketPushEnable
   * @param {string} accountId
   * @param {string} state
   */
  enable(socket, message, accountId, state) {
    const types = Array.isArray(message.dataTypes)
      ? message.dataTypes.filter((/** @type {unknown} */ type) => typeof type === 'string' && PUSHED.includes(type))
      : null;
    write(socket, { ...read(socket), push: true, types });
    // RFC 8887 section 4.3.5.2: what the client missed since its last push state is told at once.
    if (typeof message.pushState === 'string' && message.pushState !== state)
      send(socket, stateChange(types ?? PUSHED, accountId, state));
  }

  /** @param {WebSocket} socket */
  disable(socket) {
    write(socket, { ...read(socket), push: false });
  }

  /**
   * @param {ChangedTypes} changed
   * @param {string} accountId
   * @param {string} state
   */
  tell(changed, accountId, state) {
    const names = Object.keys(changed);
    for (const socket of this.#state.getWebSockets()) {
      const { push, types } = read(socket);
      const wanted = names.filter((name) => types === null || types.includes(name));
      if (push && wanted.length > 0) send(socket, stateChange(wanted, accountId, state));
    }
  }

  /**
   * Closes sockets at once: all, those of one token, or all but those of one token.
   * @param {number} code
   * @param {string} reason
   * @param {{ tokenId?: string, exceptId?: string | undefined }} [which]
   */
  close(code, reason, { tokenId, exceptId } = {}) {
    const sockets = this.#state.getWebSockets(tokenId === undefined ? undefined : tokenTag(tokenId));
    for (const socket of sockets) {
      if (exceptId !== undefined && read(socket).tokenId === exceptId) continue;
      try {
        socket.close(code, reason);
      } catch {
        // It was closing already.
      }
    }
  }
}

/** @param {WebSocket} socket @returns {Attachment} */
export function read(socket) {
  return socket.deserializeAttachment();
}

/**
 * @param {WebSocket} socket
 * @param {Attachment} attachment
 */
function write(socket, attachment) {
  socket.serializeAttachment(attachment);
}

/**
 * @param {WebSocket} socket
 * @param {object} message
 */
export function send(socket, message) {
  try {
    socket.send(JSON.stringify(message));
  } catch {
    // It closed meanwhile; the client asks for changes when it comes back.
  }
}

/** @param {string} tokenId */
function tokenTag(tokenId) {
  return `token:${tokenId}`;
}

/**
 * @param {string[]} types
 * @param {string} accountId
 * @param {string} state
 */
function stateChange(types, accountId, state) {
  return {
    '@type': 'StateChange',
    changed: { [accountId]: Object.fromEntries(types.map((type) => [type, state])) },
    pushState: state,
  };
}
