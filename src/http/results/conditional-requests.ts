import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';
import { Date } from '../../core/globals.ts';

/** The validators of a file, which clients repeat in conditional requests (RFC 9110, section 8.8). */
export interface Validators {
  etag: string;
  lastModified: string | undefined;
}

/** The form of an HTTP date; dates in any other form are ignored (RFC 9110, section 5.6.7). */
const HTTP_DATE = /^[A-Z][a-z]+, .+ GMT$/;
const parseHttpDate = (text: string | undefined): number =>
  text !== undefined && HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN;

/** Evaluates the preconditions of a request in the order of RFC 9110, section 13.2.2. */
export function evaluatePreconditions(
  headers: IncomingHttpHeaders,
  { etag, lastModified }: Validators,
): 'send' | 'not modified' | 'failed' {
  const { 'if-match': ifMatch, 'if-unmodified-since': ifUnmodifiedSince } = headers;
  const ifModifiedSince = Number.isNaN(parseHttpDate(headers['if-modified-since']))
    ? undefined
    : headers['if-modified-since'];
  if (ifMatch !== undefined) {
    if (ifMatch.trim() !== '*' && !parseEntityTags(ifMatch).includes(etag)) return 'failed';
  } else if (parseHttpDate(lastModified) > parseHttpDate(ifUnmodifiedSince)) return 'failed';
  const requestHeaders = { ...headers, 'if-modified-since': ifModifiedSince };
  return fresh(requestHeaders, { etag, 'last-modified': lastModified }) ? 'not modified' : 'send';
}

export interface ByteRange {
  start: number;
  /** Inclusive. */
  end: number;
}

const RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * Returns the requested range of a file of `size` bytes, or undefined for the whole file. Malformed ranges are ignored,
 * as RFC 9110 requires (section 14.1.2), and so are requests for several ranges, as it allows (section 14.2). The usual
 * parser, `range-parser`, reports some malformed ranges as unsatisfiable.
 */
export function parseRange(
  { range, 'if-range': ifRange }: IncomingHttpHeaders,
  { etag, lastModified }: Validators,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const [, from, to] = RANGE.exec(range ?? '') ?? [];
  if (from === undefined || to === undefined || from + to === '') return undefined;
  // The file has changed since the client received the other parts.
  if (ifRange !== undefined && ifRange !== etag && ifRange !== lastModified) return undefined;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(from);
  const last = to === '' ? size - 1 : Number(to);
  if (to !== '' && last < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end: Math.min(last, size - 1) };
}

const parseEntityTags = (list: string) => list.split(',').map((tag) => tag.trim());
