import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';
import parseRange from 'range-parser';

/** What a file is called apart from its name: both are sent with it, and clients ask for it on conditions on them. */
export interface Validators {
  etag: string;
  lastModified: string;
}

/** What is left to answer under the conditions of the request (RFC 9110, section 13.2.2). */
export function meetConditions(
  headers: IncomingHttpHeaders,
  { etag, lastModified }: Validators,
): 'send' | 'not modified' | 'failed' {
  const { 'if-match': match, 'if-unmodified-since': unmodifiedSince } = headers;
  if (match !== undefined) {
    if (match.trim() !== '*' && !tagsIn(match).includes(etag)) return 'failed';
  } else if (unmodifiedSince !== undefined) {
    const sinceMs = Date.parse(unmodifiedSince);
    if (Date.parse(lastModified) > sinceMs) return 'failed';
  }
  return fresh(headers, { etag, 'last-modified': lastModified }) ? 'not modified' : 'send';
}

export interface Part {
  start: number;
  /** The last byte, not the one after it. */
  end: number;
}

/**
 * The part of `size` bytes that the request asks for; undefined: the whole. Several parts at once may be answered with the
 * whole (RFC 9110, section 14.2), and are, unless they touch.
 */
export function partOf(
  { range, 'if-range': ifRange }: IncomingHttpHeaders,
  { etag, lastModified }: Validators,
  size: number,
): Part | 'unsatisfiable' | undefined {
  if (range === undefined || !range.startsWith('bytes=')) return undefined;
  // A part of what has changed meanwhile is of no use.
  if (ifRange !== undefined && ifRange !== etag && ifRange !== lastModified) return undefined;
  const parts = parseRange(size, range, { combine: true });
  if (parts === -1) return 'unsatisfiable';
  if (parts === -2 || parts.length !== 1) return undefined;
  return parts[0];
}

const tagsIn = (list: string) => list.split(',').map((tag) => tag.trim());
