import { z } from 'zod';
import { strict } from './schemas.ts';

const MOST_BYTES = 64 * 1024;
const MOST_HEADERS = 50;
const MOST_HEADER_CHARACTERS = 8 * 1024;

/** What belongs to the connection or frames the answer, and what has a field of its own. */
const NOT_TO_SET = new Set([
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
/** Answers with these have no body, whatever is sent after them. */
const WITHOUT_BODY = [204, 205, 304];

const STATUSES = 'expected a whole number from 200 to 599';
const VALUES = `expected visible ASCII of ${MOST_HEADER_CHARACTERS} characters at most, without line breaks`;
/** A line break would begin another header, or the body. */
const value = z
  .string({ error: VALUES })
  .regex(/^[\t\x20-\x7e]*$/, { error: VALUES })
  .max(MOST_HEADER_CHARACTERS, { error: VALUES });

const name = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, { error: 'expected names of headers' })
  .refine((name) => !NOT_TO_SET.has(name.toLowerCase()), {
    error: 'expected none that is of the connection or frames the answer; the type is contentType',
  });

/** An answer to the byte. */
export const WholeAnswer = strict({
  status: z.int({ error: STATUSES }).min(200, { error: STATUSES }).max(599, { error: STATUSES }),
  body: z.unknown().exactOptional().meta({ description: 'Sent as JSON.' }),
  text: z.string({ error: 'expected a text' }).exactOptional().meta({ description: 'Sent as it is.' }),
  headers: z
    .preprocess(
      // zod leaves this one out and says nothing.
      (headers, { addIssue }) => {
        if (headers && Object.hasOwn(headers, '__proto__')) addIssue('expected no header named __proto__');
        return headers;
      },
      z.record(name, value).refine((headers) => Object.keys(headers).length <= MOST_HEADERS, {
        error: `expected ${MOST_HEADERS} headers at most`,
      }),
    )
    .exactOptional()
    .meta({ maxProperties: MOST_HEADERS }),
  contentType: value
    .min(1, { error: 'expected a content type such as application/json' })
    .exactOptional()
    .meta({ description: 'When absent: JSON for a body, plain text for a text.' }),
})
  .superRefine(({ status, body, text }, refuse) => {
    const bytes = text === undefined ? bytesOf(body) : Buffer.byteLength(text);
    const problem =
      body !== undefined && text !== undefined
        ? 'expected either body or text'
        : bytes > MOST_BYTES
          ? `expected ${MOST_BYTES} bytes at most`
          : bytes > 0 && WITHOUT_BODY.includes(status)
            ? `expected none with status ${status}`
            : undefined;
    const path = [text === undefined ? 'body' : 'text'];
    if (problem) refuse.addIssue({ code: 'custom', path, message: problem });
  })
  .meta({
    id: 'WholeAnswer',
    description: 'An answer to the byte.',
    not: { properties: { body: {}, text: {} }, required: ['body', 'text'] },
  });

/** Of a body as JSON; what is nested too deep to be written is too much in any case. */
function bytesOf(body: unknown): number {
  try {
    return body === undefined ? 0 : Buffer.byteLength(JSON.stringify(body));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
