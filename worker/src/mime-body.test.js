// SPDX-License-Identifier: GPL-3.0-or-later

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageBody, parseMessage, parseParameters, partContent } from './mime-body.js';

const OPTIONS = {
  blobId: 'b1',
  properties: ['partId', 'type'],
  textValues: true,
  htmlValues: true,
  allValues: true,
  maxValueOctets: 0,
};

/** @param {string[]} lines */
const octets = (...lines) => Uint8Array.from(lines.join('\r\n'), (c) => c.charCodeAt(0));

/** @param {Uint8Array} raw */
const show = (raw) => {
  const { textBody, htmlBody, attachments } = messageBody(raw, OPTIONS);
  const ids = (/** @type {any[]} */ parts) => parts.map((part) => part.partId).join(' ');
  return [ids(textBody), ids(htmlBody), ids(attachments)];
};

describe('mime body', () => {
  it('sorts the parts of the example in RFC 8621 section 4.1.4 as it does', () => {
    const part = (/** @type {string} */ type, disposition = 'inline') => [
      '--x',
      `Content-Type: ${type}`,
      `Content-Disposition: ${disposition}`,
      '',
      type,
    ];
    const multi = (/** @type {string} */ type, /** @type {string} */ boundary, /** @type {string[][]} */ ...inner) => [
      '--x',
      `Content-Type: multipart/${type}; boundary=${boundary}`,
      '',
      ...inner.flat().map((line) => line.replace(/^--x$/, `--${boundary}`)),
      `--${boundary}--`,
    ];
    const raw = octets(
      'Content-Type: multipart/mixed; boundary=x',
      '',
      ...part('text/plain'),
      ...multi(
        'mixed',
        'm',
        multi(
          'alternative',
          'a',
          multi('mixed', 'n', part('text/plain'), part('image/jpeg'), part('text/plain')),
          multi('related', 'r', part('text/html'), part('image/jpeg', 'attachment')),
        ),
        part('image/jpeg', 'attachment'),
        part('application/x-excel'),
        part('message/rfc822'),
      ),
      ...part('text/plain'),
      '--x--',
    );
    // A=1, B=2, C=3, D=4, E=5, F=6, G=7, H=8, J=9, K=10
    assert.deepEqual(show(raw), ['1 2 3 4 10', '1 5 10', '3 6 7 8 9']);
  });

  it('shows the one form of an alternative for both', () => {
    assert.deepEqual(
      show(
        octets(
          'Content-Type: multipart/alternative; boundary=x',
          '',
          '--x',
          'Content-Type: text/html',
          '',
          'h',
          '--x--',
        ),
      ),
      ['1', '1', ''],
    );
  });

  it('reads broken multiparts', () => {
    assert.equal(parseMessage(octets('Content-Type: multipart/mixed', '', 'text')).type, 'multipart/mixed');
    assert.deepEqual(show(octets('Content-Type: multipart/mixed; boundary=x', '', 'no such boundary')), ['1', '1', '']);
    assert.deepEqual(
      show(octets('Content-Type: multipart/mixed; boundary=x', '', '--x', '', 'one', '--xy', '--x', '', 'two, no end')),
      ['1 2', '1 2', ''],
    );
  });

  it('stops at a depth and a number that nobody needs', () => {
    const deep = Array.from({ length: 100 }, (_, i) => [
      `Content-Type: multipart/mixed; boundary=b${i}`,
      '',
      `--b${i}`,
    ]).flat();
    messageBody(octets(...deep, '', 'x'), OPTIONS);
    const wide = octets('Content-Type: multipart/mixed; boundary=x', '', ...Array(5000).fill('--x\r\n\r\ny'), '--x--');
    assert.equal(parseMessage(wide).parts?.length, 1000);
  });

  it('decodes contents', () => {
    const raw = (/** @type {string} */ encoding, /** @type {string} */ body) =>
      octets(`Content-Transfer-Encoding: ${encoding}`, '', body);
    const text = (/** @type {Uint8Array} */ message) => Buffer.from(partContent(message, '1') ?? []).toString('latin1');
    assert.equal(text(raw('base64', 'AAEC\r\nAw==')), '\0\x01\x02\x03');
    assert.equal(text(raw('BASE64', '!QUJD')), 'ABC');
    assert.equal(text(raw('quoted-printable', 'a=3Db=\r\nc=ZZ=')), 'a=bc=ZZ=');
    assert.equal(text(raw('8bit', '\xff\0')), '\xff\0');
    assert.equal(partContent(raw('7bit', ''), '2'), null);
  });

  it('says when a text does not fit its charset', () => {
    const values = (/** @type {string} */ charset, /** @type {string} */ body) =>
      messageBody(octets(`Content-Type: text/plain; charset=${charset}`, '', body), OPTIONS).bodyValues['1'];
    assert.deepEqual(values('utf-8', 'caf\xc3\xa9\r\n'), {
      value: 'café\n',
      isTruncated: false,
      isEncodingProblem: false,
    });
    assert.equal(values('utf-8', '\xff').isEncodingProblem, true);
    assert.equal(values('x-unknown', 'abc').isEncodingProblem, true);
    assert.equal(values('us-ascii', 'caf\xc3\xa9').value, 'café');
  });

  it('previews plain text, or HTML without its tags', () => {
    const preview = (/** @type {string} */ type, /** @type {string} */ body) =>
      messageBody(octets(`Content-Type: ${type}`, '', body), OPTIONS).preview;
    assert.equal(preview('text/plain', 'a\r\n\r\n  b'), 'a b');
    assert.equal(preview('text/html', '<style>p{}</style><p>a &amp; b</p>'), 'a & b');
    assert.equal(preview('text/plain', 'x'.repeat(1000)).length, 256);
    assert.equal(preview('image/png', 'x'), '');
  });

  /** @type {[raw: string, value: string, parameters: Record<string, string>][]} */
  const parameters = [
    ['text/plain; charset="utf-8"', 'text/plain', { charset: 'utf-8' }],
    [' TEXT/HTML ;Charset=x', 'text/html', { charset: 'x' }],
    ["a/b; name*=utf-8'en'%C3%BC%20x", 'a/b', { name: 'ü x' }],
    ["a/b; name*0*=utf-8''%C3; name*1*=%BC; name*2=.txt", 'a/b', { name: 'ü.txt' }],
    ['a/b; n="a\\"b;c"; m=1', 'a/b', { n: 'a"b;c', m: '1' }],
    ['', '', {}],
  ];
  for (const [raw, value, wanted] of parameters)
    it(`reads the parameters of ${raw}`, () => {
      const found = parseParameters(raw);
      assert.deepEqual([found.value, Object.fromEntries(found.parameters)], [value, wanted]);
    });
});
