// SPDX-License-Identifier: GPL-3.0-or-later

/**
 * Whom a request comes from, as far as it can be limited by that. One subscriber of IPv6 has a whole /64.
 * @param {Request} request
 * @returns {string}
 */
export function clientOf(request) {
  // The platform sets it and lets no client do so; plain workerd has none, and then all are one client.
  const address = (request.headers.get('CF-Connecting-IP') ?? 'unknown').toLowerCase().slice(0, 64);
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    while (groups.length + rest < 8) groups.push('0');
  }
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
