// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LineEnds, mailDate } from './outgoing-message.js';

describe('outgoing message', () => {
  for (const text of ['', 'a\r\nb\r\n', 'a\nb', 'a\rb', '\r\r\n\n', '\n\r\n\r', 'x\r', '\r\n'])
    it(`makes the line ends of ${JSON.stringify(text)} CRLF, however it is cut`, () => {
      const octets = new TextEncoder().encode(text);
      const wanted = text.replace(/\r\n|\r|\n/g, '\r\n');
      for (let first = 0; first <= octets.length; first++)
        for (let second = first; second <= octets.length; second++) {
          const ends = new LineEnds();
          const pieces = [octets.subarray(0, first), octets.subarray(first, second), octets.subarray(second)];
          const out = Buffer.concat([...pieces.map((piece) => ends.convert(piece)), ends.finish()]);
          assert.equal(out.toString(), wanted, `cut at ${first} and ${second}`);
        }
    });

  it('writes dates as RFC 5322 wants them', () => {
    assert.equal(mailDate(Date.UTC(2026, 10, 2, 3, 4, 5)), 'Mon, 2 Nov 2026 03:04:05 +0000');
  });
});
