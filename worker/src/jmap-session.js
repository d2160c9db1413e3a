// SPDX-License-Identifier: GPL-3.0-or-later
//
// The session object (RFC 8620 section 2), and the limits and capabilities it tells.

export const CORE = 'urn:ietf:params:jmap:core';
export const MAIL = 'urn:ietf:params:jmap:mail';
export const SUBMISSION = 'urn:ietf:params:jmap:submission';
export const WEBSOCKET = 'urn:ietf:params:jmap:websocket';
/** What Postern adds: the property `canonicalSize` of an Email, and submissions that may be repeated. */
export const POSTERN = 'urn:io.github.posternmail:jmap:postern';
/** Accepted in `using` though not offered: Cypht names it in every request and cannot do without. */
const QUOTA = 'urn:ietf:params:jmap:quota';

const MIB = 1024 * 1024;

export const LIMITS = {
  /** Room for a message of 25 MiB and the header fields that it gains on its way. */
  maxSizeUpload: 26 * MIB,
  maxConcurrentUpload: 8,
  maxSizeRequest: 10_000_000,
  maxConcurrentRequests: 8,
  maxCallsInRequest: 64,
  maxObjectsInGet: 500,
  maxObjectsInSet: 500,
};

/** The most that the binding ever takes, to a verified address (Email Service limits). */
export const MAX_OUTGOING = 25 * MIB;
export const MAX_RECIPIENTS = 1000;

/** @type {Record<string, object>} */
const CAPABILITIES = {
  [CORE]: { ...LIMITS, collationAlgorithms: [] },
  [MAIL]: {},
  [SUBMISSION]: {},
  [POSTERN]: {},
};

/** @param {unknown} uri */
export function isKnownCapability(uri) {
  return typeof uri === 'string' && (Object.hasOwn(CAPABILITIES, uri) || uri === WEBSOCKET || uri === QUOTA);
}

/** @type {Record<string, object>} */
const ACCOUNT_CAPABILITIES = {
  [CORE]: {},
  [MAIL]: {
    maxMailboxesPerEmail: null,
    maxMailboxDepth: 1,
    maxSizeMailboxName: 200,
    maxSizeAttachmentsPerEmail: 25 * MIB,
    emailQuerySortOptions: ['receivedAt', 'sentAt', 'size', 'from', 'to', 'subject'],
    mayCreateTopLevelMailbox: false,
  },
  [SUBMISSION]: { maxDelayedSend: 0, submissionExtensions: { DSN: ['NOTIFY', 'ORCPT', 'RET', 'ENVID'] } },
  [POSTERN]: {},
};

/**
 * @param {URL} url of the request; every URL in the answer is absolute and of its origin, since clients such as aerc
 *   and jmap-jam cannot resolve relative ones
 * @param {{ accountId: string, address: string, sessionState: string }} mailbox
 */
export function sessionObject(url, { accountId, address, sessionState }) {
  const { origin } = url;
  const socket = `${origin.replace(/^http/, 'ws')}/jmap/ws`;
  return {
    capabilities: { ...CAPABILITIES, [WEBSOCKET]: { url: socket, supportsPush: true } },
    accounts: {
      [accountId]: {
        name: address,
        isPersonal: true,
        isReadOnly: false,
        accountCapabilities: ACCOUNT_CAPABILITIES,
      },
    },
    primaryAccounts: Object.fromEntries(Object.keys(ACCOUNT_CAPABILITIES).map((uri) => [uri, accountId])),
    username: address,
    apiUrl: `${origin}/jmap/api`,
    downloadUrl: `${origin}/jmap/download/{accountId}/{blobId}/{name}?accept={type}`,
    uploadUrl: `${origin}/jmap/upload/{accountId}`,
    eventSourceUrl: `${origin}/jmap/eventsource?types={types}&closeafter={closeafter}&ping={ping}`,
    state: sessionState,
  };
}
