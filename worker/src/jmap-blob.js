// SPDX-License-Identifier: GPL-3.0-or-later
//
// What upload and download answer (RFC 8620 section 6).

/**
 * @param {Request} request
 * @param {string} accountId
 * @param {string} blobId
 * @param {number} size
 */
export function uploadAnswer(request, accountId, blobId, size) {
  return { accountId, blobId, type: request.headers.get('Content-Type') ?? 'application/octet-stream', size };
}

/**
 * @param {Request} request
 * @param {number} size
 * @param {(start: number, end: number) => ReadableStream<Uint8Array>} stream gives the octets from `start` up to `end`
 * @param {{ type: string | null, name: string, etag: string }} wanted
 * @returns {Response} with all octets or the one range that is asked for
 */
export function downloadBlob(request, size, stream, { type, name, etag }) {
  const headers = new Headers({
    'Content-Type': type !== null && /^[\x20-\x7e]+$/.test(type) ? type : 'application/octet-stream',
    // A blob never changes, but it may be somebody's mail: private.
    'Cache-Control': 'private, immutable, max-age=31536000',
    'Accept-Ranges': 'bytes',
    ETag: `"${etag}"`,
    // Whatever is in a mail must not run in the origin of the mailbox.
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name || 'download').replace(/['()*]/g, escapeChar)}`,
  });
  const range = readRange(request.headers, String(headers.get('ETag')), size);
  if (range === 'unsatisfiable') {
    headers.set('Content-Range', `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: size };
  if (range !== null) headers.set('Content-Range', `bytes ${start}-${end - 1}/${size}`);
  const status = range === null ? 200 : 206;
  if (request.method === 'HEAD') {
    headers.set('Content-Length', String(end - start));
    return new Response(null, { status, headers });
  }
  const { readable, writable } = new FixedLengthStream(end - start);
  // When the message goes away meanwhile this ends early, and the client sees too few octets.
  stream(start, end)
    .pipeTo(writable)
    .catch(() => {});
  return new Response(readable, { status, headers });
}

/** @param {string} c */
function escapeChar(c) {
  return `%${c.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * One range of octets: RFC 9110 section 14. A header that is not understood is ignored, as it must be; so are several
 * ranges, which a server need not give.
 * @param {Headers} headers
 * @param {string} etag
 * @param {number} size
 * @returns {{ start: number, end: number } | 'unsatisfiable' | null} `end` is exclusive
 */
export function readRange(headers, etag, size) {
  const condition = headers.get('If-Range');
  if (condition !== null && condition !== etag) return null;
  const match = /^bytes=(\d*)-(\d*)$/.exec((headers.get('Range') ?? '').replaceAll(' ', ''));
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  if (match[1] === '') {
    const last = Math.min(Number(match[2]), size);
    return last === 0 ? 'unsatisfiable' : { start: size - last, end: size };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? size : Math.min(Number(match[2]) + 1, size);
  if (match[2] !== '' && Number(match[2]) < start) return null;
  return start >= size ? 'unsatisfiable' : { start, end };
}
