import * as z from 'zod';

const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEADERS = 50;
const MAX_HEADER_LENGTH = 8 * 1024;

/** Hop-by-hop and framing headers, and `content-type`, which is set by `contentType`. */
const FORBIDDEN_HEADERS = new Set([
  'connection',
  'content-length',
  'content-type',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** HTTP defines responses with these statuses to have no body. */
const BODYLESS_STATUSES = [204, 205, 304];

const STATUS_ERROR = 'expected a whole number from 200 to 599';
const VALUE_ERROR = `expected at most ${MAX_HEADER_LENGTH} visible ASCII characters, without line breaks`;
/** A line break would start another header or the body. */
const headerValue = z
  .string({ error: VALUE_ERROR })
  .regex(/^[\t\x20-\x7e]*$/, { error: VALUE_ERROR })
  .max(MAX_HEADER_LENGTH, { error: VALUE_ERROR });

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, { error: 'expected a valid header name' })
  .refine((name) => !FORBIDDEN_HEADERS.has(name.toLowerCase()), {
    error: 'expected no connection or framing headers; set the content type with contentType',
  });

/** A complete response, sent as it is instead of the regular one. */
export const CannedResponse = z
  .strictObject({
    status: z.int({ error: STATUS_ERROR }).min(200, { error: STATUS_ERROR }).max(599, { error: STATUS_ERROR }),
    body: z.unknown().exactOptional().meta({ description: 'Sent as JSON.' }),
    text: z.string({ error: 'expected a string' }).exactOptional().meta({ description: 'Sent unchanged.' }),
    headers: z
      .preprocess(
        // zod drops a key named __proto__ without an issue.
        (headers, { addIssue }) => {
          if (headers && Object.hasOwn(headers, '__proto__')) addIssue('expected no header named __proto__');
          return headers;
        },
        z.record(headerName, headerValue).refine((headers) => Object.keys(headers).length <= MAX_HEADERS, {
          error: `expected ${MAX_HEADERS} headers at most`,
        }),
      )
      .exactOptional()
      .meta({ maxProperties: MAX_HEADERS }),
    contentType: headerValue
      .min(1, { error: 'expected a content type such as application/json' })
      .exactOptional()
      .meta({ description: 'Default: JSON for `body`, plain text for `text`.' }),
  })
  .superRefine(({ status, body, text }, ctx) => {
    const bytes = text === undefined ? jsonByteLength(body) : Buffer.byteLength(text);
    const issue =
      body !== undefined && text !== undefined
        ? 'expected either body or text'
        : bytes > MAX_BODY_BYTES
          ? `expected ${MAX_BODY_BYTES} bytes at most`
          : bytes > 0 && BODYLESS_STATUSES.includes(status)
            ? `not allowed with status ${status}`
            : undefined;
    const path = [text === undefined ? 'body' : 'text'];
    if (issue) ctx.addIssue({ code: 'custom', path, message: issue });
  })
  .meta({
    id: 'CannedResponse',
    description: 'A complete response.',
    not: { properties: { body: {}, text: {} }, required: ['body', 'text'] },
  });

/** Size of a body as JSON; infinite if it is nested too deeply to be serialized. */
function jsonByteLength(body: unknown): number {
  try {
    return body === undefined ? 0 : Buffer.byteLength(JSON.stringify(body));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
