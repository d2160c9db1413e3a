// SPDX-License-Identifier: GPL-3.0-or-later
//
// Messages for tests.

/**
 * @param {string} from
 * @param {{ to?: string, subject?: string, body?: string, more?: string[] }} [options] `more`: further header lines
 * @returns {string} with Date and Message-ID, so that nothing has to be added when it leaves
 */
export function message(
  from,
  { to = 'someone@verified.test', subject = 'A test', body = 'Hello.\r\n', more = [] } = {},
) {
  return [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: ${subject}`,
    'Date: Sun, 22 Nov 2026 12:00:00 +0000',
    `Message-ID: <${Math.random().toString(36).slice(2)}@${from.split('@')[1]}>`,
    ...more,
    '',
    body,
  ].join('\r\n');
}

/**
 * Octets that repeat nowhere near a chunk's border and hold every value, NUL and 8-bit ones included.
 * @param {number} size
 * @param {string} [head]
 * @returns {Buffer}
 */
export function binaryMessage(size, head = 'From: <a@elsewhere.test>\r\nSubject: octets\r\n\r\n') {
  const octets = Buffer.alloc(size);
  let seed = 0x2545f491;
  for (let i = 0; i < size; i++) {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    octets[i] = seed & 0xff;
  }
  octets.write(head, 0, 'latin1');
  return octets;
}
