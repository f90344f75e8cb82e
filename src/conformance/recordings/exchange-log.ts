import type { Json } from '../../openapi/json-schema.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';
import { type Exchange, isUnderWay, type Subject } from '../case-context.ts';
import { createRedaction, redacted } from './redact.ts';

/** Of the answer's headers those that tell how often one may ask. */
const HEADERS = /^(x-ratelimit-.+|retry-after)$/;
const LONGEST_SHOWN = 200;
/** Long, without a blank, and with a bit of everything: no text that somebody wrote. */
const BASE64 = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/-]+={0,2}$/;

export type Recorded = Omit<WireSample, 'id'> & { recordedAt: string; case: string; exchange: number };

export type ExchangeLog = ReturnType<typeof createExchangeLog>;

/**
 * Makes samples of exchanges, case by case, without keys and without the bytes of uploads. `keys`: those that must not be
 * seen, beside the ones that were used.
 */
export function createExchangeLog(parts: {
  url: string;
  keys: readonly string[];
  nowMs: () => number;
  videoOf4s: () => Buffer;
}) {
  const { url, nowMs } = parts;
  const cases = new Map<string, { count: number; last: Exchange | undefined; keys: Set<string> }>();
  const { origin, pathname } = new URL(url);
  const source = `Recorded from ${(origin + pathname).replace(/\/+$/, '')}`;
  const uploadOf4s = parts.videoOf4s().toString('base64');

  return {
    /**
     * A poll takes the place of the one before it while a task is under way. Undefined for an answer that broke off: there is no
     * telling what it was.
     */
    add(exchange: Exchange, { id, name, mark }: Subject): Recorded | undefined {
      if (!exchange.answer.isWhole) return undefined;
      const known = cases.get(id) ?? { count: 0, last: undefined, keys: new Set(parts.keys) };
      if (exchange.key !== null) known.keys.add(exchange.key);
      const isAnotherPoll = known.last && isUnderWay(known.last.answer) && asksAlike(known.last, exchange);
      cases.set(id, { ...known, count: known.count + (isAnotherPoll ? 0 : 1), last: exchange });
      const own = {
        name,
        source,
        request: requestOf(exchange),
        response: responseOf(exchange),
      };
      const { request, response, ...about } = redacted(
        withoutUploads(own, exchange.sent, uploadOf4s),
        createRedaction(known.keys),
      );
      return {
        ...about,
        mark,
        recordedAt: new Date(nowMs()).toISOString(),
        case: id,
        exchange: cases.get(id)!.count,
        request,
        response,
      };
    },
  };
}

const asksAlike = (one: Exchange, other: Exchange) =>
  one.method === other.method &&
  one.path === other.path &&
  JSON.stringify(one.sent) === JSON.stringify(other.sent);

function requestOf({ method, path, sent, isText }: Exchange): WireSample['request'] {
  return {
    ...(method !== 'POST' && { method }),
    path,
    ...(sent !== undefined && (isText ? { text: sent } : { body: sent })),
  };
}

function responseOf({ answer: { status, headers, text, body } }: Exchange): WireSample['response'] {
  const contentType = headers.get('content-type');
  const kept = [...headers].filter(([name]) => HEADERS.test(name));
  return {
    status,
    ...(contentType !== null && { contentType }),
    ...(kept.length > 0 && { headers: Object.fromEntries(kept) }),
    ...(body !== undefined && { body }),
    // What JSON does not keep, such as blanks, is an oddity, too.
    ...((body === undefined || JSON.stringify(body) !== text) && { text }),
  };
}

/** Uploads are named instead of kept, also where an answer repeats them. */
function withoutUploads<T>(own: T, sent: Json, uploadOf4s: string): T {
  const uploads = new Map<string, string>();
  JSON.stringify(sent, (name, value) => {
    if (typeof value !== 'string' || value.length <= LONGEST_SHOWN) return value;
    const isUpload = name === 'videoFile' || /^data:[^,]*;base64,/.test(value) || BASE64.test(value);
    if (!isUpload) return value;
    const bytes = Buffer.byteLength(value.replace(/^data:[^,]*,/, ''), 'base64');
    uploads.set(value, value === uploadOf4s ? '{{video of 4 s}}' : `{{file of ${bytes} bytes}}`);
    return value;
  });
  if (uploads.size === 0) return own;
  return redacted(own, (text) =>
    [...uploads].reduce((rest, [upload, placeholder]) => rest.replaceAll(upload, placeholder), text),
  );
}
