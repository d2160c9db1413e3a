// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  asAddresses,
  asDate,
  asGroupedAddresses,
  asMessageIds,
  asText,
  decodeWords,
  lastField,
  messageHead,
  parseHeader,
} from './mime-header.js';

/** @param {string} text one character an octet */
const octets = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

describe('mime header', () => {
  it('finds fields with their octets, folds included', () => {
    const raw = 'A: 1\r\nB: 2\r\n\tmore\r\n\r\nbody: no\r\n';
    const { fields, end, bodyStart, complete } = parseHeader(octets(raw));
    assert.deepEqual(
      fields.map(({ name, raw: value }) => [name, value]),
      [
        ['A', ' 1'],
        ['B', ' 2\r\n\tmore'],
      ],
    );
    assert.equal(raw.slice(fields[1]?.start, fields[1]?.end), 'B: 2\r\n\tmore\r\n');
    assert.deepEqual([raw.slice(end, bodyStart), raw.slice(bodyStart), complete], ['\r\n', 'body: no\r\n', true]);
  });

  /** @type {[name: string, raw: string, names: string[], body: string][]} */
  const odd = [
    ['bare LF', 'A: 1\nB: 2\n\nbody', ['A', 'B'], 'body'],
    ['no empty line', 'A: 1\r\nB: 2', ['A', 'B'], ''],
    ['only a body', '\r\nbody', [], 'body'],
    ['nothing', '', [], ''],
    ['a line that is no field', 'A: 1\r\nnonsense\r\n folded\r\nB: 2\r\n\r\n', ['A', 'B'], ''],
    ['an mbox line', 'From a@b Sun Nov 22\r\nA: 1\r\n\r\n', ['A'], ''],
    ['a fold at the very start', ' x\r\nA: 1\r\n\r\n', ['A'], ''],
    ['space before the colon', 'A : 1\r\n\r\n', ['A'], ''],
    ['a name of nothing', ': 1\r\nA: 1\r\n\r\n', ['A'], ''],
    ['a bare CR in a value', 'A: 1\r2\r\nB: 2\r\n\r\n', ['A', 'B'], ''],
  ];
  for (const [name, raw, names, body] of odd)
    it(`reads ${name}`, () => {
      const { fields, bodyStart } = parseHeader(octets(raw));
      assert.deepEqual(
        fields.map((field) => field.name),
        names,
      );
      assert.equal(raw.slice(bodyStart), body);
    });

  it('takes the last of several fields, whatever its case', () => {
    const { fields } = parseHeader(octets('subject: one\r\nSUBJECT: two\r\n\r\n'));
    assert.equal(lastField(fields, 'Subject')?.raw, ' two');
  });

  it('never fails and never runs long on hostile octets', () => {
    const pieces = [
      '"',
      '(',
      ')',
      '<',
      '>',
      ',',
      ';',
      ':',
      '\\',
      '=?utf-8?q?',
      '?=',
      '[',
      '@',
      ' ',
      '\r\n ',
      'a',
      '\0',
      '\xff',
    ];
    let seed = 7;
    for (let round = 0; round < 300; round++) {
      let text = '';
      for (let i = 0; i < 60; i++) text += pieces[(seed = (seed * 48271) % 2147483647) % pieces.length];
      const { fields } = parseHeader(
        octets(`From: ${text}\r\nTo: ${text}\r\nDate: ${text}\r\nReferences: ${text}\r\nSubject: ${text}\r\n\r\n`),
      );
      messageHead(fields);
    }
    for (const c of ['(', '"', '<', '\\', '=?', ' ', 'a,', ':;', '[']) {
      const start = performance.now();
      messageHead(
        parseHeader(octets(`From: ${c.repeat(60000 / c.length)}\r\nSubject: ${c.repeat(60000 / c.length)}\r\n\r\n`))
          .fields,
      );
      assert.ok(performance.now() - start < 500, `${c} took ${performance.now() - start} ms`);
    }
  });

  /** @type {[raw: string, addresses: [string | null, string][]][]} */
  const addresses = [
    ['a@b.test', [[null, 'a@b.test']]],
    ['<a@b.test>', [[null, 'a@b.test']]],
    ['Ada Lovelace <a@b.test>', [['Ada Lovelace', 'a@b.test']]],
    [
      '"Lovelace, Ada" <a@b.test>, c@d.test',
      [
        ['Lovelace, Ada', 'a@b.test'],
        [null, 'c@d.test'],
      ],
    ],
    ['=?utf-8?q?J=C3=BCrgen?= <j@b.test>', [['Jürgen', 'j@b.test']]],
    ['j@b.test (Jürgen \\(x\\))', [['Jürgen (x)', 'j@b.test']]],
    ['"odd name"@b.test', [[null, '"odd name"@b.test']]],
    [
      'Team: a@b.test, C <c@d.test>;, e@f.test',
      [
        [null, 'a@b.test'],
        ['C', 'c@d.test'],
        [null, 'e@f.test'],
      ],
    ],
    ['undisclosed-recipients:;', []],
    ['<@relay.test:a@b.test>', [[null, 'a@b.test']]],
    ['', []],
    [', ,', []],
    ['a@[127.0.0.1]', [[null, 'a@[127.0.0.1]']]],
  ];
  for (const [raw, wanted] of addresses)
    it(`reads the addresses of ${JSON.stringify(raw)}`, () => {
      assert.deepEqual(
        asAddresses(raw).map(({ name, email }) => [name, email]),
        wanted,
      );
    });

  it('keeps groups apart', () => {
    assert.deepEqual(asGroupedAddresses('x@y.test, Team: a@b.test;'), [
      { name: null, addresses: [{ name: null, email: 'x@y.test' }] },
      { name: 'Team', addresses: [{ name: null, email: 'a@b.test' }] },
    ]);
  });

  /** @type {[raw: string, date: string | null][]} */
  const dates = [
    ['Sun, 22 Nov 2026 12:00:00 +0000', '2026-11-22T12:00:00Z'],
    ['22 Nov 2026 12:00 +0530', '2026-11-22T12:00:00+05:30'],
    ['Sun, 22 Nov 99 23:59:60 EST (comment)', '1999-11-22T23:59:59-05:00'],
    ['Sun, 22 Nov 2026 12:00:00 -0000', '2026-11-22T12:00:00Z'],
    ['31 Feb 2026 12:00:00 +0000', null],
    ['22 Nov 2026 25:00:00 +0000', null],
    ['yesterday', null],
  ];
  for (const [raw, wanted] of dates)
    it(`reads the date ${raw}`, () => {
      assert.equal(asDate(raw), wanted);
    });

  /** @type {[text: string, wanted: string][]} */
  const words = [
    ['=?utf-8?q?a=C3=A9_b?=', 'aé b'],
    ['=?UTF-8?B?w6k=?= =?utf-8?B?w6k=?=', 'éé'],
    ['=?utf-8?q?=C3?= =?utf-8?q?=A9?=', 'é'],
    ['=?iso-8859-1?Q?caf=E9?= au lait', 'café au lait'],
    ['=?utf-8*en?q?x?=', 'x'],
    ['=?nonsense?q?x?=', '=?nonsense?q?x?='],
    ['=?utf-8?q?a?= b =?utf-8?q?c?=', 'a b c'],
    ['=?utf-8?q?a=0D=0AX:_y?=', 'aX: y'],
    ['not = ? encoded', 'not = ? encoded'],
  ];
  for (const [text, wanted] of words)
    it(`decodes ${text}`, () => {
      assert.equal(decodeWords(text), wanted);
    });

  it('reads message ids and unfolds text', () => {
    assert.deepEqual(asMessageIds(' <a@b> (c)\r\n <d@e>'), ['a@b', 'd@e']);
    assert.equal(asMessageIds('none'), null);
    assert.equal(asText(' a\r\n  b'), 'a  b');
  });
});
