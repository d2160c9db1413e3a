// SPDX-License-Identifier: GPL-3.0-or-later
//
// Mailbox and Identity (RFC 8621 sections 2 and 6), as far as they are read.

import { changesAnswer, getAnswer } from './jmap-arguments.js';

/** @typedef {import('./jmap-arguments.js').Arguments} Arguments */
/** @typedef {import('./jmap.js').JmapContext} JmapContext */

const RIGHTS = {
  mayReadItems: true,
  mayAddItems: true,
  mayRemoveItems: true,
  maySetSeen: true,
  maySetKeywords: true,
  mayCreateChild: false,
  mayRename: false,
  mayDelete: false,
  maySubmit: true,
};

const MAILBOX_PROPERTIES = [
  'name',
  'parentId',
  'role',
  'sortOrder',
  'totalEmails',
  'unreadEmails',
  'totalThreads',
  'unreadThreads',
  'myRights',
  'isSubscribed',
];

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function mailboxGet(args, { mail, ids }) {
  /** @type {Map<string, Arguments>} */
  const found = new Map();
  for (const folder of mail.folders()) {
    const id = ids.write('folder', folder.id);
    found.set(id, {
      id,
      name: folder.name,
      parentId: null,
      role: folder.role,
      sortOrder: folder.sortOrder,
      totalEmails: folder.total,
      unreadEmails: folder.unread,
      // Each message is a thread of its own.
      totalThreads: folder.total,
      unreadThreads: folder.unread,
      myRights: RIGHTS,
      isSubscribed: true,
    });
  }
  return getAnswer(args, String(mail.state()), found, MAILBOX_PROPERTIES);
}

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function mailboxChanges(args, context) {
  const answer = changesAnswer(args, context, 'Mailbox', 'folder');
  // Folders cannot be renamed here, so all that ever changes of one is its counts.
  const countsOnly = answer.created.length === 0 && answer.updated.length > 0;
  return {
    ...answer,
    updatedProperties: countsOnly ? ['totalEmails', 'unreadEmails', 'totalThreads', 'unreadThreads'] : null,
  };
}

const IDENTITY_PROPERTIES = ['name', 'email', 'replyTo', 'bcc', 'textSignature', 'htmlSignature', 'mayDelete'];

/**
 * @param {Arguments} args
 * @param {JmapContext} context
 */
export function identityGet(args, { identities, ids, displayName, configuration }) {
  /** @type {Map<string, Arguments>} */
  const found = new Map();
  for (const identity of identities()) {
    const id = ids.write('identity', identity.id);
    found.set(id, {
      id,
      name: displayName,
      email: identity.address,
      replyTo: null,
      bcc: null,
      textSignature: '',
      htmlSignature: '',
      mayDelete: false,
    });
  }
  return getAnswer(args, String(configuration), found, IDENTITY_PROPERTIES);
}
