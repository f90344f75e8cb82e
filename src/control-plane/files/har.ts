import { STATUS_CODES } from 'node:http';
import type * as z from 'zod';
import type { Clock } from '../../core/time/clock.ts';
import { isHost } from '../../http/urls.ts';
import type { JournalEntrySchema } from '../response-schemas.ts';
import { toTimestamp } from '../schemas.ts';
import { writeElements } from '../state/write-document.ts';

// HTTP Archive 1.2: http://www.softwareishard.com/blog/har-12-spec/

type JournalEntryJson = z.output<typeof JournalEntrySchema>;
type Headers = Readonly<Record<string, string | number | readonly string[]>>;

const LOG_COMMENT =
  'Headers with credentials are left out. [key] replaces the API key, other credentials and secrets in URLs.';
const TRUNCATED_COMMENT = 'The journal only has the first 16 KB of this body.';
const FILE_COMMENT = 'The journal does not contain result files.';
/** The type that RFC 9110, section 8.3, lets a recipient assume for a body without one. */
const UNKNOWN_TYPE = 'application/octet-stream';
/** The size of a message: unknown, because the journal contains redacted bodies. */
const UNKNOWN_SIZE = -1;

/** Writes a HAR document piece by piece, with one line per entry. Other requests have their turn between two pieces. */
export async function* writeHar(entries: Iterable<object>, version: string, clock: Clock): AsyncGenerator<string> {
  const log = { version: '1.2', creator: { name: 'nanophoto-emulator', version }, comment: LOG_COMMENT };
  yield `{"log":${JSON.stringify(log).slice(0, -1)},"entries":[`;
  yield* writeElements(entries, clock);
  yield '\n]}}\n';
}

/**
 * Converts an entry of the journal to one of a HAR document.
 *
 * @param startedMs Wall time of the request; the times in `entry` are on the account's clock
 */
export function toHarEntry(entry: JournalEntryJson, startedMs: number) {
  const { id, at, method, path, status, durationMs, fault, warnings } = entry;
  // While a request is in progress, its duration is not known.
  const time = durationMs ?? 0;
  const notes = [
    `Request ${id}, at ${at} on the account's clock`,
    ...(fault === null ? [] : [`fault: ${fault}`]),
    ...warnings,
  ];
  return {
    startedDateTime: toTimestamp(startedMs),
    time,
    request: {
      method,
      url: toUrl(entry.request.headers.host, path),
      ...toMessage(entry.request.headers),
      queryString: [],
      ...toPostData(entry.request),
    },
    response: {
      // HAR has no null: browsers write 0 for a request without a response.
      status: status ?? 0,
      statusText: STATUS_CODES[status ?? 0] ?? '',
      ...toMessage(entry.response.headers),
      content: toContent(entry.response),
      redirectURL: '',
    },
    cache: {},
    timings: { send: 0, wait: time, receive: 0 },
    comment: notes.join('; '),
  };
}

/** The members that requests and responses have in common. Cookies are credentials, which the journal leaves out. */
const toMessage = (headers: Headers) => ({
  httpVersion: 'HTTP/1.1',
  cookies: [],
  headers: Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((one) => ({ name, value: String(one) })),
  ),
  headersSize: UNKNOWN_SIZE,
  bodySize: UNKNOWN_SIZE,
});

function toPostData({ headers, body, truncated }: JournalEntryJson['request']) {
  if (body === null) return {};
  const mimeType = String(headers['content-type'] ?? UNKNOWN_TYPE);
  return { postData: { mimeType, text: toText(body), ...(truncated && { comment: TRUNCATED_COMMENT }) } };
}

function toContent({ headers, body, truncated }: JournalEntryJson['response']) {
  const mimeType = String(headers['content-type'] ?? UNKNOWN_TYPE);
  if (body === null)
    return { size: 0, mimeType, ...(/^(?:video|image)\//.test(mimeType) && { comment: FILE_COMMENT }) };
  const text = toText(body);
  return { size: Buffer.byteLength(text), mimeType, text, ...(truncated && { comment: TRUNCATED_COMMENT }) };
}

const toText = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body));

/**
 * Returns the URL of a request. The journal does not contain the protocol: a Host without a port is the vendor's, which
 * clients reach through the proxy, or that of a reverse proxy in front of the emulator, and both use HTTPS.
 */
function toUrl(hostHeader: unknown, path: string): string {
  const host = typeof hostHeader === 'string' && isHost(hostHeader) ? hostHeader : 'localhost';
  const hasPort = host.lastIndexOf(':') > host.lastIndexOf(']');
  // An opened file may contain lone surrogates, which UTF-8 cannot represent: a Buffer replaces them.
  const wellFormedPath = Buffer.from(path).toString();
  // A request target may contain characters that a URL must not.
  const encodedPath = wellFormedPath.replaceAll(/%(?![\da-fA-F]{2})|[^\w\-.~!$&'()*+,;=:@%/]/gu, encodeURIComponent);
  return `${hasPort ? 'http' : 'https'}://${host}${encodedPath}`;
}
