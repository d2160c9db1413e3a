// SPDX-License-Identifier: GPL-3.0-or-later

import { canonicalAddress, canonicalDomain } from './directory-address.js';
import { done, json } from './management-call.js';
import { wrong } from './members.js';
import { MIN_PASSWORD } from './passwords.js';
import { Refusal } from './refusal.js';
import { MAX_DOMAINS, MAX_QUOTA } from './settings.js';
import { VERSION } from './version.js';

/** @import { Directory } from './directory.js' */
/** @import { Call } from './management-call.js' */
/** @import { Policy } from './settings.js' */

const REGISTRATIONS = /** @type {const} */ (['closed', 'invite', 'open']);

/**
 * GET (the root): what a program must know before anybody has signed in.
 * @param {Call} call
 */
export function information({ directory }) {
  return json({
    name: 'Postern',
    version: VERSION,
    setupRequired: directory.users.isEmpty(),
    registration: directory.settings.policy().registration,
    domains: directory.settings.domains().map(({ name }) => name),
    minPasswordLength: MIN_PASSWORD,
  });
}

/** @param {Directory} directory */
function settingsView(directory) {
  return json({ ...directory.settings.policy(), domains: directory.settings.domains() });
}

/**
 * GET settings
 * @param {Call} call
 */
export function getSettings({ directory }) {
  return settingsView(directory);
}

/**
 * PATCH settings
 * @param {Call} call
 */
export function changeSettings({ directory, members }) {
  /** @type {Partial<Policy>} */
  const changes = {};
  if (members.has('registration')) changes.registration = members.choice('registration', REGISTRATIONS);
  if (members.has('defaultQuota')) changes.defaultQuota = members.integer('defaultQuota', { min: 0, max: MAX_QUOTA });
  members.end();
  directory.write(() => {
    const before = directory.settings.policy();
    directory.settings.change(changes);
    // They hear by the alarm: there may be thousands.
    if (changes.defaultQuota !== undefined && changes.defaultQuota !== before.defaultQuota)
      directory.users.touchFollowers();
  });
  return settingsView(directory);
}

/**
 * GET domains
 * @param {Call} call
 */
export function listDomains({ directory }) {
  return json({ domains: directory.settings.domains() });
}

/**
 * @param {string} text
 * @returns {string}
 */
function domainNamed(text) {
  const name = canonicalDomain(text);
  if (name === null) throw wrong('domain', 'must be a domain name, such as example.com');
  return name;
}

/**
 * PUT domains/*
 * @param {Call} call
 */
export function putDomain({ directory, members, names: [text = ''] }) {
  const name = domainNamed(text);
  const catchAll =
    !members.has('catchAll') || members.isNull('catchAll') ? null : members.text('catchAll', { max: 320 });
  members.end();
  const isNew = directory.write(() => {
    const user = catchAll === null ? null : directory.users.byAddress(canonicalAddress(catchAll));
    if (catchAll !== null && user === null)
      throw wrong('catchAll', 'must be the address of a user of this Worker, or null');
    const known = directory.settings.hasDomain(name);
    if (!known && directory.settings.domains().length >= MAX_DOMAINS)
      throw new Refusal('limit-reached', `This Worker has ${MAX_DOMAINS} domains. Remove one first.`);
    directory.settings.putDomain(name, user?.id ?? null);
    return !known;
  });
  const domain = directory.settings.domains().find((each) => each.name === name);
  return json(domain, isNew ? 201 : 200);
}

/**
 * DELETE domains/*
 * @param {Call} call
 */
export function removeDomain({ directory, members, names: [text = ''] }) {
  members.end();
  const name = domainNamed(text);
  directory.write(() => {
    if (!directory.settings.hasDomain(name)) throw new Refusal('not-found', `${name} is no domain of this Worker.`);
    const count = directory.settings.addressesIn(name);
    if (count > 0) {
      const detail = `${count} ${count === 1 ? 'address is' : 'addresses are'} in ${name}. Delete or move them first.`;
      throw new Refusal('domain-in-use', detail);
    }
    directory.settings.removeDomain(name);
  });
  return done();
}
