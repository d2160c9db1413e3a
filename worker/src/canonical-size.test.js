// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CanonicalCounter } from './canonical-size.js';

/** @type {[text: string, wanted: string][]} */
const CASES = [
  ['', ''],
  ['a', 'a\r\n'],
  ['\n', '\r\n'],
  ['\r', '\r\r\n'],
  ['\r\n', '\r\n'],
  ['\n\n', '\r\n\r\n'],
  ['\r\r\n', '\r\r\n'],
  ['a\rb\n', 'a\rb\r\n'],
  ['a\r\nb\nc', 'a\r\nb\r\nc\r\n'],
  ['.\n..\r\n', '.\r\n..\r\n'],
];

describe('canonical size', () => {
  for (const [text, wanted] of CASES)
    it(`of ${JSON.stringify(text)}, however it is cut`, () => {
      const octets = new TextEncoder().encode(text);
      for (let cut = 0; cut <= octets.length; cut++) {
        const counter = new CanonicalCounter();
        counter.feed(octets.subarray(0, cut));
        counter.feed(octets.subarray(cut));
        assert.equal(counter.total(), wanted.length, `cut at ${cut}`);
      }
      const counter = new CanonicalCounter();
      for (const octet of octets) counter.feed(Uint8Array.of(octet));
      assert.equal(counter.total(), wanted.length);
    });
});
